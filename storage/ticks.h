// The cheapest clock there is: the processor's time stamp counter (about 8 ns to read, where the
// kernel's clock costs 25), or the steady clock where there is none.
//
// Ticks are for differences on one thread only; whoever wants them as time measures how long one
// lasts.
#pragma once

#include <chrono>
#include <cstdint>

namespace larder::storage {

inline std::uint64_t ticks_now() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Keeps the longest of what it has timed in `longest_ticks`, which outlives it.
class LongestTimer {
 public:
  explicit LongestTimer(std::uint64_t& longest_ticks) : longest_ticks_(longest_ticks) {}
  ~LongestTimer() {
    const std::uint64_t took = ticks_now() - begin_;
    if (took > longest_ticks_) longest_ticks_ = took;
  }
  LongestTimer(const LongestTimer&) = delete;
  LongestTimer& operator=(const LongestTimer&) = delete;

 private:
  std::uint64_t& longest_ticks_;
  std::uint64_t begin_ = ticks_now();
};

}  // namespace larder::storage
