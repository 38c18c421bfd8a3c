// Sets: one key, its members. What is done with several sets is in set_algebra.cc.
//
// SPOP and SRANDMEMBER draw from the loop's own generator; every member is as likely as the others.
// SRANDMEMBER with a negative count answers so many members, some of them more than once. Such a
// reply could be of any size, so it is collected first, and refused when it is larger than a client
// may have unsent.
// A reply with all members of a set is said in one visit, whatever its size. Thread: loop.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "protocol/errors.h"
#include "server/commands/collection_scan.h"
#include "server/commands/collections.h"
#include "server/commands/harvest.h"
#include "server/engine/answer.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/options.h"
#include "storage/slot.h"
#include "storage/types/set.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::SetEdit;
using storage::SetView;
using storage::Slot;
using storage::Type;
using storage::Value;

// Members that SRANDMEMBER answers at the most when they may come more than once: a second of
// drawing.
constexpr std::uint64_t kMostDrawn = 1 << 24;

// tell(std::optional<SetView>) of the set that is read, or WRONGTYPE.
template <class Tell>
void read_set(Call& call, Tell&& tell) {
  read_collection<SetView>(call, std::forward<Tell>(tell));
}

// change(Slot&) where there is a set or nothing, or WRONGTYPE.
template <class Change>
void change_set(Call& call, Change&& change) {
  change_collection(call, Type::set, std::forward<Change>(change));
}

void sadd(Call& call) {
  change_set(call, [&](Slot& slot) {
    const std::size_t added = SetEdit(slot).add(call.words.subspan(2));
    if (added != 0) call.event(EventClass::set, "sadd", slot.key().bytes);
    call.reply.integer(static_cast<std::int64_t>(added));
  });
}

void srem(Call& call) {
  change_set(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.integer(0);
    const std::size_t removed = SetEdit(slot).remove(call.words.subspan(2));
    if (removed != 0) tell_removal(call, slot, EventClass::set, "srem");
    call.reply.integer(static_cast<std::int64_t>(removed));
  });
}

void smembers(Call& call) {
  read_set(call, [&](const std::optional<SetView>& set) {
    call.reply.set(set ? set->size() : 0);
    if (set) set->each([&](const Bytes& member) { answer_bytes(call.reply, member); });
  });
}

void sismember(Call& call) {
  read_set(call, [&](const std::optional<SetView>& set) {
    call.reply.integer(set && set->has(call.word(2)) ? 1 : 0);
  });
}

void smismember(Call& call) {
  read_set(call, [&](const std::optional<SetView>& set) {
    const Words asked = call.words.subspan(2);
    call.reply.array(asked.size());
    for (const std::string_view member : asked) call.reply.integer(set && set->has(member) ? 1 : 0);
  });
}

void scard(Call& call) {
  read_set(call, [&](const std::optional<SetView>& set) {
    call.reply.integer(set ? static_cast<std::int64_t>(set->size()) : 0);
  });
}

void pop_one(Call& call) {
  change_set(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.null();
    const std::string member = SetEdit(slot).pop(call.lane.chance);
    tell_removal(call, slot, EventClass::set, "spop");
    call.reply.bulk(member);
  });
}

void pop_several(Call& call, std::size_t count) {
  change_set(call, [&](Slot& slot) {
    if (!slot.is_present() || count == 0) return call.reply.set(0);
    const SetView set(*slot.value());
    const auto say = [&](const Bytes& member) { answer_bytes(call.reply, member); };
    call.reply.set(std::min(count, set.size()));
    if (count < set.size()) {
      SetEdit(slot).pop(count, call.lane.chance, say);
    } else {
      set.each(say);
      slot.erase();
    }
    tell_removal(call, slot, EventClass::set, "spop");
  });
}

// SPOP key [count] -> a member, or a set of them; they are no longer there.
void spop(Call& call) {
  if (call.words.size() == 2) return pop_one(call);
  Args args = call.args_from(2);
  if (args.left() > 1) args.fail(errors::syntax);
  const std::int64_t count =
      args.integer_between(0, std::numeric_limits<std::int64_t>::max(), errors::not_positive);
  if (!args.finish()) return call.reply.error(args.problem());
  pop_several(call, static_cast<std::size_t>(count));
}

void answer_random(Call& call) {
  read_set(call, [&](const std::optional<SetView>& set) {
    if (!set) return call.reply.null();
    answer_bytes(call.reply, set->random(call.lane.chance));
  });
}

void answer_different(Call& call, std::uint64_t count) {
  read_set(call, [&](const std::optional<SetView>& set) {
    if (!set) return call.reply.array(0);
    const auto say = [&](const Bytes& member) { answer_bytes(call.reply, member); };
    call.reply.array(std::min<std::uint64_t>(count, set->size()));
    count < set->size() ? set->sample(count, call.lane.chance, say) : set->each(say);
  });
}

