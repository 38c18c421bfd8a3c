// Counters: strings that are numbers. One visit reads the number, adds, and stores it; the time to
// live stays.
//
// Whole numbers are kept as such and never grow text. INCRBYFLOAT counts in long double and stores
// decimal text, as Redis does, so that 0.1 added ten times prints as people expect. Neither counts
// a hit or a miss. Thread: loop.
#include <cmath>
#include <limits>
#include <optional>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/engine/answer.h"
#include "server/engine/families.h"
#include "storage/slot.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::Slot;
using storage::Value;

void add_to(Call& call, std::int64_t by) {
  call.keys.update(call.key(), [&](Slot& slot) {
    const auto sum = slot.increment(by);
    if (!sum) return call.reply.error(error_text(sum.problem()));
    call.event(EventClass::string, "incrby", slot.key().bytes);
    call.reply.integer(*sum);
  });
}

void incr(Call& call) {
  add_to(call, 1);
}

void decr(Call& call) {
  add_to(call, -1);
}

void incrby(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t by = args.integer();
  if (!args.finish()) return call.reply.error(args.problem());
  add_to(call, by);
}

// DECRBY key decrement. The one number that has no opposite is refused before the key is looked at.
void decrby(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t by = args.integer();
  if (by == std::numeric_limits<std::int64_t>::min()) args.fail(errors::decrement_overflow);
  if (!args.finish()) return call.reply.error(args.problem());
  add_to(call, -by);
}

// The number a string is; an absent key counts as 0.
std::optional<long double> to_number(const Value* value) {
  if (value == nullptr) return 0.0L;
  Bytes::Digits digits;
  return protocol::parse_long_double(value->bytes().text(digits));
}

// INCRBYFLOAT key increment -> the sum as text. The stored number is judged before the increment,
// as in Redis; the error is the same for both. A whole sum is kept as a number: OBJECT ENCODING
// says int where Redis says embstr.
void incrbyfloat(Call& call) {
  const auto by = protocol::parse_long_double(call.word(2));
  call.keys.update(call.key(), [&](Slot& slot) {
    const Value* value = slot.value();
    if (value != nullptr && !value->is_string()) return call.reply.error(errors::wrong_type);
    const auto start = to_number(value);
    if (!start || !by) return call.reply.error(errors::not_a_float);
    const long double sum = *start + *by;
    if (!std::isfinite(sum)) return call.reply.error(errors::increment_nan);
    const std::string text = protocol::long_double_text(sum);
    slot.set_bytes(text, slot.deadline());
    call.event(EventClass::string, "incrbyfloat", slot.key().bytes);
    call.reply.bulk(text);
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "INCR",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = incr,
     .summary = "Add one to a number; a missing key counts as 0",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "DECR",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = decr,
     .summary = "Take one from a number; a missing key counts as 0",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "INCRBY",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = incrby,
     .summary = "Add a whole number to a number; a missing key counts as 0",
     .since = "1.0.0",
     .syntax = "key increment",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "DECRBY",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = decrby,
     .summary = "Take a whole number from a number; a missing key counts as 0",
     .since = "1.0.0",
     .syntax = "key decrement",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
    {.name = "INCRBYFLOAT",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = incrbyfloat,
     .summary = "Add a decimal number to a number; a missing key counts as 0",
     .since = "2.6.0",
     .syntax = "key increment:double",
     .complexity = "O(1)",
     .access = Access::rw | Access::access | Access::update},
};

}  // namespace

const Family counters{"string", table};

}  // namespace larder::server
