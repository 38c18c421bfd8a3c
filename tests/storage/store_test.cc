#include "storage/store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>

#include "storage/fetch_ahead.h"
#include "storage/keyspace.h"
#include "tests/storage/books.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

struct Rack {
  Rack() : store({.shards = 4, .databases = 4, .seed = 17}) {}
  ~Rack() { audit(store); }

  void set(std::string_view name, std::uint32_t db = 0, Deadline deadline = Deadline::never(),
           std::string_view value = "value") {
    Keyspace keys(store, db, now_ms);
    keys.update(keys.key(name), [&](Slot& slot) { slot.set_bytes(value, deadline); });
  }
  bool has(std::string_view name, std::uint32_t db = 0) {
    Keyspace keys(store, db, now_ms);
    return keys.peek(keys.key(name), [](const Value* value) { return value != nullptr; });
  }
  Deadline deadline(std::string_view name) {
    Keyspace keys(store, 0, now_ms);
    return keys.peek(keys.key(name), [](const Value* value) {
      return value == nullptr ? Deadline::at(0) : value->deadline();
    });
  }
  std::size_t names_in_wheels() {
    std::size_t names = 0;
    for (std::size_t shard = 0; shard < store.shard_count(); ++shard) {
      const Shard::Database* there = store.cell(shard).shard.database(0);
      if (there != nullptr && there->wheel) names += there->wheel->size();
    }
    return names;
  }
  void follow_wall(std::size_t budget_buckets) {
    for (std::size_t shard = 0; shard < store.shard_count(); ++shard) {
      while (store.follow_wall(shard, budget_buckets)) {
      }
    }
  }
  void erase(std::string_view name) {
    Keyspace keys(store, 0, now_ms);
    keys.update(keys.key(name), [](Slot& slot) { slot.erase(); });
  }
  void fill(int count, std::uint32_t db = 0, Deadline deadline = Deadline::never()) {
    for (int i = 0; i < count; ++i)
      set("key:" + std::to_string(i), db, deadline, std::string(100, 'v'));
  }
  void limit(std::size_t bytes, Policy policy) {
    EvictionRules rules;
    rules.policy = policy;
    store.set_limit(bytes, rules);
  }
  // As the ticks of upkeep do; answers where that ends.
  Store::Limit evict_all() {
    for (;;) {
      const Store::Limit limit = store.evict_some(now_ms);
      if (limit != Store::Limit::behind) return limit;
    }
  }
  std::uint64_t evicted() { return store.statistics().counters.evicted; }
  // Whether a watched key was raised by an act.
  template <class Act>
  bool raises(std::string_view name, Act&& act, std::uint32_t db = 0) {
    WatchFlag flag;
    const Key key = store.key(name);
    store.watch(db, key, now_ms, flag);
    CHECK_FALSE(flag.is_raised());
    act();
    store.unwatch(db, key, flag);
    return flag.is_raised();
  }

  Store store;
  std::int64_t now_ms = kNow;
};

}  // namespace

TEST_CASE("no limit, no eviction") {
  Rack rack;
  rack.fill(1000);
  CHECK(rack.store.make_room(kNow));
  CHECK(rack.store.size(0) == 1000);
}

TEST_CASE("under noeviction there is no room above the limit, and nothing is lost") {
  Rack rack;
  rack.fill(3000);
  rack.limit(rack.store.used_bytes() - 1, Policy::noeviction);
  CHECK_FALSE(rack.store.make_room(kNow));
  CHECK(rack.store.size(0) == 3000);
  rack.limit(rack.store.used_bytes(), Policy::noeviction);
  CHECK(rack.store.make_room(kNow));
}

