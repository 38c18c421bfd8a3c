// Keys, whatever they hold: are they there, what are they, and whole databases at once.
//
// Commands that name several keys (DEL, UNLINK, EXISTS, TOUCH) hold the shards of all of them, so
// their answer is true of one moment; RENAME, COPY and MOVE hold two. FLUSHDB, FLUSHALL and SWAPDB
// run with every loop held off, but only take the old data out: it is freed later in small steps,
// so SYNC and ASYNC cost the same and mean the same.
//
// DEL and UNLINK differ in name only: freeing a value is never work that grows with it.
// EXISTS, TOUCH, TYPE, OBJECT and COPY count hits and misses; of these only TOUCH and COPY keep a
// key warm. Thread: loop.
#include <algorithm>
#include <utility>

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/commands/shared_args.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/options.h"
#include "storage/eviction.h"
#include "storage/fetch_ahead.h"
#include "storage/slot.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Keyspace;
using storage::Slot;
using storage::Value;

// Of how many of the named keys ask(Keyspace&, Key) is true, all at one moment. A key named twice
// is asked twice.
template <class Ask>
void answer_count(Call& call, Ask&& ask) {
  if (call.words.size() == 2) return call.reply.integer(ask(call.keys, call.key()) ? 1 : 0);
  const std::vector<Key> names = keys_of(call);
  Keyspace::Several several(call.keys, names);
  storage::KeysAhead ahead(call.keys, names);
  std::int64_t counted = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    ahead.reach(i);
    counted += ask(*several, names[i]);
  }
  call.reply.integer(counted);
}

bool is_there(const Value* value) {
  return value != nullptr;
}

void del(Call& call) {
  answer_count(call, [&call](Keyspace& held, const Key& name) {
    return held.update(name, [&](Slot& slot) {
      const bool was_there = slot.erase();
      if (was_there) call.event(EventClass::generic, "del", name.bytes);
      return was_there;
    });
  });
}

void exists(Call& call) {
  answer_count(call, [](Keyspace& held, const Key& name) { return held.peek(name, is_there); });
}

void touch(Call& call) {
  answer_count(call, [](Keyspace& held, const Key& name) { return held.read(name, is_there); });
}

void type(Call& call) {
  call.keys.peek(call.key(), [&](const Value* value) {
    call.reply.simple(value == nullptr ? "none" : value->type_name());
  });
}

// The target has another value now, and counts as made: the store tells so only where there was
// none.
void tell_replaced(const Call& call, std::uint32_t db, const Key& target) {
  call.services.events.tell(EventClass::created, "new", db, target.bytes);
}

enum class Renaming { done, no_source, target_taken };

Renaming rename_key(Call& call, bool may_replace) {
  const Key from = call.key(1);
  const Key to = call.key(2);
  if (from.bytes == to.bytes) {
    const bool is_present = call.keys.update(from, [](Slot& slot) { return slot.is_present(); });
    if (!is_present) return Renaming::no_source;
    return may_replace ? Renaming::done : Renaming::target_taken;
  }
  const std::uint32_t db = call.keys.db();
  return call.keys.update_two(db, from, db, to, [&](Slot& source, Slot& target) {
    if (!source.is_present()) return Renaming::no_source;
    if (!may_replace && target.is_present()) return Renaming::target_taken;
    const bool replaces = target.is_present();
    target.move_from(source);
    if (replaces) tell_replaced(call, db, to);
    call.event(EventClass::generic, "rename_from", from.bytes);
    call.event(EventClass::generic, "rename_to", to.bytes);
    return Renaming::done;
  });
}

void rename(Call& call) {
  if (rename_key(call, true) == Renaming::no_source) return call.reply.error(errors::no_such_key);
  call.reply.ok();
}

void renamenx(Call& call) {
  const Renaming renaming = rename_key(call, false);
  if (renaming == Renaming::no_source) return call.reply.error(errors::no_such_key);
  call.reply.integer(renaming == Renaming::done ? 1 : 0);
}

struct CopyOptions {
  std::uint32_t db;
  bool may_replace = false;
};

CopyOptions read_copy_options(Args& args, const Call& call) {
  CopyOptions options{.db = call.keys.db()};
  while (args.more()) {
    if (args.eat("REPLACE")) {
      options.may_replace = true;
    } else if (args.eat("DB")) {
      options.db = read_database(args, call);
    } else {
      args.fail(errors::syntax);
    }
  }
  return options;
}

