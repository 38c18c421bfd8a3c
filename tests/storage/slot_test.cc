#include "storage/slot.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/blob.h"
#include "storage/keyspace.h"
#include "tests/storage/books.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;
constexpr std::size_t kMost = 1 << 20;
const Deadline kNever = Deadline::never();
const Deadline kLater = Deadline::at(kNow + 1000);

// One database of one store, with a word for every act.
struct Room {
  explicit Room(std::size_t shards = 2) : store({.shards = shards, .databases = 2, .seed = 1}) {}
  ~Room() { audit(store); }

  template <class Change>
  auto change(std::string_view name, Change&& change) {
    Keyspace keys(store, 0, now_ms);
    const Key key = keys.key(name);
    return keys.update(key, change);
  }
  void set(std::string_view name, std::string_view bytes, Deadline deadline = kNever) {
    change(name, [&](Slot& slot) { slot.set_bytes(bytes, deadline); });
  }
  Result<std::size_t> append(std::string_view name, std::string_view tail,
                             std::size_t most = kMost) {
    return change(name, [&](Slot& slot) { return slot.append(tail, most); });
  }
  Result<std::size_t> set_range(std::string_view name, std::size_t offset, std::string_view bytes,
                                std::size_t most = kMost) {
    return change(name, [&](Slot& slot) { return slot.set_range(offset, bytes, most); });
  }
  Result<std::int64_t> increment(std::string_view name, std::int64_t by) {
    return change(name, [&](Slot& slot) { return slot.increment(by); });
  }
  // "(none)" when absent.
  std::string get(std::string_view name) {
    return change(name, [](Slot& slot) {
      const Value* value = slot.value();
      return value == nullptr ? std::string("(none)") : value->bytes().to_string();
    });
  }
  std::string encoding(std::string_view name) {
    return change(name, [](Slot& slot) {
      return slot.is_present() ? std::string(slot.value()->encoding_name()) : "(none)";
    });
  }
  Deadline deadline(std::string_view name) {
    return change(name, [](Slot& slot) { return slot.deadline(); });
  }
  // A hold on the blob of a large string, as an output buffer takes one.
  Blob* pin(std::string_view name) {
    return change(name, [](Slot& slot) {
      Blob* blob = slot.value()->bytes().blob();
      REQUIRE(blob != nullptr);
      blob->hold();
      return blob;
    });
  }

  Store store;
  std::int64_t now_ms = kNow;
};

}  // namespace

TEST_CASE("a string is kept in the form that fits it, and reads back the same") {
  Room room;
  room.set("k", "42");
  CHECK(room.encoding("k") == "int");
  for (const std::size_t size :
       {0u, 1u, 44u, 45u, 255u, 256u, 10239u, 10240u, 16383u, 16384u, 65535u, 65536u}) {
    const std::string value(size, 'v');
    room.set("k", value);
    CHECK(room.get("k") == value);
    CHECK(room.encoding("k") == (size <= 44 ? "embstr" : "raw"));
    CHECK(room.deadline("k") == kNever);
    room.set("k", value, kLater);
    CHECK(room.get("k") == value);
    CHECK(room.deadline("k") == kLater);
  }
}

