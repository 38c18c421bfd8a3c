// Hashes: a key with fields, each with a value of its own.
//
// How they are kept storage/types/hash.h knows; here are arguments and replies. Reads count a hit
// or a miss for the key, not for the field. Who takes the last field out takes the key with it.
//
// A reply with all fields of a hash is said in one visit, whatever its size. HRANDFIELD with a
// negative count names no bound of its own (fields may come again), so what it draws is collected
// in steps, the loop serving others in between, and refused beyond a bound.
// Thread: loop.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/collection_scan.h"
#include "server/commands/collections.h"
#include "server/engine/answer.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/options.h"
#include "storage/slot.h"
#include "storage/types/hash.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::HashEdit;
using storage::HashView;
using storage::Slot;
using storage::Type;
using storage::Value;

// What HRANDFIELD draws at most where fields may come more than once: a second of drawing.
constexpr std::uint64_t kMostDrawn = 1 << 24;
// And in one step of it: some hundred microseconds.
constexpr std::uint64_t kDrawnPerStep = 1024;

// tell(std::optional<HashView>) of the hash that is read, or WRONGTYPE.
template <class Tell>
void read_hash(Call& call, Tell&& tell) {
  read_collection<HashView>(call, std::forward<Tell>(tell));
}

// change(Slot&) where there is a hash or nothing, or WRONGTYPE.
template <class Change>
void change_hash(Call& call, Change&& change) {
  change_collection(call, Type::hash, std::forward<Change>(change));
}

// Field and value are short enough to be kept; else that has been said.
bool may_be_kept(Call& call, Words words) {
  const bool may = std::all_of(words.begin(), words.end(), [](std::string_view word) {
    return word.size() <= storage::HashField::kMostBytes;
  });
  if (!may) call.reply.error(errors::string_too_big);
  return may;
}

// say(number of new fields) where the words are pairs.
template <class Say>
void set_fields(Call& call, std::string_view name, Say&& say) {
  const Words pairs = call.words.subspan(2);
  if (pairs.size() % 2 != 0) return call.reply.error(errors::wrong_arity(name));
  if (!may_be_kept(call, pairs)) return;
  change_hash(call, [&](Slot& slot) {
    const std::size_t added = HashEdit(slot).set(pairs);
    call.event(EventClass::hash, "hset", slot.key().bytes);
    say(static_cast<std::int64_t>(added));
  });
}

void hset(Call& call) {
  set_fields(call, "hset", [&](std::int64_t added) { call.reply.integer(added); });
}

void hmset(Call& call) {
  set_fields(call, "hmset", [&](std::int64_t) { call.reply.ok(); });
}

void hsetnx(Call& call) {
  if (!may_be_kept(call, call.words.subspan(2))) return;
  change_hash(call, [&](Slot& slot) {
    HashEdit hash(slot);
    if (hash.find(call.word(2))) return call.reply.integer(0);
    hash.set(call.words.subspan(2));
    call.event(EventClass::hash, "hset", slot.key().bytes);
    call.reply.integer(1);
  });
}

void say_value(Reply& reply, const std::optional<HashView>& hash, std::string_view field) {
  const std::optional<Bytes> value = hash ? hash->find(field) : std::nullopt;
  value ? answer_bytes(reply, *value) : reply.null();
}

void hget(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    say_value(call.reply, hash, call.word(2));
  });
}

void hmget(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    const Words fields = call.words.subspan(2);
    call.reply.array(fields.size());
    for (const std::string_view field : fields) say_value(call.reply, hash, field);
  });
}

void hgetall(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash) return call.reply.map(0);
    call.reply.map(hash->size());
    hash->each([&](const Bytes& field, const Bytes& value) {
      answer_bytes(call.reply, field);
      answer_bytes(call.reply, value);
    });
  });
}

void hkeys(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash) return call.reply.array(0);
    call.reply.array(hash->size());
    hash->each([&](const Bytes& field, const Bytes&) { answer_bytes(call.reply, field); });
  });
}

void hvals(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash) return call.reply.array(0);
    call.reply.array(hash->size());
    hash->each([&](const Bytes&, const Bytes& value) { answer_bytes(call.reply, value); });
  });
}

