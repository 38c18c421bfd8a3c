// INFO: the state of the server as text, section by section, in the words that clients and
// exporters parse.
//
//     # Section            sections in one order, whatever order they were asked for in
//     name:value           one a line; a blank line between sections
//
// Some fields are our own (event_loops, shard_lock_longest_hold_usec, expiration_lag_ms and what
// belongs to it). Some speak of things there are not (replicas, snapshots on disk): they say what a
// Redis without them says. Thread: any loop, while the others are held off (it looks at their
// clients and error counts).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/engine/services.h"

namespace larder::server {

// Names in any case; also "default", "all" and "everything". No names: default. Names of nothing
// are passed over.
std::string info_text(const Services& services, std::span<const std::string_view> sections);

// CONFIG RESETSTAT: what INFO counts begins at zero again, but for what is there now (clients,
// keys). Alone only.
void reset_statistics(Services& services);

}  // namespace larder::server
