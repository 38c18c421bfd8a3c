// Cache lines by number: where a table's buckets lie. They grow at the end and never move while
// somebody may look at them, so a thread that does not hold the table may read one as a hint.
//
//   directory_ -> | piece | piece | piece | ...          line i: piece i / 512, line i % 512 of it
//                     |       |
//                  slabs of 32 KiB from the store's arena
//
// Slabs, since those lie on large pages: a table of a shard is far too small to have such pages for
// itself, and on pages of 4 KiB each probe of a million keys waited for the page table. The
// directory costs a load that hits the nearest cache (80 slabs hold a shard's share of 10 M keys).
//
// Fewer than 512 lines lie in a stretch of small pages of their own, so that a table of some keys
// takes a page; when it is full it is copied into a slab, and its pages go back to the system.
// Lines that are not needed any more keep their slabs' addresses, but not their memory: were a slab
// given to somebody else while the table lives, a late reader would take what is written there for
// a bucket.
//
// Must hold: fresh lines are zero; the directory's entry is there before a line is said to be. Who
// reads one without holding the owner finds what is in it, or zeros when the line has just moved.
// Cost: at() is two loads; growing clears or copies 32 KiB once in 512 lines, 2 to 5 microseconds.
// Thread: whoever holds the owner; at() may be called by anyone, for a line that is there.
#pragma once

#include <atomic>
#include <cstddef>

#include "storage/arena.h"
#include "storage/region.h"

namespace larder::storage {

class Lines {
 public:
  static constexpr std::size_t kLineBytes = 64;

  // most_bytes: a bound on all lines together.
  Lines(Arena& arena, std::size_t most_bytes);
  ~Lines();
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  char* at(std::size_t line) const {
    // Acquire, twice: what is found there is written before it can be found. (Loads as any on x86.)
    const std::atomic<char*>* pieces = directory_.load(std::memory_order_acquire);
    return pieces[line / kPerPiece].load(std::memory_order_acquire) + line % kPerPiece * kLineBytes;
  }

  // The first `count` lines can be used. False: there may not be so many, nothing changed.
  bool reach(std::size_t count) {
    if (count <= reached_) [[likely]]
      return true;
    return reach_further(count);
  }
  // None behind the first `count` lines is in use. Whoever reaches them again finds them zero, or
  // as they were left.
  void leave(std::size_t count) {
    if (count + kSpareLines < reached_) [[unlikely]]
      let_go(count);
  }
  // For lines that are all forgotten: gives back at most so many slabs. True: there are none left.
  bool give_back(std::size_t budget_slabs);

  // Memory that is there for lines.
  std::size_t used_bytes() const { return reached_ * kLineBytes; }
  // What of it lies in slabs.
  std::size_t slab_bytes() const { return slabs_ == 0 ? 0 : reached_ * kLineBytes; }

 private:
  static constexpr std::size_t kPieceBytes = Arena::kSlabBytes;
  static constexpr std::size_t kPerPiece = kPieceBytes / kLineBytes;
  static constexpr std::size_t kPerPage = Region::kPage / kLineBytes;
  // Lines that are kept beyond those in use: growing and shrinking about one size asks for nothing.
  static constexpr std::size_t kSpareLines = 2 * kPerPiece;

  // Behind the first lines of the small pages, for all pieces there may be.
  std::atomic<char*>* full_directory() const {
    return reinterpret_cast<std::atomic<char*>*>(small_.data() + kPieceBytes);
  }
  bool reach_further(std::size_t count);
  void move_to_slab();
  void let_go(std::size_t count);

  std::atomic<const std::atomic<char*>*> directory_;
  std::atomic<char*> only_piece_;  // the directory of a single piece on small pages
  Arena& arena_;
  std::size_t most_lines_;
  Region small_;             // the first lines, while they are few; then the directory
  std::size_t reached_ = 0;  // lines that have memory
  std::size_t slabs_ = 0;    // of the arena; the last of them may be without memory
};

}  // namespace larder::storage
