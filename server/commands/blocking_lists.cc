// Lists that are waited for: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.
//
// How they wait: blocking_pops.h. Thread: loop; what takes may run on the loop of whoever filled
// the list.
#include <optional>

#include "protocol/errors.h"
#include "server/commands/blocking_pops.h"
#include "server/commands/lists.h"
#include "server/commands/shared_args.h"
#include "server/engine/blocking.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

void say_null(Reply& reply) {
  reply.null();
}

bool take_end(Call& call, std::size_t key, Side side) {
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(2);
    call.reply.bulk(call.word(key));
    pop_one(call, slot, side);
    return true;
  });
}

bool take_left(Call& call, std::size_t key) {
  return take_end(call, key, Side::left);
}

bool take_right(Call& call, std::size_t key) {
  return take_end(call, key, Side::right);
}

// BLPOP key [key ...] timeout -> the first list that is there, and its element
void blpop(Call& call) {
  pop_or_wait(call, storage::Type::list, take_left);
}

void brpop(Call& call) {
  pop_or_wait(call, storage::Type::list, take_right);
}

bool take_several(Call& call, std::size_t key) {
  const PopRequest request = pop_request_of(call, kSides);
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(2);
    call.reply.bulk(call.word(key));
    pop_several(call, slot, side_of(request), request.most);
    return true;
  });
}

void blmpop(Call& call) {
  pop_several_or_wait(call, storage::Type::list, kSides, take_several);
}

// What was moved. When time is up Redis says that there is no array, although there would be none.
void move(Call& call, std::size_t timeout, bool (*take)(Call& call, std::size_t key)) {
  Args args = call.args_from(timeout);
  const std::int64_t timeout_ms = read_timeout(args, call, TimeUnit::seconds);
  if (!args.finish()) return call.reply.error(args.problem());
  take_or_wait(call, {.destination = 2,
                      .type = storage::Type::list,
                      .timeout_ms = timeout_ms,
                      .take = take,
                      .give_up = say_null_array,
                      .nothing = say_null});
}

bool take_for_blmove(Call& call, std::size_t) {
  const auto from = parse_side(call.word(3));
  const auto to = parse_side(call.word(4));
  return move_element(call, {call.key(1), call.key(2), *from, *to});
}

// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout
void blmove(Call& call) {
  if (!parse_side(call.word(3)) || !parse_side(call.word(4))) {
    return call.reply.error(errors::syntax);
  }
  move(call, 5, take_for_blmove);
}

bool take_for_brpoplpush(Call& call, std::size_t) {
  return move_element(call, {call.key(1), call.key(2), Side::right, Side::left});
}

void brpoplpush(Call& call) {
  move(call, 3, take_for_brpoplpush);
}

constexpr Command table[] = {
    {.name = "BLPOP",
     .arity = at_least(3),
     .keys = kAllButTheLast,
     .flags = writes | no_script | blocking,
     .run = blpop,
     .summary = "Take the first element of a list, or wait for one",
     .since = "2.0.0",
     .syntax = "key [key ...] timeout",
     .complexity = "O(N) where N is the number of keys",
     .access = kTaken},
    {.name = "BRPOP",
     .arity = at_least(3),
     .keys = kAllButTheLast,
     .flags = writes | no_script | blocking,
     .run = brpop,
     .summary = "Take the last element of a list, or wait for one",
     .since = "2.0.0",
     .syntax = "key [key ...] timeout",
     .complexity = "O(N) where N is the number of keys",
     .access = kTaken},
    {.name = "BLMPOP",
     .arity = at_least(5),
     .keys = counted_at(kNumkeysOfPop),
     .flags = writes | blocking,
     .run = blmpop,
     .summary = "Take elements out of the first of several lists, or wait for one",
     .since = "7.0.0",
     .syntax = "timeout numkeys key [key ...] <LEFT|RIGHT> [COUNT count]",
     .complexity = "O(N+M) where N is the number of keys and M the number of elements taken",
     .access = kTaken},
    {.name = "BLMOVE",
     .arity = exactly(6),
     .keys = two_keys(),
     .flags = writes | may_grow | no_script | blocking,
     .run = blmove,
     .summary = "Move an element from one list to another, or wait for one",
     .since = "6.2.0",
     .syntax = "source destination <LEFT|RIGHT> <LEFT|RIGHT> timeout",
     .complexity = "O(1)",
     .access = kTaken,
     .second_access = Access::rw | Access::insert},
    {.name = "BRPOPLPUSH",
     .arity = exactly(4),
     .keys = two_keys(),
     .flags = writes | may_grow | no_script | blocking,
     .run = brpoplpush,
     .summary = "Move the last element of one list to the front of another, or wait for one",
     .since = "2.2.0",
     .syntax = "source destination timeout",
     .complexity = "O(1)",
     .access = kTaken,
     .second_access = Access::rw | Access::insert},
};

}  // namespace

const Family blocking_lists{"list", table};

}  // namespace larder::server
