// The timeline: the time that keys live by, in the numbers of the Unix epoch.
//
// It begins as wall time and goes on as steady time: setting the wall clock does not move it. So
// what was to live for an hour lives for an hour, ages are true, and nothing that measures time
// needs to be prepared for one that goes back. How far wall time is ahead of it (zero until
// somebody sets the clock) is remembered, and looked after by upkeep:
//
//   wall      1000 ... 2000 | 5600 ...     set forward by 3600
//   timeline  1000 ... 2000 | 2000 ...     wall is ahead by 3600
//
// A moment of wall time that a client names is turned into one of the timeline, and back when it
// is shown; what was given so is moved when the clock is set (Store::wall_was_set). Redis lives by
// the wall clock alone: set an hour forward, it drops whatever has less than an hour to live.
//
// A clock that is slewed (NTP) is no clock that is set: steady time is slewed with it. Both clocks
// cannot be read at once; when a reading took long it says nothing, and differences below
// kLeastStepMs are taken for that.
// Thread: any may ask for time; the difference is changed by who is alone.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage/clock.h"

namespace larder::storage {

class Timeline {
 public:
  static constexpr std::int64_t kLeastStepMs = 2;

  explicit Timeline(const Clock& clock)
      : clock_(clock), start_us_((clock.wall() - clock.steady()).count()) {}

  std::int64_t now_us() const { return clock_.steady().count() + start_us_; }
  std::int64_t now_ms() const { return now_us() / 1000; }

  // Relaxed: it changes while nobody else runs.
  std::int64_t wall_ahead_ms() const { return wall_ahead_ms_.load(std::memory_order_relaxed); }
  // A moment as the wall clock would tell it, and back. What does not fit is the last that does.
  std::int64_t wall_us(std::int64_t us) const { return us + wall_ahead_ms() * 1000; }
  std::int64_t wall_ms(std::int64_t ms) const { return shifted(ms, wall_ahead_ms()); }
  std::int64_t ms_of_wall(std::int64_t wall_ms) const { return shifted(wall_ms, -wall_ahead_ms()); }
  // How far the wall clock was set forward (back: negative) since that was last taken note of; 0:
  // it was not, or it cannot be told now.
  std::int64_t step_of_wall_ms() const {
    constexpr std::int64_t kLongestReadingUs = 200;
    const std::int64_t before_us = now_us();
    const std::int64_t wall_us = clock_.wall().count();
    const std::int64_t after_us = now_us();
    if (after_us - before_us > kLongestReadingUs) return 0;
    const std::int64_t step_us = wall_us - before_us - wall_ahead_ms() * 1000;
    const std::int64_t step_ms = (step_us + (step_us < 0 ? -500 : 500)) / 1000;
    return step_ms >= kLeastStepMs || step_ms <= -kLeastStepMs ? step_ms : 0;
  }
  // Alone.
  void take_note(std::int64_t step_ms) {
    wall_ahead_ms_.store(wall_ahead_ms() + step_ms, std::memory_order_relaxed);
  }

 private:
  static std::int64_t shifted(std::int64_t ms, std::int64_t by) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(ms, by, &sum)) return sum;
    return by < 0 ? INT64_MIN : INT64_MAX;
  }

  const Clock& clock_;
  const std::int64_t start_us_;
  std::atomic<std::int64_t> wall_ahead_ms_{0};
};

}  // namespace larder::storage
