// Strings: one key, one run of bytes. What a cache does all day.
//
// Every handler has one shape: read the arguments, visit the key once, say one reply. Who answers
// the old value (SET … GET, GETSET, GETDEL, GETEX) says it before the change, since a change voids
// what the visit has seen; a large value is pinned by the reply and outlives the overwrite.
//
// Hits and misses are counted where Redis counts them: by reads, and by writes that answer the old
// value; not by APPEND, SETRANGE or a plain SET. MGET, MSET and MSETNX hold the shards of all their
// keys, so nobody sees half of one. Thread: loop.
#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/lcs.h"
#include "server/commands/shared_args.h"
#include "server/engine/answer.h"
#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/options.h"
#include "storage/fetch_ahead.h"
#include "storage/slot.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::Deadline;
using storage::KeysAhead;
using storage::Keyspace;
using storage::NewBytes;
using storage::Slot;
using storage::Value;

std::size_t most_bytes(const Call& call) {
  return call.services.options.settings.proto_max_bulk_len;
}

bool holds_other_type(Slot& slot) {
  const Value* value = slot.value();
  return value != nullptr && !value->is_string();
}

struct SetOptions {
  bool only_if_absent = false;
  bool only_if_present = false;
  bool answers_old = false;
  bool keeps_deadline = false;
  TimeOption time;
};

// NX and XX exclude each other, and so do KEEPTTL and a time; any of them may be said twice.
SetOptions read_set_options(Args& args) {
  SetOptions options;
  while (args.more()) {
    if (args.eat("NX")) {
      options.only_if_absent = true;
    } else if (args.eat("XX")) {
      options.only_if_present = true;
    } else if (args.eat("GET")) {
      options.answers_old = true;
    } else if (args.eat("KEEPTTL")) {
      options.keeps_deadline = true;
    } else if (!options.time.eat(args)) {
      args.fail(errors::syntax);
    }
    if (options.only_if_absent && options.only_if_present) args.fail(errors::syntax);
    if (options.keeps_deadline && options.time.is_given()) args.fail(errors::syntax);
  }
  return options;
}

// A string was stored, and with `has_time` its time to live; one that is over already is the end.
void tell_set(const Call& call, Slot& slot, bool has_time) {
  const std::string_view name = slot.key().bytes;
  call.event(EventClass::string, "set", name);
  if (has_time) call.event(EventClass::generic, "expire", name);
  if (!slot.is_present()) call.event(EventClass::expired, "expired", name);
}

void set_with(Call& call, const SetOptions& options, Deadline deadline) {
  NewBytes bytes(call.word(2));
  call.keys.update(call.key(), [&](Slot& slot) {
    const bool is_allowed = slot.is_present() ? !options.only_if_absent : !options.only_if_present;
    if (options.answers_old) {
      slot.count_lookup();
      if (holds_other_type(slot)) return call.reply.error(errors::wrong_type);
      answer_string(call.reply, slot.value());
    }
    if (is_allowed) {
      slot.set_bytes(bytes, options.keeps_deadline ? slot.deadline() : deadline);
      tell_set(call, slot, options.time.is_given());
    }
    if (options.answers_old) return;
    is_allowed ? call.reply.ok() : call.reply.null();
  });
}

// SET key value … -> OK, or nothing when NX or XX forbids it; with GET the old value, whatever
// becomes of the new one.
void set(Call& call) {
  Args args = call.args_from(3);
  const SetOptions options = read_set_options(args);
  if (!args.finish()) return call.reply.error(args.problem());
  const Deadline deadline = options.time.deadline(args, call);
  if (args.failed()) return call.reply.error(args.problem());
  set_with(call, options, deadline);
}

void setnx(Call& call) {
  NewBytes bytes(call.word(2));
  call.keys.update(call.key(), [&](Slot& slot) {
    if (slot.is_present()) return call.reply.integer(0);
    slot.set_bytes(bytes, Deadline::never());
    tell_set(call, slot, false);
    call.reply.integer(1);
  });
}

