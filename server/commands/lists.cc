// Lists: elements in the order in which they were put there. What puts them in, looks at them and
// changes them; what takes them out is in list_moves.cc.
//
// LRANGE says its elements from where they lie, in one visit: a list of millions is copied into the
// reply under its shard's lock. Reads count hits and misses, writes do not, as in Redis.
// Thread: loop.
#include "server/commands/lists.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/collections.h"
#include "server/engine/families.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::ListEdit;
using storage::ListView;
using storage::Slot;

template <class Change>
void change_list(Call& call, Change&& change) {
  change_collection(call, storage::Type::list, std::forward<Change>(change));
}

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
  change_list(call, [&](Slot& slot) {
    if (!slot.is_present() && only_if_present) return call.reply.integer(0);
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

template <class Tell>
void read_list(Call& call, Tell&& tell) {
  read_collection<ListView>(call, std::forward<Tell>(tell));
}

void llen(Call& call) {
  read_list(call, [&](const std::optional<ListView>& list) {
    call.reply.integer(list ? static_cast<std::int64_t>(list->size()) : 0);
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
  read_list(call, [&](const std::optional<ListView>& list) {
    if (!list) return call.reply.array(0);
    const Part part = part_of(list->size(), start, stop);
    call.reply.array(part.count);
    list->walk(Side::left, part.from, part.count, [&](const Bytes& element) {
      answer_bytes(call.reply, element);
      return true;
    });
  });
}

// An index as users say it, perhaps from the end.
std::optional<std::size_t> place_of(std::size_t size, std::int64_t index) {
  const auto most = static_cast<std::int64_t>(size);
  if (index < 0) index += most;
  if (index < 0 || index >= most) return std::nullopt;
  return static_cast<std::size_t>(index);
}

// LINDEX key index -> the element or null. The index is judged only where there is a list.
void lindex(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t index = args.integer();
  read_list(call, [&](const std::optional<ListView>& list) {
    if (!list) return call.reply.null();
    if (!args.finish()) return call.reply.error(args.problem());
    const auto place = place_of(list->size(), index);
    if (!place) return call.reply.null();
    answer_bytes(call.reply, list->at(*place));
  });
}

void lset(Call& call) {
  if (refuses(call, call.words.subspan(3))) return;
  Args args = call.args_from(2);
  const std::int64_t index = args.integer();
  change_list(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.error(errors::no_such_key);
    if (args.failed()) return call.reply.error(args.problem());
    ListEdit list(slot);
    const auto place = place_of(list.size(), index);
    if (!place) return call.reply.error(errors::index_out_of_range);
    list.set(*place, call.word(3));
    call.reply.ok();
    call.event(EventClass::list, "lset", call.key_bytes());
  });
}

// LINSERT key BEFORE|AFTER pivot element -> how many there are then, -1 without the pivot, 0
// without the list.
void linsert(Call& call) {
  const bool is_before = protocol::same_word(call.word(2), "BEFORE");
  if (!is_before && !protocol::same_word(call.word(2), "AFTER")) {
    return call.reply.error(errors::syntax);
  }
  if (refuses(call, call.words.subspan(4))) return;
  change_list(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.integer(0);
    ListEdit list(slot);
    const Side side = is_before ? Side::left : Side::right;
    if (!list.insert(side, call.word(3), call.word(4))) return call.reply.integer(-1);
    call.reply.integer(static_cast<std::int64_t>(list.size()));
    call.event(EventClass::list, "linsert", call.key_bytes());
  });
}

// LREM key count element -> how many were removed: from the front, with a negative count from the
// end, with 0 all.
void lrem(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t count = args.integer();
  if (args.failed()) return call.reply.error(args.problem());
  const auto magnitude = static_cast<std::uint64_t>(count);
  const std::size_t most = count == 0 ? SIZE_MAX : count < 0 ? 0 - magnitude : magnitude;
  change_list(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.integer(0);
    const Side side = count < 0 ? Side::right : Side::left;
    const std::size_t removed = ListEdit(slot).remove(call.word(3), most, side);
    call.reply.integer(static_cast<std::int64_t>(removed));
    if (removed > 0) tell_removal(call, slot, EventClass::list, "lrem");
  });
}

void ltrim(Call& call) {
  Args args = call.args_from(2);
  const std::int64_t start = args.integer();
  const std::int64_t stop = args.integer();
  if (!args.finish()) return call.reply.error(args.problem());
  change_list(call, [&](Slot& slot) {
    if (!slot.is_present()) return call.reply.ok();
    ListEdit list(slot);
    const Part part = part_of(list.size(), start, stop);
    list.keep(part.from, part.count);
    call.reply.ok();
    tell_removal(call, slot, EventClass::list, "ltrim");
  });
}

struct Search {
  std::int64_t rank = 1;              // the first match that counts; negative: from the end
  std::optional<std::int64_t> count;  // given: an array of so many places, 0 for all
  std::int64_t max_length = 0;        // elements to look at, 0 for all
};

Search read_search(Args& args) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  Search search;
  while (args.more()) {
    if (args.left() < 2) {
      args.fail(errors::syntax);
    } else if (args.eat("RANK")) {
      search.rank = args.integer();
      if (search.rank < -kMost) args.fail(errors::out_of_range_between(-kMost, kMost));
      if (search.rank == 0) args.fail(errors::lpos_rank_zero);
    } else if (args.eat("COUNT")) {
      search.count = args.integer_between(0, kMost, errors::lpos_count_negative);
    } else if (args.eat("MAXLEN")) {
      search.max_length = args.integer_between(0, kMost, errors::lpos_max_length_negative);
    } else {
      args.fail(errors::syntax);
    }
  }
  return search;
}

