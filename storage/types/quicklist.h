// A quicklist: what a list is kept in once it has outgrown its entry: a chain of chunks, each a run
// of elements that lie one behind the other as in Packed.
//
//   first                                                   last
//   +-------+----------------+     +-------+--------+     +-------+-----------------+
//   | slack | e e e e e e e  | <-> | e e e e e e e  | <-> | e e e | slack           |
//   +-------+----------------+     +-------+--------+     +-------+-----------------+
//           ^begin           ^end
//
// A chunk has room at either end, so a push or pop at an end of the list writes or forgets bytes
// and moves none. Where the room at that end has run out and enough is left at the other, the run
// slides over; where too little is left, the next chunk begins. A chunk takes what
// list-max-listpack-size says, counted as Redis counts a node; an element larger than that has a
// chunk of its own, made to measure.
//
// Must hold: no chunk is empty; weight_ is the sum of the footprints of the chunks.
// Cost: push and pop at the ends O(1) (a slide is paid for by the pushes it makes room for);
// finding the nth is a walk over chunks from the nearer end, then over elements of one; an insert
// or a replacement moves the bytes of one chunk; memory beside the elements' own bytes is 40 bytes
// a chunk and the slack, of which inner chunks have at most an eighth, or half after removals.
// Thread: whoever holds the shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/object.h"
#include "storage/types/packed.h"

namespace larder::storage {

enum class Side : std::uint8_t { left, right };

// How large a run of elements may become: list-max-listpack-size, read.
class RunLimit {
 public:
  // Positive: elements; -1 to -5: 4 to 64 KiB. What lies beyond means the nearest of them.
  explicit RunLimit(std::int64_t list_max_listpack_size);

  // Of so many spelled bytes and elements.
  bool admits(std::size_t bytes, std::size_t elements) const {
    return bytes <= bytes_ && elements <= elements_;
  }
  // Half full at the most: a list that has shrunk to this becomes compact again. Where elements
  // are counted, bytes are not.
  bool is_half(std::size_t bytes, std::size_t elements) const {
    return (counts_elements_ || bytes + kListpackBytes <= (bytes_ + kListpackBytes) / 2) &&
           elements <= elements_ / 2;
  }
  // The most spelled bytes of an admitted run, and of its elements.
  std::size_t bytes() const { return bytes_; }
  std::size_t elements() const { return elements_; }
  bool counts_elements() const { return counts_elements_; }

 private:
  // Head and end of a listpack, which count in Redis and which a run does not have.
  static constexpr std::size_t kListpackBytes = 7;

  std::size_t bytes_;
  std::size_t elements_;
  bool counts_elements_;
};

class Quicklist final : public Object {
 public:
  // In front of the bytes of a run. Offsets count from the bytes.
  struct Chunk {
    Chunk* previous;
    Chunk* next;
    std::uint32_t capacity;
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t count;

    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
    std::string_view run() const { return {bytes() + begin, size()}; }
    std::size_t size() const { return end - begin; }
    std::size_t slack() const { return capacity - size(); }
  };
  static_assert(sizeof(Chunk) == 32);

  // An element: where it begins in the run of its chunk. Or the end of a run.
  struct Place {
    Chunk* chunk;
    std::size_t at;
  };

  explicit Quicklist(RunLimit limit) : limit_(limit) {}

  std::size_t weight_bytes() const override;
  std::size_t size() const override { return size_; }
  Object* copy() const override;

  const Chunk* first() const { return first_; }
  const Chunk* last() const { return last_; }
  // The nth element, of those there are. Walks from the nearer end.
  Place nth(std::size_t index) const;

  // `spelled` is the bytes of `count` elements, as Packed::append writes them.
  void push(Side side, std::string_view spelled, std::size_t count = 1);
  // Takes the outermost away; no more than there are.
  void drop(Side side, std::size_t count);
  // Puts an element before the one at that place.
  void insert(Place place, std::string_view spelled);
  // The text in the place of the element's.
  void replace(Place place, std::string_view spelled);
  // Takes elements of that text away, at most so many, the first from that side; answers how many.
  std::size_t remove(std::string_view text, std::size_t most, Side side);

  // It has shrunk so far that a packed list should take its place: that of this run.
  bool is_small() const {
    return first_ == last_ && first_ != nullptr && limit_.is_half(first_->size(), first_->count);
  }

 protected:
  ~Quicklist() override;

 private:
  Chunk* make_chunk(std::size_t capacity);
  void free_chunk(Chunk* chunk);
  void link_behind(Chunk* before, Chunk* chunk);  // null: as the first
  void unlink(Chunk* chunk);
  Chunk* refit(Chunk* chunk, std::size_t capacity);
  void trim_slack(Chunk* chunk, std::size_t share);
  std::size_t first_capacity(std::size_t spelled_bytes) const;

  bool admits(const Chunk& chunk, std::size_t bytes, std::size_t count = 1) const {
    return limit_.admits(chunk.size() + bytes, chunk.count + count);
  }
  bool make_room(Chunk*& chunk, Side side, std::size_t bytes);
  Chunk* splice(Chunk* chunk, std::size_t at, std::size_t removed, std::string_view inserted);
  void insert_between(Chunk* before, std::string_view spelled);
  Chunk* split(Place place);
  std::size_t remove_in(Chunk* chunk, std::string_view text, std::size_t most, Side side);
  void tidy(Chunk* chunk, Side side);

  RunLimit limit_;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t weight_ = 0;
};

}  // namespace larder::storage
