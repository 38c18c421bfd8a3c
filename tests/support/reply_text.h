// Turns RESP bytes back into replies, for tests that read what was written. Strict about lengths,
// trusting otherwise.
#pragma once

#include <string_view>

#include "protocol/reply_tree.h"

namespace larder::testing {

// The first complete value of `bytes`, which loses it. Throws std::runtime_error on bytes that are
// no RESP.
protocol::Node take_reply(std::string_view& bytes);

}  // namespace larder::testing
