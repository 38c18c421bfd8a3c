// Sorted sets that are waited for: BZPOPMIN, BZPOPMAX, BZMPOP.
//
// Each is its sister that does not wait, run when there is a sorted set; see blocking_lists.cc.
// Thread: loop; what takes may run on the loop of whoever filled the set.
#include "server/commands/shared_args.h"
#include "server/commands/zsets.h"
#include "server/engine/blocking.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

using enum Flag;

void say_null_array(Reply& reply) {
  reply.null_array();
}

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
void pop(Call& call, bool (*take)(Call& call, std::size_t key)) {
  const std::size_t keys = call.words.size() - 2;
  Args args = call.args_from(1 + keys);
  const std::int64_t timeout_ms = read_timeout(args, call, TimeUnit::seconds);
  if (!args.finish()) return call.reply.error(args.problem());
  take_or_wait(call, {.keys = keys,
                      .type = storage::Type::zset,
                      .timeout_ms = timeout_ms,
                      .take = take,
                      .give_up = say_null_array});
}

void bzpopmin(Call& call) {
  pop(call, take_min);
}

void bzpopmax(Call& call) {
  pop(call, take_max);
}

constexpr std::size_t kNumkeys = 2;  // of BZMPOP: the position of that word

bool take_several(Call& call, std::size_t key) {
  Args args = call.args_from(kNumkeys);
  const ZsetPopRequest request = read_zset_pop_request(call, args);
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(2);
    call.reply.bulk(call.word(key));
    say_members(call.reply, Telling::paired, pop_members(call, slot, request.end, request.most));
    return true;
  });
}

// BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count]. The timeout is judged last.
void bzmpop(Call& call) {
  Args args = call.args_from(kNumkeys);
  const ZsetPopRequest request = read_zset_pop_request(call, args);
  if (!args.finish()) return call.reply.error(args.problem());
  Args first = call.args_from(1);
  const std::int64_t timeout_ms = read_timeout(first, call, TimeUnit::seconds);
  if (first.failed()) return call.reply.error(first.problem());
  take_or_wait(call, {.first_key = kNumkeys + 1,
                      .keys = request.names.size(),
                      .type = storage::Type::zset,
                      .timeout_ms = timeout_ms,
                      .take = take_several,
                      .give_up = say_null_array});
}

constexpr Keys kAllButTheLast{.first = 1, .last = -2, .step = 1};
constexpr Access kTaken = Access::rw | Access::access | Access::remove;

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
     .keys = counted_at(kNumkeys),
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
