#include "storage/hit_density.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace larder::storage;

namespace {

// A store whose keys stand at these ages, all seen `times` at each of so many evictions, and are
// hit out of one cell only.
void teach(HitDensity& density, std::uint32_t uses, std::uint32_t hit_age, int hits) {
  for (int lesson = 0; lesson < 200; ++lesson) {
    HitDensity::Tally tally;
    for (std::uint32_t age = 0; age < 128; ++age) {
      ++tally.keys_seen[HitDensity::cell(uses, age)];
      ++tally.keys_looked_at;
    }
    tally.hits[HitDensity::cell(uses, hit_age)] += static_cast<std::uint32_t>(hits);
    tally.evictions = 64;
    density.learn(tally, 1000, 0, 1000);
    REQUIRE(tally.evictions == 0);
  }
}

float cost(const HitDensity& density, std::uint32_t uses, std::uint32_t age) {
  return density.turnovers_per_hit(HitDensity::cell(uses, age));
}

}  // namespace

TEST_CASE("bins grow with the age, four to the doubling, and the last has no end") {
  for (std::uint32_t age = 0; age < 8; ++age) CHECK(HitDensity::bin(age) == age);
  CHECK(HitDensity::bin(8) == 8);
  CHECK(HitDensity::bin(9) == 8);
  CHECK(HitDensity::bin(10) == 9);
  CHECK(HitDensity::bin(15) == 11);
  CHECK(HitDensity::bin(16) == 12);
  CHECK(HitDensity::bin(511) == HitDensity::kBins - 2);
  CHECK(HitDensity::bin(512) == HitDensity::kBins - 1);
  CHECK(HitDensity::bin(UINT32_MAX) == HitDensity::kBins - 1);
  std::size_t last = 0;
  for (std::uint32_t age = 0; age < 1000; ++age) {
    REQUIRE(HitDensity::bin(age) >= last);
    last = HitDensity::bin(age);
  }
}

TEST_CASE("before anything is learned, the older and the less used is dearer to keep") {
  const HitDensity density;
  for (std::uint32_t uses = 0; uses <= HitDensity::kMostUses; ++uses) {
    for (std::uint32_t age = 1; age < 600; ++age) {
      REQUIRE(cost(density, uses, age) >= cost(density, uses, age - 1));
      if (uses > 0) REQUIRE(cost(density, uses, age) <= cost(density, uses - 1, age));
    }
  }
}

TEST_CASE("where keys are used young, the old ones are dear") {
  HitDensity density;
  teach(density, 0, 2, 500);
  CHECK(cost(density, 0, 1) < cost(density, 0, 20));
  CHECK(cost(density, 0, 1) < cost(density, 0, 100));
}

TEST_CASE("on a loop the young ones are dear: the old ones will be used soon") {
  HitDensity density;
  teach(density, 0, 100, 500);
  CHECK(cost(density, 0, 1) > cost(density, 0, 40));
  CHECK(cost(density, 0, 40) > cost(density, 0, 80));
  CHECK(cost(density, 0, 80) > cost(density, 0, 96));
}

TEST_CASE("a class that is hit more is cheaper to keep, whatever was assumed") {
  HitDensity density;
  teach(density, 15, 3, 1);
  teach(density, 0, 3, 2000);
  CHECK(cost(density, 0, 2) < cost(density, 15, 2));
}

TEST_CASE("what was learned is forgotten when habits change") {
  HitDensity density;
  teach(density, 0, 100, 500);
  teach(density, 0, 2, 500);
  CHECK(cost(density, 0, 1) < cost(density, 0, 80));
}
