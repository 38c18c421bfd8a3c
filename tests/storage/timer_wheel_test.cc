#include "storage/timer_wheel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using larder::storage::Deadline;
using larder::storage::TimerWheel;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
constexpr std::int64_t kYearMs = 365ll * 24 * 3600 * 1000;

// The owner of a wheel as a shard is one: it knows the deadline of each name, and drops what is
// due.
struct Owner {
  explicit Owner(std::int64_t start_ms) : wheel(start_ms), now_ms(start_ms) {}

  void add(std::int64_t deadline_ms) {
    deadlines.push_back(deadline_ms);
    ++waiting;
    wheel.add(static_cast<std::uint32_t>(deadlines.size() - 1), Deadline::at(deadline_ms));
  }
  std::size_t turn_to(std::int64_t to_ms, std::size_t budget = kAll) {
    now_ms = to_ms;
    return wheel.advance(now_ms, budget, [&](std::uint32_t name) {
      if (deadlines[name] > now_ms) return Deadline::at(deadlines[name]);
      deadlines[name] = kDropped;
      --waiting;
      return Deadline::never();
    });
  }
  // The names that should have come up by now: a tick of grace, since a tick is not cut.
  std::size_t late() const {
    return static_cast<std::size_t>(
        std::count_if(deadlines.begin(), deadlines.end(), [&](std::int64_t deadline_ms) {
          return deadline_ms != kDropped && deadline_ms + TimerWheel::kTickMs <= now_ms;
        }));
  }

  static constexpr std::int64_t kDropped = std::numeric_limits<std::int64_t>::min();
  TimerWheel wheel;
  std::int64_t now_ms;
  std::vector<std::int64_t> deadlines;  // by name
  std::size_t waiting = 0;
};

// From milliseconds to years, each order of magnitude as likely as the next.
std::int64_t draw_span_ms(std::mt19937_64& random, int most_bits) {
  const auto bits = random() % static_cast<std::uint64_t>(most_bits + 1);
  return static_cast<std::int64_t>(random() & ((1ull << bits) - 1));
}

}  // namespace

TEST_CASE("a name comes up at its deadline, within a tick, and not before") {
  for (const std::int64_t span_ms : {1ll, 7ll, 8ll, 9ll, 2047ll, 2048ll, 2049ll, 524'288ll,
                                     134'217'728ll, 34'359'738'368ll, 40'000'000'000ll}) {
    CAPTURE(span_ms);
    Owner owner(kStart + 3);
    owner.add(kStart + 3 + span_ms);
    owner.turn_to(kStart + 2 + span_ms);
    CHECK(owner.waiting == 1);
    owner.turn_to(kStart + 3 + span_ms + TimerWheel::kTickMs);
    CHECK(owner.waiting == 0);
    CHECK(owner.wheel.size() == 0);
  }
}

TEST_CASE("a deadline that has passed comes up at the next tick") {
  Owner owner(kStart);
  owner.add(kStart - 1);
  owner.add(0);
  owner.add(-5);
  owner.turn_to(kStart + TimerWheel::kTickMs);
  CHECK(owner.waiting == 0);
}

TEST_CASE("nobody is late over years of turned clock") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    std::mt19937_64 random(seed);
    Owner owner(kStart);
    std::int64_t now_ms = kStart;
    for (int step = 0; step < 3000; ++step) {
      for (auto adds = random() % 4; adds > 0; --adds) {
        owner.add(now_ms + draw_span_ms(random, 38));
      }
      now_ms += draw_span_ms(random, 31);
      owner.turn_to(now_ms);
      REQUIRE(owner.late() == 0);
      REQUIRE(owner.wheel.size() == owner.waiting);
    }
    CHECK(now_ms > kStart + 3 * kYearMs);
    owner.turn_to(now_ms + 20 * kYearMs);
    CHECK(owner.waiting == 0);
    CHECK(owner.wheel.size() == 0);
  }
}

