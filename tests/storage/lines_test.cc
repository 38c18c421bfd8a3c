#include "storage/lines.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

using namespace larder::storage;

namespace {

constexpr std::size_t kReserve = std::size_t{64} << 20;
constexpr std::size_t kMost = std::size_t{4} << 20;
constexpr std::size_t kPerSlab = Arena::kSlabBytes / Lines::kLineBytes;

std::uint64_t read(const Lines& lines, std::size_t line) {
  std::uint64_t word = 0;
  std::memcpy(&word, lines.at(line), sizeof word);
  return word;
}
void write(Lines& lines, std::size_t line, std::uint64_t word) {
  std::memcpy(lines.at(line), &word, sizeof word);
}

// Slabs as who had them before left them: not zero.
void spoil(Arena& arena, std::size_t slabs) {
  std::vector<char*> taken;
  for (std::size_t i = 0; i < slabs; ++i) {
    taken.push_back(arena.take(1));
    std::memset(taken.back(), 0xee, Arena::kSlabBytes);
  }
  for (char* slab : taken) arena.give(slab);
}

}  // namespace

TEST_CASE(
    "lines are zero when they are reached, and keep what is written to them while they grow") {
  Arena arena(kReserve);
  spoil(arena, 20);
  Lines lines(arena, kMost);
  for (std::size_t count = 1; count <= 8 * kPerSlab; ++count) {
    REQUIRE(lines.reach(count));
    REQUIRE(read(lines, count - 1) == 0);
    write(lines, count - 1, count);
    REQUIRE(lines.used_bytes() >= count * Lines::kLineBytes);
  }
  for (std::size_t i = 0; i < 8 * kPerSlab; ++i) REQUIRE(read(lines, i) == i + 1);
}

TEST_CASE("a few lines take pages, more take slabs, and none more than there may be") {
  Arena arena(kReserve);
  Lines lines(arena, kMost);
  CHECK(lines.used_bytes() == 0);
  CHECK(lines.reach(8));
  CHECK(lines.used_bytes() == Region::kPage);
  CHECK(arena.census().taken == 0);
  CHECK(lines.reach(kPerSlab));
  CHECK(arena.census().taken == 0);
  CHECK(lines.reach(kPerSlab + 1));
  CHECK(arena.census().taken == 2);
  CHECK(lines.reach(kMost / Lines::kLineBytes));
  CHECK_FALSE(lines.reach(kMost / Lines::kLineBytes + 1));
  CHECK(arena.census().taken == kMost / Arena::kSlabBytes);
}

TEST_CASE("lines that are left give their memory back and can be reached again") {
  Arena arena(kReserve);
  Lines lines(arena, kMost);
  REQUIRE(lines.reach(10 * kPerSlab));
  for (std::size_t i = 0; i < 10 * kPerSlab; ++i) write(lines, i, i + 1);
  const std::size_t full_bytes = lines.used_bytes();
  for (std::size_t count = 10 * kPerSlab; count-- > kPerSlab / 2;) {
    write(lines, count, 0);
    lines.leave(count);
  }
  CHECK(lines.used_bytes() <= 3 * Arena::kSlabBytes);
  for (std::size_t i = 0; i < kPerSlab / 2; ++i) REQUIRE(read(lines, i) == i + 1);
  REQUIRE(lines.reach(10 * kPerSlab));
  CHECK(lines.used_bytes() == full_bytes);
  for (std::size_t i = kPerSlab / 2; i < 10 * kPerSlab; ++i) REQUIRE(read(lines, i) == 0);
  CHECK(arena.census().taken == 10);
}

TEST_CASE("slabs go back in steps, or with the lines") {
  Arena arena(kReserve);
  {
    Lines lines(arena, kMost);
    REQUIRE(lines.reach(10 * kPerSlab));
    CHECK_FALSE(lines.give_back(3));
    CHECK(arena.census().taken == 7);
    CHECK(lines.give_back(7));
    CHECK(arena.census().taken == 0);
    CHECK(lines.give_back(1));
  }
  {
    Lines lines(arena, kMost);
    REQUIRE(lines.reach(2 * kPerSlab));
  }
  CHECK(arena.census().taken == 0);
}

TEST_CASE("a line that is said to be there can be read by a thread that holds nothing") {
  Arena arena(kReserve);
  spoil(arena, 20);
  Lines lines(arena, kMost);
  REQUIRE(lines.reach(1));
  std::atomic<std::size_t> count{1};
  std::thread reader([&] {
    std::size_t odd = 0;
    for (std::size_t there = 0; there != 8 * kPerSlab;) {
      there = count.load(std::memory_order_acquire);
      for (std::size_t i = there; i-- != 0 && i + 3 > there;) {
        // Zero: it was found where the first lines lay, which have just moved to a slab.
        const std::uint64_t word = read(lines, i);
        odd += word != i && word != 0;
      }
    }
    CHECK(odd == 0);
  });
  for (std::size_t n = 1; n < 8 * kPerSlab; ++n) {
    REQUIRE(lines.reach(n + 1));
    write(lines, n, n);
    count.store(n + 1, std::memory_order_release);
  }
  reader.join();
}
