// What the families of streams have in common: ids as people write them, entries as replies, and
// visits of keys that are to hold a stream.
//
// Ids are read as Redis reads them: `ms` and `ms-number`, each as C's strtoull takes it unless it
// is a plain integer. Times that streams remember are wall time. Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/errors.h"
#include "server/commands/collections.h"
#include "server/engine/command.h"
#include "storage/slot.h"
#include "storage/types/stream.h"

namespace larder::server {

// The longest text of an id, and what is read of a word as one.
inline constexpr std::size_t kStreamIdChars = 41;
inline constexpr std::size_t kMostIdWordBytes = 127;

std::string stream_id_text(storage::StreamId id);
// `missing`: the number of an id that is only milliseconds. No "-" and no "+".
std::optional<storage::StreamId> parse_stream_id(std::string_view word, std::uint64_t missing = 0);
// The same from the next word; a problem is latched.
storage::StreamId read_stream_id(Args& args);

// An id as XADD takes it.
struct NewStreamId {
  std::optional<storage::StreamId> id = {};  // none: "*"
  bool has_number = true;                    // false: "ms-*"
};
std::optional<NewStreamId> parse_new_stream_id(std::string_view word);

// An end of a range: "-" and "+" are the ends of all, "(" excludes the id behind it.
enum class RangeEnd : std::uint8_t { start, stop };
storage::StreamId read_range_end(Args& args, std::string_view word, RangeEnd end);

void say_stream_id(Reply& reply, storage::StreamId id);
// [id, [field, value, ...]]
void say_stream_entry(Reply& reply, const storage::StreamEntry& entry);
// A list of entries from one id to another; `most` 0: all.
void say_stream_range(Reply& reply, const storage::Stream& stream, storage::StreamId from,
                      storage::StreamId to, std::size_t most, bool backwards);

// Wall time in milliseconds, at this call.
std::int64_t stream_now_ms(const Call& call);

// Says WRONGTYPE, absent(), or look(const Stream&).
template <class Absent, class Look>
void read_stream(Call& call, const Key& key, Absent&& absent, Look&& look) {
  call.keys.read(key, [&](const storage::Value* value) {
    if (is_other_type(value, storage::Type::stream))
      return call.reply.error(protocol::errors::wrong_type);
    if (value == nullptr) return absent();
    look(storage::stream_of(value->object()));
  });
}

// The same for a change that nobody is told of unless edit(Slot&, Stream&) says tell_change().
template <class Absent, class Edit>
void update_stream(Call& call, const Key& key, Absent&& absent, Edit&& edit) {
  call.keys.update(key, [&](storage::Slot& slot) {
    if (is_other_type(slot, storage::Type::stream))
      return call.reply.error(protocol::errors::wrong_type);
    if (!slot.is_present()) return absent();
    slot.edit_object_quietly(
        [&](storage::Object& object) { edit(slot, static_cast<storage::Stream&>(object)); });
  });
}

// The consumer of that name, who has been seen now; a new one is told of. Of the stream `key`.
storage::StreamConsumer& see_consumer(const Call& call, storage::StreamGroup& group,
                                      std::string_view name, std::string_view key);

// A stream without entries under a key that is free.
inline void make_stream(storage::Slot& slot) {
  slot.set_object(storage::Type::stream, storage::Encoding::stream, new storage::Stream);
}

}  // namespace larder::server
