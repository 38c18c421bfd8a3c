// When fields of hashes die, and how long they have left: Redis 7.4's HEXPIRE and its kin.
//
// Each command names fields, and says for each of them what came of it: -2 there is no such field
// (or no such key), -1 it has no deadline, 0 the condition did not hold, 1 done, 2 erased, since
// its time was past. The order of looking is Redis's: the type of the key, the number, the option,
// the fields.
//
// A deadline is resolved to a moment of the timeline as it is given (storage/field_expiry.cc, which
// also sees to it that fields die): of a clock that is set afterwards it takes no notice. Seconds
// that are left are rounded up, unlike TTL's. Thread: loop.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/collections.h"
#include "server/commands/shared_args.h"
#include "server/engine/families.h"
#include "storage/slot.h"
#include "storage/timeline.h"
#include "storage/types/hash.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Deadline;
using storage::HashEdit;
using storage::HashView;
using storage::Slot;
using storage::Type;

// The last moment at which a field may die, in milliseconds of wall time: in the year 4199.
constexpr std::int64_t kLastMs = (std::int64_t{1} << 46) - 1;

constexpr std::int64_t kNoField = -2;
constexpr std::int64_t kNoDeadline = -1;
constexpr std::int64_t kNotMet = 0;
constexpr std::int64_t kDone = 1;
constexpr std::int64_t kErased = 2;

enum class Condition : std::uint8_t { none, if_never, if_set, if_later, if_earlier };

Condition read_condition(Args& args) {
  if (args.eat("NX")) return Condition::if_never;
  if (args.eat("XX")) return Condition::if_set;
  if (args.eat("GT")) return Condition::if_later;
  if (args.eat("LT")) return Condition::if_earlier;
  return Condition::none;
}

// Never counts as the latest moment of all.
bool permits(Condition condition, Deadline current, Deadline wanted) {
  switch (condition) {
    case Condition::if_never: return current.is_never();
    case Condition::if_set: return !current.is_never();
    case Condition::if_later: return wanted > current;
    case Condition::if_earlier: return wanted < current;
    case Condition::none: break;
  }
  return true;
}

// FIELDS numfields field [field ...], to the end.
Words read_fields(Args& args, std::string_view bad_count) {
  constexpr std::int64_t kMost = INT64_MAX;
  if (!args.eat("FIELDS")) args.fail(errors::no_fields_word);
  const std::int64_t count = args.integer_between(1, kMost, bad_count);
  if (static_cast<std::uint64_t>(count) != args.left()) args.fail(errors::numfields_mismatch);
  return args.rest();
}

// The moment that the number names, which may be past.
Deadline read_moment(Args& args, const Call& call, TimeUnit unit, TimeBase base) {
  const std::int64_t number = args.integer();
  if (number < 0) args.fail(errors::negative_expire);
  const std::int64_t wall_ms = call.services.timeline.wall_ms(call.now_ms);
  const std::int64_t most_ms = base == TimeBase::now ? kLastMs - wall_ms : kLastMs;
  const auto span_ms = to_milliseconds(number, unit);
  if (!span_ms || *span_ms > most_ms) fail_expire(args, call);
  if (args.failed()) return Deadline::never();
  return deadline_of(call, base == TimeBase::now ? call.now_ms + *span_ms : *span_ms, base);
}

void say_codes(Call& call, const std::vector<std::int64_t>& codes) {
  call.reply.array(codes.size());
  for (const std::int64_t code : codes) call.reply.integer(code);
}

// change(HashEdit&, field) -> code, for each field of a hash; `told` of the codes then. Where there
// is no hash no field is there either.
template <class Change, class Told>
void change_fields(Call& call, Args& args, Words fields, Change&& change, Told&& told) {
  change_collection(call, Type::hash, [&](Slot& slot) {
    if (args.failed()) return call.reply.error(args.problem());
    HashEdit hash(slot);
    std::vector<std::int64_t> codes;
    codes.reserve(fields.size());
    for (const std::string_view field : fields) codes.push_back(change(hash, field));
    told(slot, codes);
    say_codes(call, codes);
  });
}

