#include "storage/ghosts.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "storage/hash.h"

using namespace larder::storage;

namespace {

std::uint64_t hash_of(int n) {
  return hash_bytes({reinterpret_cast<const char*>(&n), sizeof n}, 7);
}

}  // namespace

TEST_CASE("a ghost is found once, with its uses and its age") {
  Ghosts ghosts;
  CHECK_FALSE(ghosts.take(hash_of(1), 0));
  REQUIRE(ghosts.fit(1000, 1'000'000));
  ghosts.put(hash_of(1), 5, 30, 100);
  ghosts.put(hash_of(2), 15, 0, 100);
  const auto first = ghosts.take(hash_of(1), 110);
  REQUIRE(first);
  CHECK(first->uses == 5);
  CHECK(first->age == 40);
  CHECK_FALSE(ghosts.take(hash_of(1), 110));
  const auto second = ghosts.take(hash_of(2), 100);
  REQUIRE(second);
  CHECK(second->uses == 15);
  CHECK(second->age == 0);
}

TEST_CASE("ages survive the wrap of the units") {
  Ghosts ghosts;
  ghosts.fit(100, 100'000);
  ghosts.put(hash_of(1), 0, 100, 50);
  CHECK(ghosts.take(hash_of(1), 4096 + 20)->age == 4096 + 20 - 50 + 100 - 4096);
}

TEST_CASE("when a line is full the one used longest ago gives way, and looks in turn show all") {
  Ghosts ghosts;
  ghosts.fit(16, 100'000);
  const auto slots = static_cast<int>(ghosts.slots());
  std::vector<std::uint64_t> hashes;
  for (int i = 0; i < 4000; ++i) hashes.push_back(hash_of(i));
  std::uint32_t now = 0;
  int shown = 0;
  for (const std::uint64_t hash : hashes) {
    for (std::size_t turn = 0; turn < Ghosts::kPerLine / Ghosts::kPerLook; ++turn) {
      ghosts.look(hash, turn, now, [&](const Ghosts::Ghost& ghost) {
        CHECK(ghost.uses == 1);
        ++shown;
      });
    }
    ghosts.put(hash, 1, 0, now);
    ++now;
  }
  CHECK(shown > 3000 * 15);
  int found = 0;
  for (std::size_t i = hashes.size() - 16; i < hashes.size(); ++i) {
    found += ghosts.take(hashes[i], now).has_value();
  }
  CHECK(found >= 14);  // of the youngest, but for those that share a line with many
  for (const std::uint64_t hash : hashes) found += ghosts.take(hash, now).has_value();
  CHECK(found <= slots + 5);
}

TEST_CASE("there are no more ghosts than the memory of the keys allows, and they follow its size") {
  Ghosts ghosts;
  ghosts.fit(10'000, 10'000 * 1000);
  CHECK(ghosts.slots() == 20'000);
  CHECK(ghosts.used_bytes() == 80'000);
  CHECK_FALSE(ghosts.fit(11'000, 11'000 * 1000));  // near enough
  CHECK(ghosts.fit(20'000, 20'000 * 1000));
  CHECK(ghosts.slots() == 40'000);
  CHECK(ghosts.fit(20'000, 20'000 * 48));  // small values
  CHECK(ghosts.used_bytes() <= 20'000);
  CHECK(ghosts.fit(0, 0));
  CHECK(ghosts.slots() == Ghosts::kPerLine);
}
