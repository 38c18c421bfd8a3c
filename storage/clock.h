// Time, from one place that tests can turn. Wall time is what people and TIME speak of; steady time
// only ever goes forward and measures durations; timeline.h makes of both what keys live by.
// Frozen after start; any thread may ask.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <ctime>

namespace larder::storage {

using Milliseconds = std::chrono::milliseconds;
using Microseconds = std::chrono::microseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since the Unix epoch; may be set back or forward by the operator of the machine.
  virtual Microseconds wall() const = 0;
  // Microseconds since some fixed moment; never goes back, and goes on while the machine is
  // suspended: what was to live for a minute is not there an hour later.
  virtual Microseconds steady() const = 0;

  std::int64_t wall_ms() const { return std::chrono::duration_cast<Milliseconds>(wall()).count(); }
};

class RealClock final : public Clock {
 public:
  Microseconds wall() const override {
    return std::chrono::duration_cast<Microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
  }
  Microseconds steady() const override {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + Microseconds(now.tv_nsec / 1000);
  }
};

// Stands still until a test turns it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Microseconds start = std::chrono::seconds(1'700'000'000))
      : now_us_(start.count()) {}
  Microseconds wall() const override {
    return steady() + Microseconds(wall_ahead_us_.load(std::memory_order_relaxed));
  }
  Microseconds steady() const override {
    return Microseconds(now_us_.load(std::memory_order_relaxed));
  }
  // Relaxed: a test turns the clock and looks at what follows from the same thread.
  void advance(Microseconds by) { now_us_.fetch_add(by.count(), std::memory_order_relaxed); }
  // The operator sets the wall clock forward, or back.
  void set_wall(Microseconds by) {
    wall_ahead_us_.fetch_add(by.count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> now_us_;
  std::atomic<std::int64_t> wall_ahead_us_{0};
};

// When a key dies: a moment of the timeline in milliseconds, or never. A key is gone from that
// millisecond on.
//
// Most deadlines are so long after now, whatever is done to the wall clock. One that was given as a
// moment of wall time follows the wall clock when that is set (Store::wall_was_set).
class Deadline {
 public:
  // The last moment at which a deadline can follow the wall clock: in the year 2527.
  static constexpr std::int64_t kLastFollowingMs = (std::int64_t{1} << 44) - 1;

  static constexpr Deadline never() { return Deadline(INT64_MAX, false); }
  static constexpr Deadline at(std::int64_t ms) { return Deadline(ms, false); }
  static constexpr Deadline following_wall(std::int64_t ms) {
    return Deadline(ms, ms >= 0 && ms <= kLastFollowingMs);
  }
  constexpr Deadline() : Deadline(INT64_MAX, false) {}

  constexpr bool is_never() const { return ms_ == INT64_MAX; }
  constexpr bool has_passed(std::int64_t now_ms) const { return ms_ <= now_ms; }
  constexpr std::int64_t ms() const { return ms_; }
  constexpr bool follows_wall() const { return follows_wall_; }
  constexpr bool operator==(const Deadline&) const = default;
  // By time alone: equal to the order may be what is not ==.
  constexpr auto operator<=>(const Deadline& other) const { return ms_ <=> other.ms_; }

 private:
  constexpr Deadline(std::int64_t ms, bool follows_wall) : ms_(ms), follows_wall_(follows_wall) {}
  std::int64_t ms_;
  bool follows_wall_;
};

}  // namespace larder::storage