bool has(const std::vector<std::int64_t>& codes, std::int64_t code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

void tell_of_expire(Call& call, Slot& slot, const std::vector<std::int64_t>& codes) {
  if (has(codes, kErased)) {
    tell_removal(call, slot, EventClass::hash, "hdel");
  } else if (has(codes, kDone)) {
    call.event(EventClass::hash, "hexpire", slot.key().bytes);
  }
}

// HEXPIRE key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]
void expire_fields(Call& call, TimeUnit unit, TimeBase base) {
  Args args = call.args_from(2);
  const Deadline wanted = read_moment(args, call, unit, base);
  const Condition condition = read_condition(args);
  const Words fields = read_fields(args, errors::numfields_too_small);
  const auto change = [&](HashEdit& hash, std::string_view field) {
    const auto current = hash.deadline(field);
    if (!current) return kNoField;
    if (!permits(condition, *current, wanted)) return kNotMet;
    if (wanted.has_passed(call.now_ms)) {
      hash.erase({&field, 1});
      return kErased;
    }
    hash.set_deadline(field, wanted);
    return kDone;
  };
  change_fields(call, args, fields, change,
                [&](Slot& slot, const auto& codes) { tell_of_expire(call, slot, codes); });
}

void hexpire(Call& call) {
  expire_fields(call, TimeUnit::seconds, TimeBase::now);
}

void hpexpire(Call& call) {
  expire_fields(call, TimeUnit::milliseconds, TimeBase::now);
}

void hexpireat(Call& call) {
  expire_fields(call, TimeUnit::seconds, TimeBase::epoch);
}

void hpexpireat(Call& call) {
  expire_fields(call, TimeUnit::milliseconds, TimeBase::epoch);
}

// HPERSIST key FIELDS numfields field [field ...]
void hpersist(Call& call) {
  Args args = call.args_from(2);
  const Words fields = read_fields(args, errors::numfields_not_positive);
  const auto change = [](HashEdit& hash, std::string_view field) {
    const auto current = hash.deadline(field);
    if (!current) return kNoField;
    if (current->is_never()) return kNoDeadline;
    hash.set_deadline(field, Deadline::never());
    return kDone;
  };
  change_fields(call, args, fields, change, [&](Slot& slot, const auto& codes) {
    if (has(codes, kDone)) call.event(EventClass::hash, "hpersist", slot.key().bytes);
  });
}

// HTTL key FIELDS numfields field [field ...] -> when each dies, or in how long.
void answer_deadlines(Call& call, TimeUnit unit, TimeBase base) {
  Args args = call.args_from(2);
  const Words fields = read_fields(args, errors::numfields_not_positive);
  const auto said = [&](Deadline deadline) {
    if (deadline.is_never()) return kNoDeadline;
    const std::int64_t ms = base == TimeBase::now ? deadline.ms() - call.now_ms
                                                  : call.services.timeline.wall_ms(deadline.ms());
    return unit == TimeUnit::milliseconds ? ms : (ms + 999) / 1000;
  };
  read_collection<HashView>(call, [&](const std::optional<HashView>& hash) {
    if (args.failed()) return call.reply.error(args.problem());
    call.reply.array(fields.size());
    for (const std::string_view field : fields) {
      const auto deadline = hash ? hash->deadline(field) : std::nullopt;
      call.reply.integer(deadline ? said(*deadline) : kNoField);
    }
  });
}

void httl(Call& call) {
  answer_deadlines(call, TimeUnit::seconds, TimeBase::now);
}

void hpttl(Call& call) {
  answer_deadlines(call, TimeUnit::milliseconds, TimeBase::now);
}

void hexpiretime(Call& call) {
  answer_deadlines(call, TimeUnit::seconds, TimeBase::epoch);
}

void hpexpiretime(Call& call) {
  answer_deadlines(call, TimeUnit::milliseconds, TimeBase::epoch);
}

using enum Flag;

constexpr std::string_view kPerField = "O(N) where N is the number of fields named";

constexpr Command table[] = {
    {.name = "HEXPIRE",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hexpire,
     .summary = "Let fields of a hash die in some seconds",
     .since = "7.4.0",
     .syntax = "key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::rw | Access::update},
    {.name = "HPEXPIRE",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hpexpire,
     .summary = "Let fields of a hash die in some milliseconds",
     .since = "7.4.0",
     .syntax = "key milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::rw | Access::update},
    {.name = "HEXPIREAT",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hexpireat,
     .summary = "Let fields of a hash die at a second of Unix time",
     .since = "7.4.0",
     .syntax = "key unix-time-seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::rw | Access::update},
    {.name = "HPEXPIREAT",
     .arity = at_least(6),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = hpexpireat,
     .summary = "Let fields of a hash die at a millisecond of Unix time",
     .since = "7.4.0",
     .syntax = "key unix-time-milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::rw | Access::update},
    {.name = "HTTL",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = reads | fast,
     .run = httl,
     .summary = "How many seconds fields of a hash have left",
     .since = "7.4.0",
     .syntax = "key FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "HPTTL",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hpttl,
     .summary = "How many milliseconds fields of a hash have left",
     .since = "7.4.0",
     .syntax = "key FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "HEXPIRETIME",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hexpiretime,
     .summary = "The second of Unix time at which fields of a hash die",
     .since = "7.4.0",
     .syntax = "key FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::ro | Access::access},
    {.name = "HPEXPIRETIME",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = reads | fast,
     .run = hpexpiretime,
     .summary = "The millisecond of Unix time at which fields of a hash die",
     .since = "7.4.0",
     .syntax = "key FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::ro | Access::access},
    {.name = "HPERSIST",
     .arity = at_least(5),
     .keys = first_key(),
     .flags = writes | fast,
     .run = hpersist,
     .summary = "Let fields of a hash live as long as it does",
     .since = "7.4.0",
     .syntax = "key FIELDS numfields field [field ...]",
     .complexity = kPerField,
     .access = Access::rw | Access::update},
};

}  // namespace

const Family hash_expiry{"hash", table};

}  // namespace larder::server
