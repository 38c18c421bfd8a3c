#include "storage/keyspace.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/storage/books.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::uint32_t kDatabases = 3;

bool is_free(Mutex& mutex) {
  if (!mutex.try_lock()) return false;
  mutex.unlock();
  return true;
}

struct Known {
  std::string bytes;
  Deadline deadline;
};

// A store and the simplest thing that could stand in for it, driven side by side.
struct Pair {
  explicit Pair(std::uint64_t seed)
      : store({.shards = 4, .databases = kDatabases, .seed = seed}), random(seed) {}

  using Names = std::map<std::string, Known>;
  Names& names(std::uint32_t db) { return model[db]; }
  Known* known(std::uint32_t db, const std::string& name) {
    const auto it = names(db).find(name);
    if (it == names(db).end()) return nullptr;
    if (!it->second.deadline.has_passed(now_ms)) return &it->second;
    names(db).erase(it);
    return nullptr;
  }
  void put(std::uint32_t db, const std::string& name, const Known& value) {
    if (value.deadline.has_passed(now_ms)) {
      names(db).erase(name);
    } else {
      names(db)[name] = value;
    }
  }
  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  std::string draw_name() { return "k" + std::to_string(below(60)); }
  std::string draw_value() {
    constexpr std::size_t kSizes[] = {0,   1,    7,     24,    44,    45,    200,   255,
                                      256, 1000, 10239, 10240, 16383, 16384, 20'000};
    if (below(4) == 0) return std::to_string(static_cast<std::int64_t>(random()));
    return std::string(kSizes[below(std::size(kSizes))], static_cast<char>('a' + below(26)));
  }
  Deadline draw_deadline() {
    switch (below(5)) {
      case 0: return Deadline::at(now_ms + static_cast<std::int64_t>(below(40)) - 3);
      case 1: return Deadline::at(now_ms + static_cast<std::int64_t>(below(100'000)));
      case 2: return Deadline::at(INT64_MAX - 1 - static_cast<std::int64_t>(below(9)));
      default: return Deadline::never();
    }
  }

  void step();
  void edit(Slot& slot, std::uint32_t db, const std::string& name);
  void rename(bool is_move);
  void must_agree();

  Store store;
  std::mt19937_64 random;
  std::map<std::uint32_t, Names> model;
  std::int64_t now_ms = kNow;
};

void Pair::edit(Slot& slot, std::uint32_t db, const std::string& name) {
  Known* there = known(db, name);
  REQUIRE(slot.is_present() == (there != nullptr));
  if (there != nullptr) {
    REQUIRE(slot.value()->bytes().to_string() == there->bytes);
    REQUIRE(slot.deadline() == there->deadline);
  }
  const std::string value = draw_value();
  const Deadline deadline = draw_deadline();
  const Known before = there != nullptr ? *there : Known{"", Deadline::never()};
  switch (below(8)) {
    case 0:
    case 1: {
      slot.set_bytes(value, deadline);
      return put(db, name, {value, deadline});
    }
    case 2: {
      slot.set_bytes(value, before.deadline);
      return put(db, name, {value, before.deadline});
    }
    case 3: {
      REQUIRE(*slot.append(value, SIZE_MAX) == before.bytes.size() + value.size());
      return put(db, name, {before.bytes + value, before.deadline});
    }
    case 4: {
      const std::size_t offset = below(300);
      std::string after = before.bytes;
      if (!value.empty() && after.size() < offset + value.size())
        after.resize(offset + value.size());
      if (!value.empty()) after.replace(offset, value.size(), value);
      REQUIRE(*slot.set_range(offset, value, SIZE_MAX) == after.size());
      if (there != nullptr || !value.empty()) put(db, name, {after, before.deadline});
      return;
    }
    case 5: {
      const auto number = there != nullptr ? strict_integer(before.bytes)
                                           : std::optional(std::int64_t{0});
      const Result<std::int64_t> sum = slot.increment(1);
      REQUIRE(static_cast<bool>(sum) == (number.has_value() && *number != INT64_MAX));
      if (sum) put(db, name, {std::to_string(*sum), before.deadline});
      return;
    }
    case 6: {
      if (there == nullptr) return;
      slot.set_deadline(deadline);
      return put(db, name, {before.bytes, deadline});
    }
    default: {
      REQUIRE(slot.erase() == (there != nullptr));
      names(db).erase(name);
    }
  }
}

void Pair::rename(bool is_move) {
  const auto db_a = static_cast<std::uint32_t>(below(kDatabases));
  const auto db_b = static_cast<std::uint32_t>(below(kDatabases));
  const std::string a = draw_name();
  const std::string b = draw_name();
  const Known* there = known(db_a, a);
  if ((db_a == db_b && a == b) || there == nullptr) return;
  const Known value = *there;
  Keyspace keys(store, db_a, now_ms);
  keys.update_two(db_a, keys.key(a), db_b, keys.key(b), [&](Slot& from, Slot& to) {
    REQUIRE(from.is_present());
    is_move ? to.move_from(from) : to.copy_from(from);
  });
  if (is_move) names(db_a).erase(a);
  put(db_b, b, value);
}

void Pair::step() {
  switch (below(24)) {
    case 0: now_ms += static_cast<std::int64_t>(below(30)); return;
    case 1: now_ms += static_cast<std::int64_t>(below(20'000)); return;
    case 2: rename(true); return;
    case 3: rename(false); return;
    case 4: drop_all_expired(store, now_ms); return;
    default: break;
  }
  const auto db = static_cast<std::uint32_t>(below(kDatabases));
  const std::string name = draw_name();
  Keyspace keys(store, db, now_ms);
  keys.update(keys.key(name), [&](Slot& slot) { edit(slot, db, name); });
}

void Pair::must_agree() {
  for (std::uint32_t db = 0; db < kDatabases; ++db) {
    Keyspace keys(store, db, now_ms);
    std::map<std::string, std::string> seen;
    std::uint64_t cursor = 0;
    do {
      cursor = keys.scan(cursor, 7, [&](std::string_view name, const Value& value) {
        seen[std::string(name)] = value.bytes().to_string();
      });
    } while (cursor != 0);
    std::map<std::string, std::string> expected;
    for (const auto& [name, value] : names(db)) {
      if (!value.deadline.has_passed(now_ms)) expected[name] = value.bytes;
    }
    REQUIRE(seen == expected);
  }
  audit(store);
}

}  // namespace

TEST_CASE("random work on a store ends where it ends on a map, and its books are right") {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    Pair pair(seed);
    for (int round = 0; round < 20; ++round) {
      for (int step = 0; step < 300; ++step) pair.step();
      if (round % 5 == 4) {
        pair.store.swap(0, 1);
        std::swap(pair.model[0], pair.model[1]);
      }
      if (round % 7 == 6) {
        pair.store.flush(2);
        pair.model[2].clear();
        while (pair.store.bury(3)) {
        }
      }
      pair.must_agree();
      // Whoever's time has come by a tick is really gone once the wheel has been turned.
      pair.now_ms += TimerWheel::kTickMs;
      drop_all_expired(pair.store, pair.now_ms);
      std::size_t left = 0;
      for (auto& [db, names] : pair.model) {
        for (const auto& [name, value] : names) {
          if (!value.deadline.has_passed(pair.now_ms - TimerWheel::kTickMs)) ++left;
        }
      }
      REQUIRE(pair.store.statistics().keys <= left);
    }
  }
}

TEST_CASE("reads count hits and misses, and a passed deadline is a miss") {
  Store store({.shards = 2, .databases = 1, .seed = 1});
  Keyspace keys(store, 0, kNow);
  keys.update(keys.key("k"), [](Slot& slot) { slot.set_bytes("v", Deadline::at(kNow + 10)); });
  keys.read(keys.key("k"), [](const Value* value) { CHECK(value->bytes().to_string() == "v"); });
  keys.peek(keys.key("k"), [](const Value* value) { CHECK(value->type_name() == "string"); });
  Keyspace later(store, 0, kNow + 10);
  later.read(later.key("k"), [](const Value* value) { CHECK(value == nullptr); });
  const ShardCounters counters = store.statistics().counters;
  CHECK(counters.hits == 2);
  CHECK(counters.misses == 1);
  CHECK(counters.expired == 1);
  store.reset_counters();
  CHECK(store.statistics().counters.hits == 0);
  CHECK(store.statistics().counters.changes == counters.changes);
}

TEST_CASE(
    "a scan of the keyspace misses nobody who stays, while others come and go and the clock "
    "turns") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 20; ++round) {
    Store store({.shards = 4, .databases = 1, .seed = static_cast<std::uint64_t>(round)});
    std::int64_t now_ms = kNow;
    const auto set = [&](const std::string& name, Deadline deadline) {
      Keyspace keys(store, 0, now_ms);
      keys.update(keys.key(name), [&](Slot& slot) { slot.set_bytes("v", deadline); });
    };
    const int stays = static_cast<int>(random() % 300);
    for (int i = 0; i < stays; ++i) set("stays:" + std::to_string(i), Deadline::never());
    std::set<std::string> seen;
    std::uint64_t cursor = 0;
    int calls = 0;
    do {
      cursor = Keyspace(store, 0, now_ms)
                   .scan(cursor, 1 + random() % 20, [&](std::string_view name, const Value&) {
                     seen.insert(std::string(name));
                   });
      if (calls % 40 < 25) {
        for (int i = 0; i < 60; ++i) {
          set("passes:" + std::to_string(random()), Deadline::at(now_ms + 50));
        }
      }
      now_ms += 10;
      drop_all_expired(store, now_ms);
    } while (cursor != 0 && ++calls < 5000);
    REQUIRE(calls < 5000);
    for (int i = 0; i < stays; ++i) REQUIRE(seen.contains("stays:" + std::to_string(i)));
  }
}

TEST_CASE("any cursor and any count end a scan") {
  Store store({.shards = 4, .databases = 2, .seed = 5});
  Keyspace keys(store, 0, kNow);
  for (int i = 0; i < 200; ++i) {
    keys.update(keys.key(std::to_string(i)),
                [](Slot& slot) { slot.set_bytes("v", Deadline::never()); });
  }
  std::mt19937_64 random(2);
  for (int i = 0; i < 200; ++i) {
    std::uint64_t cursor = i == 0 ? ~0ull : random();
    int calls = 0;
    do {
      cursor = keys.scan(cursor, 1 + random() % 3, [](std::string_view, const Value&) {});
    } while (cursor != 0 && ++calls < 2000);
    CHECK(calls < 2000);
  }
  std::size_t seen = 0;
  const auto count = [&](std::string_view, const Value&) { ++seen; };
  CHECK(keys.scan(0, static_cast<std::size_t>(INT64_MAX), count) == 0);
  CHECK(seen == 200);
  CHECK(Keyspace(store, 1, kNow).scan(0, 10, count) == 0);
}

TEST_CASE("several keys are held together, and visits inside do not lock again") {
  Store store({.shards = 8, .databases = 1, .seed = 5});
  Keyspace keys(store, 0, kNow);
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) names.push_back(std::to_string(i));
  std::vector<Key> all;
  for (const std::string& name : names) all.push_back(keys.key(name));
  {
    Keyspace::Several several(keys, all);
    for (const Key& key : all) {
      several->update(key, [](Slot& slot) { slot.set_integer(1, Deadline::never()); });
    }
    Keyspace::Several again(*several, all);  // nests
    again->update_two(0, all[0], 0, all[1], [](Slot& a, Slot& b) {
      a.set_integer(2, Deadline::never());
      b.set_integer(2, Deadline::never());
    });
    CHECK(again->random_key().has_value());
  }
  for (std::size_t i = 0; i < store.shard_count(); ++i) {
    REQUIRE(is_free(store.cell(i).mutex));
  }
  CHECK(keys.size() == 40);
  audit(store);
}
