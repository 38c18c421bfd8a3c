#include "storage/lateness.h"

#include <doctest/doctest.h>

using larder::storage::Lateness;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

}  // namespace

TEST_CASE("nobody was late") {
  const Lateness lateness;
  CHECK(lateness.total() == 0);
  CHECK(lateness.at(0.999) == 0);
  CHECK(lateness.longest_of_minute_ms(kNow) == 0);
}

TEST_CASE("the largest lateness is remembered for a minute, the percentiles for ever") {
  Lateness lateness;
  lateness.add(700, kNow);
  for (int i = 0; i < 99; ++i) lateness.add(3, kNow + i);
  CHECK(lateness.at(0.5) == 3);
  CHECK(lateness.at(1) >= 700);
  CHECK(lateness.longest_of_minute_ms(kNow) == 700);
  CHECK(lateness.longest_of_minute_ms(kNow + 55'000) == 700);
  CHECK(lateness.longest_of_minute_ms(kNow + 60'000) == 0);
  lateness.add(5, kNow + 60'000);  // in the place of the window of 700
  CHECK(lateness.longest_of_minute_ms(kNow + 60'000) == 5);
  CHECK(lateness.at(1) >= 700);
  CHECK(lateness.total() == 101);
}

TEST_CASE("two that are merged are as one that heard of all") {
  Lateness one;
  Lateness other;
  one.add(20, kNow);
  other.add(90, kNow - 30'000);
  other.add(10, kNow);
  other.add(500, kNow - 60'000);
  one.merge(other);
  CHECK(one.total() == 4);
  CHECK(one.longest_of_minute_ms(kNow) == 90);
  CHECK(one.longest_of_minute_ms(kNow + 40'000) == 20);
}

TEST_CASE("who is dropped before its time, by a clock of its own, is not late") {
  Lateness lateness;
  lateness.add(-5, kNow);
  CHECK(lateness.at(1) == 0);
  CHECK(lateness.longest_of_minute_ms(kNow) == 0);
}
