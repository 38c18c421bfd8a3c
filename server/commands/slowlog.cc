// SLOWLOG: the commands that took longest, of late.
#include "server/metrics/slowlog.h"

#include <limits>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/help.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

constexpr std::int64_t kDefaultCount = 10;

void say(Reply& reply, const SlowLogEntry& entry) {
  reply.array(6);
  reply.integer(static_cast<std::int64_t>(entry.id));
  reply.integer(entry.at_seconds);
  reply.integer(static_cast<std::int64_t>(entry.microseconds));
  reply.array(entry.words.size());
  for (const std::string& word : entry.words) reply.bulk(word);
  reply.bulk(entry.address);
  reply.bulk(entry.client_name);
}

// SLOWLOG GET [count]: newest first; -1 for all.
void get(Call& call) {
  if (call.words.size() > 3) {
    return call.reply.error(errors::unknown_subcommand_or_arity("SLOWLOG", call.word(1)));
  }
  const auto count = call.words.size() == 3 ? protocol::parse_integer(call.word(2)) : kDefaultCount;
  if (!count || *count < -1) return call.reply.error(errors::slowlog_count);
  const std::size_t most = *count == -1 ? std::numeric_limits<std::size_t>::max()
                                        : static_cast<std::size_t>(*count);
  const std::vector<SlowLogEntry> entries = call.services.slowlog.newest(most);
  call.reply.array(entries.size());
  for (const SlowLogEntry& entry : entries) say(call.reply, entry);
}

void len(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.services.slowlog.length()));
}

void reset(Call& call) {
  call.services.slowlog.reset();
  call.reply.ok();
}

constexpr Command subcommands[] = {
    {.name = "GET",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = admin | loading | stale,
     .run = get,
     .summary = "The newest entries: number, moment, microseconds, words, address, name",
     .since = "2.2.12",
     .syntax = "[count]",
     .complexity = "O(N) where N is the number of entries returned",
     .tips = "request_policy:all_nodes nondeterministic_output"},
    help_row("6.2.0"),
    {.name = "LEN",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = admin | loading | stale,
     .run = len,
     .summary = "How many entries there are",
     .since = "2.2.12",
     .complexity = "O(1)",
     .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {.name = "RESET",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = admin | loading | stale,
     .run = reset,
     .summary = "Forget all entries",
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
};

constexpr Command table[] = {
    {.name = "SLOWLOG",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "The commands that took longest, of late",
     .since = "2.2.12",
     .subcommands = subcommands,
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family slowlog_commands{"server", table};

}  // namespace larder::server