void set_for(Call& call, TimeUnit unit) {
  Args args = call.args_from(2);
  const Deadline deadline = read_deadline(args, call, args.take(), unit, TimeBase::now);
  if (args.failed()) return call.reply.error(args.problem());
  NewBytes bytes(call.word(3));
  call.keys.update(call.key(), [&](Slot& slot) {
    slot.set_bytes(bytes, deadline);
    tell_set(call, slot, true);
  });
  call.reply.ok();
}

void setex(Call& call) {
  set_for(call, TimeUnit::seconds);
}

void psetex(Call& call) {
  set_for(call, TimeUnit::milliseconds);
}

void get(Call& call) {
  call.keys.read(call.key(), [&](const Value* value) { answer_string(call.reply, value); });
}

void getset(Call& call) {
  set_with(call, {.answers_old = true, .time = {}}, Deadline::never());
}

void getdel(Call& call) {
  call.keys.update(call.key(), [&](Slot& slot) {
    slot.count_lookup();
    answer_string(call.reply, slot.value());
    if (holds_other_type(slot) || !slot.erase()) return;
    call.event(EventClass::generic, "del", slot.key().bytes);
  });
}

struct GetexOptions {
  bool persists = false;
  TimeOption time;
};

GetexOptions read_getex_options(Args& args) {
  GetexOptions options;
  while (args.more()) {
    if (args.eat("PERSIST")) {
      options.persists = true;
    } else if (!options.time.eat(args)) {
      args.fail(errors::syntax);
    }
    if (options.persists && options.time.is_given()) args.fail(errors::syntax);
  }
  return options;
}

// GETEX key [EX …|PERSIST] -> the value. The time is judged only when there is a key to give it to,
// as Redis does.
void getex(Call& call) {
  Args args = call.args_from(2);
  const GetexOptions options = read_getex_options(args);
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update(call.key(), [&](Slot& slot) {
    slot.count_lookup();
    const Value* value = slot.value();
    if (value == nullptr) return call.reply.null();
    if (!value->is_string()) return call.reply.error(errors::wrong_type);
    const Deadline deadline = options.time.deadline(args, call);
    if (args.failed()) return call.reply.error(args.problem());
    answer_bytes(call.reply, value->bytes());
    const bool drops_deadline = options.persists && !slot.deadline().is_never();
    if (!options.time.is_given() && !drops_deadline) return;
    slot.set_deadline(deadline);
    const std::string_view what = !slot.is_present() ? "del"
                                  : drops_deadline   ? "persist"
                                                     : "expire";
    call.event(EventClass::generic, what, slot.key().bytes);
  });
}

void mget(Call& call) {
  const std::vector<Key> names = keys_of(call);
  Keyspace::Several several(call.keys, names);
  KeysAhead ahead(call.keys, names);
  call.reply.array(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    ahead.reach(i);
    several->read(names[i], [&](const Value* value) {
      if (value == nullptr || !value->is_string()) return call.reply.null();
      answer_bytes(call.reply, value->bytes());
    });
  }
}

// The values of MSET, made before any shard is held.
std::vector<NewBytes> pair_values(const Call& call) {
  std::vector<NewBytes> values;
  values.reserve(call.words.size() / 2);
  for (std::size_t i = 2; i < call.words.size(); i += 2) values.emplace_back(call.words[i]);
  return values;
}

void set_pairs(const Call& call, Keyspace& held, const std::vector<Key>& names,
               std::vector<NewBytes>& values) {
  KeysAhead ahead(held, names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    ahead.reach(i);
    held.update(names[i], [&](Slot& slot) {
      slot.set_bytes(values[i], Deadline::never());
      tell_set(call, slot, false);
    });
  }
}

// Whether every key has its value; otherwise the error is said.
bool has_pairs(Call& call) {
  if (call.words.size() % 2 == 1) return true;
  call.reply.error(errors::wrong_arity(call.services.registry.full_name(call.command)));
  return false;
}

