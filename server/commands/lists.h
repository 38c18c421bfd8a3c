// What every command that takes elements out of lists does, whether it waits for them (BLPOP,
// BLMOVE, BLMPOP) or not: pop, say what was popped, tell the events.
//
// All of it happens inside visits, the reply first and the events behind it, as in Redis.
// Thread: loop.
#pragma once

#include <optional>
#include <string_view>

#include "server/engine/command.h"
#include "storage/slot.h"
#include "storage/types/list.h"

namespace larder::server {

using storage::Side;

// What a key holds for who wants a list.
enum class ListState : std::uint8_t { absent, list, other };
ListState list_state(storage::Slot& slot);

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

// The arguments of LMPOP and BLMPOP from numkeys on. With a problem, `args` has failed.
struct PopRequest {
  protocol::Words names;
  Side side = Side::left;
  std::size_t most = 1;
};
PopRequest read_pop_request(Args& args);
// Pops from the first of the keys that has a list, which is said with its name; or says the error
// of one that holds something else. False, and nothing said, when none of them is there.
bool pop_from_first(Call& call, const PopRequest& request);

}  // namespace larder::server
