// What the commands on sorted sets share, and what those that wait for one (BZPOPMIN, BZMPOP) need:
// how members and scores are told, and how they are popped.
//
// Thread: loop; with a Slot or a view: inside its visit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/commands/collections.h"
#include "server/engine/command.h"
#include "storage/types/zset.h"

namespace larder::server {

// How a list of members is told: without their scores, each followed by its score, or each with its
// score in an array of two.
enum class Telling : std::uint8_t { members, flat, paired };

// WITHSCORES in the client's version of the protocol.
inline Telling with_scores(const Call& call) {
  return call.client.protocol > 2 ? Telling::paired : Telling::flat;
}

void say_members_head(Reply& reply, Telling telling, std::size_t count);
void say_member(Reply& reply, Telling telling, const storage::Bytes& member, double score);
// Head and members.
void say_members(Reply& reply, Telling telling, const std::vector<storage::Scored>& members);

// Reads the sorted set at the call's key and says what it makes of it: absent(), or
// there(ZsetView). Another type is an error.
template <class Absent, class There>
void read_zset(Call& call, Absent&& absent, There&& there) {
  read_collection<storage::ZsetView>(call, [&](const std::optional<storage::ZsetView>& view) {
    view ? static_cast<void>(there(*view)) : static_cast<void>(absent());
  });
}

// The same for a change: there(Slot&).
template <class Absent, class There>
void update_zset(Call& call, Absent&& absent, There&& there) {
  change_collection(call, storage::Type::zset, [&](storage::Slot& slot) {
    slot.is_present() ? static_cast<void>(there(slot)) : static_cast<void>(absent());
  });
}

// What ZADD and GEOADD may be told.
struct AddOptions {
  bool only_new = false;      // NX
  bool only_there = false;    // XX
  bool only_greater = false;  // GT
  bool only_less = false;     // LT
  bool counts_changed = false;
  bool increments = false;

  // Takes NX, XX or CH at the cursor; false when another word stands there.
  bool eat(Args& args) {
    if (args.eat("NX")) return only_new = true;
    if (args.eat("XX")) return only_there = true;
    if (args.eat("CH")) return counts_changed = true;
    return false;
  }
};

struct NewMember {
  std::string_view name;
  double score;
};

// Adds them to the sorted set at the call's key in a visit; tells the event, says the reply.
void add_members(Call& call, const AddOptions& options, std::span<const NewMember> members);

enum class ZsetEnd : std::uint8_t { min, max };

// These in the place of whatever a slot holds, without its deadline; says how many, tells the event
// of that name or, when nothing is left of something, that it is gone.
void store_members(Call& call, storage::Slot& slot, const std::vector<storage::Scored>& members,
                   std::string_view event);
// Takes up to `most` members, at least one, off an end of the sorted set a slot holds: the one at
// the end first. Tells the events.
std::vector<storage::Scored> pop_members(const Call& call, storage::Slot& slot, ZsetEnd end,
                                         std::size_t most);

// The ends as ZMPOP and BZMPOP name them.
inline constexpr EndWords kZsetEnds{"MIN", "MAX"};
inline ZsetEnd end_of(const PopRequest& request) {
  return request.from_last ? ZsetEnd::max : ZsetEnd::min;
}

}  // namespace larder::server
