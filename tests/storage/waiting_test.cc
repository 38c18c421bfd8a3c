#include "storage/waiting.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/keyspace.h"
#include "storage/store.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

struct Guest final : Waiter {};

struct Fixture {
  Store store{{.shards = 4, .databases = 3, .seed = 7}};
  ReadyKeys ready;

  void wait(std::uint32_t db, std::string_view key, Guest& guest) {
    store.wait(db, store.key(key), guest);
  }
  std::vector<const Waiter*> queue(std::uint32_t db, std::string_view key) {
    std::vector<const Waiter*> waiters;
    WaitQueue* queue = store.cell_of(store.key(key)).shard.waits.find(db, key);
    if (queue == nullptr) return waiters;
    for (WaitPlace* at = queue->first(); at != nullptr; at = at->after) {
      waiters.push_back(at->waiter);
    }
    return waiters;
  }
  void set(std::uint32_t db, std::string_view key) {
    Keyspace keys(store, db, kNow);
    keys.tell(ready);
    keys.update(store.key(key), [](Slot& slot) { slot.set_bytes("v", Deadline::never()); });
  }
  std::string take_all() {
    std::string names;
    while (!ready.empty()) {
      const ReadyKeys::Name name = ready.take();
      names += std::to_string(name.db) + ":" + name.key + " ";
    }
    return names;
  }
};

}  // namespace

TEST_CASE("who waits for a key stands behind those who came before, once") {
  Fixture f;
  Guest one;
  Guest two;
  f.wait(0, "tea", one);
  f.wait(0, "tea", one);
  f.wait(0, "tea", two);
  f.wait(1, "tea", two);
  CHECK(f.queue(0, "tea") == std::vector<const Waiter*>{&one, &two});
  CHECK(f.queue(1, "tea") == std::vector<const Waiter*>{&two});
  CHECK(f.store.waited_keys() == 2);
  f.store.stop_waiting(one);
  CHECK(f.queue(0, "tea") == std::vector<const Waiter*>{&two});
  f.store.stop_waiting(two);
  f.store.stop_waiting(two);
  CHECK(f.store.waited_keys() == 0);
}

TEST_CASE("keys that change are told in the order in which they did first, if somebody waits") {
  Fixture f;
  Guest guest;
  for (const char* key : {"a", "b", "c"}) f.wait(0, key, guest);
  for (const char* key : {"c", "other", "a", "c"}) f.set(0, key);
  f.set(1, "b");
  CHECK(f.take_all() == "0:c 0:a ");
  f.set(0, "c");
  CHECK(f.take_all() == "0:c ");
  f.store.stop_waiting(guest);
  f.set(0, "c");
  CHECK(f.ready.empty());
}

TEST_CASE("a change that is told to nobody is told by the next visit of its shard") {
  Fixture f;
  Guest guest;
  f.wait(0, "a", guest);
  Keyspace silent(f.store, 0, kNow);
  silent.update(f.store.key("a"), [](Slot& slot) { slot.set_integer(1, Deadline::never()); });
  CHECK(f.ready.empty());
  f.store.move_notes(f.ready);
  CHECK(f.take_all() == "0:a ");
  f.store.stop_waiting(guest);
}

TEST_CASE("two keys changed in one visit are both told; where databases swap, all of theirs") {
  Fixture f;
  Guest guest;
  for (const char* key : {"a", "b"}) f.wait(0, key, guest);
  f.wait(2, "c", guest);
  f.set(1, "x");
  Keyspace keys(f.store, 1, kNow);
  keys.tell(f.ready);
  keys.update_two(1, f.store.key("x"), 0, f.store.key("b"),
                  [](Slot& from, Slot& to) { to.move_from(from); });
  CHECK(f.take_all() == "0:b ");
  f.store.swap(0, 1);
  f.store.move_notes(f.ready);
  std::vector<std::string> names;
  while (!f.ready.empty()) names.push_back(f.ready.take().key);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"a", "b"});
  f.store.stop_waiting(guest);
}

TEST_CASE("queues are what a list of names would be, whoever comes and goes") {
  Fixture f;
  std::mt19937_64 random(3);
  std::vector<std::unique_ptr<Guest>> guests(40);
  using Name = std::pair<std::uint32_t, std::string>;
  std::map<Name, std::vector<const Waiter*>> model;
  for (int step = 0; step < 20'000; ++step) {
    auto& guest = guests[random() % guests.size()];
    if (guest) {
      f.store.stop_waiting(*guest);
      for (auto& [name, queue] : model) std::erase(queue, guest.get());
      guest.reset();
      continue;
    }
    guest = std::make_unique<Guest>();
    for (std::size_t keys = random() % 5; keys != 0; --keys) {
      const Name name{random() % 2, "k" + std::to_string(random() % 6)};
      f.wait(name.first, name.second, *guest);
      auto& queue = model[name];
      if (std::find(queue.begin(), queue.end(), guest.get()) == queue.end()) {
        queue.push_back(guest.get());
      }
    }
    if (step % 50 != 0) continue;
    for (const auto& [name, queue] : model) CHECK(f.queue(name.first, name.second) == queue);
  }
  for (auto& guest : guests) {
    if (guest) f.store.stop_waiting(*guest);
  }
  CHECK(f.store.waited_keys() == 0);
}
