// What the commands on lists, sets, hashes and sorted sets do alike: look at a key that must hold
// one of them, change it, take something out, put a result in the place of what was there, and pop
// from the first of several keys.
//
// A key of another type is WRONGTYPE, said here; a key that is not there is the caller's to answer.
// Thread: loop; what takes a Slot is called inside its visit.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/engine/command.h"
#include "storage/slot.h"
#include "storage/value.h"

namespace larder::server {

// A key is there, and holds something else.
inline bool is_other_type(const storage::Value* value, storage::Type type) {
  return value != nullptr && value->type() != type;
}
inline bool is_other_type(storage::Slot& slot, storage::Type type) {
  return slot.is_present() && slot.value()->type() != type;
}

// Reads the collection at the call's key: tell(std::optional<View>).
template <class View, class Tell>
void read_collection(Call& call, Tell&& tell) {
  call.keys.read(call.key(), [&](const storage::Value* value) {
    if (is_other_type(value, View::kType)) return call.reply.error(protocol::errors::wrong_type);
    tell(value == nullptr ? std::optional<View>() : std::optional<View>(*value));
  });
}

// Visits a key, of those the call or a Several holds, for a change: change(Slot&), where there is a
// collection of that type or nothing.
template <class Change>
void change_collection(Call& call, storage::Keyspace& keys, const Key& key, storage::Type type,
                       Change&& change) {
  keys.update(key, [&](storage::Slot& slot) {
    if (is_other_type(slot, type)) return call.reply.error(protocol::errors::wrong_type);
    change(slot);
  });
}
template <class Change>
void change_collection(Call& call, storage::Type type, Change&& change) {
  change_collection(call, call.keys, call.key(), type, std::forward<Change>(change));
}

// Something was taken out: the event, and that the key is gone if it was the last.
inline void tell_removal(const Call& call, const storage::Slot& slot, EventClass type,
                         std::string_view event) {
  call.event(type, event, slot.key().bytes);
  if (!slot.is_present()) call.event(EventClass::generic, "del", slot.key().bytes);
}

// A result of so many elements has replaced what was there or, being empty, erased it: the event,
// and the size as the reply.
inline void tell_stored(Call& call, const storage::Slot& slot, bool was_present, std::size_t size,
                        EventClass type, std::string_view event) {
  if (size != 0) {
    call.event(type, event, slot.key().bytes);
  } else if (was_present) {
    call.event(EventClass::generic, "del", slot.key().bytes);
  }
  call.reply.integer(static_cast<std::int64_t>(size));
}

// numkeys key [key ...] <first|last> [COUNT count]: of LMPOP, ZMPOP and those that wait.
struct PopRequest {
  Words names;
  bool from_last = false;  // the last of the two words was said: RIGHT, MAX
  std::size_t most = 1;
};
// The two words for the ends of a collection.
struct EndWords {
  std::string_view first;
  std::string_view last;
};
// At the cursor, up to the end; any problem is latched in `args`.
PopRequest read_pop_request(Args& args, const EndWords& ends);

// Takes from the first of the keys that is there, pop(Slot&) having said what behind its name; null
// when there is none.
template <class Pop>
void pop_from_first(Call& call, storage::Type type, const PopRequest& request, Pop&& pop) {
  std::vector<Key> keys;
  keys.reserve(request.names.size());
  for (const std::string_view name : request.names) keys.push_back(call.keys.key(name));
  storage::Keyspace::Several several(call.keys, keys);
  for (const Key& key : keys) {
    bool is_absent = false;
    change_collection(call, *several, key, type, [&](storage::Slot& slot) {
      is_absent = !slot.is_present();
      if (is_absent) return;
      call.reply.array(2);
      call.reply.bulk(key.bytes);
      pop(slot);
    });
    if (!is_absent) return;
  }
  call.reply.null_array();
}

}  // namespace larder::server
