#include "server/commands/blocking_pops.h"

#include "server/commands/shared_args.h"
#include "server/engine/blocking.h"

namespace larder::server {

void pop_or_wait(Call& call, storage::Type type, TakeFrom take) {
  const std::size_t keys = call.words.size() - 2;
  Args args = call.args_from(1 + keys);
  const std::int64_t timeout_ms = read_timeout(args, call, TimeUnit::seconds);
  if (!args.finish()) return call.reply.error(args.problem());
  take_or_wait(call, {.keys = keys,
                      .type = type,
                      .timeout_ms = timeout_ms,
                      .take = take,
                      .give_up = say_null_array});
}

void pop_several_or_wait(Call& call, storage::Type type, const EndWords& ends, TakeFrom take) {
  Args args = call.args_from(kNumkeysOfPop);
  const PopRequest request = read_pop_request(args, ends);
  if (!args.finish()) return call.reply.error(args.problem());
  Args first = call.args_from(1);
  const std::int64_t timeout_ms = read_timeout(first, call, TimeUnit::seconds);
  if (first.failed()) return call.reply.error(first.problem());
  take_or_wait(call, {.first_key = kNumkeysOfPop + 1,
                      .keys = request.names.size(),
                      .type = type,
                      .timeout_ms = timeout_ms,
                      .take = take,
                      .give_up = say_null_array});
}

PopRequest pop_request_of(const Call& call, const EndWords& ends) {
  Args args = call.args_from(kNumkeysOfPop);
  return read_pop_request(args, ends);
}

}  // namespace larder::server
