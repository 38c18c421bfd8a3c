// INFO: the state of the server (metrics/info.h writes it). Exclusive: it looks at the clients and
// counts of every loop.
#include "server/metrics/info.h"

#include "server/engine/families.h"

namespace larder::server {
namespace {

using enum Flag;

// INFO [section ...]
void info(Call& call) {
  call.reply.verbatim("txt", info_text(call.services, call.words.subspan(1)));
}

constexpr Command table[] = {
    {.name = "INFO",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = loading | stale | dangerous | exclusive,
     .run = info,
     .summary = "The state of the server, and what it has counted",
     .since = "1.0.0",
     .syntax = "[section [section ...]]",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
};

}  // namespace

const Family info_commands{"server", table};

}  // namespace larder::server