// Where the text is, as the search wants it.
std::vector<std::int64_t> places_of(const ListView& list, std::string_view text,
                                    const Search& search) {
  const Side from = search.rank > 0 ? Side::left : Side::right;
  const std::size_t most = search.max_length == 0 ? SIZE_MAX
                                                  : static_cast<std::size_t>(search.max_length);
  const auto wanted = static_cast<std::size_t>(search.count.value_or(1));
  const storage::ElementText matcher(text);
  std::int64_t to_pass = std::abs(search.rank) - 1;
  std::vector<std::int64_t> places;
  auto place = static_cast<std::int64_t>(from == Side::left ? 0 : list.size() - 1);
  list.walk(from, 0, most, [&](const Bytes& element) {
    if (matcher.is(element) && to_pass-- <= 0) places.push_back(place);
    place += from == Side::left ? 1 : -1;
    return wanted == 0 || places.size() < wanted;
  });
  return places;
}

// LPOS key element [RANK rank] [COUNT count] [MAXLEN length] -> a place or null, or with a count
// an array of places.
void lpos(Call& call) {
  Args args = call.args_from(3);
  const Search search = read_search(args);
  if (!args.finish()) return call.reply.error(args.problem());
  read_list(call, [&](const std::optional<ListView>& list) {
    std::vector<std::int64_t> places;
    if (list) places = places_of(*list, call.word(2), search);
    if (!search.count) return places.empty() ? call.reply.null() : call.reply.integer(places[0]);
    call.reply.array(places.size());
    for (const std::int64_t place : places) call.reply.integer(place);
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
    {.name = "LINDEX",
     .arity = exactly(3),
     .keys = first_key(),
     .flags = reads,
     .run = lindex,
     .summary = "One element of a list by its place",
     .since = "1.0.0",
     .syntax = "key index",
     .complexity = "O(N) where N is the distance from the nearer end, in chunks",
     .access = Access::ro | Access::access},
    {.name = "LSET",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = lset,
     .summary = "Put another element in the place of one",
     .since = "1.0.0",
     .syntax = "key index element",
     .complexity = "O(N) where N is the distance from the nearer end, in chunks",
     .access = Access::rw | Access::update},
    {.name = "LINSERT",
     .arity = exactly(5),
     .keys = first_key(),
     .flags = writes | may_grow,
     .run = linsert,
     .summary = "Put an element before or behind another one",
     .since = "2.2.0",
     .syntax = "key <BEFORE|AFTER> pivot element",
     .complexity = "O(N) where N is the number of elements up to the pivot",
     .access = Access::rw | Access::insert},
    {.name = "LREM",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes,
     .run = lrem,
     .summary = "Remove elements by what they are",
     .since = "1.0.0",
     .syntax = "key count element",
     .complexity = "O(N) where N is the length of the list",
     .access = Access::rw | Access::remove},
    {.name = "LTRIM",
     .arity = exactly(4),
     .keys = first_key(),
     .flags = writes,
     .run = ltrim,
     .summary = "Remove all elements but a part",
     .since = "1.0.0",
     .syntax = "key start stop",
     .complexity = "O(N) where N is the number of elements removed, in chunks",
     .access = Access::rw | Access::remove},
    {.name = "LPOS",
     .arity = at_least(3),
     .keys = first_key(),
     .flags = reads,
     .run = lpos,
     .summary = "Where elements are by what they are",
     .since = "6.0.6",
     .syntax = "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
     .complexity = "O(N) where N is the number of elements looked at",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family lists{"list", table};

}  // namespace larder::server
