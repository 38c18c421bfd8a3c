// Many threads on one store and on one engine, against promises that hold whatever the order.
//
// Small enough to be quick under tsan, which is what it is for; the numbers of steps are bounds,
// not times.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/engine.h"
#include "storage/clock.h"
#include "storage/fetch_ahead.h"
#include "storage/keyspace.h"
#include "storage/store.h"
#include "storage/turnstile.h"
#include "tests/support/guests.h"

using namespace larder;
using testing::Complaints;
using testing::Guest;

namespace {

constexpr std::size_t kThreads = 3;
constexpr std::int64_t kNow = 1'700'000'000'000;

// Random work of one thread on a store that others work on too.
class Visitor {
 public:
  static constexpr int kPairs = 8;

  Visitor(storage::Store& store, storage::Turnstile& turnstile, storage::Turnstile::Seat& seat,
          std::atomic<std::int64_t>& now_ms, Complaints& complaints, std::uint64_t seed)
      : store_(store),
        turnstile_(turnstile),
        seat_(seat),
        now_ms_(now_ms),
        complaints_(complaints),
        random_(seed) {}

  void step() {
    if (random_() % 300 == 0) return alone();
    complaints_.expect(turnstile_.enter(seat_), "nobody stays alone for long here");
    storage::Keyspace keys(store_, 0, now_ms_.load(std::memory_order_relaxed));
    inside(keys);
    turnstile_.leave(seat_);
  }