void hexists(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    call.reply.integer(hash && hash->find(call.word(2)) ? 1 : 0);
  });
}

void hlen(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    call.reply.integer(hash ? static_cast<std::int64_t>(hash->size()) : 0);
  });
}

void hstrlen(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    const std::optional<Bytes> value = hash ? hash->find(call.word(2)) : std::nullopt;
    call.reply.integer(value ? static_cast<std::int64_t>(value->size()) : 0);
  });
}

void hdel(Call& call) {
  change_hash(call, [&](Slot& slot) {
    const std::size_t erased = HashEdit(slot).erase(call.words.subspan(2));
    if (erased != 0) tell_removal(call, slot, EventClass::hash, "hdel");
    call.reply.integer(static_cast<std::int64_t>(erased));
  });
}

// HINCRBY key field increment -> the sum; a missing field counts as 0.
void hincrby(Call& call) {
  Args args = call.args_from(3);
  const std::int64_t by = args.integer();
  if (!args.finish()) return call.reply.error(args.problem());
  const std::string_view field = call.word(2);
  if (!may_be_kept(call, call.words.subspan(2, 1))) return;
  change_hash(call, [&](Slot& slot) {
    HashEdit hash(slot);
    std::int64_t sum = by;
    if (const std::optional<Bytes> there = hash.find(field)) {
      const std::optional<std::int64_t> start = there->as_integer();
      if (!start) return call.reply.error(errors::hash_not_an_integer);
      if (__builtin_add_overflow(*start, by, &sum))
        return call.reply.error(errors::increment_overflow);
    }
    char digits[protocol::kIntegerChars];
    hash.set(field, {digits, protocol::write_integer(digits, sum)}, HashEdit::Time::kept);
    call.event(EventClass::hash, "hincrby", slot.key().bytes);
    call.reply.integer(sum);
  });
}

// HINCRBYFLOAT key field increment -> the sum as text.
void hincrbyfloat(Call& call) {
  const auto by = protocol::parse_long_double(call.word(3));
  if (!by) return call.reply.error(errors::not_a_float);
  if (!std::isfinite(*by)) return call.reply.error(errors::nan_or_infinity);
  const std::string_view field = call.word(2);
  if (!may_be_kept(call, call.words.subspan(2, 1))) return;
  change_hash(call, [&](Slot& slot) {
    HashEdit hash(slot);
    long double sum = *by;
    if (const std::optional<Bytes> there = hash.find(field)) {
      Bytes::Digits digits;
      const auto start = protocol::parse_long_double(there->text(digits));
      if (!start) return call.reply.error(errors::hash_not_a_float);
      sum += *start;
    }
    if (!std::isfinite(sum)) return call.reply.error(errors::increment_nan);
    const std::string text = protocol::long_double_text(sum);
    hash.set(field, text, HashEdit::Time::kept);
    call.event(EventClass::hash, "hincrbyfloat", slot.key().bytes);
    call.reply.bulk(text);
  });
}

// --- HRANDFIELD

// A field, or a field and its value: a pair of its own where RESP has room for it.
class Drawn {
 public:
  Drawn(const Call& call, bool with_values)
      : with_values_(with_values), is_nested_(with_values && call.client.protocol == 3) {}

  bool with_values() const { return with_values_; }
  std::size_t words() const { return with_values_ ? 2 : 1; }
  void say_count(Reply& reply, std::size_t fields) const {
    reply.array(is_nested_ ? fields : fields * words());
  }
  void say_head(Reply& reply) const {
    if (is_nested_) reply.array(2);
  }
  void say(Reply& reply, const Bytes& field, const Bytes& value) const {
    say_head(reply);
    answer_bytes(reply, field);
    if (with_values_) answer_bytes(reply, value);
  }

 private:
  bool with_values_;
  bool is_nested_;
};

// Draws many fields, some of them again and again. What is gone meanwhile has no more of them.
class DrawWork final : public Work {
 public:
  // More bytes than those are refused; 0: any number is welcome.
  DrawWork(std::string_view key, std::uint64_t count, Drawn shape, std::size_t most_bytes)
      : key_(key),
        shape_(shape),
        left_(count),
        most_bytes_(most_bytes != 0 ? most_bytes : std::numeric_limits<std::size_t>::max()) {}

