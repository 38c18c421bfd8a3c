// Fields of hashes that die: against a map with deadlines, across the encodings, by a turned clock.
#include "storage/shard.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/keyspace.h"
#include "storage/types/hash.h"
#include "tests/storage/books.h"

namespace larder::storage {
namespace {

constexpr std::int64_t kStartMs = 1'700'000'000'000;

struct Content {
  std::string value;
  std::int64_t deadline_ms = 0;  // 0: never
  bool operator==(const Content&) const = default;
};
using Model = std::map<std::string, Content>;

struct Told final : KeyListener {
  void heard(KeyEvent event, std::uint32_t, std::string_view key) override {
    if (event == KeyEvent::fields_expired) ++expired[std::string(key)];
    if (event == KeyEvent::emptied) ++emptied[std::string(key)];
  }
  std::map<std::string, int> expired;
  std::map<std::string, int> emptied;
};

// One store, with a word for what is done to a hash in it, at a moment that tests turn.
struct Hashes {
  explicit Hashes(std::size_t most_fields = 8, std::size_t most_bytes = 12,
                  std::uint32_t databases = 1)
      : store({.shards = 1, .databases = databases, .seed = 5}) {
    CollectionLimits limits;
    limits.hash_max_listpack_entries = most_fields;
    limits.hash_max_listpack_value = most_bytes;
    store.set_collection_limits(limits);
    store.listen(&told, bit_of(KeyEvent::fields_expired) | bit_of(KeyEvent::emptied));
  }
  ~Hashes() { audit(store); }

  Keyspace keys() { return Keyspace(store, 0, now_ms); }
  template <class Change>
  auto change(std::string_view name, Change&& change) {
    Keyspace keys = this->keys();
    const Key key = keys.key(name);
    return keys.update(key, [&](Slot& slot) { return change(slot); });
  }
  void set(std::string_view name, std::string_view field, std::string_view value,
           HashEdit::Time time = HashEdit::Time::dropped) {
    change(name, [&](Slot& slot) { HashEdit(slot).set(field, value, time); });
  }
  void expire(std::string_view name, std::string_view field, std::int64_t deadline_ms) {
    change(name, [&](Slot& slot) {
      HashEdit(slot).set_deadline(field,
                                  deadline_ms == 0 ? Deadline::never() : Deadline::at(deadline_ms));
    });
  }
  bool erase(std::string_view name, std::string_view field) {
    return change(name, [&](Slot& slot) { return HashEdit(slot).erase({&field, 1}) != 0; });
  }
  std::string encoding(std::string_view name) {
    return change(name, [](Slot& slot) {
      return slot.is_present() ? std::string(slot.value()->encoding_name()) : "none";
    });
  }
  Model content(std::string_view name) {
    return change(name, [](Slot& slot) {
      Model found;
      if (!slot.is_present()) return found;
      const HashView hash(*slot.value());
      Deadline earliest = Deadline::never();
      std::size_t plain = 0;
      hash.each([&](const Bytes&, const Bytes&) { ++plain; });
      hash.each_with_deadline([&](const Bytes& field, const Bytes& value, Deadline deadline) {
        earliest = std::min(earliest, deadline);
        const std::int64_t ms = deadline.is_never() ? 0 : deadline.ms();
        CHECK(found.emplace(field.to_string(), Content{value.to_string(), ms}).second);
        CHECK(hash.deadline(field.to_string()) == deadline);
        CHECK(hash.find(field.to_string())->to_string() == value.to_string());
      });
      CHECK(found.size() == hash.size());
      CHECK(plain == hash.size());
      CHECK(hash.earliest() == earliest);
      return found;
    });
  }
  const Shard::Database& database(std::uint32_t db = 0) {
    return *store.cell(0).shard.database(db);
  }
  // Upkeep, once; nobody asks for a key.
  void upkeep() { drop_all_expired(store, now_ms); }