 private:
  void inside(storage::Keyspace& keys) {
    switch (random_() % 12) {
      case 0:
      case 1: return change_pair(keys);
      case 2:
      case 3: return look_at_pair(keys);
      case 4: return watch(keys);
      case 5: return scan(keys);
      case 6:
        return static_cast<void>(
            store_.drop_expired(random_() % store_.shard_count(), keys.now_ms(), 64));
      case 7: return static_cast<void>(store_.make_room(keys.now_ms()));
      case 8: return static_cast<void>(store_.bury(8));
      case 9: return prefetch(keys);
      default: return change_one(keys);
    }
  }
  // The two keys of a pair lie in different shards, mostly, and are only ever changed together.
  void change_pair(storage::Keyspace& keys) {
    const int pair = draw_pair();
    const std::string a = "pair:a:" + std::to_string(pair);
    const std::string b = "pair:b:" + std::to_string(pair);
    const storage::Key both[] = {keys.key(a), keys.key(b)};
    const auto number = static_cast<std::int64_t>(random_() >> 2);
    storage::Keyspace::Several several(keys, both);
    for (const storage::Key& key : both) {
      several->update(
          key, [&](storage::Slot& slot) { slot.set_integer(number, storage::Deadline::never()); });
    }
  }
  void look_at_pair(storage::Keyspace& keys) {
    const int pair = draw_pair();
    const std::string a = "pair:a:" + std::to_string(pair);
    const std::string b = "pair:b:" + std::to_string(pair);
    const storage::Key both[] = {keys.key(b), keys.key(a)};
    storage::Keyspace::Several several(keys, both);
    std::optional<std::int64_t> numbers[2];
    for (std::size_t i = 0; i < 2; ++i) {
      several->read(both[i], [&](const storage::Value* value) {
        if (value != nullptr) numbers[i] = value->bytes().as_integer();
      });
    }
    // The memory limit lets only keys with deadlines go, and a flush takes both.
    complaints_.expect(numbers[0] == numbers[1], "a pair is changed by halves");
  }
  void change_one(storage::Keyspace& keys) {
    const std::string name = "one:" + std::to_string(random_() % 500);
    const auto span_ms = static_cast<std::int64_t>(random_() % 200);
    const storage::Deadline deadline = storage::Deadline::at(keys.now_ms() + span_ms);
    keys.update(keys.key(name), [&](storage::Slot& slot) {
      switch (random_() % 5) {
        case 0: slot.erase(); break;
        case 1:
          complaints_.expect(static_cast<bool>(slot.append("tail", 1 << 20)), "append");
          break;
        case 2: slot.set_bytes(std::string(20'000, 'x'), deadline); break;
        case 3:
          if (slot.is_present()) slot.set_deadline(deadline);
          break;
        default: slot.set_bytes("tea", deadline);
      }
    });
  }
  void watch(storage::Keyspace& keys) {
    const std::string name = "one:" + std::to_string(random_() % 500);
    const storage::Key key = keys.key(name);
    storage::WatchFlag flag;
    store_.watch(0, key, keys.now_ms(), flag);
    keys.update(key, [](storage::Slot& slot) { slot.set_integer(1, storage::Deadline::never()); });
    complaints_.expect(flag.is_raised(), "a watched key changed and its flag is down");
    store_.unwatch(0, key, flag);
  }
  void scan(storage::Keyspace& keys) {
    std::uint64_t cursor = 0;
    do {
      cursor = keys.scan(cursor, 50, [&](std::string_view name, const storage::Value& value) {
        complaints_.expect(!name.empty() && value.is_string(), "a scan shows what is not there");
      });
    } while (cursor != 0);
  }
  void prefetch(storage::Keyspace& keys) {
    std::array<std::string, 8> names;
    std::vector<storage::Key> wanted;
    for (std::string& name : names) {
      name = "one:" + std::to_string(random_() % 500);
      wanted.push_back(keys.key(name));
    }
    storage::KeysAhead ahead(keys, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) ahead.reach(i);
  }
  void alone() {
    turnstile_.close();
    now_ms_.fetch_add(37, std::memory_order_relaxed);
    if (random_() % 2 == 0) store_.flush(0);
    if (random_() % 4 == 0) store_.swap(0, 1);
    std::size_t keys = 0;
    for (std::uint32_t db = 0; db < store_.database_count(); ++db) keys += store_.size(db);
    complaints_.expect(keys == store_.statistics().keys, "somebody moves while one is alone");
    turnstile_.open();
  }
  int draw_pair() { return static_cast<int>(random_() % kPairs); }

  storage::Store& store_;
  storage::Turnstile& turnstile_;
  storage::Turnstile::Seat& seat_;
  std::atomic<std::int64_t>& now_ms_;
  Complaints& complaints_;
  std::mt19937_64 random_;
};

// A guest whose own keys nobody else names: every reply is known beforehand.
class Household {
 public:
  Household(Guest& guest, std::size_t number, Complaints& complaints)
      : guest_(guest),
        complaints_(complaints),
        random_(number + 1),
        prefix_("own:" + std::to_string(number) + ":") {}

  void step() {
    const std::string name = prefix_ + std::to_string(random_() % 20);
    const auto there = model_.find(name);
    const std::string before = there == model_.end() ? "" : there->second;
    const bool is_there = there != model_.end();
    switch (random_() % 8) {
      case 0:
      case 1: return put(name);
      case 2: {
        expect({"GET", name}, is_there ? before : "(nil)");
        return;
      }
      case 3: {
        expect({"DEL", name}, is_there ? "1" : "0");
        model_.erase(name);
        return;
      }
      case 4: {
        expect({"APPEND", name, "ab"}, std::to_string(before.size() + 2));
        model_[name] = before + "ab";
        return;
      }
      case 5: {
        const std::string other = prefix_ + "other";
        expect({"MSET", name, "m", other, "n"}, "OK");
        expect({"MGET", name, other}, "[m, n]");
        expect({"DEL", other}, "1");
        model_[name] = "m";
        return;
      }
      case 6: {
        expect({"STRLEN", name}, std::to_string(before.size()));
        expect({"EXISTS", name, name}, is_there ? "2" : "0");
        return;
      }
      default: {
        const std::string large(17'000, 'L');
        expect({"SET", name, large, "EX", "1000"}, "OK");
        expect({"GETEX", name, "PERSIST"}, large);
        model_[name] = large;
      }
    }
  }
  void look_at_all() {
    for (const auto& [name, value] : model_) expect({"GET", name}, value);
  }

 private:
  void put(const std::string& name) {
    const std::string value = "v" + std::to_string(random_() % 1000);
    expect({"SET", name, value}, "OK");
    model_[name] = value;
  }
  void expect(const std::vector<std::string>& words, const std::string& reply) {
    complaints_.expect(guest_.say(words) == reply, "a key of one client is not as it left it");
  }

  Guest& guest_;
  Complaints& complaints_;
  std::mt19937_64 random_;
  std::string prefix_;
  std::map<std::string, std::string> model_;
};

// Moves one from an account to the other if nobody interferes; answers whether it came to pass.
bool transfer(Guest& guest, const std::string& from, const std::string& to) {
  guest.say({"WATCH", from, to});
  const long long a = std::stoll(guest.say({"GET", from}));
  const long long b = std::stoll(guest.say({"GET", to}));
  guest.say({"MULTI"});
  guest.say({"SET", from, std::to_string(a - 1)});
  guest.say({"SET", to, std::to_string(b + 1)});
  return guest.say({"EXEC"}) == "[OK, OK]";
}

}  // namespace

TEST_CASE("threads on one store keep every promise of it") {
  storage::Store store({.shards = 8, .databases = 2, .seed = 4});
  storage::EvictionRules rules;
  rules.policy = storage::Policy::volatile_lru;
  store.set_limit(600'000, rules);
  storage::Turnstile turnstile;
  std::array<storage::Turnstile::Seat*, kThreads> seats{};
  for (auto& seat : seats) seat = &turnstile.take_seat();
  std::atomic<std::int64_t> now_ms{kNow};
  Complaints complaints;
  testing::on_threads(kThreads, [&](std::size_t i) {
    Visitor visitor(store, turnstile, *seats[i], now_ms, complaints, i + 1);
    for (int step = 0; step < 15'000; ++step) visitor.step();
  });
  const std::string complaint = complaints.first() == nullptr ? "" : complaints.first();
  CHECK(complaint == "");
  const storage::StoreStatistics statistics = store.statistics();
  CHECK(statistics.used_bytes ==
        statistics.entry_bytes + statistics.table_bytes + statistics.eviction_bytes);
}

TEST_CASE("clients on several lanes see their own keys as they left them, and shared ones add up") {
  constexpr int kSteps = 1200;
  testing::ManyLanes house(kThreads, 77);
  {
    Guest first(house, 0);
    first.say({"MSET", "left", "1000", "right", "1000"});
  }
  Complaints complaints;
  std::atomic<int> transfers{0};
  testing::on_threads(kThreads, [&](std::size_t i) {
    Guest guest(house, i);
    Household household(guest, i, complaints);
    for (int step = 0; step < kSteps; ++step) {
      household.step();
      guest.say({"INCR", "shared"});
      if (step % 2 == 0 && transfer(guest, i == 0 ? "left" : "right", i == 0 ? "right" : "left")) {
        transfers.fetch_add(1, std::memory_order_relaxed);
      }
      if (step % 50 == 25) guest.say({"EVAL", "return redis.call('INCR', KEYS[1])", "1", "shared"});
      if (step % 40 == 0) guest.say({"KEYS", "own:*"});
      if (step % 40 == 20) guest.say({"DBSIZE"});
      if (step % 100 == 30) guest.say({"CLIENT", "LIST"});
      if (step % 100 == 60) guest.say({"INFO"});
      if (step % 10 == 0) guest.keep_up();
    }
    household.look_at_all();
  });
  const std::string complaint = complaints.first() == nullptr ? "" : complaints.first();
  CHECK(complaint == "");
  Guest last(house, 0);
  CHECK(last.say({"GET", "shared"}) == std::to_string(kThreads * (kSteps + kSteps / 50)));
  const long long left = std::stoll(last.say({"GET", "left"}));
  const long long right = std::stoll(last.say({"GET", "right"}));
  CHECK(left + right == 2000);
  CHECK(transfers > 0);
}