// COPY source destination [DB destination-db] [REPLACE] -> 1 if copied, with its deadline.
void copy(Call& call) {
  Args args = call.args_from(3);
  const CopyOptions options = read_copy_options(args, call);
  const Key from = call.key(1);
  const Key to = call.key(2);
  const std::uint32_t db = call.keys.db();
  if (options.db == db && from.bytes == to.bytes) args.fail(errors::same_object);
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update_two(db, from, options.db, to, [&](Slot& source, Slot& target) {
    source.count_lookup();
    const bool copies = source.is_present() && (options.may_replace || !target.is_present());
    if (copies) {
      const bool replaces = target.is_present();
      target.copy_from(source);
      if (replaces) tell_replaced(call, options.db, to);
      call.services.events.tell(EventClass::generic, "copy_to", options.db, to.bytes);
    }
    call.reply.integer(copies ? 1 : 0);
  });
}

// MOVE key db -> 1 if moved, 0 if there is no such key here, or one there already.
void move(Call& call) {
  Args args = call.args_from(2);
  const std::uint32_t here = call.keys.db();
  const std::uint32_t there = read_database(args, call);
  if (there == here) args.fail(errors::same_object);
  if (!args.finish()) return call.reply.error(args.problem());
  const Key name = call.key();
  call.keys.update_two(here, name, there, name, [&](Slot& source, Slot& target) {
    const bool moves = source.is_present() && !target.is_present();
    if (moves) {
      target.move_from(source);
      call.event(EventClass::generic, "move_from", name.bytes);
      call.services.events.tell(EventClass::generic, "move_to", there, name.bytes);
    }
    call.reply.integer(moves ? 1 : 0);
  });
}

void swapdb(Call& call) {
  Args args = call.args_from(1);
  const std::int64_t lowest = std::numeric_limits<int>::min();
  const std::int64_t highest = std::numeric_limits<int>::max();
  const std::int64_t a = args.integer_between(lowest, highest, errors::bad_first_db);
  const std::int64_t b = args.integer_between(lowest, highest, errors::bad_second_db);
  const auto databases = static_cast<std::int64_t>(call.services.options.settings.databases);
  if (std::min(a, b) < 0 || std::max(a, b) >= databases) args.fail(errors::bad_db_index);
  if (!args.finish()) return call.reply.error(args.problem());
  if (a != b) call.keys.store().swap(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b));
  call.keys.store().move_notes(call.lane.ready);
  call.reply.ok();
}

void randomkey(Call& call) {
  const auto name = call.keys.random_key();
  name ? call.reply.bulk(*name) : call.reply.null();
}

void dbsize(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.keys.size()));
}

// [ASYNC|SYNC]; false when the error has been said.
bool read_flush_mode(Call& call) {
  Args args = call.args_from(1);
  if (args.more() && !args.eat("SYNC") && !args.eat("ASYNC")) args.fail(errors::syntax);
  if (args.finish()) return true;
  call.reply.error(args.problem());
  return false;
}

void flushdb(Call& call) {
  if (!read_flush_mode(call)) return;
  call.keys.store().flush(call.keys.db());
  call.keys.store().move_notes(call.lane.ready);
  call.reply.ok();
}

void flushall(Call& call) {
  if (!read_flush_mode(call)) return;
  call.keys.store().flush_all();
  call.keys.store().move_notes(call.lane.ready);
  call.reply.ok();
}

// Says tell(Value), or null when there is no such key.
template <class Tell>
void answer_of_object(Call& call, Tell&& tell) {
  call.keys.peek(call.key(2), [&](const Value* value) {
    if (value == nullptr) return call.reply.null();
    tell(*value);
  });
}

void object_encoding(Call& call) {
  answer_of_object(call, [&](const Value& value) { call.reply.bulk(value.encoding_name()); });
}

void object_freq(Call& call) {
  answer_of_object(call, [&](const Value& value) {
    const storage::EvictionRules& rules = call.keys.store().eviction_rules();
    if (!is_lfu(rules.policy)) return call.reply.error(errors::not_lfu);
    call.reply.integer(frequency(rules, value.eviction_bits(), call.now_ms));
  });
}

void object_idletime(Call& call) {
  answer_of_object(call, [&](const Value& value) {
    if (is_lfu(call.keys.store().eviction_rules().policy))
      return call.reply.error(errors::lfu_no_idle_time);
    call.reply.integer(call.keys.store().idle_seconds(value.eviction_bits(), call.now_ms));
  });
}

// Every value has one key that holds it: nothing is shared, not even small integers (nor in Redis
// under a policy that must know who was used when).
void object_refcount(Call& call) {
  answer_of_object(call, [&](const Value&) { call.reply.integer(1); });
}