void answer_any(Call& call, std::uint64_t count) {
  const std::uint64_t limit_bytes = call.services.options.settings.output_buffer_hard_limit;
  read_set(call, [&](const std::optional<SetView>& set) {
    if (!set) return call.reply.array(0);
    if (count > kMostDrawn) return call.reply.error(errors::out_of_range);
    Harvest drawn;
    for (std::uint64_t i = 0; i < count; ++i) {
      Bytes::Digits digits;
      drawn.add(set->random(call.lane.chance).text(digits));
      if (limit_bytes != 0 && drawn.bytes() > limit_bytes)
        return call.reply.error(errors::out_of_range);
    }
    call.reply.array(drawn.count());
    drawn.say(call.reply, drawn.count());
  });
}

// SRANDMEMBER key [count] -> a member, or so many different ones, or -count of any.
void srandmember(Call& call) {
  if (call.words.size() == 2) return answer_random(call);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Args args = call.args_from(2);
  if (args.left() > 1) args.fail(errors::syntax);
  const std::int64_t count = args.integer();
  if (count < -kMost) args.fail(errors::out_of_range_between(-kMost, kMost));
  if (!args.finish()) return call.reply.error(args.problem());
  if (count < 0) return answer_any(call, static_cast<std::uint64_t>(-count));
  answer_different(call, static_cast<std::uint64_t>(count));
}

void move_within(Call& call) {
  change_set(call, [&](Slot& slot) {
    const bool is_there = slot.is_present() && SetView(*slot.value()).has(call.word(3));
    call.reply.integer(is_there ? 1 : 0);
  });
}

// SMOVE source destination member -> 1 if it was in the source.
void smove(Call& call) {
  const Key from = call.key(1);
  const Key to = call.key(2);
  if (from.bytes == to.bytes) return move_within(call);
  const std::uint32_t db = call.keys.db();
  call.keys.update_two(db, from, db, to, [&](Slot& source, Slot& target) {
    if (!source.is_present()) return call.reply.integer(0);
    if (is_other_type(source, Type::set) || is_other_type(target, Type::set))
      return call.reply.error(errors::wrong_type);
    if (!SetEdit(source).remove(call.word(3))) return call.reply.integer(0);
    tell_removal(call, source, EventClass::set, "srem");
    if (SetEdit(target).add(call.word(3))) call.event(EventClass::set, "sadd", to.bytes);
    call.reply.integer(1);
  });
}

std::uint64_t walk_set(const Value& value, std::uint64_t cursor, std::size_t count,
                       ScanFound& found) {
  return SetView(value).scan(cursor, count, [&](const Bytes& member) {
    if (found.admits(member)) found.add(member);
  });
}

void sscan(Call& call) {
  scan_collection(call, Type::set, walk_set);
}

using enum Flag;

constexpr Command table[] = {
    {.name = "SADD",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = sadd,
     .summary = "Add members to a set and say how many are new; the set is made if there is none",
     .since = "1.0.0",
     .syntax = "key member [member ...]",
     .complexity = "O(N) where N is the number of members that are added",
     .access = Access::rw | Access::insert},
    {.name = "SREM",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | fast,
     .run = srem,
     .summary = "Remove members of a set and say how many were there",
     .since = "1.0.0",
     .syntax = "key member [member ...]",
     .complexity = "O(N) where N is the number of members that are removed",
     .access = Access::rw | Access::remove},
    {.name = "SMEMBERS",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads,
     .run = smembers,
     .summary = "All members of a set",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(N) where N is the number of members",
     .tips = "nondeterministic_output_order",
     .access = Access::ro | Access::access},
    {.name = "SISMEMBER",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = sismember,
     .summary = "Whether a member is in a set",
     .since = "1.0.0",
     .syntax = "key member",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "SMISMEMBER",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads | fast,
     .run = smismember,
     .summary = "Of each of several members, whether it is in a set",
     .since = "6.2.0",
     .syntax = "key member [member ...]",
     .complexity = "O(N) where N is the number of members that are asked for",
     .access = Access::ro | Access::access},
    {.name = "SCARD",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = scard,
     .summary = "How many members a set has",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "SPOP",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = spop,
     .summary = "Take random members out of a set",
     .since = "1.0.0",
     .syntax = "key [count]",
     .complexity = "O(1) without a count, O(N) with it, where N is the count",
     .tips = "nondeterministic_output",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "SRANDMEMBER",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads,
     .run = srandmember,
     .summary = "Random members of a set, which stay there",
     .since = "1.0.0",
     .syntax = "key [count]",
     .complexity = "O(1) without a count, O(N) with it, where N is the count without its sign",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
    {.name = "SMOVE",
     .arity = exactly(4),
     .keys = two_keys(),
     .flags = writes | fast,
     .run = smove,
     .summary = "Move a member from one set to another",
     .since = "1.0.0",
     .syntax = "source destination member",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove,
     .second_access = Access::rw | Access::insert},
    {.name = "SSCAN",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = sscan,
     .summary = "Some members of a set, and a cursor with which to go on",
     .since = "2.8.0",
     .syntax = "key cursor [MATCH pattern] [COUNT count]",
     .complexity = "O(COUNT)",
     .tips = "nondeterministic_output",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family sets{"set", table};

}  // namespace larder::server
