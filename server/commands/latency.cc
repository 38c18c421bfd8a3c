// LATENCY: the history of slow events. None are recorded: latency-monitor-threshold is 0, as it is
// by default in Redis, so there is nothing to list, nothing to reset, and every history is empty.
#include "server/commands/help.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

using enum Flag;

// LATENCY LATEST, LATENCY HISTORY event
void nothing(Call& call) {
  call.reply.array(0);
}

// LATENCY RESET [event ...]: how many histories were forgotten.
void reset(Call& call) {
  call.reply.integer(0);
}

constexpr Flag kOperators = admin | no_script | loading | stale;

constexpr Command subcommands[] = {
    help_row("2.8.13"),
    {.name = "HISTORY",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOperators,
     .run = nothing,
     .summary = "The slow events of one kind",
     .since = "2.8.13",
     .syntax = "event",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {.name = "LATEST",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOperators,
     .run = nothing,
     .summary = "The latest slow event of each kind",
     .since = "2.8.13",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_nodes response_policy:special"},
    {.name = "RESET",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = kOperators,
     .run = reset,
     .summary = "Forget the slow events of some kinds, or all",
     .since = "2.8.13",
     .syntax = "[event [event ...]]",
     .complexity = "O(1)",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
};

constexpr Command table[] = {
    {.name = "LATENCY",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "Slow events by kind",
     .since = "2.8.13",
     .subcommands = subcommands,
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family latency_commands{"server", table};

}  // namespace larder::server
