// A block of a stream: some entries, one behind the other, spelled as a node of Redis's streams is.
//
//   head    [number of fields] [field] ... [0]         those of the first entry
//   entry   [flags] [ms, less the block's] [number, less the block's] then
//             with the head's fields:  [value] ...
//             with its own:            [number of fields] [field] [value] ...
//           [how many elements the entry has, for who comes from behind]
//
// Each [ ] is an element as Packed spells it. So a dump of a block is these bytes behind a
// listpack's head and the two numbers that change (how many entries live, how many are marked as
// deleted), which are members here. Entries whose fields are those of the block's first do not
// repeat them. A deleted entry is marked, and stays until its block goes.
//
// Must hold: ids rise; live() + deleted() is how many entries lie here; bytes from outside have
// been through from_listpack(), since reading trusts them.
// Cost: finding an id is a walk over the block; blocks are small (stream-node-max-*).
// Thread: whoever holds the shard. Entries are views, void after the next change of the block.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/types/packed.h"

namespace larder::storage {

struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t number = 0;  // among those of the same millisecond

  friend auto operator<=>(const StreamId&, const StreamId&) = default;

  static constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  static constexpr StreamId lowest() { return {}; }
  static constexpr StreamId highest() { return {kMost, kMost}; }
  // Nothing when there is none.
  std::optional<StreamId> next() const;
  std::optional<StreamId> previous() const;
};

// An entry where it lies.
class StreamEntry {
 public:
  StreamId id() const { return id_; }
  bool is_deleted() const { return is_deleted_; }
  // Fields, each with its value.
  std::size_t size() const { return size_; }
  // visit(const Bytes& field, const Bytes& value)
  template <class Visit>
  void each(Visit&& visit) const {
    std::size_t name = names_;
    std::size_t at = at_;
    for (std::size_t left = size_; left > 0; --left) {
      if (is_alike_) {
        visit(elements_.at(name), elements_.at(at));
        name = elements_.next(name);
      } else {
        const Bytes field = elements_.at(at);
        at = elements_.next(at);
        visit(field, elements_.at(at));
      }
      at = elements_.next(at);
    }
  }

 private:
  friend class StreamBlock;

  StreamId id_;
  Packed elements_{std::string_view{}};
  std::size_t begin_ = 0;  // of its flags
  std::size_t at_ = 0;     // its first value, or its first field
  std::size_t names_ = 0;  // the head's first field
  std::size_t size_ = 0;
  bool is_alike_ = false;  // its fields are the head's
  bool is_deleted_ = false;
};

class StreamBlock {
 public:
  // So that an entry has a size that can be counted and sent; one of them alone may be no larger.
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;

  // Whose first entry has that id and these fields and values, in turn: they are appended next.
  StreamBlock(StreamId first, std::span<const std::string_view> words);
  // From a dump. Nothing when it is no block, every byte of which is looked at.
  static std::optional<StreamBlock> from_listpack(StreamId first, std::string_view listpack);
  std::string to_listpack() const;
  // As long as that would be.
  std::size_t listpack_bytes() const;

  // What ids count from: that of the first entry, which may be deleted.
  StreamId first() const { return first_; }
  // Of the last entry, which may be deleted.
  StreamId last() const { return last_; }
  std::size_t live() const { return live_; }
  std::size_t deleted() const { return deleted_; }

  void append(StreamId id, std::span<const std::string_view> words);
  // No more entries will come.
  void close() { bytes_.shrink_to_fit(); }
  // Of one that is not deleted; false when there is none.
  bool remove(StreamId id);
  // Marks live entries from the first on, while wanted(StreamId) says so. How many there were.
  template <class Wanted>
  std::size_t remove_first(Wanted&& wanted) {
    std::size_t removed = 0;
    for (std::size_t at = entries_; at < bytes_.size();) {
      const StreamEntry entry = entry_at(at);
      at = end_of(entry);
      if (entry.is_deleted()) continue;
      if (!wanted(entry.id())) break;
      mark(entry);
      ++removed;
    }
    return removed;
  }
  // The live entry of that id, if it is here.
  std::optional<StreamEntry> find(StreamId id) const;

  // visit(const StreamEntry&) -> bool of the live ones from `from` to `to`; false when one said so.
  template <class Visit>
  bool each(StreamId from, StreamId to, bool backwards, Visit&& visit) const {
    return backwards ? each_backwards(from, to, visit) : each_forwards(from, to, visit);
  }

  // What it takes beside itself.
  std::size_t heap_bytes() const;

 private:
  StreamBlock() = default;

  template <class Visit>
  bool each_forwards(StreamId from, StreamId to, Visit&& visit) const {
    for (std::size_t at = entries_; at < bytes_.size();) {
      const StreamEntry entry = entry_at(at);
      if (entry.id() > to) break;
      if (!entry.is_deleted() && entry.id() >= from && !visit(entry)) return false;
      at = end_of(entry);
    }
    return true;
  }
  template <class Visit>
  bool each_backwards(StreamId from, StreamId to, Visit&& visit) const {
    for (std::size_t end = bytes_.size(); end > entries_;) {
      const StreamEntry entry = entry_before(end);
      if (entry.id() < from) break;
      if (!entry.is_deleted() && entry.id() <= to && !visit(entry)) return false;
      end = entry.begin_;
    }
    return true;
  }
  Packed elements() const { return Packed(bytes_); }
  bool is_alike(std::span<const std::string_view> words) const;
  StreamEntry entry_at(std::size_t position) const;
  StreamEntry entry_before(std::size_t end) const;
  std::size_t end_of(const StreamEntry& entry) const;
  void mark(const StreamEntry& entry);
  bool read_body();

  StreamId first_;
  StreamId last_;
  std::uint32_t live_ = 0;
  std::uint32_t deleted_ = 0;
  std::uint32_t fields_ = 0;   // of the head
  std::uint32_t names_ = 0;    // where its first field lies
  std::uint32_t entries_ = 0;  // where the first entry lies
  std::string bytes_;
};

}  // namespace larder::storage
