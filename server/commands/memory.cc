// MEMORY: what keys weigh, what takes how much, and what of it can be given back.
#include <fmt/format.h>
#include <malloc.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/engine/families.h"
#include "server/metrics/memory_use.h"

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

// Pairs of a name and a number, which are counted before they are said.
class Figures {
 public:
  void bytes(std::string name, std::size_t value) {
    figures_.push_back({std::move(name), static_cast<double>(value), true});
  }
  void difference(std::string name, std::size_t more, std::size_t less) {
    figures_.push_back(
        {std::move(name), static_cast<double>(more) - static_cast<double>(less), true});
  }
  void ratio(std::string name, double of, double to) {
    figures_.push_back({std::move(name), to == 0 ? 0 : of / to, false});
  }
  std::size_t size() const { return figures_.size(); }
  void say(Reply& reply) const {
    for (const Figure& figure : figures_) {
      reply.bulk(figure.name);
      figure.is_whole ? reply.integer(static_cast<std::int64_t>(figure.value))
                      : reply.number(figure.value);
    }
  }

 private:
  struct Figure {
    std::string name;
    double value;
    bool is_whole;
  };
  std::vector<Figure> figures_;
};

Figures totals_of(const MemoryUse& use) {
  Figures figures;
  figures.bytes("peak.allocated", use.peak_bytes);
  figures.bytes("total.allocated", use.used_bytes);
  figures.bytes("startup.allocated", use.startup_bytes);
  figures.bytes("replication.backlog", 0);
  figures.bytes("clients.slaves", 0);
  figures.bytes("clients.normal", use.client_bytes);
  figures.bytes("cluster.links", 0);
  figures.bytes("aof.buffer", 0);
  figures.bytes("lua.caches", use.script_bytes);
  figures.bytes("functions.caches", use.function_bytes);
  return figures;
}

Figures sums_of(const MemoryUse& use) {
  const auto of_data = static_cast<double>(use.store.entry_bytes);
  const auto used = static_cast<double>(use.used_bytes);
  const auto active = static_cast<double>(use.used_bytes + use.slack_bytes);
  const auto resident = static_cast<double>(use.resident_bytes);
  Figures figures;
  figures.bytes("overhead.total", use.overhead_bytes());
  figures.bytes("keys.count", use.store.keys);
  figures.bytes("keys.bytes-per-key",
                use.store.keys == 0 ? 0 : (use.used_bytes - use.startup_bytes) / use.store.keys);
  figures.bytes("dataset.bytes", use.store.entry_bytes);
  figures.ratio("dataset.percentage", 100 * of_data,
                static_cast<double>(use.used_bytes - use.startup_bytes));
  figures.ratio("peak.percentage", 100 * used, static_cast<double>(use.peak_bytes));
  figures.bytes("allocator.allocated", use.used_bytes);
  figures.bytes("allocator.active", use.used_bytes + use.slack_bytes);
  figures.bytes("allocator.resident", use.resident_bytes);
  figures.ratio("allocator-fragmentation.ratio", active, used);
  figures.bytes("allocator-fragmentation.bytes", use.slack_bytes);
  figures.ratio("allocator-rss.ratio", resident, active);
  figures.difference("allocator-rss.bytes", use.resident_bytes, use.used_bytes + use.slack_bytes);
  // What we call the allocator's is all of the process.
  figures.ratio("rss-overhead.ratio", resident, resident);
  figures.bytes("rss-overhead.bytes", 0);
  figures.ratio("fragmentation", resident, used);
  figures.difference("fragmentation.bytes", use.resident_bytes, use.used_bytes);
  return figures;
}

