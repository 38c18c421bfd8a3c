// The cheapest clock there is, to time every command: the processor's time stamp counter (about 8
// ns to read, where the kernel's clock costs 25), or the steady clock where there is none.
//
// Ticks are for differences on one thread only. How long one lasts is measured once, at start,
// against the steady clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

namespace larder::server {

inline std::uint64_t ticks_now() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Nanoseconds per tick. The first call measures for some milliseconds; make it before serving.
double nanoseconds_per_tick();

inline std::uint64_t microseconds_of(std::uint64_t ticks) {
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * nanoseconds_per_tick() / 1000.0);
}

}  // namespace larder::server