  bool step(Call& call) override {
    if (is_drawn_) return say(call.reply);
    const std::uint64_t now = std::min(left_, kDrawnPerStep);
    left_ = draw(call, now) ? left_ - now : 0;
    if (is_too_much()) {
      call.reply.error(errors::out_of_range);
      return true;
    }
    if (left_ != 0) return false;
    is_drawn_ = true;
    unsaid_ = harvest_.count() / shape_.words();
    shape_.say_count(call.reply, unsaid_);
    return say(call.reply);
  }

 private:
  bool is_too_much() const { return harvest_.bytes() > most_bytes_; }
  bool draw(Call& call, std::size_t count) {
    return call.keys.peek(call.keys.key(key_), [&](const Value* value) {
      if (value == nullptr || value->type() != Type::hash) return false;
      HashView(*value).random_repeated(count, call.lane.chance,
                                       [&](const Bytes& field, const Bytes& content) {
                                         if (is_too_much()) return;
                                         Bytes::Digits digits;
                                         harvest_.add(field.text(digits));
                                         if (shape_.with_values())
                                           harvest_.add(content.text(digits));
                                       });
      return true;
    });
  }
  bool say(Reply& reply) {
    for (std::uint64_t i = 0; i < kDrawnPerStep && unsaid_ != 0; ++i, --unsaid_) {
      shape_.say_head(reply);
      harvest_.say(reply, shape_.words());
    }
    return unsaid_ == 0;
  }

  std::string key_;
  Drawn shape_;
  Harvest harvest_;
  std::uint64_t left_;
  std::size_t most_bytes_;
  std::size_t unsaid_ = 0;
  bool is_drawn_ = false;
};

void draw_repeated(Call& call, std::uint64_t count, const Drawn& shape) {
  bool is_work = false;
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash) return call.reply.array(0);
    if (count > kMostDrawn) return call.reply.error(errors::out_of_range);
    is_work = count > kDrawnPerStep;
    if (is_work) return;
    shape.say_count(call.reply, count);
    hash->random_repeated(count, call.lane.chance, [&](const Bytes& field, const Bytes& value) {
      shape.say(call.reply, field, value);
    });
  });
  if (!is_work) return;
  const std::size_t most_bytes = call.services.options.settings.output_buffer_hard_limit;
  start(call, std::make_unique<DrawWork>(call.key_bytes(), count, shape, most_bytes));
}

void draw_distinct(Call& call, std::uint64_t count, const Drawn& shape) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash || count == 0) return call.reply.array(0);
    const std::size_t drawn = std::min<std::uint64_t>(count, hash->size());
    shape.say_count(call.reply, drawn);
    hash->random_distinct(drawn, call.lane.chance, [&](const Bytes& field, const Bytes& value) {
      shape.say(call.reply, field, value);
    });
  });
}

void draw_one(Call& call) {
  read_hash(call, [&](const std::optional<HashView>& hash) {
    if (!hash) return call.reply.null();
    hash->random(call.lane.chance,
                 [&](const Bytes& field, const Bytes&) { answer_bytes(call.reply, field); });
  });
}

// HRANDFIELD key [count [WITHVALUES]] -> a field; or so many different ones; or -count of any.
void hrandfield(Call& call) {
  if (call.words.size() == 2) return draw_one(call);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Args args = call.args_from(2);
  const std::int64_t count = args.integer();
  if (count < -kMost) args.fail(errors::out_of_range_between(-kMost, kMost));
  const bool with_values = args.left() == 1 && args.eat("WITHVALUES");
  if (args.more()) args.fail(errors::syntax);
  if (with_values && (count < -kMost / 2 || count > kMost / 2)) args.fail(errors::out_of_range);
  if (!args.finish()) return call.reply.error(args.problem());
  const Drawn shape(call, with_values);
  if (count < 0) return draw_repeated(call, static_cast<std::uint64_t>(-count), shape);
  draw_distinct(call, static_cast<std::uint64_t>(count), shape);
}

// --- HSCAN

