// Where entries lie: cells in slabs that are taken from the store's arena. One heap for each
// database of a shard.
//
// A slab is 32 KiB of cells of one size. Sizes up to 512 bytes come in steps of 8; above, a cell is
// the largest of which so many fill a slab, so no slab has a useless tail. A cell has no header and
// a request is rounded up by less than 8 bytes, where malloc takes 8 for itself and rounds to 16.
//
//   slab     cells handed out once | cells never used yet (their pages not touched)
//            ^ free ones among them are linked through their own bytes
//
// A cell is named by a Ref, 32 bits: the number of its slab in this heap, and where it lies there
// in units of 8 bytes. That is half of a pointer in the table's slots, and reaches over 16 GiB in
// each of the many heaps. What is larger than a third of a slab (long keys) is boxed:
// malloc's, and named by its number in a list.
//
// Shelves: the slabs of one size that have free cells stand on four shelves by how full they are.
// The fullest are filled first, so that the emptiest become empty; an empty slab goes back to the
// arena.
// Tidying: entries may move (only the table points at them), so when more than a sixteenth of a
// size's cells are free, the emptiest slab is emptied, a few cells at the end of each visit that
// finds it so. Deleting half of the keys therefore gives back near half of the memory, whatever
// sizes come next. Measured against malloc in the room's README.
//
// Must hold: the first byte of a cell in use is never kFreeMark (an entry's type sees to it).
// Cost: allocate and release are a few loads and stores; a cell is moved less than once for each
// cell that is freed.
// Thread: whoever holds the shard. Finder::prefetch() may be called by anyone.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/arena.h"
#include "storage/memory.h"
#include "storage/region.h"

namespace larder::storage {

class Heap {
 public:
  using Ref = std::uint32_t;  // 0: none
  static constexpr std::size_t kUnitBytes = 8;
  static constexpr std::size_t kSlabBytes = Arena::kSlabBytes;
  static constexpr std::size_t kMostCellBytes = kSlabBytes / 3 / kUnitBytes * kUnitBytes;
  static constexpr unsigned char kFreeMark = 0xff;

  explicit Heap(Arena& arena);
  ~Heap();  // boxes must be released before
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  Arena& arena() const { return arena_; }

  // Never null. 8-byte aligned; not initialised.
  void* allocate(std::size_t size_bytes);
  void release(void* cell, std::size_t size_bytes);

  Ref ref_of(const void* cell) const {
    const SlabNumber number = arena_.number_of(cell);
    if (number == 0) [[unlikely]]
      return box_ref(cell);
    const std::size_t unit = reinterpret_cast<std::uintptr_t>(cell) % kSlabBytes / kUnitBytes;
    return number << kUnitBits | static_cast<Ref>(unit);
  }
  void* at(Ref ref) const { return Finder(*this).at(ref); }
  // From names to cells. Kept by who looks for many of them beside what else it reads, so that it
  // need not look at the heap itself for that.
  class Finder {
   public:
    explicit Finder(const Heap& heap) : heap_(heap), starts_(heap.starts_.data()) {}
    const Heap& heap() const { return heap_; }
    void* at(Ref ref) const {
      if ((ref & kBoxed) != 0) [[unlikely]]
        return heap_.boxes_[ref & ~kBoxed];
      return start_of(ref >> kUnitBits) + (ref & kUnitMask) * kUnitBytes;
    }
    // Any thread.
    void prefetch(Ref ref) const {
      if ((ref & kBoxed) != 0) return;
      const auto start = reinterpret_cast<std::uintptr_t>(start_of(ref >> kUnitBits));
      const std::uintptr_t cell = start + (ref & kUnitMask) * kUnitBytes;
      __builtin_prefetch(reinterpret_cast<const char*>(cell));
      __builtin_prefetch(reinterpret_cast<const char*>(cell + kLikelyBytes - 1));
    }

   private:
    char* start_of(std::uint32_t number) const {
      return start_at(starts_, number).load(std::memory_order_relaxed);
    }

    const Heap& heap_;
    char* starts_;  // of the region, which never moves
  };

  // What a request of that size takes, in bytes.
  static constexpr std::size_t cell_bytes(std::size_t size_bytes);
  // Cells in use, slabs that are not empty, and boxes.
  std::size_t cells() const { return cells_; }
  // Of cells in use: the rest of the slabs is free, or was never used.
  std::size_t live_bytes() const { return live_bytes_; }
  std::size_t slab_bytes() const { return open_slabs_ * kSlabBytes; }
  std::size_t boxes() const { return boxes_.size() - free_boxes_.size(); }

  // A slab is being emptied, or one should be.
  bool wants_tidying() const { return crowded_ != 0; }
  // Goes on with it, for at most `budget` cells. move(void* cell) puts what is in the cell into
  // another one of this heap and releases this one.
  template <class Move>
  void tidy(std::size_t budget, Move&& move) {
    for (; budget != 0 && (leaving_ != 0 || choose_leaving()); --budget) {
      if (void* cell = next_leaving()) move(cell);
    }
  }

  // For a heap whose cells are all forgotten: gives back at most so many slabs. True: there are
  // none left.
  bool give_back(std::size_t budget_slabs);

