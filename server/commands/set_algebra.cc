// What is done with several sets: intersection, union, difference.
//
// The shards of all keys that are named are held meanwhile, so the result is that of one moment.
// First every key is looked up, counted, and refused if it is no set; then, nothing being changed
// any more, the sets are looked at side by side.
//
//   SINTER   the smallest set is walked, each member asked for in the others, small ones first
//   SDIFF    the first set is walked, each member asked for in the others, large ones first
//   SUNION   all are walked, and gathered in a draft
//
// A result that is answered is copied while the shards are held, and said afterwards; one that is
// stored is made beside the sets, since it may take the place of one of them. It replaces what its
// key has, of whatever type, with its deadline; an empty one removes it.
// Cost: the walks are not divided: the shards are held for all of it. Thread: loop.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/collections.h"
#include "server/commands/harvest.h"
#include "server/commands/shared_args.h"
#include "server/engine/answer.h"
#include "server/engine/families.h"
#include "storage/slot.h"
#include "storage/types/set.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::Keyspace;
using storage::SetDraft;
using storage::SetView;
using storage::Slot;
using storage::Type;
using storage::Value;

// In the order of their keys; an absent one is empty.
using Sets = std::vector<SetView>;

// Nothing when one of the keys is no set.
std::optional<Sets> look_up(Keyspace& held, std::span<const Key> names) {
  const auto is_set = [](const Value* value) {
    return value == nullptr || value->type() == Type::set;
  };
  for (const Key& name : names) {
    if (!held.read(name, is_set)) return std::nullopt;
  }
  const SetView none(storage::Encoding::intset, storage::Intset::kNone, nullptr);
  Sets sets;
  sets.reserve(names.size());
  for (const Key& name : names) {
    sets.push_back(held.update(name, [&](Slot& slot) {
      const Value* value = slot.value();
      return value == nullptr ? none : SetView(*value);
    }));
  }
  return sets;
}

bool is_smaller(const SetView& a, const SetView& b) {
  return a.size() < b.size();
}

bool is_larger(const SetView& a, const SetView& b) {
  return a.size() > b.size();
}

// visit(Bytes) of what is in all of them, while it is true.
template <class Visit>
void intersect(Sets sets, Visit&& visit) {
  std::stable_sort(sets.begin(), sets.end(), is_smaller);
  const auto others = std::span(sets).subspan(1);
  sets.front().each_while([&](const Bytes& member) {
    const auto has_it = [&](const SetView& set) { return set.has(member); };
    return !std::all_of(others.begin(), others.end(), has_it) || visit(member);
  });
}

// visit(Bytes) of what is in the first only.
template <class Visit>
void subtract(Sets sets, Visit&& visit) {
  std::stable_sort(sets.begin() + 1, sets.end(), is_larger);
  const auto others = std::span(sets).subspan(1);
  sets.front().each([&](const Bytes& member) {
    const auto has_it = [&](const SetView& set) { return set.has(member); };
    if (std::none_of(others.begin(), others.end(), has_it)) visit(member);
  });
}

// visit(Bytes) of what is in any of them, more than once if it is in several.
template <class Visit>
void unite(const Sets& sets, Visit&& visit) {
  for (const SetView& set : sets) set.each(visit);
}

enum class Operation { intersection, union_of_all, difference };

template <class Visit>
void work_out(Operation operation, const Sets& sets, Visit&& visit) {
  switch (operation) {
    case Operation::intersection:
      return intersect(sets, [&](const Bytes& member) {
        visit(member);
        return true;
      });
    case Operation::union_of_all: return unite(sets, visit);
    case Operation::difference: return subtract(sets, visit);
  }
}

// A draft with the rules of the shard of a key, which is held.
SetDraft draft_for(Keyspace& held, const Key& name) {
  return held.update(name, [](Slot& slot) { return SetDraft(slot.limits(), slot.seed()); });
}

void add_all(SetDraft& result, Operation operation, const Sets& sets) {
  work_out(operation, sets, [&](const Bytes& member) {
    Bytes::Digits digits;
    result.add(member.text(digits));
  });
}

void answer(Call& call, Operation operation) {
  const std::vector<Key> names = keys_of(call);
  Harvest found;
  const auto keep = [&](const Bytes& member) {
    Bytes::Digits digits;
    found.add(member.text(digits));
  };
  {
    Keyspace::Several several(call.keys, names);
    const auto sets = look_up(*several, names);
    if (!sets) return call.reply.error(errors::wrong_type);
    if (operation == Operation::union_of_all && sets->size() > 1) {
      SetDraft result = draft_for(*several, names.front());
      add_all(result, operation, *sets);
      result.view().each(keep);
    } else {
      work_out(operation, *sets, keep);
    }
  }
  call.reply.set(found.count());
  found.say(call.reply, found.count());
}

void store(Call& call, Operation operation, std::string_view event) {
  const std::vector<Key> names = keys_of(call);
  Keyspace::Several several(call.keys, names);
  const auto sets = look_up(*several, std::span(names).subspan(1));
  if (!sets) return call.reply.error(errors::wrong_type);
  const Key& target = names.front();
  SetDraft result = draft_for(*several, target);
  add_all(result, operation, *sets);
  const std::size_t size = result.view().size();
  several->update(target, [&](Slot& slot) {
    const bool was_there = slot.erase();
    if (size != 0) result.put_into(slot);
    tell_stored(call, slot, was_there, size, EventClass::set, event);
  });
}

