// Deadlines of a whole store: late ones, the wall clock, and what is left in the wheels.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "tests/storage/rack.h"

using namespace larder::storage;

TEST_CASE("how late keys were dropped, and what the late ones take") {
  Rack rack;
  rack.fill(100, 0, Deadline::at(kNow + 10));
  rack.fill(100, 1, Deadline::at(kNow + 60'000));
  CHECK(rack.store.expiry_statistics(kNow + 9).unreclaimed_bytes == 0);
  const std::size_t all_bytes = rack.store.statistics().entry_bytes;
  rack.now_ms += 10;
  CHECK(rack.store.expiry_statistics(rack.now_ms).unreclaimed_bytes == all_bytes / 2);
  CHECK_FALSE(rack.has("key:0"));  // drops it, in time
  rack.now_ms += 30;
  const std::size_t left_bytes = rack.store.statistics().entry_bytes - all_bytes / 2;
  CHECK(rack.store.expiry_statistics(rack.now_ms).unreclaimed_bytes == left_bytes);
  drop_all_expired(rack.store, rack.now_ms);
  const ExpiryStatistics after = rack.store.expiry_statistics(rack.now_ms);
  CHECK(after.unreclaimed_bytes == 0);
  CHECK(after.lateness.total() == 100);
  CHECK(after.lateness.at(0.01) == 0);
  CHECK(after.lateness.at(0.5) >= 30);
  CHECK(after.lateness.longest_of_minute_ms(rack.now_ms) == 30);
  rack.store.reset_counters();
  CHECK(rack.store.expiry_statistics(rack.now_ms).lateness.total() == 0);
}

TEST_CASE("of very many late keys the bytes are an estimate, and a good one") {
  Rack rack;
  rack.fill(20'000, 0, Deadline::at(kNow + 10));
  const std::size_t bytes = rack.store.statistics().entry_bytes;
  const std::size_t told = rack.store.expiry_statistics(kNow + 20).unreclaimed_bytes;
  CHECK(told > bytes * 95 / 100);
  CHECK(told < bytes * 105 / 100);
}

TEST_CASE("deadlines that follow the wall clock move when it is set, the others stay") {
  for (const std::int64_t step_ms : {3'600'000, -3'600'000}) {
    CAPTURE(step_ms);
    Rack rack;
    constexpr std::int64_t kDayMs = 86'400'000;
    for (int i = 0; i < 3000; ++i) {
      rack.set("span:" + std::to_string(i), 0, Deadline::at(kNow + kDayMs + i));
      rack.set("moment:" + std::to_string(i), 0, Deadline::following_wall(kNow + kDayMs + i));
    }
    rack.store.wall_was_set(step_ms, rack.now_ms);
    // Whoever asks in the meantime is told right.
    const std::int64_t moment_ms = kNow + kDayMs - step_ms;
    CHECK(rack.deadline("moment:7").ms() == moment_ms + 7);
    CHECK(rack.deadline("span:7").ms() == kNow + kDayMs + 7);
    rack.set("moment:new", 0, Deadline::following_wall(kNow + kDayMs));
    rack.follow_wall(3);
    CHECK(rack.deadline("moment:new").ms() == kNow + kDayMs);
    CHECK(rack.deadline("moment:7").ms() == moment_ms + 7);
    rack.erase("moment:new");

    const std::int64_t first_ms = std::min(moment_ms, kNow + kDayMs);
    rack.now_ms = first_ms - 1;
    drop_all_expired(rack.store, rack.now_ms);
    CHECK(rack.store.size(0) == 6000);
    rack.now_ms = first_ms + 3000 + 8;
    drop_all_expired(rack.store, rack.now_ms);
    CHECK(rack.store.size(0) == 3000);
    CHECK(rack.has("span:2999") == (step_ms > 0));
    rack.now_ms = kNow + 2 * kDayMs;
    drop_all_expired(rack.store, rack.now_ms);
    CHECK(rack.store.size(0) == 0);
  }
}

TEST_CASE("a walk after the wall clock misses nobody while the table grows and shrinks") {
  Rack rack;
  constexpr std::int64_t kDayMs = 86'400'000;
  const auto name = [](int i) { return "k" + std::to_string(i); };
  for (int i = 0; i < 4000; ++i) rack.set(name(i), 0, Deadline::following_wall(kNow + kDayMs));
  rack.store.wall_was_set(kDayMs / 2, rack.now_ms);
  // Changes the table by far more than the walk goes in a step.
  for (int i = 0; i < 4000; ++i)
    rack.store.follow_wall(static_cast<std::size_t>(i % 4), i % 400 == 0);
  for (int i = 4000; i < 9000; ++i) rack.set(name(i));
  for (int i = 0; i < 4; ++i) rack.store.follow_wall(static_cast<std::size_t>(i), 900);
  for (int i = 1000; i < 9000; ++i) rack.erase(name(i));
  rack.follow_wall(5);
  rack.now_ms = kNow + kDayMs / 2 + 8;
  drop_all_expired(rack.store, rack.now_ms);
  CHECK(rack.store.size(0) == 0);
}

TEST_CASE("a second step waits for nobody: what the first has left is done before") {
  Rack rack;
  constexpr std::int64_t kDayMs = 86'400'000;
  for (int i = 0; i < 1000; ++i) {
    rack.set("k" + std::to_string(i), 0, Deadline::following_wall(kNow + kDayMs));
  }
  rack.store.wall_was_set(5000, rack.now_ms);
  rack.store.follow_wall(0, 2);
  rack.store.wall_was_set(-7000, rack.now_ms);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(rack.deadline("k" + std::to_string(i)).ms() == kNow + kDayMs + 2000);
  }
}

TEST_CASE("what a step of the wall clock kills dies with it, and what was dead stays dead") {
  Rack rack;
  rack.set("soon", 0, Deadline::following_wall(kNow + 1000));
  rack.set("dead", 0, Deadline::following_wall(kNow));
  rack.set("dead", 0, Deadline::following_wall(kNow + 5));
  rack.now_ms += 10;
  rack.store.wall_was_set(-3'600'000, rack.now_ms);
  CHECK_FALSE(rack.has("dead"));
  rack.store.wall_was_set(2 * 3'600'000, rack.now_ms);
  CHECK_FALSE(rack.has("soon"));
  // It was alive until the clock was set: it is not an hour late.
  CHECK(rack.store.expiry_statistics(rack.now_ms).lateness.longest_of_minute_ms(rack.now_ms) == 5);
}

TEST_CASE("names of keys that are gone do not stay in the wheel for longer than their deadline") {
  Rack rack;
  for (int i = 0; i < 5000; ++i) {
    rack.set("k", 0, Deadline::at(kNow + 1000));
    rack.set("k");
  }
  rack.now_ms += 2000;
  drop_all_expired(rack.store, rack.now_ms);
  CHECK(rack.has("k"));
  CHECK(rack.names_in_wheels() == 0);
}

TEST_CASE("however often deadlines come and go, few names are left behind") {
  // Each key gets a deadline far away and loses it, in every way there is; others in between, so
  // that names do not find each other by chance.
  Rack rack;
  constexpr std::int64_t kDayMs = 86'400'000;
  constexpr std::size_t kMostNames = 4 * 1024 + 4000;  // TimerWheel::kFewNames for each shard
  std::size_t most = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "key:" + std::to_string(i);
      rack.set(name, 0, Deadline::at(rack.now_ms + kDayMs));
      if (i % 4 == 0) rack.erase(name);
      if (i % 4 == 1) rack.set(name);
      if (i % 4 == 2) rack.set(name, 0, Deadline::at(rack.now_ms + kDayMs / 2));
    }
    rack.now_ms += 10;
    drop_all_expired(rack.store, rack.now_ms);
    most = std::max(most, rack.names_in_wheels());
    if (round % 10 == 0) audit(rack.store);
  }
  CHECK(most < kMostNames);
  // And nobody who has a deadline was forgotten.
  rack.now_ms += kDayMs / 2 + 10;
  drop_all_expired(rack.store, rack.now_ms);
  CHECK(rack.store.size(0) == 500);
  rack.now_ms += kDayMs / 2;
  drop_all_expired(rack.store, rack.now_ms);
  CHECK(rack.store.size(0) == 250);  // those without a deadline
  CHECK(rack.names_in_wheels() == 0);
}

