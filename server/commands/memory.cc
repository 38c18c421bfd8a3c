// MEMORY: what keys weigh.
#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

// MEMORY USAGE key [SAMPLES count]: key, value and all that hangs on them, in bytes. Nothing is
// sampled, the store knows the weight of every entry. The lookup is no hit, no miss and no touch,
// so that tools may look at every key.
void usage(Call& call) {
  Args args = call.args_from(3);
  while (args.more()) {
    if (!args.eat("SAMPLES") || args.left() == 0) {
      args.fail(errors::syntax);
    } else if (const std::int64_t samples = args.integer(); !args.failed() && samples < 0) {
      args.fail(errors::syntax);
    }
  }
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update(call.key(2), [&](storage::Slot& slot) {
    const storage::Value* value = slot.value();
    if (value == nullptr) return call.reply.null();
    call.reply.integer(static_cast<std::int64_t>(value->weight_bytes()));
  });
}

constexpr Command subcommands[] = {
    help_row("4.0.0"),
    {.name = "USAGE",
     .arity = at_least(3),
     .keys = key_at(2),
     .flags = reads,
     .run = usage,
     .summary = "How much memory a key and its value take, in bytes",
     .since = "4.0.0",
     .syntax = "key [SAMPLES count]",
     .complexity = "O(1)",
     .access = Access::ro},
};

constexpr Command table[] = {
    {.name = "MEMORY",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "What takes how much memory",
     .since = "4.0.0",
     .subcommands = subcommands,
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family memory_commands{"server", table};

}  // namespace larder::server