std::uint64_t walk_hash(const Value& value, std::uint64_t cursor, std::size_t count,
                        ScanFound& found) {
  return HashView(value).scan(cursor, count, [&](const Bytes& field, const Bytes& content) {
    if (!found.admits(field)) return;
    found.add(field);
    if (found.wants_values()) found.add(content);
  });
}

void hscan(Call& call) {
  scan_collection(call, Type::hash, walk_hash);
}

using enum Flag;

constexpr Command table[] = {
    {.name = "HSET",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hset,
     .summary = "Set fields of a hash",
     .since = "2.0.0",
     .syntax = "key field value [field value ...]",
     .complexity = "O(N) where N is the number of fields that are set",
     .access = Access::rw | Access::update},
    {.name = "HSETNX",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hsetnx,
     .summary = "Set a field of a hash if it is not there yet",
     .since = "2.0.0",
     .syntax = "key field value",
     .complexity = "O(1)",
     .access = Access::rw | Access::insert},
    {.name = "HMSET",
     .arity = at_least(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hmset,
     .summary = "Set fields of a hash, as HSET does; answers OK",
     .since = "2.0.0",
     .syntax = "key field value [field value ...]",
     .complexity = "O(N) where N is the number of fields that are set",
     .access = Access::rw | Access::update},
    {.name = "HGET",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hget,
     .summary = "The value of a field",
     .since = "2.0.0",
     .syntax = "key field",
     .complexity = "O(1)",
     .access = Access::ro | Access::access},
    {.name = "HMGET",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hmget,
     .summary = "The values of several fields",
     .since = "2.0.0",
     .syntax = "key field [field ...]",
     .complexity = "O(N) where N is the number of fields asked for",
     .access = Access::ro | Access::access},
    {.name = "HGETALL",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads,
     .run = hgetall,
     .summary = "All fields of a hash with their values",
     .since = "2.0.0",
     .syntax = "key",
     .complexity = "O(N) where N is the number of fields of the hash",
     .tips = "nondeterministic_output_order",
     .access = Access::ro | Access::access},
    {.name = "HDEL",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = hdel,
     .summary = "Delete fields of a hash",
     .since = "2.0.0",
     .syntax = "key field [field ...]",
     .complexity = "O(N) where N is the number of fields to delete",
     .access = Access::rw | Access::remove},
    {.name = "HEXISTS",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hexists,
     .summary = "Whether a hash has a field",
     .since = "2.0.0",
     .syntax = "key field",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "HLEN",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hlen,
     .summary = "How many fields a hash has",
     .since = "2.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "HKEYS",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads,
     .run = hkeys,
     .summary = "All fields of a hash",
     .since = "2.0.0",
     .syntax = "key",
     .complexity = "O(N) where N is the number of fields of the hash",
     .tips = "nondeterministic_output_order",
     .access = Access::ro | Access::access},
    {.name = "HVALS",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads,
     .run = hvals,
     .summary = "All values of a hash",
     .since = "2.0.0",
     .syntax = "key",
     .complexity = "O(N) where N is the number of fields of the hash",
     .tips = "nondeterministic_output_order",
     .access = Access::ro | Access::access},
    {.name = "HSTRLEN",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hstrlen,
     .summary = "How many bytes the value of a field has",
     .since = "3.2.0",
     .syntax = "key field",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "HINCRBY",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hincrby,
     .summary = "Add a whole number to a field; a missing one counts as 0",
     .since = "2.0.0",
     .syntax = "key field increment",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "HINCRBYFLOAT",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hincrbyfloat,
     .summary = "Add a decimal number to a field; a missing one counts as 0",
     .since = "2.6.0",
     .syntax = "key field increment:double",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "HRANDFIELD",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = hrandfield,
     .summary = "Random fields of a hash",
     .since = "6.2.0",
     .syntax = "key [count [WITHVALUES]]",
     .complexity = "O(N) where N is the number of fields answered",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "HSCAN",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = hscan,
     .summary = "Some fields of a hash with their values, and a cursor with which to go on",
     .since = "2.8.0",
     .syntax = "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
     .complexity = "O(COUNT)",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family hashes{"hash", table};

}  // namespace larder::server
