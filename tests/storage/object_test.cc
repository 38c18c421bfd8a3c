// Collections in their entries: packed bytes that are spliced, and objects that hang outside.
#include "storage/object.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "storage/keyspace.h"
#include "storage/reaper.h"
#include "storage/types/packed.h"
#include "tests/storage/rack.h"

namespace larder::storage {
namespace {

// An object that weighs what it is told to, and says when it dies.
class Load final : public Object {
 public:
  Load(std::size_t weight_bytes, int& alive) : weight_bytes_(weight_bytes), alive_(alive) {
    ++alive_;
  }
  ~Load() override { --alive_; }
  std::size_t weight_bytes() const override { return weight_bytes_; }
  std::size_t size() const override { return 1; }
  Object* copy() const override { return new Load(weight_bytes_, alive_); }
  void grow(std::size_t by_bytes) { weight_bytes_ += by_bytes; }

 private:
  std::size_t weight_bytes_;
  int& alive_;
};

// A rack of collections. A load is called a set here: of a large hash a shard asks when its fields
// die.
struct Shelf : Rack {
  template <class Change>
  auto change(std::string_view name, Change&& change, std::uint32_t db = 0) {
    Keyspace keys(store, db, now_ms);
    return keys.update(keys.key(name), change);
  }
  void put_load(std::string_view name, std::size_t weight_bytes, int& alive) {
    change(name, [&](Slot& slot) {
      slot.set_object(Type::set, Encoding::hashtable, new Load(weight_bytes, alive));
    });
  }
  // "(none)" when absent.
  std::string packed(std::string_view name) {
    return change(name, [](Slot& slot) {
      return slot.is_present() ? std::string(slot.value()->inline_bytes()) : "(none)";
    });
  }
};

TEST_CASE("a packed value is spliced at every place and size, in its cell and beyond") {
  std::mt19937_64 chance(5);
  for (const std::size_t name_bytes : {1u, 40u, 300u}) {
    Shelf shelf;
    const std::string name(name_bytes, 'k');
    std::string model(Packed::kNone);
    shelf.change(name, [&](Slot& slot) {
      slot.set_packed(Type::hash, Encoding::listpack, model);
      slot.set_deadline(Deadline::at(kNow + 1000));
    });
    for (std::size_t count = 1; count < 2000; ++count) {
      const bool grows = model.size() < 20'000 && chance() % 3 != 0;
      const std::size_t at = 2 + chance() % (model.size() - 1);
      const std::size_t removed = chance() % (model.size() - at + 1) / (grows ? 8 : 1);
      const std::string inserted(chance() % (grows ? 300 : 30),
                                 static_cast<char>('a' + count % 26));
      Packed::store_count(model.data(), count);
      model.replace(at, removed, inserted);
      shelf.change(name, [&](Slot& slot) { slot.splice_packed(at, removed, inserted, count); });
      REQUIRE(shelf.packed(name) == model);
    }
    CHECK(shelf.deadline(name) == Deadline::at(kNow + 1000));
  }
}

TEST_CASE("a collection takes the place of a string and the other way round") {
  int alive = 0;
  Shelf shelf;
  shelf.set("k");
  shelf.change("k",
               [](Slot& slot) { slot.set_packed(Type::list, Encoding::listpack, Packed::kNone); });
  CHECK(shelf.packed("k") == Packed::kNone);
  shelf.put_load("k", 1000, alive);
  CHECK(alive == 1);
  shelf.set("k");
  CHECK(alive == 0);
}

TEST_CASE("an object is weighed as it changes, and its watchers are told") {
  int alive = 0;
  Shelf shelf;
  shelf.put_load("k", 1000, alive);
  const std::size_t before = shelf.store.statistics().entry_bytes;
  CHECK(shelf.raises("k", [&] {
    shelf.change("k", [](Slot& slot) {
      slot.edit_object([](Object& object) { static_cast<Load&>(object).grow(500); });
    });
  }));
  CHECK(shelf.store.statistics().entry_bytes == before + 500);
}

TEST_CASE("RENAME hands an object over, COPY makes another, deadlines leave it where it is") {
  int alive = 0;
  {
    Shelf shelf;
    shelf.put_load("a", 1000, alive);
    const auto object_of = [&](std::string_view name, std::uint32_t db = 0) {
      return shelf.change(
          name, [](Slot& slot) { return &slot.value()->object(); }, db);
    };
    Object* const object = object_of("a");
    Keyspace keys(shelf.store, 0, kNow);
    const Key a = keys.key("a");
    const Key b = keys.key("b");
    keys.update_two(0, a, 0, b, [](Slot& from, Slot& to) { to.move_from(from); });
    CHECK(object_of("b") == object);
    CHECK_FALSE(shelf.has("a"));
    CHECK(alive == 1);
    shelf.change("b", [](Slot& slot) { slot.set_deadline(Deadline::at(kNow + 1000)); });
    shelf.change("b", [](Slot& slot) { slot.set_deadline(Deadline::never()); });
    CHECK(object_of("b") == object);
    keys.update_two(0, b, 1, b, [](Slot& from, Slot& to) { to.copy_from(from); });
    CHECK(object_of("b", 1) != object);
    CHECK(alive == 2);
    shelf.erase("b");
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
}

TEST_CASE("a flush buries objects, and what expires takes its object along") {
  int alive = 0;
  Shelf shelf;
  for (int i = 0; i < 100; ++i) shelf.put_load("k" + std::to_string(i), 100, alive);
  shelf.change("k0", [](Slot& slot) { slot.set_deadline(Deadline::at(kNow + 1)); });
  shelf.now_ms += 2;
  CHECK_FALSE(shelf.has("k0"));
  CHECK(alive == 99);
  shelf.store.flush_all();
  while (shelf.store.bury(10)) {
  }
  CHECK(alive == 0);
}

TEST_CASE("a heavy object dies with the reaper, a light one where it is dropped") {
  int alive = 0;
  {
    Reaper reaper;
    Object* const light = new Load(kReapedBytes - 1, alive);
    light->drop();
    CHECK(alive == 0);
    Object* const heavy = new Load(kReapedBytes, alive);
    heavy->hold();
    heavy->drop();
    heavy->drop();
    while (Reaper::counts().freed < 1) std::this_thread::yield();
    CHECK(Reaper::counts().waiting_bytes == 0);
  }
  CHECK(alive == 0);
}

}  // namespace
}  // namespace larder::storage