TEST_CASE("a deadline beyond the turn of the last ring is not a turn late") {
  // The last ring turns every 2^32 ticks; these deadlines lie shortly behind its next turn.
  constexpr std::int64_t kTurnMs = (1ll << 32) * TimerWheel::kTickMs;
  const std::int64_t turn_ms = (kStart / kTurnMs + 1) * kTurnMs;
  for (const std::int64_t before_ms : {10ll, 60'000ll, 86'400'000ll}) {
    for (const std::int64_t after_ms : {0ll, 10ll, 60'000ll, 86'400'000ll}) {
      CAPTURE(before_ms);
      CAPTURE(after_ms);
      Owner owner(turn_ms - before_ms);
      owner.add(turn_ms + after_ms);
      owner.turn_to(turn_ms + after_ms + TimerWheel::kTickMs);
      CHECK(owner.waiting == 0);
    }
  }
}

TEST_CASE("deadlines at the end of time wait and do no harm") {
  Owner owner(kStart);
  owner.add(std::numeric_limits<std::int64_t>::max() - 1);
  owner.add(std::numeric_limits<std::int64_t>::max() / 2);
  owner.add(kStart + 100 * kYearMs);
  owner.turn_to(kStart + 99 * kYearMs);
  CHECK(owner.waiting == 3);
  owner.turn_to(kStart + 101 * kYearMs);
  CHECK(owner.waiting == 2);
  CHECK(owner.wheel.size() == 2);
}

TEST_CASE("an advance visits no more names than its budget, and the rest later") {
  Owner owner(kStart);
  for (int i = 0; i < 1000; ++i) owner.add(kStart + 100 + i % 7);
  std::size_t visited = 0;
  for (int calls = 0; calls < 200; ++calls) {
    const std::size_t now = owner.turn_to(kStart + 1000, 10);
    CHECK(now <= 10);
    visited += now;
    if (now < 10) break;
    owner.add(kStart + 1'000'000);  // others are added in between
  }
  CHECK(visited == 1000);
  CHECK(owner.late() == 0);
  CHECK(owner.turn_to(kStart + 1001, 0) == 0);
}

TEST_CASE("what is due and not visited yet can be looked at, and nothing changes by it") {
  std::mt19937_64 random(5);
  Owner owner(kStart);
  std::int64_t now_ms = kStart;
  for (int step = 0; step < 300; ++step) {
    for (int i = 0; i < 20; ++i) owner.add(now_ms + draw_span_ms(random, 24));
    now_ms += draw_span_ms(random, 20);
    std::vector<bool> is_seen(owner.deadlines.size());
    std::size_t count = 0;
    const std::size_t names = owner.wheel.each_due(now_ms, kAll, [&](std::uint32_t name) {
      is_seen[name] = true;
      ++count;
    });
    REQUIRE(names == count);
    for (std::size_t name = 0; name < is_seen.size(); ++name) {
      const std::int64_t deadline_ms = owner.deadlines[name];
      const bool is_due = deadline_ms != Owner::kDropped && deadline_ms <= now_ms;
      if (is_due) REQUIRE(is_seen[name]);
    }
    std::size_t few = 0;
    CHECK(owner.wheel.each_due(now_ms, 5, [&](std::uint32_t) { ++few; }) == names);
    CHECK(few == std::min<std::size_t>(names, 5));
    owner.turn_to(now_ms, 15);  // leaves some of them waiting
  }
}

TEST_CASE("a wheel tells its memory, and gives it back as names come up") {
  Owner owner(kStart);
  const std::size_t empty_bytes = owner.wheel.used_bytes();
  for (int i = 0; i < 10'000; ++i) owner.add(kStart + i);
  CHECK(owner.wheel.used_bytes() > empty_bytes + 10'000 * sizeof(std::uint32_t));
  owner.turn_to(kStart + 20'000);
  CHECK(owner.wheel.used_bytes() == empty_bytes);
}

TEST_CASE("a key that gets the same deadline over and over has one name") {
  TimerWheel wheel(kStart);
  for (int i = 0; i < 1000; ++i) wheel.add(7, Deadline::at(kStart + 5000));
  CHECK(wheel.size() == 1);
}
