#include "storage/timeline.h"

#include <doctest/doctest.h>

using larder::storage::Clock;
using larder::storage::ManualClock;
using larder::storage::Microseconds;
using larder::storage::RealClock;
using larder::storage::Timeline;
using namespace std::chrono_literals;

namespace {

// Somebody else has the processor between two readings: each takes so long.
class SlowClock final : public Clock {
 public:
  explicit SlowClock(Microseconds reading) : reading_(reading) {}
  Microseconds wall() const override { return steady() + ahead; }
  Microseconds steady() const override { return now_ += reading_; }
  Microseconds ahead{0};

 private:
  mutable Microseconds now_{0};
  Microseconds reading_;
};

}  // namespace

TEST_CASE("the timeline is wall time until somebody sets the clock, and goes on as before then") {
  ManualClock clock;
  const Timeline timeline(clock);
  CHECK(timeline.now_ms() == clock.wall_ms());
  clock.advance(5s);
  CHECK(timeline.now_ms() == clock.wall_ms());
  const std::int64_t before_ms = timeline.now_ms();
  clock.set_wall(1h);
  CHECK(timeline.now_ms() == before_ms);
  clock.set_wall(-2h);
  clock.advance(1ms);
  CHECK(timeline.now_ms() == before_ms + 1);
}

TEST_CASE("a step is told until it is taken note of, and moments are translated by all of them") {
  ManualClock clock;
  Timeline timeline(clock);
  CHECK(timeline.step_of_wall_ms() == 0);
  clock.set_wall(1h);
  CHECK(timeline.step_of_wall_ms() == 3'600'000);
  CHECK(timeline.step_of_wall_ms() == 3'600'000);
  timeline.take_note(3'600'000);
  CHECK(timeline.step_of_wall_ms() == 0);
  clock.set_wall(-90min);
  CHECK(timeline.step_of_wall_ms() == -5'400'000);
  timeline.take_note(-5'400'000);
  CHECK(timeline.wall_ahead_ms() == -1'800'000);
  CHECK(timeline.wall_ms(timeline.now_ms()) == clock.wall_ms());
  CHECK(timeline.wall_us(timeline.now_us()) == clock.wall().count());
  CHECK(timeline.ms_of_wall(clock.wall_ms() + 7) == timeline.now_ms() + 7);
}

TEST_CASE("moments at the ends of time stay there") {
  ManualClock clock;
  Timeline timeline(clock);
  timeline.take_note(3'600'000);
  CHECK(timeline.wall_ms(INT64_MAX - 1) == INT64_MAX);
  CHECK(timeline.ms_of_wall(INT64_MIN) == INT64_MIN);
}

TEST_CASE("what is less than a step, and what was read slowly, is no step") {
  ManualClock clock;
  const Timeline timeline(clock);
  clock.set_wall(1ms);
  CHECK(timeline.step_of_wall_ms() == 0);
  clock.set_wall(1ms);
  CHECK(timeline.step_of_wall_ms() == 2);

  SlowClock slow(10ms);
  const Timeline slow_timeline(slow);
  slow.ahead = 1h;
  CHECK(slow_timeline.step_of_wall_ms() == 0);
  SlowClock quick(10us);
  const Timeline quick_timeline(quick);
  CHECK(quick_timeline.step_of_wall_ms() == 0);
  quick.ahead = 1h;
  CHECK(quick_timeline.step_of_wall_ms() == 3'600'000);
}

TEST_CASE("the clocks of the machine go together") {
  const RealClock clock;
  const Timeline timeline(clock);
  const std::int64_t before_us = timeline.now_us();
  CHECK(timeline.now_us() >= before_us);
  CHECK(timeline.wall_ahead_ms() == 0);
}
