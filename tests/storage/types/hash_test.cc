#include "storage/types/hash.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/keyspace.h"
#include "tests/storage/books.h"

namespace larder::storage {
namespace {

using Model = std::map<std::string, std::string>;

// One store, with a word for what is done to a hash in it.
struct Hashes {
  explicit Hashes(std::size_t most_fields = 8, std::size_t most_bytes = 12)
      : store({.shards = 2, .databases = 1, .seed = 5}) {
    CollectionLimits limits;
    limits.hash_max_listpack_entries = most_fields;
    limits.hash_max_listpack_value = most_bytes;
    store.set_collection_limits(limits);
  }
  ~Hashes() { audit(store); }

  template <class Change>
  auto change(std::string_view name, Change&& change) {
    Keyspace keys(store, 0, 1'700'000'000'000);
    const Key key = keys.key(name);
    return keys.update(key, [&](Slot& slot) { return change(slot); });
  }
  std::size_t set(std::string_view name, std::vector<std::string_view> pairs) {
    return change(name, [&](Slot& slot) { return HashEdit(slot).set(pairs); });
  }
  std::size_t erase(std::string_view name, std::vector<std::string_view> fields) {
    return change(name, [&](Slot& slot) { return HashEdit(slot).erase(fields); });
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
      hash.each([&](const Bytes& field, const Bytes& value) {
        CHECK(found.emplace(field.to_string(), value.to_string()).second);
      });
      CHECK(found.size() == hash.size());
      return found;
    });
  }

  Store store;
};

std::string word(std::mt19937_64& chance, std::size_t names, std::size_t long_one_in) {
  std::string text = std::to_string(chance() % names);
  if (chance() % 2 == 0) text = "f" + text;
  if (long_one_in != 0 && chance() % long_one_in == 0) text += std::string(chance() % 300, 'x');
  return text;
}

TEST_CASE("a hash is a map, whatever it is kept as") {
  std::mt19937_64 chance(1);
  for (int round = 0; round < 300; ++round) {
    const std::size_t most_fields = chance() % 12;
    Hashes hashes(most_fields, 4 + chance() % 12);
    Model model;
    const std::size_t names = 1 + chance() % 40;
    const std::size_t long_one_in = chance() % 3 == 0 ? 20 : 0;
    for (int step = 0; step < 200; ++step) {
      std::vector<std::string> words;
      const std::size_t count = 1 + chance() % 3;
      for (std::size_t i = 0; i < 2 * count; ++i) words.push_back(word(chance, names, long_one_in));
      const std::vector<std::string_view> views(words.begin(), words.end());
      const std::size_t before = model.size();
      const bool was_large = hashes.encoding("h") == "hashtable";
      if (chance() % 2 == 0) {
        for (std::size_t i = 0; i < words.size(); i += 2) model[words[i]] = words[i + 1];
        REQUIRE(hashes.set("h", views) == model.size() - before);
        if (was_large || model.size() > most_fields) CHECK(hashes.encoding("h") == "hashtable");
      } else {
        for (const std::string& name : words) model.erase(name);
        REQUIRE(hashes.erase("h", views) == before - model.size());
        if (was_large && !model.empty()) CHECK(hashes.encoding("h") == "hashtable");
      }
      REQUIRE(hashes.content("h") == model);
      CHECK((hashes.encoding("h") == "none") == model.empty());
      const std::string asked = word(chance, names, 0);
      hashes.change("h", [&](Slot& slot) {
        const auto found = HashEdit(slot).find(asked);
        REQUIRE(found.has_value() == model.contains(asked));
        if (found) CHECK(found->to_string() == model[asked]);
      });
    }
  }
}

TEST_CASE("a hash leaves the compact encoding one field, or one byte, beyond its limits") {
  Hashes hashes(3, 4);
  CHECK(hashes.set("fields", {"a", "1", "b", "2", "c", "3"}) == 3);
  CHECK(hashes.encoding("fields") == "listpack");
  CHECK(hashes.set("fields", {"a", "4"}) == 0);
  CHECK(hashes.encoding("fields") == "listpack");
  CHECK(hashes.set("fields", {"d", "4"}) == 1);
  CHECK(hashes.encoding("fields") == "hashtable");
  CHECK(hashes.erase("fields", {"b", "c", "d"}) == 3);
  CHECK(hashes.encoding("fields") == "hashtable");
  CHECK(hashes.content("fields") == Model{{"a", "4"}});

  CHECK(hashes.set("value", {"a", "1234"}) == 1);
  CHECK(hashes.encoding("value") == "listpack");
  CHECK(hashes.set("value", {"a", "12345"}) == 0);
  CHECK(hashes.encoding("value") == "hashtable");
  CHECK(hashes.set("name", {"12345", ""}) == 1);
  CHECK(hashes.encoding("name") == "hashtable");
  CHECK(hashes.set("many", {"a", "1", "a", "2", "a", "3", "a", "4"}) == 1);
  CHECK(hashes.encoding("many") == "hashtable");
}

