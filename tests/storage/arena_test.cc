#include "storage/arena.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

using larder::storage::Arena;

namespace {

constexpr std::size_t kReserve = std::size_t{256} << 20;

struct Taken {
  char* slab;
  std::uint32_t number;
  unsigned char byte;
};

Taken take(Arena& arena, std::uint32_t number) {
  const Taken taken{arena.take(number), number, static_cast<unsigned char>(number)};
  std::memset(taken.slab, taken.byte, Arena::kSlabBytes);
  return taken;
}

bool is_whole(const Taken& taken) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(taken.slab);
  for (std::size_t i = 0; i < Arena::kSlabBytes; ++i) {
    if (bytes[i] != taken.byte) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("slabs lie apart, at their size, and know what their taker calls them") {
  Arena arena(kReserve);
  std::vector<Taken> taken;
  for (std::uint32_t n = 1; n <= 1000; ++n) taken.push_back(take(arena, n));
  for (const Taken& one : taken) {
    CHECK(reinterpret_cast<std::uintptr_t>(one.slab) % Arena::kSlabBytes == 0);
    CHECK(is_whole(one));
    CHECK(arena.number_of(one.slab) == one.number);
    CHECK(arena.number_of(one.slab + Arena::kSlabBytes - 1) == one.number);
  }
  CHECK(arena.census().taken == 1000);
}

TEST_CASE("an address of somebody else lies in no slab") {
  Arena arena(kReserve);
  const int elsewhere = 0;
  CHECK(arena.number_of(&elsewhere) == 0);
  char* slab = arena.take(7);
  arena.give(slab);
  CHECK(arena.number_of(slab) == 0);
}

TEST_CASE("what is given is taken again before anything new, and only some of it keeps its pages") {
  Arena arena(kReserve);
  std::vector<char*> slabs;
  for (std::uint32_t n = 1; n <= 500; ++n) slabs.push_back(arena.take(n));
  for (char* slab : slabs) {
    std::memset(slab, 1, Arena::kSlabBytes);
    arena.give(slab);
  }
  const Arena::Census idle = arena.census();
  CHECK(idle.taken == 0);
  CHECK(idle.warm + idle.cold == 500);
  CHECK(idle.warm > 0);
  CHECK(idle.cold > idle.warm);
  for (std::uint32_t n = 1; n <= 500; ++n) arena.take(n);
  const Arena::Census busy = arena.census();
  CHECK(busy.taken == 500);
  CHECK(busy.warm + busy.cold == 0);
}

TEST_CASE("memory that was made ready is taken, kept and given like any other") {
  Arena arena(kReserve);
  arena.run_ahead();
  std::vector<Taken> taken;
  for (std::uint32_t n = 1; n <= 2000; ++n) taken.push_back(take(arena, n));
  for (const Taken& one : taken) {
    CHECK(is_whole(one));
    arena.give(one.slab);
  }
  CHECK(arena.census().taken == 0);
}

TEST_CASE("threads that take and give never have the same slab") {
  Arena arena(kReserve);
  std::vector<std::thread> threads;
  std::vector<int> spoilt(4);
  for (std::uint32_t me = 0; me < 4; ++me) {
    threads.emplace_back([&, me] {
      std::mt19937 chance(me);
      std::vector<Taken> mine;
      for (int i = 0; i < 400; ++i) {
        if (mine.size() < 40 && chance() % 3 != 0) {
          mine.push_back(take(arena, me * 1000 + static_cast<std::uint32_t>(i) + 1));
        } else if (!mine.empty()) {
          if (!is_whole(mine.back()) || arena.number_of(mine.back().slab) != mine.back().number) {
            ++spoilt[me];
          }
          arena.give(mine.back().slab);
          mine.pop_back();
        }
      }
      for (const Taken& rest : mine) arena.give(rest.slab);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int spoilt_slabs : spoilt) CHECK(spoilt_slabs == 0);
  CHECK(arena.census().taken == 0);
}

TEST_CASE("what the arena takes is its slabs with pages, and all of a large page that was begun") {
  constexpr std::size_t kMega = std::size_t{1} << 20;
  Arena arena(kReserve);
  std::vector<char*> slabs;
  for (std::uint32_t n = 1; n <= 100; ++n) slabs.push_back(arena.take(n));
  CHECK(arena.resident_bytes() == 100 * Arena::kSlabBytes);
  CHECK(arena.slabs_faulted() == 100);
  while (slabs.size() * Arena::kSlabBytes <= 8 * kMega) slabs.push_back(arena.take(1));
  CHECK(arena.resident_bytes() == 10 * kMega);
  for (char* slab : slabs) arena.give(slab);
  // A few keep their pages for the next; the rest of the large page stays, too.
  CHECK(arena.resident_bytes() ==
        arena.census().warm * Arena::kSlabBytes + 2 * kMega - Arena::kSlabBytes);
  const std::uint64_t before = arena.slabs_faulted();
  const std::size_t warm = arena.census().warm;
  for (std::size_t i = 0; i <= warm; ++i) arena.take(1);
  CHECK(arena.slabs_faulted() == before + 1);
}