// MEMORY STATS: the same numbers as INFO memory, and tables and wheels of each database.
void stats(Call& call) {
  const MemoryUse use = memory_use(call.services);
  const Figures totals = totals_of(use);
  const Figures sums = sums_of(use);
  const std::vector<DatabaseMemory> databases = database_memory(call.services);
  call.reply.map(totals.size() + databases.size() + sums.size());
  totals.say(call.reply);
  for (const DatabaseMemory& of_db : databases) {
    call.reply.bulk(fmt::format("db.{}", of_db.db));
    call.reply.map(2);
    call.reply.bulk("overhead.hashtable.main");
    call.reply.integer(static_cast<std::int64_t>(of_db.table_bytes));
    call.reply.bulk("overhead.hashtable.expires");
    call.reply.integer(static_cast<std::int64_t>(of_db.wheel_bytes));
  }
  sums.say(call.reply);
}

// What of the memory is worth a thought; each line with its number.
std::string findings(const MemoryUse& use) {
  constexpr std::size_t kMega = std::size_t{1} << 20;
  constexpr std::size_t kWorthALook = 5 * kMega;
  constexpr std::size_t kManyScriptBytes = 10 * kMega;
  if (use.used_bytes - use.startup_bytes < kWorthALook) {
    return fmt::format("There are {} bytes of data: too few to say anything of them.",
                       use.used_bytes - use.startup_bytes);
  }
  std::string text;
  const auto find = [&text](const std::string& finding) { text += " * " + finding + "\n"; };
  if (use.peak_bytes > use.used_bytes + use.used_bytes / 2) {
    find(
        fmt::format("At its peak the server used {} bytes, now {}: what is free again was given "
                    "back to the system, or is ready for new keys.",
                    use.peak_bytes, use.used_bytes));
  }
  if (use.slack_bytes > use.used_bytes / 4) {
    find(
        fmt::format("{} bytes are kept ready or not given back yet, beside {} in use: the sizes "
                    "of values are changing. MEMORY PURGE gives some of it back.",
                    use.slack_bytes, use.used_bytes));
  }
  if (use.resident_bytes > 2 * (use.used_bytes + use.slack_bytes)) {
    find(fmt::format("The process takes {} bytes, of which {} are accounted for.",
                     use.resident_bytes, use.used_bytes + use.slack_bytes));
  }
  if (use.client_bytes > use.store.used_bytes / 2) {
    find(
        fmt::format("Buffers of clients take {} bytes, the data {}: look for clients that do not "
                    "read their replies (CLIENT LIST, omem).",
                    use.client_bytes, use.store.used_bytes));
  }
  if (use.script_bytes + use.interpreter_bytes > kManyScriptBytes) {
    find(
        fmt::format("Scripts and their interpreters take {} bytes: scripts that differ only in "
                    "what could be an argument are kept each for itself.",
                    use.script_bytes + use.interpreter_bytes));
  }
  return text.empty() ? "Nothing about the memory is out of the ordinary." : "Findings:\n" + text;
}

void doctor(Call& call) {
  call.reply.verbatim("txt", findings(memory_use(call.services)));
}

void malloc_stats(Call& call) {
  call.reply.verbatim("txt", allocator_text(call.services));
}

// MEMORY PURGE: what was flushed is freed at once, what is kept ready goes back to the system, and
// so do the free pages of malloc.
void purge(Call& call) {
  constexpr std::size_t kBucketsPerStep = 1024;
  while (call.services.store.give_back(kBucketsPerStep)) {
  }
  malloc_trim(0);
  call.reply.ok();
}

constexpr Command subcommands[] = {
    {.name = "DOCTOR",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = exclusive,
     .run = doctor,
     .summary = "What of the memory is worth a thought",
     .since = "4.0.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    help_row("4.0.0"),
    {.name = "MALLOC-STATS",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = exclusive,
     .run = malloc_stats,
     .summary = "What the allocators say of themselves",
     .since = "4.0.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "PURGE",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = exclusive,
     .run = purge,
     .summary = "Give memory that is kept ready back to the system",
     .since = "4.0.0",
     .complexity = "O(N) where N is what was flushed and not freed yet",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "STATS",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = exclusive,
     .run = stats,
     .summary = "What takes how much memory, in bytes",
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of shards and connections",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
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
