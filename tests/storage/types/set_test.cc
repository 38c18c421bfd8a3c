#include "storage/types/set.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/keyspace.h"
#include "tests/storage/books.h"

namespace larder::storage {
namespace {

using Model = std::set<std::string>;

struct Room {
  explicit Room(const CollectionLimits& limits = {})
      : store({.shards = 2, .databases = 1, .seed = 1}) {
    store.set_collection_limits(limits);
  }
  ~Room() { audit(store); }

  template <class Change>
  auto change(std::string_view name, Change&& change) {
    Keyspace keys(store, 0, 1'700'000'000'000);
    return keys.update(keys.key(name), change);
  }
  std::size_t add(const std::vector<std::string>& members, std::string_view name = "k") {
    const std::vector<std::string_view> words(members.begin(), members.end());
    return change(name, [&](Slot& slot) { return SetEdit(slot).add(words); });
  }
  std::size_t remove(const std::vector<std::string>& members, std::string_view name = "k") {
    const std::vector<std::string_view> words(members.begin(), members.end());
    return change(name, [&](Slot& slot) {
      return slot.is_present() ? SetEdit(slot).remove(words) : std::size_t{0};
    });
  }
  // "(none)" when absent.
  std::string encoding(std::string_view name = "k") {
    return change(name, [](Slot& slot) {
      return slot.is_present() ? std::string(slot.value()->encoding_name()) : "(none)";
    });
  }
  // fewer(SetView) of the set, or what it makes of nothing.
  template <class Look>
  auto look(Look&& look, std::string_view name = "k") {
    return change(name, [&](Slot& slot) {
      return slot.is_present()
                 ? look(SetView(*slot.value()))
                 : decltype(look(SetView(Encoding::intset, Intset::kNone, nullptr))){};
    });
  }
  Model members(std::string_view name = "k") {
    return look(
        [](const SetView& set) {
          Model found;
          set.each([&](const Bytes& member) { REQUIRE(found.insert(member.to_string()).second); });
          CHECK(found.size() == set.size());
          return found;
        },
        name);
  }