TEST_CASE("one key that is set over and over with a time to live has few names") {
  for (const std::int64_t step_ms : {0, 1, -1}) {
    CAPTURE(step_ms);
    Rack rack;
    for (int i = 0; i < 50'000; ++i) {
      rack.set("k", 0, Deadline::at(kNow + 60'000 + i * step_ms));
    }
    CHECK(rack.names_in_wheels() < 300);
  }
}

TEST_CASE("nobody outlives its deadline while names are swept, whatever is done to keys and time") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Rack rack;
    std::mt19937_64 random(seed);
    std::map<std::string, std::int64_t> model;  // deadlines
    const auto draw_span_ms = [&] {
      const auto bits = random() % 31;
      return static_cast<std::int64_t>(random() & ((1ull << bits) - 1)) + 1;
    };
    for (int step = 0; step < 300; ++step) {
      for (int i = 0; i < 1500; ++i) {
        const std::string name = "k" + std::to_string(random() % 200);
        if (random() % 3 == 0) {
          rack.erase(name);
          model.erase(name);
        } else {
          const std::int64_t at_ms = rack.now_ms + draw_span_ms();
          const bool follows = random() % 2 == 0;
          rack.set(name, 0, follows ? Deadline::following_wall(at_ms) : Deadline::at(at_ms));
          model[name] = at_ms;
        }
      }
      rack.now_ms += draw_span_ms() >> (8 + random() % 8);
      audit(rack.store);
      // Part of the work now and then, all of it at other times.
      for (std::size_t shard = 0; shard < rack.store.shard_count(); ++shard) {
        rack.store.drop_expired(shard, rack.now_ms, random() % 400);
      }
      if (random() % 16 != 0) continue;
      rack.now_ms += 8;
      drop_all_expired(rack.store, rack.now_ms);
      std::size_t living = 0;
      for (const auto& [name, at_ms] : model) living += at_ms > rack.now_ms;
      // Whoever has died within the last tick may still be there.
      const std::size_t there = rack.store.size(0);
      REQUIRE(there >= living);
      for (const auto& [name, at_ms] : model)
        living += at_ms <= rack.now_ms && at_ms > rack.now_ms - 8;
      REQUIRE(there <= living);
    }
    rack.now_ms += std::int64_t{1} << 31;
    drop_all_expired(rack.store, rack.now_ms);
    CHECK(rack.store.size(0) == 0);
    CHECK(rack.names_in_wheels() == 0);
  }
}