TEST_CASE("every policy that may brings the store below its limit, and no further than it must") {
  for (const char* name : {"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru",
                           "volatile-lfu", "volatile-random", "volatile-ttl"}) {
    CAPTURE(name);
    Rack rack;
    rack.fill(5000, 0, Deadline::at(kNow + 100'000));
    const std::size_t limit = rack.store.used_bytes() * 3 / 4;
    rack.limit(limit, *policy_named(name));
    REQUIRE(rack.evict_all() == Store::Limit::kept);
    CHECK(rack.store.make_room(kNow));
    CHECK(rack.store.used_bytes() <= limit);
    CHECK(rack.store.used_bytes() > limit - 64 * 1024);
    CHECK(rack.store.size(0) + rack.store.statistics().counters.evicted == 5000);
  }
}

TEST_CASE("a volatile policy without deadlines finds no room and takes nothing") {
  Rack rack;
  rack.fill(3000);
  rack.limit(rack.store.used_bytes() / 2, Policy::volatile_lru);
  CHECK_FALSE(rack.store.make_room(kNow));
  CHECK(rack.evict_all() == Store::Limit::out_of_reach);
  CHECK(rack.store.size(0) == 3000);
}

TEST_CASE("a limit that not even an empty store keeps is answered with no") {
  Rack rack;
  rack.fill(3000);
  rack.limit(1, Policy::allkeys_lru);
  while (rack.store.make_room(kNow)) REQUIRE(rack.store.size(0) > 0);
  CHECK(rack.store.size(0) == 0);
  CHECK(rack.evict_all() == Store::Limit::out_of_reach);
}

TEST_CASE("a command evicts few keys when the limit was lowered, and steps of upkeep the rest") {
  Rack rack;
  rack.fill(5000);
  const std::size_t limit = rack.store.used_bytes() / 2;
  rack.limit(limit, Policy::allkeys_lru);
  for (std::uint64_t calls = 1; calls <= 20; ++calls) {
    REQUIRE(rack.store.make_room(kNow));
    CHECK(rack.evicted() >= calls);
    // What the shards had not told yet of their growth is paid for too.
    CHECK(rack.evicted() <= calls * 16 + 4 * 16);
  }
  const std::uint64_t before = rack.evicted();
  CHECK(rack.store.evict_some(kNow) == Store::Limit::behind);
  CHECK(rack.evicted() > before);
  CHECK(rack.evicted() <= before + 16);
  CHECK(rack.evict_all() == Store::Limit::kept);
  CHECK(rack.store.used_bytes() <= limit);
}

TEST_CASE("while a lowered limit is not reached yet, writers do not hold the store up") {
  Rack rack;
  rack.fill(5000);
  rack.limit(rack.store.used_bytes() / 2, Policy::allkeys_random);
  const std::size_t lowered_at = rack.store.used_bytes();
  std::size_t used = lowered_at;
  for (int i = 0; i < 50; ++i) {
    rack.set("large:" + std::to_string(i), 0, Deadline::never(), std::string(6000, 'v'));
    REQUIRE(rack.store.make_room(kNow));
    // An eviction may free just what was written, to the byte.
    CHECK(rack.store.used_bytes() <= used);
    used = rack.store.used_bytes();
  }
  CHECK(used < lowered_at);
}

TEST_CASE("at its limit the store stays there, whatever is written") {
  for (const std::size_t size : {8, 100, 3000}) {
    CAPTURE(size);
    Rack rack;
    rack.fill(5000);
    const std::size_t limit = rack.store.used_bytes();
    rack.limit(limit, Policy::allkeys_random);
    for (int i = 0; i < 3000; ++i) {
      rack.set("more:" + std::to_string(i), 0, Deadline::never(), std::string(size, 'v'));
      REQUIRE(rack.store.make_room(kNow));
      // A table that grows takes memory for many keys at once; the writes that follow pay for it.
      REQUIRE(rack.store.used_bytes() <= limit + limit / 16);
    }
    REQUIRE(rack.store.make_room(kNow));
    CHECK(rack.store.used_bytes() <= limit);
  }
}

TEST_CASE(
    "what was taken for keys that are gone leaves less room for others, until it is given back") {
  constexpr std::size_t kLimit = std::size_t{64} << 20;
  Rack rack;
  rack.limit(kLimit, Policy::allkeys_lru);
  rack.store.weigh_slack();
  CHECK(rack.store.room_bytes() == kLimit);
  // 24 MB, of which every ninth key stays: less than tidying lets lie about goes.
  for (int i = 0; i < 12'000; ++i)
    rack.set("k" + std::to_string(i), 0, Deadline::never(), std::string(2000, 'v'));
  const std::size_t full = rack.store.used_bytes();
  rack.store.weigh_slack();
  const std::size_t before = rack.store.slack_bytes();
  CHECK(full + before > std::size_t{24} << 20);
  for (int i = 0; i < 12'000; ++i) {
    if (i % 20 == 0) rack.erase("k" + std::to_string(i));
  }
  rack.store.weigh_slack();
  CHECK(rack.store.slack_bytes() > before + (full - rack.store.used_bytes()) / 2);
  CHECK(rack.store.room_bytes() <= kLimit);
  rack.store.flush_all();
  while (rack.store.bury(1000)) {
  }
  rack.store.weigh_slack();
  CHECK(rack.store.slack_bytes() < std::size_t{4} << 20);
  CHECK(rack.store.room_bytes() == kLimit);
}

TEST_CASE("slack is never more of the limit than its share: the rest is for keys") {
  constexpr std::size_t kLimit = std::size_t{6} << 20;
  Rack rack;
  for (int i = 0; i < 12'000; ++i)
    rack.set("k" + std::to_string(i), 0, Deadline::never(), std::string(2000, 'v'));
  rack.store.flush_all();  // what is not buried yet lies in slabs
  rack.limit(kLimit, Policy::allkeys_lru);
  rack.store.weigh_slack();
  CHECK(rack.store.slack_bytes() > std::size_t{20} << 20);
  CHECK(rack.store.room_bytes() == kLimit - kLimit / 4);
}

// What the process takes is what is used and the slack. Weighed anew, as upkeep would, to see what
// the store itself thinks between two ticks.
TEST_CASE("the limit holds for all memory that is taken while the sizes of values change") {
  constexpr std::size_t kLimit = std::size_t{32} << 20;
  constexpr std::size_t kFree = std::size_t{4} << 20;
  for (const Policy policy : {Policy::allkeys_auto, Policy::allkeys_lru}) {
    CAPTURE(policy_name(policy));
    Rack rack;
    rack.limit(kLimit, policy);
    int number = 0;
    for (const std::size_t size : {100, 2000, 300}) {
      CAPTURE(size);
      for (std::size_t written = 0; written < 3 * kLimit; ++number) {
        const std::size_t bytes = number % 100 == 0 ? 100'000 : size;
        REQUIRE(rack.store.make_room(kNow));
        rack.set("key:" + std::to_string(number), 0, Deadline::never(), std::string(bytes, 'v'));
        written += bytes;
        if (number % 1000 != 0) continue;
        rack.store.weigh_slack();
        REQUIRE(rack.store.used_bytes() + rack.store.slack_bytes() <= kLimit + kLimit / 20 + kFree);
      }
      CHECK(rack.store.statistics().entry_bytes > kLimit * 8 / 10);
    }
    CHECK(rack.evicted() > 0);
  }
}

TEST_CASE("one write that is far larger than the keys it drives out is paid for in steps") {
  Rack rack;
  rack.fill(20'000);
  const std::size_t limit = rack.store.used_bytes();
  rack.limit(limit, Policy::volatile_lru);
  for (int i = 0; i < 20'000; ++i) {
    rack.set("key:" + std::to_string(i), 0, Deadline::at(kNow + 100'000), std::string(92, 'v'));
  }
  REQUIRE(rack.evict_all() == Store::Limit::kept);
  const std::uint64_t before = rack.evicted();
  rack.set("huge", 0, Deadline::never(), std::string(limit / 4, 'v'));
  REQUIRE(rack.store.make_room(kNow));
  // No more above the limit than the overdraft that commands may leave to upkeep.
  CHECK(rack.store.used_bytes() > limit);
  CHECK(rack.store.used_bytes() <= limit + limit / 16);
  CHECK(rack.evicted() > before);
  CHECK(rack.evict_all() == Store::Limit::kept);
  CHECK(rack.has("huge"));
}

TEST_CASE("the published total follows the truth within a few KiB a shard") {
  Rack rack;
  rack.fill(2000);
  const auto truth = [&] { return rack.store.statistics().used_bytes; };
  CHECK(rack.store.used_bytes() + 4 * 4096 >= truth());
  CHECK(rack.store.used_bytes() <= truth() + 4 * 4096);
  for (int i = 0; i < 2000; ++i) rack.erase("key:" + std::to_string(i));
  CHECK(rack.store.used_bytes() + 4 * 4096 >= truth());
  CHECK(rack.store.used_bytes() <= truth() + 4 * 4096);
}

TEST_CASE("a flushed database is empty at once and buried in steps") {
  Rack rack;
  rack.fill(3000, 1, Deadline::at(kNow + 1000));
  rack.set("other", 2);
  const std::size_t before = rack.store.statistics().used_bytes;
  rack.store.flush(1);
  CHECK(rack.store.size(1) == 0);
  CHECK(rack.has("other", 2));
  CHECK(rack.store.statistics().used_bytes < before / 4);
  int steps = 0;
  while (rack.store.bury(10)) ++steps;
  CHECK(steps >= 3);
  CHECK_FALSE(rack.store.bury(10));
  rack.set("again", 1);
  CHECK(rack.store.size(1) == 1);
  rack.store.flush_all();
  CHECK(rack.store.statistics().keys == 0);
  CHECK(rack.store.statistics().entry_bytes == 0);
  // What is not buried yet goes with the store: asan counts.
}

TEST_CASE("swapped databases take their keys and deadlines along") {
  Rack rack;
  rack.set("tea", 0);
  rack.set("milk", 1, Deadline::at(kNow + 50));
  rack.store.swap(0, 1);
  CHECK(rack.has("tea", 1));
  CHECK(rack.has("milk", 0));
  CHECK_FALSE(rack.has("tea", 0));
  rack.store.swap(0, 3);
  rack.store.swap(2, 2);
  CHECK(rack.has("milk", 3));
  rack.now_ms += 60;
  drop_all_expired(rack.store, rack.now_ms);
  CHECK(rack.store.size(3) == 0);
  CHECK(rack.store.size(1) == 1);
}

TEST_CASE("a random key is one of those that are there, and every one may come") {
  Rack rack;
  CHECK_FALSE(rack.store.random_key(0, kNow, nullptr).has_value());
  for (int i = 0; i < 20; ++i) rack.set("k" + std::to_string(i));
  rack.set("elsewhere", 1);
  std::set<std::string> drawn;
  for (int i = 0; i < 4000; ++i) drawn.insert(*rack.store.random_key(0, kNow, nullptr));
  CHECK(drawn.size() == 20);
  CHECK_FALSE(drawn.contains("elsewhere"));
}

TEST_CASE("one living key among many dead ones is found") {
  Rack rack;
  rack.fill(2000, 0, Deadline::at(kNow + 5));
  rack.set("alive");
  rack.now_ms += 5;
  CHECK(rack.store.random_key(0, rack.now_ms, nullptr) == "alive");
  rack.erase("alive");
  CHECK_FALSE(rack.store.random_key(0, rack.now_ms, nullptr).has_value());
}

TEST_CASE("a watch flag is raised by whatever changes the key, and by nothing else") {
  Rack rack;
  rack.set("k");
  rack.set("other");
  CHECK(rack.raises("k", [&] { rack.set("k"); }));
  CHECK(rack.raises("fresh", [&] { rack.set("fresh"); }));
  CHECK(rack.raises("fresh", [&] { rack.erase("fresh"); }));
  CHECK_FALSE(rack.raises("fresh", [&] { rack.erase("fresh"); }));
  CHECK_FALSE(rack.raises("k", [&] { rack.has("k"); }));
  CHECK_FALSE(rack.raises("k", [&] { rack.set("other"); }));
  CHECK_FALSE(rack.raises("k", [&] { rack.set("k", 1); }));
  CHECK(rack.raises("k", [&] { rack.set("k", 0, Deadline::at(kNow + 5)); }));
  CHECK(rack.raises("k", [&] {
    rack.now_ms += 10;
    drop_all_expired(rack.store, rack.now_ms);
  }));
}

TEST_CASE("flush and swap raise the flags of the keys that are there, and only those") {
  Rack rack;
  rack.set("k");
  CHECK_FALSE(rack.raises("absent", [&] { rack.store.flush(0); }));
  rack.set("k");
  CHECK(rack.raises("k", [&] { rack.store.flush(0); }));
  rack.set("k", 1);
  CHECK_FALSE(rack.raises("absent", [&] { rack.store.swap(0, 1); }));
  CHECK(rack.raises("k", [&] { rack.store.swap(0, 1); }));  // there before or after is enough
  CHECK(rack.raises(
      "k", [&] { rack.store.swap(0, 1); }, 1));
  CHECK_FALSE(rack.raises("k", [&] { rack.store.swap(2, 3); }));
}

TEST_CASE("eviction raises the flag of its victim") {
  Rack rack;
  rack.set("k");
  rack.limit(1, Policy::allkeys_lru);
  CHECK(rack.raises("k", [&] { rack.store.make_room(kNow); }));
}

TEST_CASE("an expired key that is watched counts as absent from then on") {
  Rack rack;
  rack.set("k", 0, Deadline::at(kNow + 5));
  rack.now_ms += 5;
  CHECK_FALSE(rack.raises("k", [&] { CHECK_FALSE(rack.has("k")); }));
}

TEST_CASE("statistics sum up what the shards say") {
  Rack rack;
  rack.fill(100, 0, Deadline::at(kNow + 10'000));
  rack.fill(50, 2);
  const DatabaseStatistics first = rack.store.statistics(0, kNow);
  CHECK(first.keys == 100);
  CHECK(first.volatile_keys == 100);
  CHECK(first.mean_ttl_ms > 8'000);
  CHECK(first.mean_ttl_ms <= 10'000);
  CHECK(rack.store.statistics(2, kNow).mean_ttl_ms == 0);
  const StoreStatistics all = rack.store.statistics();
  CHECK(all.keys == 150);
  CHECK(all.volatile_keys == 100);
  CHECK(all.used_bytes == all.entry_bytes + all.table_bytes + all.eviction_bytes);
}

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

TEST_CASE("a prefetch of anything anywhere is harmless") {
  Rack rack;
  rack.fill(100);
  FetchAhead ahead(rack.store, true);
  ahead.reach(0);
  for (std::uint32_t i = 0; i < 64; ++i) {
    ahead.add({i % 4, rack.store.key(std::to_string(i)).hash});
  }
  ahead.start();
  for (std::size_t i = 0; i < 70; ++i) ahead.reach(i);
}