void mset(Call& call) {
  if (!has_pairs(call)) return;
  const std::vector<Key> names = keys_of(call, 2);
  std::vector<NewBytes> values = pair_values(call);
  Keyspace::Several several(call.keys, names);
  set_pairs(call, *several, names, values);
  call.reply.ok();
}

// MSETNX key value … -> 1 if all were set, 0 if one was there already and so none was.
void msetnx(Call& call) {
  if (!has_pairs(call)) return;
  const std::vector<Key> names = keys_of(call, 2);
  std::vector<NewBytes> values = pair_values(call);
  Keyspace::Several several(call.keys, names);
  const bool is_taken = std::any_of(names.begin(), names.end(), [&](const Key& name) {
    return several->update(name, [](Slot& slot) { return slot.is_present(); });
  });
  if (!is_taken) set_pairs(call, *several, names, values);
  call.reply.integer(is_taken ? 0 : 1);
}

void answer_length(Call& call, const storage::Result<std::size_t>& length) {
  if (!length) return call.reply.error(error_text(length.problem()));
  call.reply.integer(static_cast<std::int64_t>(*length));
}

void append(Call& call) {
  call.keys.update(call.key(), [&](Slot& slot) {
    const auto length = slot.append(call.word(2), most_bytes(call));
    if (length) call.event(EventClass::string, "append", slot.key().bytes);
    answer_length(call, length);
  });
}

void strlen(Call& call) {
  call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) return call.reply.integer(0);
    if (!value->is_string()) return call.reply.error(errors::wrong_type);
    call.reply.integer(static_cast<std::int64_t>(value->bytes().size()));
  });
}

// SETRANGE key offset value -> the new length. Writing nothing changes nothing, not even a missing
// key into an empty one.
void setrange(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t offset = args.integer();
  if (offset < 0) args.fail(errors::offset_out_of_range);
  const std::string_view bytes = args.take();
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.update(call.key(), [&](Slot& slot) {
    const auto length = slot.set_range(static_cast<std::size_t>(offset), bytes, most_bytes(call));
    if (length && !bytes.empty()) call.event(EventClass::string, "setrange", slot.key().bytes);
    answer_length(call, length);
  });
}

// Some of the bytes: few are copied, many are sent from where they lie.
void answer_part(Reply& reply, const Bytes& bytes, std::size_t first, std::size_t count) {
  Bytes::Digits digits;
  const std::string_view part = bytes.text(digits).substr(first, count);
  storage::Blob* blob = bytes.blob();
  if (blob == nullptr || count < storage::kPinnedBytes) return reply.bulk(part);
  blob->hold();
  reply.pinned(
      protocol::Pin(part, blob, [](void* owner) { static_cast<storage::Blob*>(owner)->drop(); }));
}

// GETRANGE key start end -> the bytes from start to end, both included; negative ones count from
// the end.
void getrange(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t start = args.integer();
  const std::int64_t end = args.integer();
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) return call.reply.bulk("");
    if (!value->is_string()) return call.reply.error(errors::wrong_type);
    const Bytes bytes = value->bytes();
    const auto size = static_cast<std::int64_t>(bytes.size());
    // Redis: two negative ends in the wrong order are empty, even where both would be cut to the
    // first byte.
    if (start < 0 && end < 0 && start > end) return call.reply.bulk("");
    const std::int64_t first = std::max<std::int64_t>(start < 0 ? start + size : start, 0);
    const std::int64_t last =
        std::min(std::max<std::int64_t>(end < 0 ? end + size : end, 0), size - 1);
    if (first > last) return call.reply.bulk("");
    answer_part(call.reply, bytes, static_cast<std::size_t>(first),
                static_cast<std::size_t>(last - first + 1));
  });
}

using enum Flag;

// SET with GET reads what it replaces.
Access access_of_set(Words words) {
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (protocol::same_word(words[i], "GET")) {
      return Access::rw | Access::access | Access::update;
    }
  }
  return Access::ow | Access::update;
}

