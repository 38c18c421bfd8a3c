#include "server/engine/ticks.h"

#include <chrono>

namespace larder::server {
namespace {

// Long enough that reading two clocks at slightly different moments is an error below 0.1 %.
constexpr std::chrono::milliseconds kMeasureFor{2};

double measure() {
  using Steady = std::chrono::steady_clock;
  const auto begin = Steady::now();
  const std::uint64_t first = ticks_now();
  while (Steady::now() - begin < kMeasureFor) {
  }
  const std::uint64_t last = ticks_now();
  const std::chrono::duration<double, std::nano> passed = Steady::now() - begin;
  return last > first ? passed.count() / static_cast<double>(last - first) : 1.0;
}

}  // namespace

double nanoseconds_per_tick() {
  static const double nanoseconds = measure();
  return nanoseconds;
}

}  // namespace larder::server
