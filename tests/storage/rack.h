// A rack: a small store with a time that the test turns; its books are audited in the end.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/keyspace.h"
#include "storage/store.h"
#include "tests/storage/books.h"

namespace larder::storage {

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

}  // namespace larder::storage
