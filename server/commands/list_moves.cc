// Elements that leave lists: LPOP, RPOP, LMPOP, and from one list into another, LMOVE and
// RPOPLPUSH.
//
// LMOVE holds both shards, LMPOP those of all its keys, so nobody sees an element in both lists or
// in none. A list that is its own target is turned, and stays the same key with the same deadline
// even if it has one element. Neither counts hits or misses, as in Redis.
// Thread: loop. Cost: one visit; LMPOP and LPOP with a count say their elements inside it.
#include "server/commands/lists.h"

#include <algorithm>
#include <limits>
#include <string>

#include "protocol/errors.h"
#include "server/commands/collections.h"
#include "server/engine/families.h"

namespace larder::server {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::ListEdit;
using storage::ListView;
using storage::Slot;
using storage::Type;

namespace {

void tell_popped(const Call& call, Slot& slot, Side side) {
  tell_removal(call, slot, EventClass::list, side == Side::left ? "lpop" : "rpop");
}

void tell_pushed(const Call& call, Slot& slot, Side side) {
  call.event(EventClass::list, side == Side::left ? "lpush" : "rpush", slot.key().bytes);
}

std::string outermost(Slot& slot, Side side) {
  const ListView list(*slot.value());
  return list.at(side == Side::left ? 0 : list.size() - 1).to_string();
}

// A list that is source and target at once.
void turn(Call& call, Slot& slot, Side from, Side to) {
  const std::string element = outermost(slot, from);
  ListEdit list(slot);
  if (list.size() == 1) {
    list.set(0, element);  // the same list, but who watches it is to hear of it
  } else {
    list.drop(from, 1);
    list.push(to, element);
  }
  tell_pushed(call, slot, to);
  call.reply.bulk(element);
  tell_popped(call, slot, from);
}

void move_between(Call& call, Slot& source, Slot& target, const ListMove& move) {
  const std::string element = outermost(source, move.from);
  ListEdit(target).push(move.to, element);
  tell_pushed(call, target, move.to);
  call.reply.bulk(element);
  ListEdit(source).drop(move.from, 1);
  tell_popped(call, source, move.from);
}

}  // namespace

std::optional<Side> parse_side(std::string_view word) {
  if (protocol::same_word(word, "LEFT")) return Side::left;
  if (protocol::same_word(word, "RIGHT")) return Side::right;
  return std::nullopt;
}

void pop_one(Call& call, Slot& slot, Side side) {
  const ListView list(*slot.value());
  answer_bytes(call.reply, list.at(side == Side::left ? 0 : list.size() - 1));
  ListEdit(slot).drop(side, 1);
  tell_popped(call, slot, side);
}

void pop_several(Call& call, Slot& slot, Side side, std::size_t most) {
  const ListView list(*slot.value());
  const std::size_t count = std::min(most, list.size());
  call.reply.array(count);
  if (count == 0) return;
  list.walk(side, 0, count, [&](const Bytes& element) {
    answer_bytes(call.reply, element);
    return true;
  });
  ListEdit(slot).drop(side, count);
  tell_popped(call, slot, side);
}

bool move_element(Call& call, const ListMove& move) {
  const auto wrong_type = [&] {
    call.reply.error(errors::wrong_type);
    return true;
  };
  if (move.source.bytes == move.target.bytes) {
    return call.keys.update(move.source, [&](Slot& slot) {
      if (!slot.is_present()) return false;
      if (is_other_type(slot, Type::list)) return wrong_type();
      turn(call, slot, move.from, move.to);
      return true;
    });
  }
  const std::uint32_t db = call.keys.db();
  return call.keys.update_two(db, move.source, db, move.target, [&](Slot& source, Slot& target) {
    if (!source.is_present()) return false;
    if (is_other_type(source, Type::list) || is_other_type(target, Type::list)) return wrong_type();
    move_between(call, source, target, move);
    return true;
  });
}

namespace {

// LPOP key [count] -> the element, or with a count an array; null where there is no key.
void pop(Call& call, Side side) {
  if (call.words.size() > 3)
    return call.reply.error(errors::wrong_arity(side == Side::left ? "lpop" : "rpop"));
  const bool has_count = call.words.size() == 3;
  Args args = call.args_from(2);
  const std::int64_t most =
      has_count
          ? args.integer_between(0, std::numeric_limits<std::int64_t>::max(), errors::not_positive)
          : 1;
  if (!args.finish()) return call.reply.error(args.problem());
  change_collection(call, Type::list, [&](Slot& slot) {
    if (!slot.is_present()) return has_count ? call.reply.null_array() : call.reply.null();
    if (has_count) return pop_several(call, slot, side, static_cast<std::size_t>(most));
    pop_one(call, slot, side);
  });
}

void lpop(Call& call) {
  pop(call, Side::left);
}

void rpop(Call& call) {
  pop(call, Side::right);
}

void lmove(Call& call) {
  const auto from = parse_side(call.word(3));
  const auto to = parse_side(call.word(4));
  if (!from || !to) return call.reply.error(errors::syntax);
  if (!move_element(call, {call.key(1), call.key(2), *from, *to})) call.reply.null();
}

void rpoplpush(Call& call) {
  if (!move_element(call, {call.key(1), call.key(2), Side::right, Side::left})) call.reply.null();
}

// LMPOP numkeys key [key …] LEFT|RIGHT [COUNT count] -> the first list there is, and its elements.
void lmpop(Call& call) {
  Args args = call.args_from(1);
  const PopRequest request = read_pop_request(args, kSides);
  if (!args.finish()) return call.reply.error(args.problem());
  pop_from_first(call, Type::list, request,
                 [&](Slot& slot) { pop_several(call, slot, side_of(request), request.most); });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "LPOP",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = lpop,
     .summary = "Take the first element, or some, out of a list",
     .since = "1.0.0",
     .syntax = "key [count]",
     .complexity = "O(N) where N is the number of elements taken",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "RPOP",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | fast,
     .run = rpop,
     .summary = "Take the last element, or some, out of a list",
     .since = "1.0.0",
     .syntax = "key [count]",
     .complexity = "O(N) where N is the number of elements taken",
     .access = Access::rw | Access::access | Access::remove},
    {.name = "LMOVE",
     .arity = exactly(5),
     .keys = two_keys(),
     .flags = writes | may_grow,
     .run = lmove,
     .summary = "Move an element from an end of one list to an end of another",
     .since = "6.2.0",
     .syntax = "source destination <LEFT|RIGHT> <LEFT|RIGHT>",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove,
     .second_access = Access::rw | Access::insert},
    {.name = "RPOPLPUSH",
     .arity = exactly(3),
     .keys = two_keys(),
     .flags = writes | may_grow,
     .run = rpoplpush,
     .summary = "Move the last element of one list to the front of another",
     .since = "1.2.0",
     .syntax = "source destination",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::remove,
     .second_access = Access::rw | Access::insert},
    {.name = "LMPOP",
     .arity = at_least(4),
     .keys = counted_at(1),
     .flags = writes,
     .run = lmpop,
     .summary = "Take elements out of the first of several lists that is there",
     .since = "7.0.0",
     .syntax = "numkeys key [key ...] <LEFT|RIGHT> [COUNT count]",
     .complexity = "O(N+M) where N is the number of keys and M the number of elements taken",
     .access = Access::rw | Access::access | Access::remove},
};

}  // namespace

const Family list_moves{"list", table};

}  // namespace larder::server
