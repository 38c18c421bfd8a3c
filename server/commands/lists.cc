// Lists: elements in the order in which they were put there. What puts them in, looks at them and
// changes them; what takes them out is in list_moves.cc.
//
// LRANGE says its elements from where they lie, in one visit: a list of millions is copied into the
// reply under its shard's lock. Reads count hits and misses, writes do not, as in Redis.
// Thread: loop.
#include "server/commands/lists.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "protocol/errors.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::ListEdit;
using storage::ListView;
using storage::Slot;
using storage::Value;

// An element that a list has no room for. True when that has been said.
bool refuses(Call& call, protocol::Words elements) {
  const bool is_too_large = std::any_of(elements.begin(), elements.end(), [](auto element) {
    return element.size() > storage::kMostElementBytes;
  });
  if (is_too_large) call.reply.error(errors::string_too_big);
  return is_too_large;
}

// LPUSH key element [element …] -> how many there are then.
void push(Call& call, Side side, bool only_if_present) {
  const protocol::Words elements = call.words.subspan(2);
  if (refuses(call, elements)) return;
  call.keys.update(call.key(), [&](Slot& slot) {
    const ListState state = list_state(slot);
    if (state == ListState::other) return call.reply.error(errors::wrong_type);
    if (state == ListState::absent && only_if_present) return call.reply.integer(0);
    call.reply.integer(static_cast<std::int64_t>(ListEdit(slot).push(side, elements)));
    call.event(EventClass::list, side == Side::left ? "lpush" : "rpush", call.key_bytes());
  });
}

void lpush(Call& call) {
  push(call, Side::left, false);
}

void rpush(Call& call) {
  push(call, Side::right, false);
}

void lpushx(Call& call) {
  push(call, Side::left, true);
}

void rpushx(Call& call) {
  push(call, Side::right, true);
}

bool holds_other_type(const Value* value) {
  return value != nullptr && value->type() != storage::Type::list;
}

void llen(Call& call) {
  call.keys.read(call.key(), [&](const Value* value) {
    if (holds_other_type(value)) return call.reply.error(errors::wrong_type);
    const std::size_t size = value == nullptr ? 0 : ListView(*value).size();
    call.reply.integer(static_cast<std::int64_t>(size));
  });
}

// Start and stop as users say them, both inclusive and perhaps from the end, as a part of what is
// there. Nothing: count 0.
struct Part {
  std::size_t from = 0;
  std::size_t count = 0;
};
Part part_of(std::size_t size, std::int64_t start, std::int64_t stop) {
  const auto most = static_cast<std::int64_t>(size);
  if (start < 0) start = std::max<std::int64_t>(start + most, 0);
  if (stop < 0) stop += most;
  stop = std::min(stop, most - 1);
  if (start > stop) return {};
  return {static_cast<std::size_t>(start), static_cast<std::size_t>(stop - start + 1)};
}

void lrange(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t start = args.integer();
  const std::int64_t stop = args.integer();
  if (!args.finish()) return call.reply.error(args.problem());
  call.keys.read(call.key(), [&](const Value* value) {
    if (value == nullptr) return call.reply.array(0);
    if (holds_other_type(value)) return call.reply.error(errors::wrong_type);
    const ListView list(*value);
    const Part part = part_of(list.size(), start, stop);
    call.reply.array(part.count);
    list.walk(Side::left, part.from, part.count, [&](const Bytes& element) {
      answer_bytes(call.reply, element);
      return true;
    });
  });
}

using enum Flag;

constexpr Command table[] = {
    {.name = "LPUSH",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = lpush,
     .summary = "Put elements in front of a list, one before the other",
     .since = "1.0.0",
     .syntax = "key element [element ...]",
     .complexity = "O(N) where N is the number of elements",
     .access = Access::rw | Access::insert},
    {.name = "RPUSH",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = rpush,
     .summary = "Put elements at the end of a list",
     .since = "1.0.0",
     .syntax = "key element [element ...]",
     .complexity = "O(N) where N is the number of elements",
     .access = Access::rw | Access::insert},
    {.name = "LPUSHX",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = lpushx,
     .summary = "Put elements in front of a list if there is one",
     .since = "2.2.0",
     .syntax = "key element [element ...]",
     .complexity = "O(N) where N is the number of elements",
     .access = Access::rw | Access::insert},
    {.name = "RPUSHX",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = writes | may_grow | fast,
     .run = rpushx,
     .summary = "Put elements at the end of a list if there is one",
     .since = "2.2.0",
     .syntax = "key element [element ...]",
     .complexity = "O(N) where N is the number of elements",
     .access = Access::rw | Access::insert},
    {.name = "LLEN",
     .arity = exactly(2),
     .keys = first_key(),
     .flags = reads | fast,
     .run = llen,
     .summary = "How many elements a list has",
     .since = "1.0.0",
     .syntax = "key",
     .complexity = "O(1)",
     .access = Access::ro},
    {.name = "LRANGE",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = reads,
     .run = lrange,
     .summary = "A part of the elements of a list",
     .since = "1.0.0",
     .syntax = "key start stop",
     .complexity =
         "O(S+N) where S is the distance from the nearer end, in chunks, and N the number "
         "of elements",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family lists{"list", table};

}  // namespace larder::server
