#include "storage/eviction.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/eviction_lru.h"
#include "storage/keyspace.h"
#include "tests/storage/books.h"
#include "tests/storage/entries.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr Policy kPolicies[] = {
    Policy::allkeys_lru,     Policy::allkeys_lfu,  Policy::allkeys_random,
    Policy::allkeys_auto,    Policy::volatile_lru, Policy::volatile_lfu,
    Policy::volatile_random, Policy::volatile_ttl, Policy::noeviction};

// One shard, whose sample is all of its keys: so the victim is the worst of them, and a test can
// tell which.
struct Shelf {
  explicit Shelf(Policy policy) : store({.shards = 1, .databases = 2, .seed = 3}) {
    rules.policy = policy;
    rules.samples = 1000;
    store.set_limit(0, rules);
  }
  ~Shelf() { audit(store); }

  void set(std::string_view name, Deadline deadline = Deadline::never(), std::uint32_t db = 0) {
    Keyspace keys(store, db, now_ms);
    keys.update(keys.key(name), [&](Slot& slot) { slot.set_bytes("value", deadline); });
  }
  void get(std::string_view name) {
    Keyspace keys(store, 0, now_ms);
    keys.read(keys.key(name), [](const Value* value) { REQUIRE(value != nullptr); });
  }
  bool has(std::string_view name, std::uint32_t db = 0) {
    return store.cell(0).shard.find(db, store.key(name), now_ms) != nullptr;
  }
  bool evict() { return store.evict_key(now_ms); }
  // Evicts one key and says which of these is gone.
  std::string victim(const std::vector<std::string>& names) {
    std::vector<std::string> before;
    for (const std::string& name : names) {
      if (has(name)) before.push_back(name);
    }
    REQUIRE(evict());
    for (const std::string& name : before) {
      if (!has(name)) return name;
    }
    return "(none of them)";
  }

  EvictionRules rules;
  Store store;
  std::int64_t now_ms = kNow;
};

}  // namespace

TEST_CASE("policies are known by their names") {
  for (const Policy policy : kPolicies) CHECK(policy_named(policy_name(policy)) == policy);
  CHECK(policy_name(Policy::volatile_ttl) == "volatile-ttl");
  CHECK_FALSE(policy_named("allkeys-fifo"));
  CHECK_FALSE(policy_named("ALLKEYS-LRU"));
}

TEST_CASE("allkeys-lru drops the key that was left alone longest") {
  Shelf shelf(Policy::allkeys_lru);
  for (const char* name : {"a", "b", "c", "d"}) {
    shelf.set(name);
    shelf.now_ms += 1000;
  }
  shelf.get("a");
  shelf.now_ms += 1000;
  shelf.set("c");
  shelf.now_ms += 1000;
  const std::vector<std::string> names{"a", "b", "c", "d"};
  CHECK(shelf.victim(names) == "b");
  CHECK(shelf.victim(names) == "d");
  CHECK(shelf.victim(names) == "a");
  CHECK(shelf.victim(names) == "c");
  CHECK_FALSE(shelf.evict());
}

TEST_CASE("a look that does not touch leaves a key as old as it was") {
  Shelf shelf(Policy::allkeys_lru);
  shelf.set("a");
  shelf.now_ms += 1000;
  shelf.set("b");
  shelf.now_ms += 1000;
  Keyspace keys(shelf.store, 0, shelf.now_ms);
  keys.peek(keys.key("a"), [](const Value*) {});
  keys.no_touch(true);
  keys.read(keys.key("a"), [](const Value*) {});
  CHECK(shelf.victim({"a", "b"}) == "a");
}

