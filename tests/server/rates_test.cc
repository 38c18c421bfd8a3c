// server/metrics/rates: how fast a counter rises.
#include "server/metrics/rates.h"

#include <doctest/doctest.h>

using larder::server::Rate;

TEST_CASE("one reading is no rate") {
  Rate rate;
  rate.sample(1000, 100);
  CHECK(rate.per_second() == 0);
}

TEST_CASE("a steady rise is the rate once the window is full") {
  Rate rate;
  std::uint64_t reading = 0;
  std::int64_t now_ms = 0;
  for (std::size_t i = 0; i <= Rate::kSamples; ++i) {
    rate.sample(reading, now_ms);
    reading += 50;
    now_ms += 100;
  }
  CHECK(rate.per_second() == doctest::Approx(500));
}

TEST_CASE("a burst fades when the window has passed over it") {
  Rate rate;
  rate.sample(0, 0);
  rate.sample(1600, 100);
  CHECK(rate.per_second() == doctest::Approx(1000));
  for (std::size_t i = 2; i < 2 + Rate::kSamples; ++i) {
    rate.sample(1600, static_cast<std::int64_t>(i) * 100);
  }
  CHECK(rate.per_second() == 0);
}

TEST_CASE("a counter that began anew and a clock that stood still give no rise") {
  Rate rate;
  rate.sample(1000, 100);
  rate.sample(10, 200);
  rate.sample(20, 200);
  CHECK(rate.per_second() == 0);
}
