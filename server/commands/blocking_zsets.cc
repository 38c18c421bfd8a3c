// Sorted sets that are waited for: BZPOPMIN, BZPOPMAX, BZMPOP.
//
// How they wait: blocking_pops.h.
// Thread: loop; what takes may run on the loop of whoever filled the set.
#include "server/commands/blocking_pops.h"
#include "server/commands/zsets.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

using enum Flag;

bool take_end(Call& call, std::size_t key, ZsetEnd end) {
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(3);
    call.reply.bulk(call.word(key));
    for (const storage::Scored& popped : pop_members(call, slot, end, 1)) {
      say_member(call.reply, Telling::flat, storage::Bytes(popped.member), popped.score);
    }
    return true;
  });
}

bool take_min(Call& call, std::size_t key) {
  return take_end(call, key, ZsetEnd::min);
}

bool take_max(Call& call, std::size_t key) {
  return take_end(call, key, ZsetEnd::max);
}

// BZPOPMIN key [key ...] timeout -> the first sorted set that is there, its member, and the score
void bzpopmin(Call& call) {
  pop_or_wait(call, storage::Type::zset, take_min);
}

void bzpopmax(Call& call) {
  pop_or_wait(call, storage::Type::zset, take_max);
}

bool take_several(Call& call, std::size_t key) {
  const PopRequest request = pop_request_of(call, kZsetEnds);
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(2);
    call.reply.bulk(call.word(key));
    say_members(call.reply, Telling::paired,
                pop_members(call, slot, end_of(request), request.most));
    return true;
  });
}

void bzmpop(Call& call) {
  pop_several_or_wait(call, storage::Type::zset, kZsetEnds, take_several);
}

constexpr Command table[] = {
    {.name = "BZPOPMIN",
     .arity = at_least(3),
     .keys = kAllButTheLast,
     .flags = writes | no_script | fast | blocking,
     .run = bzpopmin,
     .summary = "Take the member with the lowest score out, or wait for one",
     .since = "5.0.0",
     .syntax = "key [key ...] timeout",
     .complexity = "O(log N) where N is the number of members",
     .access = kTaken},
    {.name = "BZPOPMAX",
     .arity = at_least(3),
     .keys = kAllButTheLast,
     .flags = writes | no_script | fast | blocking,
     .run = bzpopmax,
     .summary = "Take the member with the highest score out, or wait for one",
     .since = "5.0.0",
     .syntax = "key [key ...] timeout",
     .complexity = "O(log N) where N is the number of members",
     .access = kTaken},
    {.name = "BZMPOP",
     .arity = at_least(5),
     .keys = counted_at(kNumkeysOfPop),
     .flags = writes | blocking,
     .run = bzmpop,
     .summary = "Take members out of the first of several sorted sets, or wait for one",
     .since = "7.0.0",
     .syntax = "timeout numkeys key [key ...] <MIN|MAX> [COUNT count]",
     .complexity = "O(K + log N + M) where K is the number of keys and M that of members taken",
     .access = kTaken},
};

}  // namespace

const Family blocking_zsets{"sorted-set", table};

}  // namespace larder::server
