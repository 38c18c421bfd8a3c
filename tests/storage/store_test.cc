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
#include "tests/storage/rack.h"

using namespace larder::storage;

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
