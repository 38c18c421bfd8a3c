#include "storage/age_clock.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::size_t kKeys = 6400;  // a unit is a hundred insertions

}  // namespace

TEST_CASE("age is counted in what was inserted, 64 units to as many keys as there are") {
  AgeClock clock;
  const std::uint32_t first = clock.label(kNow);
  CHECK(clock.age(first) == 0);
  clock.inserted(99, kKeys, kNow);
  CHECK(clock.age(first) == 0);
  clock.inserted(2, kKeys, kNow);
  CHECK(clock.age(first) == 1);
  const std::uint32_t second = clock.label(kNow);
  CHECK(second != first);
  for (int i = 0; i < 64; ++i) clock.inserted(100, kKeys, kNow);
  CHECK(clock.age(first) == 65);
  CHECK(clock.age(second) == 64);
}

TEST_CASE("time alone makes no key older, but is told to the second") {
  AgeClock clock;
  const std::uint32_t first = clock.label(kNow);
  CHECK(clock.label(kNow + 999) == first);
  const std::uint32_t second = clock.label(kNow + 5000);
  CHECK(second != first);
  CHECK(clock.age(first) == 0);
  CHECK(clock.idle_ms(first, kNow + 5000) == 5000);
  CHECK(clock.idle_ms(second, kNow + 5000) == 0);
  CHECK(clock.idle_ms(second, kNow + 7500) == 2500);
}

TEST_CASE(
    "a wall clock that is set back does not stop the seconds, and nothing is idle less than 0") {
  AgeClock clock;
  const std::uint32_t before = clock.label(kNow);
  const std::uint32_t after = clock.label(kNow - 3'600'000);
  CHECK(after != before);
  CHECK(clock.idle_ms(before, kNow - 3'600'000) == 0);
  CHECK(clock.label(kNow - 3'590'000) != after);
}

TEST_CASE("old labels are known by the moment of one in 1024") {
  AgeClock clock;
  const std::uint32_t first = clock.label(kNow);
  for (int second = 1; second <= 5000; ++second) clock.label(kNow + second * 1000);
  CHECK(clock.idle_ms(first, kNow + 5'000'000) == 5'000'000);
  const std::uint32_t middle = clock.label(kNow + 5'001'000);
  for (int second = 5002; second <= 9000; ++second) clock.label(kNow + second * 1000);
  const std::int64_t middle_ms = clock.idle_ms(middle, kNow + 9'000'000);
  CHECK(middle_ms >= 9'000'000 - 5'001'000);
  CHECK(middle_ms <= 9'000'000 - 5'001'000 + 1024 * 1000);
}

TEST_CASE("labels wrap, and the ages of young ones are right across it") {
  AgeClock clock;
  std::uint32_t label = 0;
  for (std::uint32_t i = 0; i < AgeClock::kLabels + 10; ++i) {
    if (i == AgeClock::kLabels - 10) label = clock.label(kNow);
    clock.inserted(101, kKeys, kNow);
  }
  CHECK(clock.label(kNow) < label);
  CHECK(clock.age(label) >= 20);
  CHECK(clock.age(label) <= 21);
}

TEST_CASE("a label that never was says nothing") {
  AgeClock clock;
  clock.label(kNow);
  CHECK(clock.idle_ms(500'000, kNow + 1000) == 0);
}

TEST_CASE("the label of a span is the newest that is so old, and none that never was") {
  AgeClock clock;
  std::vector<std::uint32_t> labels;
  for (int i = 0; i < 5000; ++i) labels.push_back(clock.label(kNow + i * 2000));
  const std::int64_t now_ms = kNow + 4999 * 2000;
  for (const int back : {0, 1, 2, 700, 1000}) {
    const auto i = static_cast<std::size_t>(4999 - back);
    CHECK(clock.label_idle_for(back * 2000, now_ms) == labels[i]);
    CHECK(clock.idle_ms(clock.label_idle_for(back * 2000 - 1, now_ms), now_ms) == back * 2000);
  }
  // Beyond what is kept of each label, every 1024th tells.
  const std::uint32_t old = clock.label_idle_for(3000 * 2000, now_ms);
  CHECK(clock.idle_ms(old, now_ms) >= 3000 * 2000);
  // Older than the clock: as old as it is.
  CHECK(clock.idle_ms(clock.label_idle_for(1'000'000'000, now_ms), now_ms) == 4999 * 2000);
}