TEST_CASE("bytes copied beforehand are stored once, and dropped when they are not") {
  Room room;
  const std::string large(100'000, 'l');
  for (const std::string_view text :
       {std::string_view("short"), std::string_view("12"), std::string_view(large)}) {
    NewBytes stored(text);
    room.change("k", [&](Slot& slot) { slot.set_bytes(stored, kNever); });
    CHECK(room.get("k") == text);
    CHECK(stored.take_blob() == nullptr);
    // Not wanted after all, and set to a time that is over: the leak check knows of both.
    const NewBytes unwanted(text);
    NewBytes late(text);
    room.change("late", [&](Slot& slot) { slot.set_bytes(late, Deadline::at(kNow - 1)); });
    CHECK(room.get("late") == "(none)");
  }
}

TEST_CASE("only what INCR would have written is kept as an integer") {
  Room room;
  for (const char* text : {"0", "-1", "9223372036854775807", "-9223372036854775808"}) {
    room.set("n", text);
    CHECK(room.encoding("n") == "int");
    CHECK(room.get("n") == text);
  }
  for (const char* text :
       {"", "-", "-0", "00", "01", "+1", " 1", "1 ", "1.0", "9223372036854775808",
        "-9223372036854775809", "123456789012345678901"}) {
    room.set("n", text);
    CHECK(room.encoding("n") == "embstr");
    CHECK(room.get("n") == text);
  }
}

TEST_CASE("an opened string is written in place, or in a copy that has the room") {
  Room room;
  for (const std::size_t before : {0u, 1u, 5u, 44u, 255u, 256u, 10239u, 10240u, 20000u}) {
    for (const std::size_t least : {1u, 5u, 6u, 45u, 255u, 256u, 10239u, 10240u, 30000u}) {
      room.set("k", std::string(before, 'v'), kLater);
      const std::size_t size = room.change("k", [&](Slot& slot) {
        const auto bytes = slot.open(least);
        REQUIRE(bool(bytes));
        bytes->front() = 'a';
        bytes->back() = 'z';
        return bytes->size();
      });
      std::string expected(before, 'v');
      expected.resize(std::max(before, least));
      expected.front() = 'a';
      expected.back() = 'z';
      CHECK(size == expected.size());
      CHECK(room.get("k") == expected);
      CHECK(room.encoding("k") == "raw");
      CHECK(room.deadline("k") == kLater);
    }
  }
}

TEST_CASE("an absent key opens as zeros, a number as its digits, and neither is a number after") {
  Room room;
  room.change("k", [](Slot& slot) { CHECK(slot.open(3)->size() == 3); });
  CHECK(room.get("k") == std::string(3, '\0'));
  room.set("n", "-12");
  room.change("n", [](Slot& slot) { slot.open(1)->front() = '1'; });
  CHECK(room.get("n") == "112");
  CHECK(room.encoding("n") == "raw");
}

TEST_CASE("opening a blob that a reply holds leaves that reply its bytes") {
  Room room;
  const std::string large(20'000, 'l');
  room.set("k", large);
  Blob* pinned = room.pin("k");
  room.change("k", [](Slot& slot) { slot.open(1)->front() = 'x'; });
  CHECK(pinned->bytes() == large);
  CHECK(room.get("k").front() == 'x');
  pinned->drop();
  // Now it is ours alone: what is behind the old end of a shortened one must still be zero.
  room.change("k", [](Slot& slot) { CHECK((*slot.open(30'000))[25'000] == '\0'); });
  CHECK(room.get("k").size() == 30'000);
}

TEST_CASE("made bytes are raw whatever they spell") {
  Room room;
  for (const std::string& bytes : {std::string("123"), std::string("-7"), std::string(20, 'a'),
                                   std::string(300, 'b'), std::string(20'000, 'c')}) {
    for (const std::string& before : {std::string("5"), bytes, std::string(20'000, 'd')}) {
      room.set("k", before, kLater);
      room.change("k", [&](Slot& slot) { slot.set_raw(bytes, kLater); });
      CHECK(room.get("k") == bytes);
      CHECK(room.encoding("k") == "raw");
      CHECK(room.deadline("k") == kLater);
      room.change("k", [&](Slot& slot) { slot.set_raw(bytes, kNever); });
      CHECK(room.get("k") == bytes);
      CHECK(room.encoding("k") == "raw");
      CHECK(room.deadline("k") == kNever);
    }
  }
  room.change("k", [](Slot& slot) { slot.set_raw("123", Deadline::at(kNow - 1)); });
  CHECK(room.get("k") == "(none)");
}

TEST_CASE("a deadline that has passed already means deleted") {
  Room room;
  room.set("k", "v", Deadline::at(kNow));
  CHECK(room.get("k") == "(none)");
  room.set("k", "v");
  room.change("k", [](Slot& slot) { slot.set_deadline(Deadline::at(kNow - 1)); });
  CHECK(room.get("k") == "(none)");
  room.set("k", "v");
  room.change("k", [](Slot& slot) { slot.set_integer(5, Deadline::at(-1)); });
  CHECK(room.get("k") == "(none)");
}

TEST_CASE("deadlines come, move and go without touching the value") {
  Room room;
  for (const std::string& value :
       {std::string("short"), std::string("7"), std::string(300, 'l'), std::string(20'000, 'b')}) {
    room.set("k", value);
    for (const Deadline deadline : {kLater, Deadline::at(kNow + 5), Deadline::at(INT64_MAX - 1),
                                    kNever, kNever, kLater, kNever}) {
      room.change("k", [&](Slot& slot) { slot.set_deadline(deadline); });
      CHECK(room.deadline("k") == deadline);
      CHECK(room.get("k") == value);
    }
  }
}

TEST_CASE("a thousand deadlines at the end of time add up to no overflow") {
  Room room(1);
  for (int i = 0; i < 3000; ++i) {
    room.set("far:" + std::to_string(i), "v", Deadline::at(INT64_MAX - 1));
  }
  CHECK(room.store.statistics(0, kNow).mean_ttl_ms > 0);
  CHECK(room.store.statistics(0, kNow).volatile_keys == 3000);
}

TEST_CASE("a key is gone from the millisecond of its deadline on") {
  Room room;
  room.set("k", "v", kLater);
  room.now_ms = kNow + 999;
  CHECK(room.get("k") == "v");
  room.now_ms = kNow + 1000;
  CHECK(room.get("k") == "(none)");
  CHECK(room.store.statistics().counters.expired == 1);
  CHECK(room.store.size(0) == 0);
}

TEST_CASE("APPEND grows a string through every form and keeps its deadline") {
  Room room;
  std::string model;
  room.set("k", "", kLater);
  for (const std::size_t size : {1u, 43u, 1u, 1u, 200u, 20u, 16'000u, 200u, 40'000u, 0u, 3u}) {
    const std::string tail(size, static_cast<char>('a' + model.size() % 26));
    model += tail;
    CHECK(*room.append("k", tail) == model.size());
    CHECK(room.get("k") == model);
    CHECK(room.encoding("k") == "raw");
    CHECK(room.deadline("k") == kLater);
  }
}

TEST_CASE("APPEND to nothing sets, to an integer makes a string of it") {
  Room room;
  CHECK(*room.append("k", "12") == 2);
  CHECK(room.encoding("k") == "int");
  CHECK(*room.append("k", "34") == 4);
  CHECK(room.get("k") == "1234");
  CHECK(room.encoding("k") == "raw");
  CHECK(*room.increment("k", 1) == 1235);
  CHECK(room.encoding("k") == "int");
}

TEST_CASE("SETRANGE writes into a string, behind it, and over a gap of zeros") {
  Room room;
  CHECK(*room.set_range("k", 0, "") == 0);
  CHECK(room.get("k") == "(none)");
  CHECK(*room.set_range("k", 3, "ab") == 5);
  CHECK(room.get("k") == std::string("\0\0\0ab", 5));
  CHECK(*room.set_range("k", 0, "xyz") == 5);
  CHECK(room.get("k") == "xyzab");
  CHECK(*room.set_range("k", 2, "") == 5);
  CHECK(*room.set_range("k", 20'000, "end") == 20'003);
  CHECK(room.get("k") == "xyzab" + std::string(19'995, '\0') + "end");
  CHECK(*room.set_range("k", 20'500, "!") == 20'501);
  CHECK(room.get("k") ==
        "xyzab" + std::string(19'995, '\0') + "end" + std::string(497, '\0') + "!");
  CHECK(*room.set_range("fresh", 16'384, "!") == 16'385);
  CHECK(room.get("fresh") == std::string(16'384, '\0') + "!");
}

TEST_CASE("room that was used and given up holds zeros when a gap covers it again") {
  Room room;
  room.set("k", std::string(20'000, 'x'));
  CHECK(*room.append("k", "y") == 20'001);  // leaves room behind
  CHECK(*room.set_range("k", 30'000, "z") == 30'001);
  CHECK(room.get("k") == std::string(20'000, 'x') + "y" + std::string(9'999, '\0') + "z");
}

TEST_CASE("no string passes its bound, and a refused edit changes nothing") {
  Room room;
  room.set("k", "12345678");
  CHECK(*room.append("k", "90", 10) == 10);
  CHECK(room.append("k", "1", 10).problem() == Outcome::too_large);
  CHECK(room.set_range("k", 10, "1", 10).problem() == Outcome::too_large);
  CHECK(room.set_range("k", SIZE_MAX, "1", 10).problem() == Outcome::too_large);
  CHECK(room.get("k") == "1234567890");
}

TEST_CASE(
    "INCR counts from nothing, keeps the deadline, and refuses what is no number or too much") {
  Room room;
  CHECK(*room.increment("n", 5) == 5);
  CHECK(*room.increment("n", -7) == -2);
  room.set("n", "9223372036854775806", kLater);
  CHECK(*room.increment("n", 1) == INT64_MAX);
  CHECK(room.increment("n", 1).problem() == Outcome::overflow);
  CHECK(room.get("n") == "9223372036854775807");
  CHECK(room.deadline("n") == kLater);
  room.set("n", "-9223372036854775808");
  CHECK(room.increment("n", -1).problem() == Outcome::overflow);
  room.set("n", "tea");
  CHECK(room.increment("n", 1).problem() == Outcome::not_an_integer);
  CHECK(room.get("n") == "tea");
}

TEST_CASE("a pinned blob is copied before it is edited, whoever edits it and how") {
  const std::string before(20'000, 'p');
  for (int act = 0; act < 5; ++act) {
    CAPTURE(act);
    Room room;
    room.set("k", before);
    CHECK(*room.append("k", "+") == 20'001);  // from now on there is room for an edit in place
    Blob* const pinned = room.pin("k");
    switch (act) {
      case 0: CHECK(*room.append("k", "tail") == 20'005); break;
      case 1: CHECK(*room.set_range("k", 0, "head") == 20'001); break;
      case 2: room.set("k", "short"); break;
      case 3: room.set("k", std::string(30'000, 'q')); break;
      default: CHECK(room.change("k", [](Slot& slot) { return slot.erase(); }));
    }
    CHECK(pinned->bytes() == before + "+");
    CHECK(room.get("k") != before + "+");
    CHECK_FALSE(pinned->is_shared());
    pinned->drop();
  }
}

TEST_CASE("COPY shares a blob until one of the two is edited") {
  Room room;
  const std::string large(20'000, 'c');
  room.set("a", large, kLater);
  Keyspace keys(room.store, 0, kNow);
  const Key a = keys.key("a");
  const Key b = keys.key("b");
  keys.update_two(0, a, 0, b, [](Slot& from, Slot& to) { to.copy_from(from); });
  CHECK(room.get("b") == large);
  CHECK(room.deadline("b") == kLater);
  audit(room.store);
  CHECK(*room.append("b", "!") == 20'001);
  CHECK(room.get("a") == large);
  CHECK(room.get("b") == large + "!");
  CHECK(*room.append("a", "?") == 20'001);
  CHECK(room.get("a") == large + "?");
}

TEST_CASE("a move takes value and deadline to another name or database and leaves nothing behind") {
  Room room;
  Keyspace keys(room.store, 0, kNow);
  const Key a = keys.key("a");
  const Key b = keys.key("b");
  for (const std::string& value :
       {std::string("7"), std::string("tea"), std::string(300, 'm'), std::string(20'000, 'm')}) {
    room.set("a", value, kLater);
    room.set("b", "old");
    keys.update_two(0, a, 0, b, [](Slot& from, Slot& to) { to.move_from(from); });
    CHECK(room.get("a") == "(none)");
    CHECK(room.get("b") == value);
    CHECK(room.deadline("b") == kLater);
    keys.update_two(0, b, 1, b, [](Slot& from, Slot& to) { to.move_from(from); });
    CHECK(room.get("b") == "(none)");
    CHECK(room.store.size(1) == 1);
    keys.update_in(1, b, [&](Slot& slot) {
      CHECK(slot.value()->bytes().to_string() == value);
      slot.erase();
    });
    audit(room.store);
  }
}

TEST_CASE("every write makes a key young again") {
  Room room;
  room.set("k", std::string(20'000, 'x'));
  CHECK(room.append("k", "y"));
  const auto idle_ms = [&] {
    return room.change("k", [&](Slot& slot) {
      return room.store.idle_seconds(slot.value()->eviction_bits(), room.now_ms);
    });
  };
  for (int act = 0; act < 4; ++act) {
    CAPTURE(act);
    room.now_ms += 100'000;
    CHECK(idle_ms() >= 99);
    switch (act) {
      case 0: CHECK(room.append("k", "z")); break;  // in place
      case 1: CHECK(room.set_range("k", 1, "z")); break;
      case 2: room.set("k", "77"); break;
      default: CHECK(room.increment("k", 1));
    }
    CHECK(idle_ms() == 0);
  }
}

TEST_CASE("a read by a command that changes is counted when it says so") {
  Room room;
  room.set("k", "v");
  room.change("k", [](Slot& slot) { slot.count_lookup(); });
  room.change("absent", [](Slot& slot) { slot.count_lookup(); });
  room.change("absent", [](Slot& slot) { CHECK(slot.value() == nullptr); });
  const StoreStatistics statistics = room.store.statistics();
  CHECK(statistics.counters.hits == 1);
  CHECK(statistics.counters.misses == 1);
}
