// What BLPOP and its kin share, whatever they pop: their arguments, and how they wait.
//
// Each is its sister that does not wait, run when there is something (engine/blocking.h says when,
// and who comes first). Its words are read anew then: they are all that a sleeper keeps.
// Thread: loop; what takes may run on the loop of whoever filled the key.
#pragma once

#include <cstddef>

#include "server/commands/collections.h"
#include "server/engine/command.h"

namespace larder::server {

// Takes from the key at that position and says it, as WaitFor (engine/blocking.h) asks.
using TakeFrom = bool (*)(Call& call, std::size_t key);

// BLPOP key [key ...] timeout
void pop_or_wait(Call& call, storage::Type type, TakeFrom take);

// BLMPOP timeout numkeys key [key ...] <end> [COUNT count]. The timeout is judged last.
void pop_several_or_wait(Call& call, storage::Type type, const EndWords& ends, TakeFrom take);
inline constexpr std::size_t kNumkeysOfPop = 2;  // the position of that word
// Of such a call, which has been found right.
PopRequest pop_request_of(const Call& call, const EndWords& ends);

// Of their rows.
inline constexpr Keys kAllButTheLast{.first = 1, .last = -2, .step = 1};
inline constexpr Access kTaken = Access::rw | Access::access | Access::remove;

}  // namespace larder::server