TEST_CASE("a hash that would be too large for a cell is kept outside, whatever the limits") {
  Hashes hashes(1'000'000, 1'000'000);
  const std::string half(Packed::kMostBytes / 2, 'x');
  CHECK(hashes.set("h", {"a", half}) == 1);
  CHECK(hashes.encoding("h") == "listpack");
  CHECK(hashes.set("h", {"b", half}) == 1);
  CHECK(hashes.encoding("h") == "hashtable");
  CHECK(hashes.set("new", {"a", half, "b", half, "c", "1"}) == 3);
  CHECK(hashes.encoding("new") == "hashtable");
  CHECK(hashes.content("new") == Model{{"a", half}, {"b", half}, {"c", "1"}});
  CHECK(hashes.set("one", {"a", half + half}) == 1);
  CHECK(hashes.content("one") == Model{{"a", half + half}});
}

TEST_CASE("a large hash weighs what it takes, and so does a copy of it") {
  std::mt19937_64 chance(3);
  LargeHash hash(9);
  Model model;
  for (int i = 0; i < 20'000; ++i) {
    const std::string field = std::to_string(chance() % 2000);
    if (chance() % 3 == 0) {
      CHECK(hash.erase(field) == (model.erase(field) != 0));
    } else {
      const std::string value(chance() % 100, static_cast<char>('a' + chance() % 26));
      CHECK(hash.set(field, value) == !model.contains(field));
      model[field] = value;
    }
  }
  std::size_t field_bytes = 0;
  for (const auto& [field, value] : model)
    field_bytes += footprint(HashField::size_bytes(field.size(), value.size(), false));
  LargeHash empty(9);
  CHECK(hash.size() == model.size());
  CHECK(hash.weight_bytes() >= footprint(sizeof(LargeHash)) + field_bytes);
  CHECK(hash.weight_bytes() <= empty.weight_bytes() + field_bytes + 24 * 2000);
  Object* twin = hash.copy();
  CHECK(twin->size() == model.size());
  // It has not grown and shrunk as the first one has.
  CHECK(twin->weight_bytes() <= hash.weight_bytes());
  Model copied;
  static_cast<LargeHash*>(twin)->fields().each(
      [&](const HashField& field) { copied.emplace(field.name(), field.value()); });
  CHECK(copied == model);
  twin->drop();
}

TEST_CASE("a scan meets every field; fields are drawn from all") {
  for (const int size : {1, 5, 8, 9, 500}) {
    Hashes hashes(8, 12);
    std::set<std::string> all;
    for (int i = 0; i < size; ++i) {
      const std::string field = "f" + std::to_string(i);
      hashes.set("h", {field, std::to_string(i)});
      all.insert(field);
    }
    hashes.change("h", [&](Slot& slot) {
      const HashView hash(*slot.value());
      std::mt19937_64 chance(7);
      const auto draw = [&] { return chance(); };

      std::set<std::string> met;
      std::uint64_t cursor = 0;
      do {
        cursor = hash.scan(cursor, 10, [&](const Bytes& field, const Bytes& value) {
          CHECK(field.to_string() == "f" + value.to_string());
          met.insert(field.to_string());
        });
      } while (cursor != 0);
      CHECK(met == all);

      std::set<std::string> drawn;
      hash.random_repeated(20'000, draw, [&](const Bytes& field, const Bytes& value) {
        CHECK(field.to_string() == "f" + value.to_string());
        drawn.insert(field.to_string());
      });
      CHECK(drawn == all);
      for (const std::size_t count : {all.size(), all.size() / 2, all.size() / 10}) {
        std::set<std::string> different;
        std::set<std::string> ever;
        for (int again = 0; again < 100; ++again) {
          different.clear();
          hash.random_distinct(count, draw, [&](const Bytes& field, const Bytes&) {
            CHECK(different.insert(field.to_string()).second);
          });
          REQUIRE(different.size() == count);
          ever.merge(different);
        }
        if (count * 10 >= all.size()) CHECK(ever == all);
      }
    });
  }
}

}  // namespace
}  // namespace larder::storage