  Store store;
};

std::vector<std::string> integers(int from, int to) {
  std::vector<std::string> found;
  for (int i = from; i < to; ++i) found.push_back(std::to_string(i));
  return found;
}

std::vector<std::string> texts(int from, int to) {
  std::vector<std::string> found;
  for (int i = from; i < to; ++i) found.push_back("t" + std::to_string(i));
  return found;
}

TEST_CASE("a set of integers is an intset up to its limit, and a hashtable beyond") {
  Room room({.set_max_intset_entries = 8, .set_max_listpack_entries = 4});
  CHECK(room.add(integers(0, 7)) == 7);
  CHECK(room.encoding() == "intset");
  CHECK(room.add({"7", "7", "0"}) == 1);
  CHECK(room.encoding() == "intset");
  CHECK(room.add({"8"}) == 1);
  CHECK(room.encoding() == "hashtable");
  CHECK(room.members().size() == 9);
  // And does not go back.
  CHECK(room.remove(integers(1, 9)) == 8);
  CHECK(room.encoding() == "hashtable");
  CHECK(room.remove({"0"}) == 1);
  CHECK(room.encoding() == "(none)");
}

TEST_CASE("an intset becomes a listpack when a text comes that fits, else a hashtable") {
  const CollectionLimits limits{
      .set_max_intset_entries = 8, .set_max_listpack_entries = 4, .set_max_listpack_value = 5};
  Room room(limits);
  room.add(integers(0, 3), "fits");
  room.add({"a"}, "fits");
  CHECK(room.encoding("fits") == "listpack");
  room.add({"b"}, "fits");
  CHECK(room.encoding("fits") == "hashtable");
  room.add(integers(0, 4), "full");
  room.add({"a"}, "full");
  CHECK(room.encoding("full") == "hashtable");
  room.add({"1"}, "long");
  room.add({"abcdef"}, "long");
  CHECK(room.encoding("long") == "hashtable");
  room.add({"1"}, "short");
  room.add({"abcde"}, "short");
  CHECK(room.encoding("short") == "listpack");
  room.add({"123456"}, "digits");
  room.add({"a"}, "digits");
  CHECK(room.encoding("digits") == "hashtable");
  CHECK(room.members("digits") == Model{"123456", "a"});
}

TEST_CASE("a set starts with what suits the number of members that come with its first") {
  Room room({.set_max_intset_entries = 3, .set_max_listpack_entries = 5});
  room.add(integers(0, 3), "three");
  CHECK(room.encoding("three") == "intset");
  room.add(integers(0, 4), "four");
  CHECK(room.encoding("four") == "listpack");
  room.add(integers(0, 6), "six");
  CHECK(room.encoding("six") == "hashtable");
  room.add({"a", "a", "a", "a", "a", "a"}, "same");
  CHECK(room.encoding("same") == "hashtable");
  room.add({"1"}, "grown");
  room.add({"1", "1", "1", "1"}, "grown");
  CHECK(room.encoding("grown") == "intset");
  room.add({"1", "2", "1", "1"}, "grown");
  CHECK(room.encoding("grown") == "hashtable");
}

TEST_CASE("no limit makes a compact set too large for a cell") {
  constexpr std::size_t kAny = std::size_t{1} << 40;
  Room room({.set_max_intset_entries = kAny,
             .set_max_listpack_entries = kAny,
             .set_max_listpack_value = kAny});
  const std::size_t most = (Packed::kMostBytes - 1) / 8;
  for (std::size_t i = 0; i < most; ++i) room.add({std::to_string(i)});
  CHECK(room.encoding() == "intset");
  room.add({"9223372036854775807"});
  CHECK(room.encoding() == "hashtable");
  room.add({"a"}, "texts");
  room.add({std::string(Packed::kMostBytes, 'x')}, "texts");
  CHECK(room.encoding("texts") == "hashtable");
  CHECK(room.members("texts").size() == 2);
}

// Members that make every encoding, integers of every width among them.
std::string any_member(Chance& chance, std::size_t of) {
  const std::uint64_t number = chance() % of;
  switch (chance() % 8) {
    case 0: return "text " + std::to_string(number);
    case 1: return std::to_string(number * 1'000'000'007);
    case 2: return "-" + std::to_string(number + 1);
    case 3: return "0" + std::to_string(number);
    case 4: return std::string(number % 70, 'x');
    default: return std::to_string(number);
  }
}

TEST_CASE("a set is a set, whatever its encodings") {
  Chance chance(5);
  std::map<std::string, int> encodings;
  for (int round = 0; round < 60; ++round) {
    Room room({.set_max_intset_entries = chance() % 40,
               .set_max_listpack_entries = chance() % 40,
               .set_max_listpack_value = chance() % 80});
    Model model;
    const bool only_integers = round % 2 == 0;
    const std::size_t of = 1 + chance() % 60;
    for (int i = 0; i < 400; ++i) {
      std::vector<std::string> words;
      do {
        words.push_back(only_integers ? std::to_string(static_cast<std::int64_t>(chance() % of) *
                                                       (chance() % 2 == 0 ? 1 : 40'000))
                                      : any_member(chance, of));
      } while (chance() % 3 == 0);
      std::size_t changed = 0;
      if (chance() % 2 == 0) {
        for (const std::string& word : words) changed += model.insert(word).second;
        CHECK(room.add(words) == changed);
      } else {
        for (const std::string& word : words) changed += model.erase(word);
        CHECK(room.remove(words) == changed);
      }
      REQUIRE(room.members() == model);
      ++encodings[room.encoding()];
      const std::string asked = any_member(chance, of);
      CHECK(room.look([&](const SetView& set) { return set.has(asked); }) == model.contains(asked));
    }
  }
  CHECK(encodings.size() == 4);
  for (const auto& encoding : encodings) CHECK_MESSAGE(encoding.second > 100, encoding.first);
}

TEST_CASE("a scan visits every member, though others come and go") {
  Room room;
  room.add(texts(0, 1000));
  Model seen;
  std::uint64_t cursor = 0;
  int batch = 0;
  do {
    cursor = room.look([&](const SetView& set) {
      std::size_t found = 0;
      const std::uint64_t next = set.scan(cursor, 10, [&](const Bytes& member) {
        seen.insert(member.to_string());
        ++found;
      });
      CHECK(found < 40);
      return next;
    });
    room.add(texts(1000 + batch * 20, 1000 + (batch + 1) * 20));
    if (batch > 20) room.remove(texts(1000, 1000 + batch * 20));
    ++batch;
  } while (cursor != 0);
  for (const std::string& member : texts(0, 1000)) CHECK(seen.contains(member));
}

// Rough: each of n is drawn `expected` times, give or take.
void check_even(const std::map<std::string, int>& drawn, std::size_t of, double expected) {
  CHECK(drawn.size() == of);
  for (const auto& drawn_member : drawn) {
    INFO(drawn_member.first, " ", drawn_member.second);
    CHECK(drawn_member.second > expected * 0.6);
    CHECK(drawn_member.second < expected * 1.5);
  }
}

TEST_CASE("random members are nearly equally likely, alone and in samples") {
  Chance chance(11);
  for (const std::vector<std::string>& all : {integers(0, 50), texts(0, 50), texts(0, 300)}) {
    Room room;
    room.add(all);
    std::map<std::string, int> drawn;
    const auto count = [&](const Bytes& member) { ++drawn[member.to_string()]; };
    const std::size_t n = all.size();
    room.look([&](const SetView& set) {
      for (std::size_t i = 0; i < n * 400; ++i) count(set.random(chance));
      check_even(drawn, n, 400);
      for (const std::size_t size : {std::size_t{1}, n / 10, n / 2, n - 1}) {
        drawn.clear();
        const std::size_t times = n * 400 / size;
        for (std::size_t i = 0; i < times; ++i) {
          Model different;
          set.sample(size, chance, [&](const Bytes& member) {
            CHECK(different.insert(member.to_string()).second);
            count(member);
          });
          CHECK(different.size() == size);
        }
        check_even(drawn, n, 400);
      }
      return 0;
    });
  }
}

TEST_CASE("what is popped was there and is there no more, and each is as likely") {
  Chance chance(12);
  for (const std::vector<std::string>& all : {integers(-5, 15), texts(0, 20), texts(0, 200)}) {
    std::map<std::string, int> drawn;
    for (int i = 0; i < 400; ++i) {
      Room room;
      room.add(all);
      Model model(all.begin(), all.end());
      const auto popped = [&](const std::string& member) {
        CHECK(model.erase(member) == 1);
        ++drawn[member];
      };
      for (std::size_t one = 0; one < all.size() / 4; ++one)
        popped(room.change("k", [&](Slot& slot) { return SetEdit(slot).pop(chance); }));
      CHECK(room.members() == model);
      room.change("k", [&](Slot& slot) {
        SetEdit(slot).pop(all.size() / 4, chance,
                          [&](const Bytes& member) { popped(member.to_string()); });
      });
      CHECK(room.members() == model);
    }
    check_even(drawn, all.size(), 200);
  }
}

TEST_CASE("a draft is a set, of the encoding that adding one by one would have made") {
  Room room({.set_max_intset_entries = 8, .set_max_listpack_entries = 6});
  const auto encoding = [&](const std::vector<std::string>& members) {
    room.change("d", [&](Slot& slot) {
      SetDraft draft(slot.limits(), slot.seed());
      for (const std::string& member : members) draft.add(member);
      slot.erase();
      draft.put_into(slot);
    });
    CHECK(room.members("d") == Model(members.begin(), members.end()));
    return room.encoding("d");
  };
  CHECK(encoding(integers(0, 8)) == "intset");
  CHECK(encoding(integers(0, 9)) == "hashtable");
  CHECK(encoding(texts(0, 6)) == "listpack");
  CHECK(encoding(texts(0, 7)) == "hashtable");
  CHECK(encoding({"1", "2", "70000", "-5000000000", "a"}) == "listpack");
}

TEST_CASE("a copy of a large set is another one") {
  Room room;
  room.add(texts(0, 500));
  room.change("k", [&](Slot& slot) {
    auto& object = static_cast<SetObject&>(slot.value()->object());
    SetObject* copy = object.copy();
    CHECK(copy->size() == 500);
    CHECK(copy->members.find("t7") != nullptr);
    CHECK(copy->add("more"));
    CHECK_FALSE(object.members.find("more") != nullptr);
    CHECK(copy->weight_bytes() >= object.weight_bytes());
    copy->drop();
  });
}

}  // namespace
}  // namespace larder::storage
