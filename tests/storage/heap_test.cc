#include "storage/heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <vector>

using namespace larder::storage;

namespace {

constexpr std::size_t kReserve = std::size_t{64} << 20;

// Cells filled with a byte of their own, beside a map that says what must be in them.
struct Filled {
  ~Filled() {
    while (!model.empty()) release(model.begin()->first);
  }

  void* allocate(std::size_t size, unsigned char byte) {
    void* cell = heap.allocate(size);
    REQUIRE(reinterpret_cast<std::uintptr_t>(cell) % Heap::kUnitBytes == 0);
    std::memset(cell, byte, size);
    REQUIRE(model.emplace(cell, Kept{size, byte}).second);
    return cell;
  }
  void release(void* cell) {
    must_be_whole(cell);
    heap.release(cell, model.at(cell).size);
    model.erase(cell);
  }
  void must_be_whole(void* cell) {
    const Kept& kept = model.at(cell);
    const auto* bytes = static_cast<const unsigned char*>(cell);
    REQUIRE(std::all_of(bytes, bytes + kept.size, [&](unsigned char b) { return b == kept.byte; }));
    REQUIRE(heap.at(heap.ref_of(cell)) == cell);
    REQUIRE(heap.ref_of(cell) != 0);
  }
  void tidy(std::size_t budget) {
    heap.tidy(budget, [this](void* cell) {
      const Kept kept = model.at(cell);
      allocate(kept.size, kept.byte);
      release(cell);
    });
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [cell, kept] : model) sum += Heap::cell_bytes(kept.size);
    return sum;
  }

  struct Kept {
    std::size_t size;
    unsigned char byte;
  };
  Arena arena{kReserve};
  Heap heap{arena};
  std::map<void*, Kept> model;
};

}  // namespace

TEST_CASE(
    "a cell is rounded up by less than 8 bytes, an eighth when it is large, a third at most") {
  for (std::size_t size = 9; size <= Heap::kMostCellBytes; ++size) {
    const std::size_t cell = Heap::cell_bytes(size);
    REQUIRE(cell >= size);
    REQUIRE(cell % Heap::kUnitBytes == 0);
    REQUIRE(Heap::cell_bytes(cell) == cell);
    REQUIRE(cell - size < (size <= 512 ? 8 : 8 + size / (size <= 4096 ? 8 : 3)));
  }
  CHECK(Heap::cell_bytes(1) == 16);
  CHECK(Heap::cell_bytes(Heap::kMostCellBytes) == Heap::kMostCellBytes);
}

TEST_CASE("cells of every size keep their bytes while others come, go and move") {
  Filled filled;
  std::mt19937_64 random(3);
  std::vector<void*> cells;
  for (int step = 0; step < 60'000; ++step) {
    // Stretches that mostly take and stretches that mostly give, of a few sizes or of all.
    const bool takes = random() % 10 < (step / 6000 % 2 == 0 ? 7 : 3);
    if (takes || filled.model.empty()) {
      const std::size_t most = step / 12'000 % 2 == 0 ? 100 : 6000;
      filled.allocate(1 + random() % most, static_cast<unsigned char>(random() % 255));
    } else {
      auto it = filled.model.lower_bound(reinterpret_cast<void*>(
          reinterpret_cast<std::uintptr_t>(filled.model.begin()->first) + random() % (2 << 20)));
      if (it == filled.model.end()) it = filled.model.begin();
      filled.release(it->first);
    }
    if (filled.heap.wants_tidying()) filled.tidy(2);
  }
  for (const auto& [cell, kept] : filled.model) filled.must_be_whole(cell);
}

TEST_CASE(
    "when every second cell is gone, tidying leaves little more than the cells that are left") {
  Filled filled;
  std::vector<void*> cells;
  for (int i = 0; i < 100'000; ++i) cells.push_back(filled.allocate(40, 7));
  for (std::size_t i = 0; i < cells.size(); i += 2) {
    filled.release(cells[i]);
    // What a visit does at its end; cells that moved meanwhile are told by the model.
    if (filled.heap.wants_tidying()) {
      filled.heap.tidy(0, [](void*) {});
    }
  }
  while (filled.heap.wants_tidying()) filled.tidy(64);
  CHECK(filled.model.size() == 50'000);
  CHECK(filled.heap.slab_bytes() < filled.bytes() + filled.bytes() / 8 + 4 * Heap::kSlabBytes);
  for (const auto& [cell, kept] : filled.model) filled.must_be_whole(cell);
}

TEST_CASE("an empty slab serves another size") {
  Filled filled;
  for (int round = 0; round < 50; ++round) {
    std::vector<void*> cells;
    for (int i = 0; i < 2000; ++i) {
      cells.push_back(filled.allocate(16 + static_cast<std::size_t>(round) * 8, 1));
    }
    for (void* cell : cells) filled.release(cell);
    CHECK(filled.heap.slab_bytes() == 0);
  }
  CHECK(filled.heap.cells() == 0);
}

TEST_CASE("what is larger than a cell has a box, and its number is used again") {
  Filled filled;
  void* one = filled.allocate(Heap::kMostCellBytes + 1, 1);
  void* other = filled.allocate(1'000'000, 2);
  CHECK(filled.heap.boxes() == 2);
  const Heap::Ref ref = filled.heap.ref_of(one);
  filled.release(one);
  void* next = filled.allocate(12'000, 3);
  CHECK(filled.heap.ref_of(next) == ref);
  filled.must_be_whole(other);
  Heap::Finder(filled.heap).prefetch(ref);
  CHECK(filled.heap.slab_bytes() == 0);
}

TEST_CASE("a forgotten heap is given back in steps") {
  Arena arena(kReserve);
  Heap heap(arena);
  for (int i = 0; i < 10'000; ++i) std::memset(heap.allocate(100), 1, 100);
  CHECK(arena.census().taken > 30);
  int steps = 1;
  while (!heap.give_back(2)) ++steps;
  CHECK(steps > 10);
  CHECK(arena.census().taken == 0);
}
