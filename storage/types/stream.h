// Streams: entries that are added at the end, each under an id that is above all before it; and the
// groups that read them (stream_groups.h).
//
//   blocks   id of the first entry -> block   (stream_block.h)
//   groups   name -> group
//
// Entries lie in blocks of up to stream-node-max-bytes and -entries, counted as Redis counts a node
// of its streams, so that trimming "about" removes what it removes there. A stream is always an
// object, and may be empty: it remembers its last id.
//
// Must hold: no block is without a live entry; ids rise from block to block; weight_ is the sum of
// the footprints of blocks and groups.
// Cost: adding O(1); finding an id O(log blocks) and a walk over one block; trimming O(blocks).
// Thread: whoever holds the shard. Entries are void after the next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/object.h"
#include "storage/types/limits.h"
#include "storage/types/stream_block.h"
#include "storage/types/stream_groups.h"

namespace larder::storage {

// What XADD and XTRIM are to leave.
struct StreamTrim {
  enum class By : std::uint8_t { nothing, count, id };

  By by = By::nothing;
  bool is_about = false;    // whole blocks only
  std::uint64_t most = 0;   // entries that may stay
  StreamId least_id = {};   // of those that may stay
  std::uint64_t limit = 0;  // no more are removed; 0: any number
};

class Stream final : public Object {
 public:
  using Blocks = std::map<StreamId, StreamBlock>;
  using Groups = std::map<std::string, StreamGroup, std::less<>>;

  Stream() = default;

  std::size_t weight_bytes() const override { return footprint(sizeof(Stream)) + weight_; }
  std::size_t size() const override { return size_; }
  Stream* copy() const override;

  StreamId last_id() const { return last_id_; }
  // Of the first entry there is; lowest() without any.
  StreamId first_id() const { return first_id_; }
  // Of the last entry there is.
  std::optional<StreamId> last_entry_id() const;
  StreamId max_deleted_id() const { return max_deleted_id_; }
  std::uint64_t entries_added() const { return entries_added_; }
  // What XSETID and a dump know; it is for them to see that they are true.
  void set_last_id(StreamId id) { last_id_ = id; }
  void set_max_deleted_id(StreamId id) { max_deleted_id_ = id; }
  void set_entries_added(std::uint64_t count) { entries_added_ = count; }

  // Fields and values in turn. The id is above last_id().
  void append(StreamId id, std::span<const std::string_view> words, const CollectionLimits& limits);
  // A block behind all others; false when its ids are not above theirs, or nothing in it lives.
  bool append(StreamBlock&& block);
  bool has(StreamId id) const { return find(id).has_value(); }
  std::optional<StreamEntry> find(StreamId id) const;
  bool remove(StreamId id);
  // How many entries went.
  std::size_t trim(const StreamTrim& trim);

  // visit(const StreamEntry&) -> bool (go on) of all from `from` to `to`.
  template <class Visit>
  void each(StreamId from, StreamId to, bool backwards, Visit&& visit) const {
    if (from > to) return;
    auto block = blocks_.upper_bound(backwards ? to : from);
    if (backwards) {
      while (block != blocks_.begin() && (--block)->second.last() >= from) {
        if (!block->second.each(from, to, true, visit)) return;
      }
      return;
    }
    if (block != blocks_.begin()) --block;
    for (; block != blocks_.end() && block->first <= to; ++block) {
      if (!block->second.each(from, to, false, visit)) return;
    }
  }
  const Blocks& blocks() const { return blocks_; }

  const Groups& groups() const { return groups_; }
  StreamGroup* group(std::string_view name);
  const StreamGroup* group(std::string_view name) const;
  // Null when there is one of that name.
  StreamGroup* make_group(std::string_view name, StreamId last_id, std::int64_t entries_read);
  bool remove_group(std::string_view name);
  // How many entries were ever added up to that id, as far as it can be told.
  std::optional<std::uint64_t> count_up_to(StreamId id) const;
  // Entries behind this id were deleted one by one, so that they cannot be counted.
  bool has_gaps_behind(StreamId id) const;
  // The group is given the entry of this id next.
  void pass(StreamGroup& group, StreamId id) const;
  // Entries that the group has not been given yet; nothing when it cannot be told.
  std::optional<std::int64_t> lag(const StreamGroup& group) const;

 private:
  ~Stream() override;

  void find_first();
  void erase(Blocks::iterator block);
  static std::size_t weight_of(const Blocks::value_type& block);
  static std::size_t trim_within(StreamBlock& block, const StreamTrim& trim, std::size_t left);

  Blocks blocks_;
  std::size_t size_ = 0;
  std::size_t weight_ = 0;
  StreamId first_id_;
  StreamId last_id_;
  StreamId max_deleted_id_;
  std::uint64_t entries_added_ = 0;
  Groups groups_;
};

// Of a value that is a stream.
inline const Stream& stream_of(const Object& object) {
  return static_cast<const Stream&>(object);
}

}  // namespace larder::storage
