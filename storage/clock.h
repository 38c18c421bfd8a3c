// Time, from one place that tests can turn. Wall time is what deadlines and TIME speak of
// (milliseconds of the Unix epoch); steady time only ever goes forward and measures durations.
// Frozen after start; any thread may ask.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace larder::storage {

using Milliseconds = std::chrono::milliseconds;
using Microseconds = std::chrono::microseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since the Unix epoch; may be set back or forward by the operator of the machine.
  virtual Microseconds wall() const = 0;
  // Microseconds since some fixed moment; never goes back.
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
    return std::chrono::duration_cast<Microseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
  }
};

// Stands still until a test turns it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Microseconds start = std::chrono::seconds(1'700'000'000))
      : now_us_(start.count()) {}
  Microseconds wall() const override {
    return Microseconds(now_us_.load(std::memory_order_relaxed));
  }
  Microseconds steady() const override { return wall(); }
  // Relaxed: a test turns the clock and looks at what follows from the same thread.
  void advance(Microseconds by) { now_us_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> now_us_;
};

// When a key dies: a moment of wall time in milliseconds, or never. A key is gone from that
// millisecond on.
class Deadline {
 public:
  static constexpr Deadline never() { return Deadline(INT64_MAX); }
  static constexpr Deadline at(std::int64_t unix_ms) { return Deadline(unix_ms); }
  constexpr Deadline() : Deadline(INT64_MAX) {}

  constexpr bool is_never() const { return unix_ms_ == INT64_MAX; }
  constexpr bool has_passed(std::int64_t now_ms) const { return unix_ms_ <= now_ms; }
  constexpr std::int64_t unix_ms() const { return unix_ms_; }
  constexpr auto operator<=>(const Deadline&) const = default;

 private:
  constexpr explicit Deadline(std::int64_t unix_ms) : unix_ms_(unix_ms) {}
  std::int64_t unix_ms_;
};

}  // namespace larder::storage
