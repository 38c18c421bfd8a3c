#include "storage/heap.h"

#include <algorithm>
#include <cstring>

#include "storage/ensure.h"
#include "storage/sanitizer.h"

namespace larder::storage {
namespace {

// What of a free cell the heap itself reads: the mark and the link.
constexpr std::size_t kLinkOffset = 2;
constexpr std::size_t kOwnBytes = 8;

std::uint16_t link_of(const char* cell) {
  std::uint16_t link = 0;
  std::memcpy(&link, cell + kLinkOffset, sizeof link);
  return link;
}

// Its first bytes stay ours.
void forbid(char* cell, std::size_t size_bytes) {
  forbid_touching(cell + kOwnBytes, size_bytes - kOwnBytes);
}

}  // namespace

Heap::Heap(Arena& arena)
    : arena_(arena),
      starts_((std::min<std::size_t>(kMostSlabs, arena.reserved_slabs()) + 1) * sizeof(char*)),
      slabs_(std::min<std::size_t>(kMostSlabs, arena.reserved_slabs()) * sizeof(Slab)) {
  // Number 0, which an empty slot of a table means, is looked up by who prefetches.
  ensure(starts_.commit(sizeof(char*)), "a heap needs room for its first slab");
}

Heap::~Heap() {
  give_back(slab_count_);
}

bool Heap::give_back(std::size_t budget_slabs) {
  for (; slab_count_ != 0 && budget_slabs != 0; --slab_count_) {
    char* start = start_of(slab_count_);
    if (start == nullptr) continue;
    allow_touching(start, kSlabBytes);
    arena_.give(start);
    --budget_slabs;
  }
  return slab_count_ == 0;
}

void* Heap::allocate(std::size_t size_bytes) {
  if (size_bytes > kMostCellBytes) return make_box(size_bytes);
  const std::size_t number_of_class = class_of(size_bytes);
  SizeClass& size_class = classes_[number_of_class];
  SlabNumber number = 0;
  for (int shelf = kShelves - 1; shelf >= 0 && number == 0; --shelf) {
    number = size_class.shelves[static_cast<std::size_t>(shelf)];
  }
  if (number == 0) number = open_slab(number_of_class);

  Slab& from = slab(number);
  const std::size_t units = units_of(number_of_class);
  char* cell = nullptr;
  if (from.free_head != 0) {
    cell = start_of(number) + (from.free_head - 1u) * kUnitBytes;
    from.free_head = link_of(cell);
  } else {
    cell = start_of(number) + from.fresh_unit * kUnitBytes;
    from.fresh_unit = static_cast<std::uint16_t>(from.fresh_unit + units);
  }
  allow_touching(cell, units * kUnitBytes);
  ++from.live;
  --size_class.free;
  ++cells_;
  live_bytes_ += units * kUnitBytes;
  put_on_shelf(number);
  return cell;
}

void Heap::release(void* memory, std::size_t size_bytes) {
  if (size_bytes > kMostCellBytes) return release_box(memory);
  char* cell = static_cast<char*>(memory);
  const SlabNumber number = arena_.number_of(cell);
  Slab& to = slab(number);
  const std::size_t units = units_of(to.size_class);
  forbid(cell, units * kUnitBytes);
  cell[0] = static_cast<char>(kFreeMark);
  std::memcpy(cell + kLinkOffset, &to.free_head, sizeof to.free_head);
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(cell) % kSlabBytes;
  to.free_head = static_cast<std::uint16_t>(offset / kUnitBytes + 1);
  --to.live;
  --cells_;
  live_bytes_ -= units * kUnitBytes;
  SizeClass& size_class = classes_[to.size_class];
  ++size_class.free;
  if (to.live == 0) return close_slab(number);
  if (number != leaving_) put_on_shelf(number);
  if (crowded_ == 0 && is_crowded(size_class, to.capacity)) crowded_ = to.size_class + 1u;
}

Heap::SlabNumber Heap::open_slab(std::size_t size_class) {
  SlabNumber number = 0;
  if (!free_numbers_.empty()) {
    number = free_numbers_.back();
    free_numbers_.pop_back();
  } else {
    number = slab_count_ + 1;
    ensure(starts_.commit((number + 1) * sizeof(char*)) && slabs_.commit(number * sizeof(Slab)),
           "a shard has no numbers left for slabs");
    slab_count_ = number;
  }
  start_at(number).store(arena_.take(number), std::memory_order_relaxed);
  const std::size_t units = units_of(size_class);
  const auto capacity = static_cast<std::uint16_t>(kSlabBytes / kUnitBytes / units);
  slab(number) = {.size_class = static_cast<std::uint16_t>(size_class),
                  .capacity = capacity,
                  .live = 0,
                  .free_head = 0,
                  .fresh_unit = 0,
                  .shelf = kNoShelf,
                  .before = 0,
                  .after = 0};
  classes_[size_class].free += capacity;
  ++classes_[size_class].slabs;
  ++open_slabs_;
  return number;
}

void Heap::close_slab(SlabNumber number) {
  Slab& empty = slab(number);
  take_off_shelf(number);
  classes_[empty.size_class].free -= empty.capacity;
  --classes_[empty.size_class].slabs;
  --open_slabs_;
  if (leaving_ == number) leaving_ = 0;
  char* start = start_of(number);
  allow_touching(start, kSlabBytes);
  start_at(number).store(nullptr, std::memory_order_relaxed);
  arena_.give(start);
  free_numbers_.push_back(number);
}

// Onto the shelf for how full it is now.
void Heap::put_on_shelf(SlabNumber number) {
  Slab& moved = slab(number);
  // live * kShelves / capacity, without the division.
  const unsigned fill = moved.live * unsigned{kShelves};
  std::uint8_t shelf = 0;
  for (unsigned full = moved.capacity; full <= moved.capacity * unsigned{kShelves};
       full += moved.capacity) {
    shelf = static_cast<std::uint8_t>(shelf + (fill >= full));
  }
  if (shelf == moved.shelf) return;
  take_off_shelf(number);
  moved.shelf = shelf;
  if (shelf == kNoShelf) return;
  SlabNumber& head = classes_[moved.size_class].shelves[shelf];
  moved.after = head;
  if (head != 0) slab(head).before = number;
  head = number;
}

void Heap::take_off_shelf(SlabNumber number) {
  Slab& taken = slab(number);
  if (taken.shelf == kNoShelf) return;
  if (taken.before != 0) {
    slab(taken.before).after = taken.after;
  } else {
    classes_[taken.size_class].shelves[taken.shelf] = taken.after;
  }
  if (taken.after != 0) slab(taken.after).before = taken.before;
  taken.before = 0;
  taken.after = 0;
  taken.shelf = kNoShelf;
}

// The emptiest slab of the crowded size; what is in it finds room in the others of that size.
bool Heap::choose_leaving() {
  if (crowded_ == 0) return false;
  const SizeClass& size_class = classes_[crowded_ - 1];
  const std::size_t capacity = kSlabBytes / kUnitBytes / units_of(crowded_ - 1);
  if (is_crowded(size_class, capacity)) {
    for (const SlabNumber number : size_class.shelves) {
      if (number == 0) continue;
      take_off_shelf(number);
      leaving_ = number;
      leaving_unit_ = 0;
      return true;
    }
  }
  crowded_ = 0;
  return false;
}

void* Heap::next_leaving() {
  const Slab& from = slab(leaving_);
  while (leaving_unit_ < from.fresh_unit) {
    char* cell = start_of(leaving_) + leaving_unit_ * kUnitBytes;
    leaving_unit_ += units_of(from.size_class);
    if (static_cast<unsigned char>(cell[0]) != kFreeMark) return cell;
  }
  ensure(false, "a slab that is not empty has a cell in use");
  return nullptr;
}

// The number of the box lies before what it holds.
void* Heap::make_box(std::size_t size_bytes) {
  auto* memory = static_cast<char*>(storage::allocate(size_bytes + kUnitBytes));
  std::uint64_t number = boxes_.size();
  char* cell = memory + kUnitBytes;
  if (free_boxes_.empty()) {
    ensure(number < kBoxed, "fewer large entries than there are numbers for them");
    boxes_.push_back(cell);
  } else {
    number = free_boxes_.back();
    free_boxes_.pop_back();
    boxes_[number] = cell;
  }
  std::memcpy(memory, &number, sizeof number);
  return cell;
}

void Heap::release_box(void* cell) {
  const Ref ref = box_ref(cell) & ~kBoxed;
  boxes_[ref] = nullptr;
  free_boxes_.push_back(ref);
  storage::release(static_cast<char*>(cell) - kUnitBytes);
}

Heap::Ref Heap::box_ref(const void* cell) const {
  std::uint64_t number = 0;
  std::memcpy(&number, static_cast<const char*>(cell) - kUnitBytes, sizeof number);
  return static_cast<Ref>(number) | kBoxed;
}

}  // namespace larder::storage
