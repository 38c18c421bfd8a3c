// What every command that takes elements out of lists does, whether it waits for them (BLPOP,
// BLMOVE, BLMPOP) or not: pop, say what was popped, tell the events.
//
// All of it happens inside visits, the reply first and the events behind it, as in Redis.
// Thread: loop.
#pragma once

#include <optional>
#include <string_view>

#include "server/commands/collections.h"
#include "server/engine/command.h"
#include "storage/slot.h"
#include "storage/types/list.h"

namespace larder::server {

using storage::Side;

// LEFT or RIGHT, in any case.
std::optional<Side> parse_side(std::string_view word);

// One element out of a list: said, and gone.
void pop_one(Call& call, storage::Slot& slot, Side side);
// At most so many, said as an array.
void pop_several(Call& call, storage::Slot& slot, Side side, std::size_t most);

// LMOVE between two keys, which may be one. False, and nothing said, when the source is not there;
// otherwise the element or the error was said.
struct ListMove {
  Key source;
  Key target;
  Side from;
  Side to;
};
bool move_element(Call& call, const ListMove& move);

// The ends as LMPOP and BLMPOP name them.
inline constexpr EndWords kSides{"LEFT", "RIGHT"};
inline Side side_of(const PopRequest& request) {
  return request.from_last ? Side::right : Side::left;
}

}  // namespace larder::server