void sinter(Call& call) {
  answer(call, Operation::intersection);
}

void sunion(Call& call) {
  answer(call, Operation::union_of_all);
}

void sdiff(Call& call) {
  answer(call, Operation::difference);
}

void sinterstore(Call& call) {
  store(call, Operation::intersection, "sinterstore");
}

void sunionstore(Call& call) {
  store(call, Operation::union_of_all, "sunionstore");
}

void sdiffstore(Call& call) {
  store(call, Operation::difference, "sdiffstore");
}

struct CardinalityOptions {
  std::vector<Key> names;
  std::int64_t limit = 0;  // none
};

CardinalityOptions read_cardinality_options(Args& args, const Call& call) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  CardinalityOptions options;
  const std::int64_t count = args.integer_between(1, kMost, errors::numkeys_not_positive);
  if (count > static_cast<std::int64_t>(args.left())) args.fail(errors::numkeys_too_big);
  if (args.failed()) return options;
  for (const std::string_view name : args.take_words(static_cast<std::size_t>(count)))
    options.names.push_back(call.keys.key(name));
  while (args.more()) {
    if (args.left() > 1 && args.eat("LIMIT")) {
      options.limit = args.integer_between(0, kMost, errors::negative_limit);
    } else {
      args.fail(errors::syntax);
    }
  }
  return options;
}

// SINTERCARD numkeys key [key ...] [LIMIT limit] -> how many members SINTER would answer, but no
// more than the limit.
void sintercard(Call& call) {
  Args args = call.args_from(1);
  const CardinalityOptions options = read_cardinality_options(args, call);
  if (!args.finish()) return call.reply.error(args.problem());
  Keyspace::Several several(call.keys, options.names);
  const auto sets = look_up(*several, options.names);
  if (!sets) return call.reply.error(errors::wrong_type);
  std::int64_t found = 0;
  intersect(*sets, [&](const Bytes&) { return ++found != options.limit; });
  call.reply.integer(found);
}

using enum Flag;

constexpr Access kReplaces = Access::ow | Access::update;
constexpr Access kLooks = Access::ro | Access::access;
constexpr std::string_view kIntersectionCost =
    "O(N*M) where N is the size of the smallest set and M the number of sets";
constexpr std::string_view kDifferenceCost =
    "O(N*M) where N is the size of the first set and M the number of sets";
constexpr std::string_view kUnionCost = "O(N) where N is the number of members of all sets";

constexpr Command table[] = {
    {.name = "SINTER",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads,
     .run = sinter,
     .summary = "The members that are in all of several sets",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = kIntersectionCost,
     .tips = "nondeterministic_output_order",
     .access = kLooks},
    {.name = "SINTERCARD",
     .arity = at_least(3),
     .keys = counted_at(1),
     .flags = reads,
     .run = sintercard,
     .summary = "How many members are in all of several sets",
     .since = "7.0.0",
     .syntax = "numkeys key [key ...] [LIMIT limit]",
     .complexity = kIntersectionCost,
     .access = kLooks},
    {.name = "SINTERSTORE",
     .arity = at_least(3),
     .keys = all_words(),
     .flags = writes | may_grow,
     .run = sinterstore,
     .summary = "Store the members that are in all of several sets under a key",
     .since = "1.0.0",
     .syntax = "destination key [key ...]",
     .complexity = kIntersectionCost,
     .access = Access::rw | Access::update,
     .second_access = kLooks},
    {.name = "SUNION",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads,
     .run = sunion,
     .summary = "The members that are in any of several sets",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = kUnionCost,
     .tips = "nondeterministic_output_order",
     .access = kLooks},
    {.name = "SUNIONSTORE",
     .arity = at_least(3),
     .keys = all_words(),
     .flags = writes | may_grow,
     .run = sunionstore,
     .summary = "Store the members that are in any of several sets under a key",
     .since = "1.0.0",
     .syntax = "destination key [key ...]",
     .complexity = kUnionCost,
     .access = kReplaces,
     .second_access = kLooks},
    {.name = "SDIFF",
     .arity = at_least(2),
     .keys = all_words(),
     .flags = reads,
     .run = sdiff,
     .summary = "The members that are in a set but in none of several others",
     .since = "1.0.0",
     .syntax = "key [key ...]",
     .complexity = kDifferenceCost,
     .tips = "nondeterministic_output_order",
     .access = kLooks},
    {.name = "SDIFFSTORE",
     .arity = at_least(3),
     .keys = all_words(),
     .flags = writes | may_grow,
     .run = sdiffstore,
     .summary = "Store the members that are in a set but in none of several others under a key",
     .since = "1.0.0",
     .syntax = "destination key [key ...]",
     .complexity = kDifferenceCost,
     .access = kReplaces,
     .second_access = kLooks},
};

}  // namespace

const Family set_algebra{"set", table};

}  // namespace larder::server
