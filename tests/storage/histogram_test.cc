#include "storage/histogram.h"

#include <doctest/doctest.h>

using Numbers = larder::storage::Histogram<3, 40>;

TEST_CASE("of nothing every percentile is zero") {
  CHECK(Numbers().total() == 0);
  CHECK(Numbers().at(0.99) == 0);
}

TEST_CASE("small numbers are exact") {
  Numbers histogram;
  for (std::uint64_t number = 1; number <= 10; ++number) histogram.add(number);
  CHECK(histogram.total() == 10);
  CHECK(histogram.at(0.5) == 5);
  CHECK(histogram.at(0.9) == 9);
  CHECK(histogram.at(1) == 10);
}

TEST_CASE("any number is known to an eighth of itself") {
  for (std::uint64_t number = 1; number < (std::uint64_t{1} << 40); number = number * 5 / 3 + 1) {
    Numbers histogram;
    histogram.add(number);
    CHECK(histogram.at(0.5) >= number);
    CHECK(histogram.at(0.5) <= number + number / 8);
  }
}

TEST_CASE("what is larger than the largest counts as that") {
  Numbers histogram;
  histogram.add(UINT64_MAX);
  CHECK(histogram.at(1) == Numbers::kLargest);
}

TEST_CASE(
    "a rare large number shows in the high percentiles only, also when histograms are merged") {
  Numbers one;
  Numbers other;
  for (int i = 0; i < 995; ++i) one.add(7);
  for (int i = 0; i < 5; ++i) other.add(1'000'000);
  one.merge(other);
  CHECK(one.total() == 1000);
  CHECK(one.at(0.5) == 7);
  CHECK(one.at(0.99) == 7);
  CHECK(one.at(0.999) >= 1'000'000);
  one.reset();
  CHECK(one.total() == 0);
}