using enum Flag;

constexpr Command object_table[] = {
    {.name = "ENCODING",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = reads,
     .run = object_encoding,
     .summary = "How a value is kept in memory",
     .since = "2.2.3",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output",
     .access = Access::ro},
    {.name = "FREQ",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = reads,
     .run = object_freq,
     .summary = "How often a key is used, on the logarithmic scale of the LFU policies",
     .since = "4.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output",
     .access = Access::ro},
    {.name = "IDLETIME",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = reads,
     .run = object_idletime,
     .summary = "How many seconds ago a key was last used",
     .since = "2.2.3",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output",
     .access = Access::ro},
    {.name = "REFCOUNT",
     .arity = exactly(3),
     .keys = key_at(2),
     .flags = reads,
     .run = object_refcount,
     .summary = "How many hold a value: always 1",
     .since = "2.2.3",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output",
     .access = Access::ro},
    help_row("6.2.0"),
};

constexpr Command table[] = {
    {.name = "DEL",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = writes,
     .run = del,
     .summary = "Remove keys and say how many there were",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .access = Access::rm | Access::remove},
    {.name = "UNLINK",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = writes | fast,
     .run = del,
     .summary = "Remove keys and say how many there were, as DEL does",
     .since = "4.0.0",
     .syntax = "key [key ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .access = Access::rm | Access::remove},
    {.name = "EXISTS",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads | fast,
     .run = exists,
     .summary = "How many of the keys are there",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .access = Access::ro},
    {.name = "TOUCH",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads | fast,
     .run = touch,
     .summary = "Mark keys as just used and say how many are there",
     .since = "3.2.1",
     .syntax = "key [key ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:agg_sum",
     .access = Access::ro},
    {.name = "TYPE",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = type,
     .summary = "The type of the value a key holds, or none",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "RENAME",
     .arity = exactly(3),
     .keys = two_keys(),
     .flags = writes,
     .run = rename,
     .summary = "Give a value another key, and take the place of what was there",
     .since = "1.0.0",
     .syntax = "key newkey",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove,
     .second_access = Access::ow | Access::update},
    {.name = "RENAMENX",
     .arity = exactly(3),
     .keys = two_keys(),
     .flags = writes | fast,
     .run = renamenx,
     .summary = "Give a value another key unless that one is there already",
     .since = "1.0.0",
     .syntax = "key newkey",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove,
     .second_access = Access::ow | Access::insert},
    {.name = "COPY",
     .arity = at_least(3),
     .keys = two_keys(),
     .flags = writes | may_grow,
     .run = copy,
     .summary = "Copy a value and its deadline to another key, here or in another database",
     .since = "6.2.0",
     .syntax = "source destination [DB destination-db] [REPLACE]",
     .complexity = "O(1) for strings",
     .access = Access::ro | Access::access,
     .second_access = Access::ow | Access::update},
    {.name = "MOVE",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = move,
     .summary = "Move a key to another database",
     .since = "1.0.0",
     .syntax = "key db",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "SWAPDB",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = writes | fast | dangerous | exclusive,
     .run = swapdb,
     .summary = "Exchange two databases, for all clients at once",
     .since = "4.0.0",
     .syntax = "index1 index2",
     .complexity = "O(N) where N is the number of watched keys",
     .group = "server"},
    {.name = "RANDOMKEY",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = reads | all_keys,
     .run = randomkey,
     .summary = "One of the keys, drawn by chance",
     .since = "1.0.0",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards nondeterministic_output"},
    {.name = "DBSIZE",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = reads | fast | all_keys,
     .run = dbsize,
     .summary = "How many keys the database has",
     .since = "1.0.0",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards response_policy:agg_sum",
     .group = "server"},
    {.name = "FLUSHDB",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = writes | dangerous | exclusive,
     .run = flushdb,
     .summary = "Remove every key of the database",
     .since = "1.0.0",
     .syntax = "[ASYNC|SYNC]",
     .complexity = "O(1); memory is freed in the background",
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .group = "server"},
    {.name = "FLUSHALL",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = writes | dangerous | exclusive,
     .run = flushall,
     .summary = "Remove every key of all databases",
     .since = "1.0.0",
     .syntax = "[ASYNC|SYNC]",
     .complexity = "O(1); memory is freed in the background",
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .group = "server"},
    {.name = "OBJECT",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "What is known about a value beyond its bytes",
     .since = "2.2.3",
     .subcommands = object_table,
     .complexity = "Depends on the subcommand"},
};

}  // namespace

const Family keys{"generic", table};

}  // namespace larder::server
