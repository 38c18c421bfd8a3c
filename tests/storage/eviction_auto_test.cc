#include "storage/eviction_auto.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "storage/keyspace.h"
#include "tests/storage/books.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

// A store as an application has it for a cache. With one shard and a sample of all keys a test can
// tell which goes.
struct Pantry {
  explicit Pantry(std::size_t shards = 1, std::size_t samples = 1000)
      : store({.shards = shards, .databases = 2, .seed = 3}) {
    rules.samples = samples;
    use(Policy::allkeys_auto);
  }
  ~Pantry() { audit(store); }

  void use(Policy policy, std::size_t limit_bytes = 0) {
    rules.policy = policy;
    store.set_limit(limit_bytes, rules);
  }
  void set(std::string_view name, std::size_t bytes = 5, std::uint32_t db = 0) {
    Keyspace keys(store, db, now_ms);
    keys.update(keys.key(name),
                [&](Slot& slot) { slot.set_bytes(std::string(bytes, 'v'), Deadline::never()); });
  }
  bool get(std::string_view name) {
    Keyspace keys(store, 0, now_ms);
    return keys.read(keys.key(name), [](const Value* value) { return value != nullptr; });
  }
  bool has(std::string_view name) {
    Keyspace keys(store, 0, now_ms);
    return keys.peek(keys.key(name), [](const Value* value) { return value != nullptr; });
  }
  // Evicts one key and says which of these is gone.
  std::string victim(const std::vector<std::string>& names) {
    std::vector<std::string> before;
    for (const std::string& name : names) {
      if (has(name)) before.push_back(name);
    }
    REQUIRE(store.evict_key(now_ms));
    for (const std::string& name : before) {
      if (!has(name)) return name;
    }
    return "(none of them)";
  }
  // Asks for a key, and sets it when it is not there; at the limit another one goes.
  void ask(const std::string& name, std::size_t most_keys) {
    ++asked;
    if (get(name)) return;
    ++missed;
    if (store.size(0) >= most_keys) REQUIRE(store.evict_key(now_ms));
    set(name);
  }
  double miss_ratio() const { return static_cast<double>(missed) / static_cast<double>(asked); }

  EvictionRules rules;
  Store store;
  std::int64_t now_ms = kNow;
  std::size_t asked = 0;
  std::size_t missed = 0;
};

}  // namespace

TEST_CASE("what was used stays longer, and of the others the younger") {
  Pantry pantry;
  for (const char* name : {"a", "b", "c"}) pantry.set(name);
  pantry.get("a");
  pantry.set("d");
  const std::vector<std::string> names{"a", "b", "c", "d"};
  CHECK(pantry.victim(names) == "b");
  CHECK(pantry.victim(names) == "c");
  CHECK(pantry.victim(names) == "d");
  CHECK(pantry.victim(names) == "a");
  CHECK_FALSE(pantry.store.evict_key(kNow));
}