TEST_CASE("volatile-lru and volatile-random let keys without a deadline be") {
  for (const Policy policy : {Policy::volatile_lru, Policy::volatile_lfu, Policy::volatile_random,
                              Policy::volatile_ttl}) {
    CAPTURE(policy_name(policy));
    Shelf shelf(policy);
    for (int i = 0; i < 200; ++i) shelf.set("stays:" + std::to_string(i));
    for (int i = 0; i < 10; ++i) {
      shelf.set("goes:" + std::to_string(i), Deadline::at(kNow + 100'000 + i));
    }
    for (int i = 0; i < 10; ++i) CHECK(shelf.evict());
    CHECK_FALSE(shelf.evict());
    CHECK(shelf.store.size(0) == 200);
    CHECK(shelf.has("stays:0"));
  }
}

TEST_CASE("volatile-ttl drops the nearest deadline first") {
  Shelf shelf(Policy::volatile_ttl);
  shelf.set("late", Deadline::at(kNow + 3000));
  shelf.set("soon", Deadline::at(kNow + 1000));
  shelf.set("never");
  shelf.set("last", Deadline::at(INT64_MAX - 1));
  const std::vector<std::string> names{"late", "soon", "never", "last"};
  CHECK(shelf.victim(names) == "soon");
  CHECK(shelf.victim(names) == "late");
  CHECK(shelf.victim(names) == "last");
  CHECK_FALSE(shelf.evict());
}

TEST_CASE("allkeys-lfu drops the key that is asked for least, and forgets old fame") {
  Shelf shelf(Policy::allkeys_lfu);
  shelf.set("rare");
  shelf.set("famous");
  shelf.set("once famous");
  for (int i = 0; i < 500; ++i) shelf.get("once famous");
  shelf.now_ms += 60 * 60'000;
  for (int i = 0; i < 500; ++i) shelf.get("famous");
  shelf.get("rare");
  const std::vector<std::string> names{"rare", "famous", "once famous"};
  CHECK(shelf.victim(names) == "once famous");
  CHECK(shelf.victim(names) == "rare");
}

TEST_CASE("noeviction drops nothing") {
  Shelf shelf(Policy::noeviction);
  shelf.set("a", Deadline::at(kNow + 10));
  CHECK_FALSE(shelf.evict());
  CHECK(shelf.has("a"));
}

TEST_CASE("databases are drained by their share of the keys") {
  Shelf shelf(Policy::allkeys_random);
  for (int i = 0; i < 900; ++i) shelf.set("k" + std::to_string(i));
  for (int i = 0; i < 100; ++i) shelf.set("k" + std::to_string(i), Deadline::never(), 1);
  for (int i = 0; i < 500; ++i) REQUIRE(shelf.evict());
  CHECK(shelf.store.size(1) > 20);
  CHECK(shelf.store.size(1) < 80);
  CHECK(shelf.store.statistics().counters.evicted == 500);
}

TEST_CASE("the counter of use rises ever more slowly, stops at 255, and falls with the minutes") {
  EvictionRules rules;
  rules.policy = Policy::allkeys_lfu;
  std::uint32_t bits = bits_when_made(rules, kNow);
  CHECK(frequency(rules, bits, kNow) == 5);
  for (int i = 0; i < 300; ++i) bits = bits_when_read(rules, bits, kNow, 0);  // chance 0: always up
  CHECK(frequency(rules, bits, kNow) == 255);
  CHECK(frequency(rules, bits, kNow + 10 * 60'000) == 245);
  CHECK(frequency(rules, bits, kNow + 1000 * 60'000) == 0);
  CHECK(bits_when_read(rules, bits_when_made(rules, kNow) + 1, kNow, 1) ==
        bits_when_made(rules, kNow) + 1);
  rules.lfu_decay_minutes = 0;
  CHECK(frequency(rules, bits, kNow + 1000 * 60'000) == 255);
}

TEST_CASE("idle time is told in seconds, and survives the clock's wrap") {
  const std::uint32_t bits = lru::bits(kNow);
  CHECK(lru::idle_seconds(bits, kNow) == 0);
  CHECK(lru::idle_seconds(bits, kNow + 10'000) <= 10);
  CHECK(lru::idle_seconds(bits, kNow + 10'000) >= 9);
  constexpr std::int64_t kDay = 24 * 3600;
  CHECK(lru::idle_seconds(bits, kNow + 12 * kDay * 1000) >= 12 * kDay - 1);
}
