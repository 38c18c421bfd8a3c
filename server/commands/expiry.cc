// Expiry: when keys die, and how long they have left.
//
// A deadline is a moment of the timeline in milliseconds (storage/timeline.h): set the wall clock,
// and what was given as a span dies after that span, what was given as a moment at that moment. A
// deadline that is past when it is given is a deletion: the store does that, and the command
// answers as if it had been set. Redis judges the options first, then the number, then the key; so
// does this file.
//
// TTL and its kin count a hit or a miss but do not touch the key: asking how long a key has left
// does not keep it warm. Thread: loop.
#include <limits>
#include <optional>

#include "protocol/errors.h"
#include "server/commands/shared_args.h"
#include "server/engine/families.h"
#include "storage/slot.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Deadline;
using storage::Slot;
using storage::Value;

struct ExpireCondition {
  bool if_never = false;    // NX
  bool if_set = false;      // XX
  bool if_later = false;    // GT
  bool if_earlier = false;  // LT
};

ExpireCondition read_condition(Args& args) {
  ExpireCondition condition;
  while (args.more()) {
    if (args.eat("NX")) {
      condition.if_never = true;
    } else if (args.eat("XX")) {
      condition.if_set = true;
    } else if (args.eat("GT")) {
      condition.if_later = true;
    } else if (args.eat("LT")) {
      condition.if_earlier = true;
    } else {
      args.fail(errors::unsupported_option(args.take()));
    }
  }
  const bool has_others = condition.if_set || condition.if_later || condition.if_earlier;
  if (condition.if_never && has_others) args.fail(errors::expire_nx_and_others);
  if (condition.if_later && condition.if_earlier) args.fail(errors::expire_gt_and_lt);
  return condition;
}

// Never counts as the latest moment of all.
bool permits(const ExpireCondition& condition, Deadline current, Deadline wanted) {
  if (condition.if_never && !current.is_never()) return false;
  if (condition.if_set && current.is_never()) return false;
  if (condition.if_later && wanted <= current) return false;
  if (condition.if_earlier && wanted >= current) return false;
  return true;
}

// The moment the number of an EXPIRE names. Unlike in SET it may lie in the past, however far.
Deadline read_moment(Args& args, const Call& call, TimeUnit unit, TimeBase base) {
  const auto span_ms = to_milliseconds(args.integer(), unit);
  const std::int64_t start_ms = base == TimeBase::now ? call.now_ms : 0;
  if (!span_ms || *span_ms > std::numeric_limits<std::int64_t>::max() - start_ms)
    fail_expire(args, call);
  return args.failed() ? Deadline::never() : deadline_of(call, *span_ms + start_ms, base);
}

void expire_at(Call& call, TimeUnit unit, TimeBase base) {
  Args options = call.args_from(3);
  const ExpireCondition condition = read_condition(options);
  if (!options.finish()) return call.reply.error(options.problem());
  Args args = call.args_from(2);
  const Deadline wanted = read_moment(args, call, unit, base);
  if (args.failed()) return call.reply.error(args.problem());

  call.keys.update(call.key(), [&](Slot& slot) {
    if (!slot.is_present() || !permits(condition, slot.deadline(), wanted))
      return call.reply.integer(0);
    slot.set_deadline(wanted);
    call.event(EventClass::generic, slot.is_present() ? "expire" : "del", slot.key().bytes);
    call.reply.integer(1);
  });
}

void expire(Call& call) {
  expire_at(call, TimeUnit::seconds, TimeBase::now);
}

void pexpire(Call& call) {
  expire_at(call, TimeUnit::milliseconds, TimeBase::now);
}

void expireat(Call& call) {
  expire_at(call, TimeUnit::seconds, TimeBase::epoch);
}

void pexpireat(Call& call) {
  expire_at(call, TimeUnit::milliseconds, TimeBase::epoch);
}

// -2: no such key; -1: it never dies; else when, or in how long. Seconds are rounded to the
// nearest.
void answer_deadline(Call& call, TimeUnit unit, TimeBase base) {
  call.keys.peek(call.key(), [&](const Value* value) {
    if (value == nullptr) return call.reply.integer(-2);
    if (value->deadline().is_never()) return call.reply.integer(-1);
    const std::int64_t moment_ms = value->deadline().ms();
    const std::int64_t ms = base == TimeBase::now ? moment_ms - call.now_ms
                                                  : call.services.timeline.wall_ms(moment_ms);
    if (unit == TimeUnit::milliseconds) return call.reply.integer(ms);
    call.reply.integer(ms / 1000 + (ms % 1000 >= 500 ? 1 : 0));
  });
}

void ttl(Call& call) {
  answer_deadline(call, TimeUnit::seconds, TimeBase::now);
}

void pttl(Call& call) {
  answer_deadline(call, TimeUnit::milliseconds, TimeBase::now);
}

void expiretime(Call& call) {
  answer_deadline(call, TimeUnit::seconds, TimeBase::epoch);
}

void pexpiretime(Call& call) {
  answer_deadline(call, TimeUnit::milliseconds, TimeBase::epoch);
}

// PERSIST key -> 1 if the key would have died, 0 if it had no deadline or is not there.
void persist(Call& call) {
  call.keys.update(call.key(), [&](Slot& slot) {
    if (slot.deadline().is_never()) return call.reply.integer(0);
    slot.set_deadline(Deadline::never());
    call.event(EventClass::generic, "persist", slot.key().bytes);
    call.reply.integer(1);
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "EXPIRE",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = expire,
     .summary = "Let a key die in some seconds",
     .since = "1.0.0",
     .syntax = "key seconds [NX|XX|GT|LT]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
    {.name = "PEXPIRE",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = pexpire,
     .summary = "Let a key die in some milliseconds",
     .since = "2.6.0",
     .syntax = "key milliseconds [NX|XX|GT|LT]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
    {.name = "EXPIREAT",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = expireat,
     .summary = "Let a key die at a second of Unix time",
     .since = "1.2.0",
     .syntax = "key unix-time-seconds [NX|XX|GT|LT]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
    {.name = "PEXPIREAT",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = pexpireat,
     .summary = "Let a key die at a millisecond of Unix time",
     .since = "2.6.0",
     .syntax = "key unix-time-milliseconds [NX|XX|GT|LT]",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
    {.name = "TTL",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = ttl,
     .summary = "How many seconds a key has left",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "PTTL",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = pttl,
     .summary = "How many milliseconds a key has left",
     .since = "2.6.0",
     .syntax = "key",
     .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "EXPIRETIME",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = expiretime,
     .summary = "The second of Unix time at which a key dies",
     .since = "7.0.0",
     .syntax = "key",
     .complexity = "O(1)"},
    {.name = "PEXPIRETIME",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = pexpiretime,
     .summary = "The millisecond of Unix time at which a key dies",
     .since = "7.0.0",
     .syntax = "key",
     .complexity = "O(1)"},
    {.name = "PERSIST",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = persist,
     .summary = "Let a key live for ever",
     .since = "2.2.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::rw | Access::update},
};

}  // namespace

const Family expiry{"generic", table};

}  // namespace larder::server