TEST_CASE("of two keys alike the larger goes") {
  Pantry pantry;
  pantry.set("small", 100);
  pantry.set("large", 20'000);
  pantry.set("middle", 1000);
  const std::vector<std::string> names{"small", "large", "middle"};
  CHECK(pantry.victim(names) == "large");
  CHECK(pantry.victim(names) == "middle");
}

TEST_CASE("a key that comes back after it was evicted counts as used") {
  Pantry pantry;
  pantry.set("returns");
  REQUIRE(pantry.store.evict_key(kNow));
  pantry.set("returns");
  pantry.set("younger");
  CHECK(pantry.victim({"returns", "younger"}) == "younger");
}

TEST_CASE("many uses within one unit of age are one, and so are those of one burst") {
  Pantry pantry;
  for (const char* name : {"burst", "steady", "other"}) pantry.set(name);
  for (int i = 0; i < 100; ++i) pantry.get("burst");
  for (int i = 0; i < 3; ++i) {
    pantry.get("steady");
    pantry.set("filler " + std::to_string(i));
    CHECK(pantry.victim({"burst", "steady"}) == "(none of them)");
  }
  while (pantry.has("burst") && pantry.has("steady")) REQUIRE(pantry.store.evict_key(kNow));
  CHECK(pantry.has("steady"));
}

TEST_CASE("a look that does not touch leaves a key as it was") {
  Pantry pantry;
  pantry.set("a");
  pantry.set("b");
  pantry.set("c");
  Keyspace keys(pantry.store, 0, kNow);
  keys.peek(keys.key("a"), [](const Value*) {});
  keys.no_touch(true);
  keys.read(keys.key("a"), [](const Value*) {});
  CHECK(pantry.victim({"a", "b", "c"}) == "a");
}

TEST_CASE("seconds of idleness are told, under every policy that knows them") {
  for (const Policy policy : {Policy::allkeys_auto, Policy::allkeys_lru}) {
    Pantry pantry;
    pantry.use(policy);
    pantry.set("k");
    const auto idle_s = [&] {
      Keyspace keys(pantry.store, 0, pantry.now_ms);
      return keys.peek(keys.key("k"), [&](const Value* value) {
        return pantry.store.idle_seconds(value->eviction_bits(), pantry.now_ms);
      });
    };
    CHECK(idle_s() == 0);
    pantry.now_ms += 64'000;
    CHECK(idle_s() == 64);
    pantry.get("k");
    CHECK(idle_s() == 0);
    pantry.now_ms += 3'600'000;
    CHECK(idle_s() == 3600);
    pantry.now_ms -= 7'200'000;
    CHECK(idle_s() >= 0);
  }
}

TEST_CASE("on a loop a little longer than the store most of it is kept; LRU keeps nothing") {
  for (const std::size_t shards : {std::size_t{1}, std::size_t{16}}) {
    Pantry pantry(shards, 10);
    for (int i = 0; i < 60'000; ++i) pantry.ask("key:" + std::to_string(i % 1200), 1000);
    CHECK(pantry.miss_ratio() < 0.4);  // the optimum is 0.17
    CHECK(pantry.store.statistics().eviction_bytes > 0);
  }
}

TEST_CASE("keys that are asked for all the time survive a scan, in few keys and many shards too") {
  Pantry pantry(16, 10);
  std::size_t missed = 0;
  for (int i = 0; i < 60'000; ++i) {
    if (i % 2 == 0) {
      pantry.ask("scanned:" + std::to_string(i), 100);
      continue;
    }
    const std::size_t before = pantry.missed;
    pantry.ask("popular:" + std::to_string(i / 2 % 50), 100);
    missed += pantry.missed - before;
  }
  CHECK(missed < 30'000 / 10);  // an LRU of 100 keys just keeps the fifty
}

TEST_CASE("where only the recent is asked for, old fame is given up") {
  Pantry pantry(1, 10);
  for (int i = 0; i < 30'000; ++i) pantry.ask("famous:" + std::to_string(i % 400), 500);
  pantry.asked = pantry.missed = 0;
  for (int i = 0; i < 60'000; ++i) pantry.ask("recent:" + std::to_string(i / 10 - i % 3 * 40), 500);
  CHECK(pantry.miss_ratio() < 0.2);  // each key is new once in ten requests
}

TEST_CASE("the policy is switched live: no key is lost by it, and evictions go on") {
  Pantry pantry(4, 10);
  const Policy policies[] = {Policy::allkeys_auto,   Policy::allkeys_lru,  Policy::allkeys_auto,
                             Policy::allkeys_lfu,    Policy::allkeys_auto, Policy::volatile_ttl,
                             Policy::allkeys_random, Policy::allkeys_auto};
  int next = 0;
  for (const Policy policy : policies) {
    CAPTURE(policy_name(policy));
    const std::size_t before = pantry.store.size(0);
    pantry.use(policy);
    CHECK(pantry.store.size(0) == before);
    const bool is_auto = policy == Policy::allkeys_auto;
    if (!is_auto) CHECK(pantry.store.statistics().eviction_bytes == 0);
    if (policy == Policy::volatile_ttl) {
      CHECK_FALSE(pantry.store.evict_key(pantry.now_ms));
      continue;
    }
    for (int i = 0; i < 3000; ++i) {
      pantry.now_ms += 10;
      pantry.ask("key:" + std::to_string(next++ % 700), 500);
    }
    CHECK(pantry.store.size(0) == 500);
    CHECK((pantry.store.statistics().eviction_bytes > 0) == is_auto);
    audit(pantry.store);
  }
}

TEST_CASE("a flush forgets what was remembered of the keys") {
  Pantry pantry(4, 10);
  for (int i = 0; i < 3000; ++i) pantry.ask("key:" + std::to_string(i), 500);
  CHECK(pantry.store.statistics().eviction_bytes > 0);
  pantry.store.flush_all();
  CHECK(pantry.store.statistics().eviction_bytes == 0);
  CHECK(pantry.store.used_bytes() == pantry.store.statistics().used_bytes);
}

TEST_CASE("many keys alike are evicted one after the other, none of them twice") {
  Pantry pantry(1, 10);
  for (int i = 0; i < 3000; ++i) pantry.set("key:" + std::to_string(i));
  const std::size_t limit = pantry.store.used_bytes() / 2;
  pantry.use(Policy::allkeys_auto, limit);
  while (pantry.store.evict_some(kNow) == Store::Limit::behind) continue;
  CHECK(pantry.store.used_bytes() <= limit);
  CHECK(pantry.store.size(0) + pantry.store.statistics().counters.evicted == 3000);
}

TEST_CASE("databases of one store are drained by their share of the keys") {
  Pantry pantry(1, 10);
  for (int i = 0; i < 900; ++i) pantry.set("k" + std::to_string(i));
  for (int i = 0; i < 100; ++i) pantry.set("k" + std::to_string(i), 5, 1);
  for (int i = 0; i < 500; ++i) REQUIRE(pantry.store.evict_key(kNow));
  CHECK(pantry.store.size(1) > 20);
  CHECK(pantry.store.size(1) < 80);
}

TEST_CASE("used bytes pass the limit by no more than a step, whatever is written and asked") {
  for (const Policy policy : {Policy::allkeys_auto, Policy::allkeys_lru, Policy::allkeys_lfu}) {
    CAPTURE(policy_name(policy));
    constexpr std::size_t kLimit = 4 << 20;
    // What a shard has not told yet, a value, and a table that grows.
    constexpr std::size_t kStep = kLimit / 16;
    Pantry pantry(8, 10);
    pantry.use(policy, kLimit);
    std::uint64_t drawn = 88172645463325252ull;
    for (int i = 0; i < 60'000; ++i) {
      drawn ^= drawn << 13;
      drawn ^= drawn >> 7;
      drawn ^= drawn << 17;
      pantry.now_ms += 1;
      const std::string name = "key:" + std::to_string(drawn % 40'000 * (drawn % 3));
      if (drawn >> 60 < 6) {
        pantry.get(name);
        continue;
      }
      REQUIRE(pantry.store.make_room(pantry.now_ms));
      const std::size_t phase = static_cast<std::size_t>(i) / 20'000;
      const std::size_t bytes = phase == 0 ? 100 : phase == 1 ? 2000 : 300;
      pantry.set(name, drawn % 100 == 0 ? 20'000 : bytes, static_cast<std::uint32_t>(drawn >> 63));
      REQUIRE(pantry.store.statistics().used_bytes <= kLimit + kStep);
    }
    CHECK(pantry.store.statistics().counters.evicted > 5'000);
    CHECK(pantry.store.used_bytes() > kLimit * 8 / 10);
  }
}

TEST_CASE("threads evict, insert and use keys of one store at once, and the books are right") {
  constexpr std::size_t kLimit = 1 << 20;
  Pantry pantry(8, 10);
  pantry.use(Policy::allkeys_auto, kLimit);
  const auto work = [&](std::uint64_t drawn) {
    for (int i = 0; i < 10'000; ++i) {
      drawn ^= drawn << 13;
      drawn ^= drawn >> 7;
      drawn ^= drawn << 17;
      Keyspace keys(pantry.store, 0, kNow + i);
      const std::string name = "key:" + std::to_string(drawn % 8000);
      const Key key = keys.key(name);
      if (keys.read(key, [](const Value* value) { return value != nullptr; })) continue;
      pantry.store.make_room(kNow + i);
      const Deadline deadline = drawn % 7 == 0 ? Deadline::at(kNow + i + 1000) : Deadline::never();
      keys.update(key, [&](Slot& slot) { slot.set_bytes(std::string(400, 'v'), deadline); });
      if (i % 100 == 0) pantry.store.drop_expired(drawn % 8, kNow + i, 100);
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) threads.emplace_back(work, seed * 7919);
  for (std::thread& thread : threads) thread.join();
  CHECK(pantry.store.statistics().counters.evicted > 1000);
  CHECK(pantry.store.make_room(kNow + 10'000));
  CHECK(pantry.store.used_bytes() <= kLimit + kLimit / 16);
}
