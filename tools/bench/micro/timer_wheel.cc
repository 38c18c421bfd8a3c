// The timer wheel alone. Items are names; a name costs an add when its deadline is set and a visit
// when it comes up.
#include "storage/timer_wheel.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>

#include "storage/clock.h"
#include "tools/bench/micro/entries.h"

namespace larder::bench {
namespace {

using storage::Deadline;
using storage::TimerWheel;

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::size_t kNamesPerHold = 128;  // as upkeep.cc

void add_names(TimerWheel& wheel, std::int64_t count, std::int64_t within_ms) {
  Draw draw(static_cast<std::uint64_t>(within_ms));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto later_ms = static_cast<std::int64_t>(draw.next());
    wheel.add(static_cast<std::uint32_t>(i), Deadline::at(kNowMs + later_ms));
  }
}

// So many names with deadlines within an hour into an empty wheel.
void wheel_add(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    std::optional<TimerWheel> wheel(kNowMs);
    state.ResumeTiming();
    add_names(*wheel, state.range(0), kHourMs);
    benchmark::DoNotOptimize(wheel->size());
    state.PauseTiming();
    state.counters["bytes_a_name"] = static_cast<double>(wheel->used_bytes()) /
                                     static_cast<double>(state.range(0));
    wheel.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// An hour passes in ticks, and every name comes up.
void wheel_turn(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    std::optional<TimerWheel> wheel(kNowMs);
    add_names(*wheel, state.range(0), kHourMs);
    state.ResumeTiming();
    std::int64_t now_ms = kNowMs;
    std::int64_t visited = 0;
    while (visited < state.range(0)) {
      now_ms += TimerWheel::kTickMs;
      std::size_t in_hold = kNamesPerHold;
      while (in_hold == kNamesPerHold) {
        in_hold = wheel->advance(now_ms, kNamesPerHold, [](std::uint32_t name) {
          benchmark::DoNotOptimize(name);
          return Deadline::never();
        });
        visited += static_cast<std::int64_t>(in_hold);
      }
    }
    state.PauseTiming();
    wheel.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// All of them due in one moment.
void wheel_turn_at_once(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    std::optional<TimerWheel> wheel(kNowMs);
    add_names(*wheel, state.range(0), 1);
    state.ResumeTiming();
    while (wheel->advance(kNowMs + 1000, kNamesPerHold, [](std::uint32_t name) {
      benchmark::DoNotOptimize(name);
      return Deadline::never();
    }) == kNamesPerHold) {
    }
    state.PauseTiming();
    wheel.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// A wheel in which nothing is due, a tick later: what expiry costs when there is none.
void wheel_idle_tick(benchmark::State& state) {
  TimerWheel wheel(kNowMs);
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    wheel.add(static_cast<std::uint32_t>(i), Deadline::at(kNowMs + 400 * 24 * kHourMs + i));
  }
  std::int64_t now_ms = kNowMs;
  for (auto _ : state) {
    now_ms += TimerWheel::kTickMs;
    benchmark::DoNotOptimize(
        wheel.advance(now_ms, kNamesPerHold, [](std::uint32_t) { return Deadline::never(); }));
  }
}

BENCHMARK(wheel_add)->Arg(kSmall)->Arg(kMiddle)->Arg(kLarge)->Unit(benchmark::kMillisecond);
BENCHMARK(wheel_turn)->Arg(kSmall)->Arg(kMiddle)->Arg(kLarge)->Unit(benchmark::kMillisecond);
BENCHMARK(wheel_turn_at_once)->Arg(kSmall)->Arg(kMiddle)->Unit(benchmark::kMillisecond);
BENCHMARK(wheel_idle_tick)->Arg(kMiddle);

}  // namespace
}  // namespace larder::bench