constexpr Command table[] = {
    {.name = "SET",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = set,
     .summary = "Store a string under a key, whatever was there before",
     .since = "1.0.0",
     .syntax = "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|"
               "PXAT unix-time-milliseconds|KEEPTTL]",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update | Access::varies,
     .access_by = access_of_set},
    {.name = "GET",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = get,
     .summary = "The string a key holds",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)"},
    {.name = "GETSET",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = getset,
     .summary = "Store a string and say the one it replaces",
     .since = "1.0.0",
     .syntax = "key value",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "GETDEL",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = getdel,
     .summary = "Say the string a key holds and remove the key",
     .since = "6.2.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "GETEX",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = getex,
     .summary = "Say the string a key holds and set or clear its time to live",
     .since = "6.2.0",
     .syntax = "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
               "unix-time-milliseconds|PERSIST]",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "SETNX",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = setnx,
     .summary = "Store a string unless the key is there already",
     .since = "1.0.0",
     .syntax = "key value",
     .complexity = "O(1)",
     .access = Access::ow | Access::insert},
    {.name = "SETEX",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = setex,
     .summary = "Store a string that lives for some seconds",
     .since = "2.0.0",
     .syntax = "key seconds value",
     .complexity = "O(1)",
     .access = Access::ow | Access::update},
    {.name = "PSETEX",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = psetex,
     .summary = "Store a string that lives for some milliseconds",
     .since = "2.6.0",
     .syntax = "key milliseconds value",
     .complexity = "O(1)",
     .access = Access::ow | Access::update},
    {.name = "MGET",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads | fast,
     .run = mget,
     .summary = "The strings of several keys, at one moment",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard"},
    {.name = "MSET",
     .arity = at_least(3),
     .keys = every_second(),
     .flags = writes | may_grow,
     .run = mset,
     .summary = "Store several strings in one step",
     .since = "1.0.1",
     .syntax = "key value [key value ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:all_succeeded",
     .access = Access::ow | Access::update},
    {.name = "MSETNX",
     .arity = at_least(3),
     .keys = every_second(),
     .flags = writes | may_grow,
     .run = msetnx,
     .summary = "Store several strings, or none if one of the keys is there already",
     .since = "1.0.1",
     .syntax = "key value [key value ...]",
     .complexity = "O(N) where N is the number of keys",
     .tips = "request_policy:multi_shard response_policy:agg_min",
     .access = Access::ow | Access::insert},
    {.name = "APPEND",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = append,
     .summary = "Add bytes to the end of a string; make the key if need be",
     .since = "2.0.0",
     .syntax = "key value",
     .complexity = "O(N) where N is the number of bytes added, at worst the length of the result",
     .access = Access::rw | Access::insert},
    {.name = "STRLEN",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = strlen,
     .summary = "How many bytes a string has",
     .since = "2.2.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "SETRANGE",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = setrange,
     .summary = "Overwrite bytes of a string from an offset on, zeros in between; make the key "
                "if need be",
     .since = "2.2.0",
     .syntax = "key offset value",
     .complexity = "O(N) where N is the number of bytes written, at worst the length of the result",
     .access = Access::rw | Access::update},
    {.name = "GETRANGE",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = reads,
     .run = getrange,
     .summary = "Some of the bytes of a string",
     .since = "2.4.0",
     .syntax = "key start end",
     .complexity = "O(N) where N is the number of bytes answered"},
    {.name = "SUBSTR",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = reads,
     .run = getrange,
     .summary = "The old name of GETRANGE",
     .since = "1.0.0",
     .syntax = "key start end",
     .complexity = "O(N) where N is the number of bytes answered"},
    {.name = "LCS",
     .arity = at_least(3),
     .keys = two_keys(),
     .flags = reads,
     .run = lcs,
     .summary = "The longest subsequence two strings have in common",
     .since = "7.0.0",
     .syntax = "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
     .complexity = "O(N*M) where N and M are the lengths of the strings"},
};

}  // namespace

const Family strings{"string", table};

}  // namespace larder::server
