// server/metrics/latency: percentiles from a histogram of ticks.
#include "server/metrics/latency.h"

#include <doctest/doctest.h>

using larder::server::LatencyHistogram;

TEST_CASE("nothing was called: every percentile is zero") {
  CHECK(LatencyHistogram().total() == 0);
  CHECK(LatencyHistogram().ticks_at(0.99) == 0);
}

TEST_CASE("short durations are exact") {
  LatencyHistogram histogram;
  for (std::uint64_t ticks = 1; ticks <= 10; ++ticks) histogram.add(ticks);
  CHECK(histogram.total() == 10);
  CHECK(histogram.ticks_at(0.5) == 5);
  CHECK(histogram.ticks_at(0.9) == 9);
  CHECK(histogram.ticks_at(1) == 10);
}

TEST_CASE("any duration is known to an eighth of itself") {
  for (std::uint64_t ticks = 1; ticks < (std::uint64_t{1} << 40); ticks = ticks * 5 / 3 + 1) {
    LatencyHistogram histogram;
    histogram.add(ticks);
    CHECK(histogram.ticks_at(0.5) >= ticks);
    CHECK(histogram.ticks_at(0.5) <= ticks + ticks / 8);
  }
}

TEST_CASE("what is longer than the longest counts as that long") {
  LatencyHistogram histogram;
  histogram.add(UINT64_MAX);
  CHECK(histogram.ticks_at(1) == (std::uint64_t{1} << LatencyHistogram::kTickBits) - 1);
}

TEST_CASE("a rare long call shows in the high percentiles only, also across lanes") {
  LatencyHistogram one;
  LatencyHistogram other;
  for (int i = 0; i < 995; ++i) one.add(7);
  for (int i = 0; i < 5; ++i) other.add(1'000'000);
  one.merge(other);
  CHECK(one.total() == 1000);
  CHECK(one.ticks_at(0.5) == 7);
  CHECK(one.ticks_at(0.99) == 7);
  CHECK(one.ticks_at(0.999) >= 1'000'000);
  one.reset();
  CHECK(one.total() == 0);
}
