// Consumer groups of a stream: what was given to whom, and is not acknowledged yet.
//
//   group      how far it has been read; pending: id -> (consumer, when, how often)
//   consumer   when it was seen; pending: its ids
//
// A pending id is in its group's table and in that of the one consumer it was given to; both are
// changed together, here. What is pending may be gone from the stream.
//
// Must hold: the weight a group was given to keep up is the sum of the footprints of all that hangs
// on it.
// Cost: O(log n) of what is pending for each id. Some 150 bytes a pending id.
// Thread: whoever holds the shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "storage/memory.h"
#include "storage/types/stream_block.h"

namespace larder::storage {

// What a string takes beside itself.
std::size_t heap_bytes_of(const std::string& text);
// What an element of a std::map or std::set takes.
template <class Element>
constexpr std::size_t node_footprint() {
  constexpr std::size_t kLinkBytes = 32;  // three pointers and a colour
  return footprint(kLinkBytes + sizeof(Element));
}

// Moments are wall time in milliseconds.
struct StreamConsumer {
  static constexpr std::int64_t kNever = -1;

  std::string_view name;            // lies in its group
  std::int64_t seen_ms = kNever;    // when it last asked for anything
  std::int64_t active_ms = kNever;  // when it last was given something
  std::set<StreamId> pending = {};
};

struct StreamPending {
  StreamConsumer* consumer;
  std::int64_t delivered_ms;
  std::uint64_t deliveries;
};

class StreamGroup {
 public:
  using Pending = std::map<StreamId, StreamPending>;
  using Consumers = std::map<std::string, StreamConsumer, std::less<>>;

  static constexpr std::int64_t kUnknown = -1;

  // How far it was read, and how many entries that were (or kUnknown). `weight` is kept up.
  StreamGroup(std::size_t& weight, StreamId read_up_to, std::int64_t count)
      : last_id(read_up_to), entries_read(count), weight_(weight) {}
  ~StreamGroup();
  StreamGroup(const StreamGroup&) = delete;
  StreamGroup& operator=(const StreamGroup&) = delete;
  // The same consumers with the same pending ids, into a group that is new.
  void copy_to(StreamGroup& other) const;

  StreamId last_id;
  std::int64_t entries_read;

  const Pending& pending() const { return pending_; }
  const Consumers& consumers() const { return consumers_; }

  // Null when there is none of that name.
  StreamConsumer* consumer(std::string_view name);
  const StreamConsumer* consumer(std::string_view name) const;
  StreamConsumer& make_consumer(std::string_view name, std::int64_t seen_ms);
  // With all that is pending for it. How many ids that were.
  std::size_t remove_consumer(std::string_view name);

  // Null when that id is not pending. Times and counts are the caller's to change.
  StreamPending* find(StreamId id);
  // From now on it is pending for this consumer, whoever had it before.
  StreamPending& assign(StreamId id, StreamConsumer& consumer);
  // Not pending any more; false when it was not.
  bool acknowledge(StreamId id);

 private:
  void give(StreamId id, StreamConsumer& consumer);
  void take_back(StreamId id, StreamConsumer& consumer);
  std::size_t weight_of(const Consumers::value_type& consumer) const;

  Pending pending_;
  Consumers consumers_;
  std::size_t& weight_;
};

}  // namespace larder::storage