  Told told;
  Store store;
  std::int64_t now_ms = kStartMs;
};

void drop_due(Model& model, std::int64_t now_ms) {
  std::erase_if(model, [&](const auto& field) {
    return field.second.deadline_ms != 0 && field.second.deadline_ms <= now_ms;
  });
}

TEST_CASE("a hash is a map whose fields die, whatever it is kept as") {
  std::mt19937_64 chance(11);
  for (int round = 0; round < 200; ++round) {
    const std::size_t most_fields = chance() % 12;
    Hashes hashes(most_fields, 6 + chance() % 10);
    Model model;
    const std::size_t names = 1 + chance() % 30;
    std::string was = "none";
    for (int step = 0; step < 150; ++step) {
      const std::string field = "f" + std::to_string(chance() % names);
      std::string value = std::to_string(chance() % 1000);
      if (chance() % 40 == 0) value += std::string(chance() % 200, 'x');
      drop_due(model, hashes.now_ms);
      const bool is_there = model.contains(field);
      switch (chance() % 8) {
        case 0:
        case 1:
          hashes.set("h", field, value);
          model[field] = {value, 0};
          break;
        case 2:
          hashes.set("h", field, value, HashEdit::Time::kept);
          model[field].value = value;
          break;
        case 3:
        case 4:
        case 5:
          if (!is_there) break;
          model[field].deadline_ms =
              chance() % 5 == 0 ? 0 : hashes.now_ms + 1 + static_cast<std::int64_t>(chance() % 90);
          hashes.expire("h", field, model[field].deadline_ms);
          break;
        case 6:
          CHECK(hashes.erase("h", field) == is_there);
          model.erase(field);
          break;
        default:
          hashes.now_ms += static_cast<std::int64_t>(chance() % 40);
          if (chance() % 2 == 0) hashes.upkeep();
          drop_due(model, hashes.now_ms);
      }
      REQUIRE(hashes.content("h") == model);
      const std::string is = hashes.encoding("h");
      CHECK((is == "none") == model.empty());
      // There is no way back, but through nothing.
      if (was == "hashtable" && is != "none") {
        CHECK((is == "hashtable" || model.size() <= 1));
      }
      if (model.size() > most_fields) CHECK(is == "hashtable");
      was = is;
      if (step % 10 == 0) audit(hashes.store);
    }
  }
}

TEST_CASE("a hash with deadlines leaves the compact encoding at the same limits") {
  Hashes hashes(3, 4);
  for (const char* field : {"a", "b", "c"}) hashes.set("h", field, "1");
  CHECK(hashes.encoding("h") == "listpack");
  hashes.expire("h", "b", kStartMs + 50);
  CHECK(hashes.encoding("h") == "listpackex");
  hashes.expire("h", "b", 0);
  CHECK(hashes.encoding("h") == "listpackex");
  hashes.expire("h", "c", kStartMs + 70);
  hashes.set("h", "d", "4");
  CHECK(hashes.encoding("h") == "hashtable");
  CHECK(hashes.content("h") ==
        Model{{"a", {"1"}}, {"b", {"1"}}, {"c", {"1", kStartMs + 70}}, {"d", {"4"}}});
  hashes.now_ms += 70;
  CHECK(hashes.content("h") == Model{{"a", {"1"}}, {"b", {"1"}}, {"d", {"4"}}});
  CHECK(hashes.encoding("h") == "hashtable");

  hashes.set("long", "a", "1");
  hashes.expire("long", "a", hashes.now_ms + 5);
  hashes.set("long", "a", "12345", HashEdit::Time::kept);
  CHECK(hashes.encoding("long") == "hashtable");
  CHECK(hashes.content("long") == Model{{"a", {"12345", hashes.now_ms + 5}}});

  // No room for the deadlines themselves.
  Hashes full(1'000'000, 1'000'000);
  full.set("h", "a", std::string(Packed::kMostBytes - 20, 'x'));
  CHECK(full.encoding("h") == "listpack");
  full.expire("h", "a", kStartMs + 5);
  CHECK(full.encoding("h") == "hashtable");
  full.now_ms += 5;
  CHECK(full.content("h").empty());
}

TEST_CASE("a field is gone at its millisecond, and dropped without being asked for") {
  for (const std::size_t most_fields : {100u, 0u}) {
    Hashes hashes(most_fields);
    hashes.set("h", "stays", "1");
    hashes.set("h", "dies", "2");
    hashes.expire("h", "dies", kStartMs + 1000);
    hashes.set("whole", "dies", "2");
    hashes.expire("whole", "dies", kStartMs + 1000);
    CHECK(hashes.database().fields_expire_count == 2);
    hashes.now_ms += 999;
    CHECK(hashes.content("h").size() == 2);
    const std::size_t before = hashes.database().entry_bytes;
    hashes.now_ms += 1 + 2 * TimerWheel::kTickMs;
    hashes.upkeep();
    CHECK(hashes.database().entry_bytes < before);
    CHECK(hashes.database().table.size() == 1);
    CHECK(hashes.database().fields_expire_count == 0);
    CHECK(hashes.store.expiry_statistics(hashes.now_ms).fields == 2);
    CHECK(hashes.told.expired == std::map<std::string, int>{{"h", 1}, {"whole", 1}});
    CHECK(hashes.told.emptied == std::map<std::string, int>{{"whole", 1}});

    // By who looks first.
    hashes.expire("h", "stays", hashes.now_ms + 1);
    ++hashes.now_ms;
    CHECK(hashes.content("h").empty());
    CHECK(hashes.told.emptied == std::map<std::string, int>{{"h", 1}, {"whole", 1}});
  }
}

TEST_CASE("who watches a hash hears of a field that dies; it was not used by that") {
  Hashes hashes;
  hashes.set("h", "stays", "1");
  hashes.set("h", "dies", "2");
  hashes.expire("h", "dies", kStartMs + 10);
  Shard& shard = hashes.store.cell(0).shard;
  WatchFlag flag;
  shard.watches.add(0, "h", flag);
  hashes.now_ms += 60'000;
  hashes.upkeep();
  CHECK(flag.is_raised());
  shard.watches.remove(0, "h", flag);
}

TEST_CASE("a large hash is dropped in bounded steps, and all of it before it is seen") {
  constexpr int kFields = 1000;
  for (const bool is_asked : {false, true}) {
    Hashes hashes;
    for (int i = 0; i < kFields; ++i) {
      const std::string field = "f" + std::to_string(i);
      hashes.set("h", field, "1");
      if (i % 10 != 0) hashes.expire("h", field, kStartMs + 100 + i % 3);
    }
    hashes.set("other", "a", "1");
    hashes.expire("other", "a", kStartMs + 100);
    hashes.now_ms += 200;
    CHECK(hashes.store.drop_expired(0, hashes.now_ms, 64) == 64);
    const auto dropped = hashes.store.expiry_statistics(hashes.now_ms).fields;
    CHECK(dropped > 0);
    CHECK(dropped < 200);
    audit(hashes.store);
    if (is_asked) {
      CHECK(hashes.content("h").size() == kFields / 10);
    } else {
      hashes.upkeep();
    }
    CHECK(hashes.database().fields_expire_count == (is_asked ? 0 : 0));
    CHECK(hashes.store.expiry_statistics(hashes.now_ms).fields ==
          kFields - kFields / 10 + (hashes.content("other").empty() ? 1 : 0));
    CHECK(hashes.content("h").size() == kFields / 10);
  }
}

TEST_CASE("a large hash none of whose fields is left goes as a whole") {
  Hashes hashes;
  for (int i = 0; i < 10'000; ++i) {
    const std::string field = "f" + std::to_string(i);
    hashes.set("h", field, "1");
    hashes.expire("h", field, kStartMs + 100 + i);
  }
  hashes.now_ms += 20'000;
  CHECK(hashes.content("h").empty());
  CHECK(hashes.store.expiry_statistics(hashes.now_ms).fields == 10'000);
}

TEST_CASE("fields keep their deadlines when the key is copied, renamed, or gets one of its own") {
  for (const std::size_t most_fields : {100u, 0u}) {
    Hashes hashes(most_fields);
    hashes.set("h", "a", "1");
    hashes.set("h", "b", "2");
    hashes.expire("h", "a", kStartMs + 100);
    const Model both{{"a", {"1", kStartMs + 100}}, {"b", {"2"}}};
    Keyspace keys = hashes.keys();
    keys.update_two(0, keys.key("h"), 0, keys.key("copy"),
                    [](Slot& from, Slot& to) { to.copy_from(from); });
    keys.update_two(0, keys.key("h"), 0, keys.key("moved"),
                    [](Slot& from, Slot& to) { to.move_from(from); });
    CHECK(hashes.content("h").empty());
    CHECK(hashes.content("copy") == both);
    CHECK(hashes.content("moved") == both);
    audit(hashes.store);
    hashes.expire("copy", "b", kStartMs + 50);
    CHECK(hashes.content("moved") == both);

    // Later than the field's, earlier, and none.
    for (const std::int64_t ms : {kStartMs + 500, kStartMs + 60, std::int64_t{0}}) {
      hashes.change("moved", [&](Slot& slot) {
        slot.set_deadline(ms == 0 ? Deadline::never() : Deadline::at(ms));
      });
      CHECK(hashes.content("moved") == both);
      audit(hashes.store);
    }
    hashes.change("copy", [](Slot& slot) { slot.set_deadline(Deadline::at(kStartMs + 50)); });
    hashes.now_ms += 120;
    hashes.upkeep();
    CHECK(hashes.database().table.size() == 1);
    CHECK(hashes.content("moved") == Model{{"b", {"2"}}});
    // Something else in its place.
    hashes.expire("moved", "b", hashes.now_ms + 100);
    hashes.change("moved", [](Slot& slot) { slot.set_bytes("text", Deadline::never()); });
    audit(hashes.store);
    hashes.now_ms += 200;
    hashes.upkeep();
    CHECK(hashes.database().table.size() == 1);
  }
}

TEST_CASE("a database that is swapped takes its dying fields with it; a flushed one forgets them") {
  Hashes hashes(0, 12, 2);
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) {
      hashes.set("h", "f" + std::to_string(i), "1");
      hashes.expire("h", "f" + std::to_string(i), hashes.now_ms + 100 + i % 2);
    }
    hashes.set("h", "last", "1");
  };
  fill(5000);
  hashes.now_ms += 200;
  hashes.store.drop_expired(0, hashes.now_ms, 64);
  hashes.store.cell(0).shard.swap_databases(0, 1);
  audit(hashes.store);
  hashes.now_ms += 2 * TimerWheel::kTickMs;
  hashes.upkeep();
  CHECK(hashes.store.expiry_statistics(hashes.now_ms).fields == 5000);
  hashes.store.cell(0).shard.swap_databases(0, 1);
  CHECK(hashes.content("h").size() == 1);
  fill(5000);
  hashes.now_ms += 200;
  hashes.store.drop_expired(0, hashes.now_ms, 64);
  hashes.change("h", [](Slot& slot) { slot.erase(); });
  hashes.upkeep();
  CHECK(hashes.database().fields_expire_count == 0);
}

TEST_CASE("deadlines of fields that come and go leave no names behind for long") {
  Hashes hashes(100);
  for (int i = 0; i < 20'000; ++i) {
    hashes.set("h" + std::to_string(i % 3), "a", "1");
    hashes.expire("h" + std::to_string(i % 3), "a", hashes.now_ms + 86'400'000 - i * 10);
    if (i % 2 == 0) hashes.erase("h" + std::to_string(i % 3), "a");
    if (i % 100 == 0) {
      hashes.now_ms += 10;
      hashes.upkeep();
      if (i % 1000 == 0) audit(hashes.store);
    }
  }
  CHECK(hashes.database().wheel->size() < 6000);
}

TEST_CASE("hashes with dying fields are moved in their slabs, and stay what they are") {
  std::mt19937_64 chance(3);
  Hashes hashes(100, 64);
  std::map<std::string, Model> models;
  for (int step = 0; step < 30'000; ++step) {
    const std::string name = "h" + std::to_string(chance() % 400);
    Model& model = models[name];
    drop_due(model, hashes.now_ms);
    const std::string field = "f" + std::to_string(chance() % 12);
    switch (chance() % 4) {
      case 0:
      case 1: {
        const std::string value(chance() % 60, 'v');
        hashes.set(name, field, value);
        model[field] = {value, 0};
        break;
      }
      case 2:
        if (!model.contains(field)) break;
        model[field].deadline_ms = hashes.now_ms + static_cast<std::int64_t>(chance() % 3000) + 1;
        hashes.expire(name, field, model[field].deadline_ms);
        break;
      default:
        if (chance() % 20 == 0) {
          hashes.change(name, [](Slot& slot) { slot.erase(); });
          model.clear();
        }
    }
    if (step % 50 == 0) {
      hashes.now_ms += 20;
      hashes.upkeep();
    }
  }
  audit(hashes.store);
  for (auto& [name, model] : models) {
    drop_due(model, hashes.now_ms);
    REQUIRE(hashes.content(name) == model);
  }
}

TEST_CASE("a large hash with deadlines weighs what it takes, and so does a copy of it") {
  std::mt19937_64 chance(3);
  LargeHash hash(9);
  Model model;
  for (int i = 0; i < 40'000; ++i) {
    const std::string field = std::to_string(chance() % 2000);
    switch (chance() % 4) {
      case 0: CHECK(hash.erase(field) == (model.erase(field) != 0)); break;
      case 1: {
        const std::string value(chance() % 100, static_cast<char>('a' + chance() % 26));
        const bool keeps = chance() % 2 == 0;
        CHECK(hash.set(field, value, keeps ? LargeHash::Time::kept : LargeHash::Time::dropped) ==
              !model.contains(field));
        model[field] = {value, keeps ? model[field].deadline_ms : 0};
        break;
      }
      default:
        if (!model.contains(field)) break;
        model[field].deadline_ms = static_cast<std::int64_t>(chance() % 1000);
        hash.set_deadline(field, model[field].deadline_ms == 0
                                     ? Deadline::never()
                                     : Deadline::at(model[field].deadline_ms));
    }
  }
  std::size_t timed = 0;
  std::size_t field_bytes = 0;
  std::int64_t earliest_ms = INT64_MAX;
  for (const auto& [field, content] : model) {
    const bool dies = content.deadline_ms != 0;
    timed += dies;
    if (dies) earliest_ms = std::min(earliest_ms, content.deadline_ms);
    field_bytes += footprint(HashField::size_bytes(field.size(), content.value.size(), dies));
  }
  CHECK(hash.times()->size() == timed);
  CHECK(hash.earliest() == Deadline::at(earliest_ms));
  CHECK(hash.weight_bytes() >= footprint(sizeof(LargeHash)) + field_bytes + timed * 16);
  CHECK(hash.weight_bytes() <= LargeHash(9).weight_bytes() + field_bytes + 24 * 2000 + timed * 72);
  Object* twin = hash.copy();
  auto& large = static_cast<LargeHash&>(*twin);
  CHECK(large.times()->size() == timed);
  Model copied;
  large.fields().each([&](const HashField& field) {
    const Deadline deadline = large.deadline(field);
    copied.emplace(field.name(),
                   Content{std::string(field.value()), deadline.is_never() ? 0 : deadline.ms()});
  });
  CHECK(copied == model);
  const std::size_t left = large.size() - timed;
  CHECK(large.drop_due(1000, SIZE_MAX) == timed);
  CHECK(large.size() == left);
  CHECK(large.times() == nullptr);
  CHECK(large.earliest().is_never());
  twin->drop();
}

}  // namespace
}  // namespace larder::storage