 private:
  static constexpr Ref kBoxed = Ref{1} << 31;
  static constexpr int kUnitBits = 12;
  static constexpr Ref kUnitMask = (Ref{1} << kUnitBits) - 1;
  static_assert(kSlabBytes / kUnitBytes == kUnitMask + 1);
  // A cell of a small value and its key rarely ends on the cache line on which it begins.
  static constexpr std::size_t kLikelyBytes = 64;
  // Steps of 8 bytes up to kMostFineBytes; then by how many fill a slab.
  static constexpr std::size_t kMostFineBytes = 512;
  static constexpr std::size_t kFineClasses = kMostFineBytes / kUnitBytes;
  static constexpr std::size_t kMostPerSlab = kSlabBytes / kMostFineBytes;
  static constexpr std::size_t kFewestPerSlab = kSlabBytes / kMostCellBytes;
  static constexpr std::size_t kClasses = kFineClasses + 1 + kMostPerSlab - kFewestPerSlab;
  static constexpr std::size_t kFewestUnits = 2;
  static constexpr int kShelves = 4;
  static constexpr std::uint8_t kNoShelf = kShelves;  // full, or being emptied
  // A size is crowded with free cells when it has this share of them, and a slab's worth besides.
  static constexpr std::size_t kFreeShare = 16;
  static constexpr std::size_t kFreeSlabs = 1;

  using SlabNumber = std::uint32_t;  // from 1; 0: none
  static constexpr SlabNumber kMostSlabs = (SlabNumber{1} << (31 - kUnitBits)) - 1;
  struct Slab {
    std::uint16_t size_class;
    std::uint16_t capacity;
    std::uint16_t live;
    std::uint16_t free_head;   // unit + 1 of the first free cell
    std::uint16_t fresh_unit;  // from here on never used
    std::uint8_t shelf;
    SlabNumber before;
    SlabNumber after;
  };
  struct SizeClass {
    std::array<SlabNumber, kShelves> shelves{};
    std::uint32_t slabs = 0;
    std::size_t free = 0;  // cells, the never used ones too
  };

  static constexpr std::size_t class_of(std::size_t size_bytes);
  static constexpr std::size_t units_of(std::size_t size_class);

  Slab& slab(SlabNumber number) const { return reinterpret_cast<Slab*>(slabs_.data())[number - 1]; }
  // Who prefetches reads it while the holder may be writing it: an address to fetch, or null.
  static std::atomic_ref<char*> start_at(char* starts, SlabNumber number) {
    return std::atomic_ref<char*>(reinterpret_cast<char**>(starts)[number]);
  }
  std::atomic_ref<char*> start_at(SlabNumber number) const {
    return start_at(starts_.data(), number);
  }
  char* start_of(SlabNumber number) const {
    return start_at(number).load(std::memory_order_relaxed);
  }
  SlabNumber open_slab(std::size_t size_class);
  void close_slab(SlabNumber number);
  void put_on_shelf(SlabNumber number);
  void take_off_shelf(SlabNumber number);
  bool is_crowded(const SizeClass& size_class, std::size_t capacity) const {
    return size_class.free > size_class.slabs * capacity / kFreeShare + kFreeSlabs * capacity;
  }
  bool choose_leaving();
  void* next_leaving();
  void* make_box(std::size_t size_bytes);
  void release_box(void* cell);
  Ref box_ref(const void* cell) const;

  Arena& arena_;
  Region starts_;  // of slabs, by number
  Region slabs_;
  SlabNumber slab_count_ = 0;  // numbers given out so far
  std::size_t open_slabs_ = 0;
  std::size_t cells_ = 0;
  std::size_t live_bytes_ = 0;
  std::array<SizeClass, kClasses> classes_{};
  std::vector<SlabNumber> free_numbers_;
  std::size_t crowded_ = 0;       // a size class + 1 that wants tidying
  SlabNumber leaving_ = 0;        // the slab that is being emptied
  std::size_t leaving_unit_ = 0;  // cells of it before here have been looked at
  std::vector<void*> boxes_;
  std::vector<Ref> free_boxes_;
};

constexpr std::size_t Heap::class_of(std::size_t size_bytes) {
  if (size_bytes <= kMostFineBytes) {
    const std::size_t units = (size_bytes + kUnitBytes - 1) / kUnitBytes;
    return units < kFewestUnits ? kFewestUnits : units;
  }
  std::size_t per_slab = kSlabBytes / size_bytes;
  if (kSlabBytes / per_slab / kUnitBytes * kUnitBytes < size_bytes) --per_slab;
  return kFineClasses + kMostPerSlab - per_slab;
}

constexpr std::size_t Heap::units_of(std::size_t size_class) {
  if (size_class <= kFineClasses) return size_class;
  return kSlabBytes / (kFineClasses + kMostPerSlab - size_class) / kUnitBytes;
}

constexpr std::size_t Heap::cell_bytes(std::size_t size_bytes) {
  if (size_bytes > kMostCellBytes) return footprint(size_bytes + kUnitBytes);
  return units_of(class_of(size_bytes)) * kUnitBytes;
}

}  // namespace larder::storage
