#include "storage/types/list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "storage/memory.h"
#include "tests/storage/rack.h"

namespace larder::storage {
namespace {

using Model = std::deque<std::string>;

// A list in a store beside a deque to which the same is done.
struct Pair {
  explicit Pair(std::int64_t size = -2) {
    CollectionLimits limits;
    limits.list_max_listpack_size = size;
    rack.store.set_collection_limits(limits);
  }

  template <class Act>
  decltype(auto) update(Act&& act) {
    Keyspace keys(rack.store, 0, kNow);
    return keys.update(keys.key("list"), act);
  }
  bool is_packed() {
    return update([](Slot& slot) { return !slot.is_present() || slot.value()->is_inline(); });
  }
  void push(Side side, const std::string& text) {
    update([&](Slot& slot) { CHECK(ListEdit(slot).push(side, text) == model.size() + 1); });
    side == Side::left ? model.push_front(text) : model.push_back(text);
  }
  void drop(Side side, std::size_t count) {
    update([&](Slot& slot) { ListEdit(slot).drop(side, count); });
    const auto n = static_cast<std::ptrdiff_t>(count);
    side == Side::left ? model.erase(model.begin(), model.begin() + n)
                       : model.erase(model.end() - n, model.end());
  }
  void set(std::size_t index, const std::string& text) {
    update([&](Slot& slot) { ListEdit(slot).set(index, text); });
    model[index] = text;
  }
  void insert(Side side, const std::string& pivot, const std::string& text) {
    auto at = std::find(model.begin(), model.end(), pivot);
    const bool is_there = at != model.end();
    CHECK(is_there == update([&](Slot& slot) { return ListEdit(slot).insert(side, pivot, text); }));
    if (!is_there) return;
    model.insert(side == Side::left ? at : at + 1, text);
  }
  void remove(const std::string& text, std::size_t most, Side side) {
    Model kept;
    std::size_t removed = 0;
    const auto judge = [&](const std::string& element) {
      if (element == text && removed < most) return ++removed, false;
      return true;
    };
    if (side == Side::left) {
      std::copy_if(model.begin(), model.end(), std::back_inserter(kept), judge);
    } else {
      std::copy_if(model.rbegin(), model.rend(), std::front_inserter(kept), judge);
    }
    CHECK(removed == update([&](Slot& slot) { return ListEdit(slot).remove(text, most, side); }));
    model = kept;
  }
  void keep(std::size_t from, std::size_t count) {
    update([&](Slot& slot) { ListEdit(slot).keep(from, count); });
    const auto begin = model.begin() + static_cast<std::ptrdiff_t>(from);
    model = Model(begin, begin + static_cast<std::ptrdiff_t>(count));
  }

  // What the chunks say of themselves, added up again.
  static void check_chunks(const Value& value) {
    const auto& chunks = static_cast<const Quicklist&>(value.object());
    std::size_t bytes = footprint(sizeof(Quicklist));
    std::size_t elements = 0;
    const Quicklist::Chunk* before = nullptr;
    for (const auto* chunk = chunks.first(); chunk != nullptr; chunk = chunk->next) {
      REQUIRE(chunk->count > 0);
      REQUIRE(chunk->previous == before);
      REQUIRE(chunk->end <= chunk->capacity);
      std::size_t here = 0;
      const Packed run(chunk->run());
      for (std::size_t at = 0; at < run.end(); at = run.next(at)) ++here;
      REQUIRE(here == chunk->count);
      elements += here;
      bytes += footprint(sizeof(Quicklist::Chunk) + chunk->capacity);
      before = chunk;
    }
    CHECK(chunks.last() == before);
    CHECK(chunks.size() == elements);
    CHECK(chunks.weight_bytes() == bytes);
  }
  void check() {
    Keyspace keys(rack.store, 0, kNow);
    keys.peek(keys.key("list"), [&](const Value* value) {
      REQUIRE((value == nullptr) == model.empty());
      if (value == nullptr) return;
      const ListView list(*value);
      REQUIRE(list.size() == model.size());
      std::vector<std::string> forwards;
      std::vector<std::string> backwards;
      const auto into = [](std::vector<std::string>& to) {
        return [&to](const Bytes& element) { return to.push_back(element.to_string()), true; };
      };
      list.walk(Side::left, 0, SIZE_MAX, into(forwards));
      list.walk(Side::right, 0, SIZE_MAX, into(backwards));
      REQUIRE(std::equal(model.begin(), model.end(), forwards.begin(), forwards.end()));
      REQUIRE(std::equal(model.rbegin(), model.rend(), backwards.begin(), backwards.end()));
      if (!value->is_inline()) check_chunks(*value);
    });
  }
  // A part, as LRANGE reads it, from both sides.
  void check_part(std::size_t skipped, std::size_t most) {
    Keyspace keys(rack.store, 0, kNow);
    keys.peek(keys.key("list"), [&](const Value* value) {
      if (value == nullptr) return;
      const ListView list(*value);
      for (const Side side : {Side::left, Side::right}) {
        std::size_t seen = 0;
        list.walk(side, skipped, most, [&](const Bytes& element) {
          const std::size_t nth = skipped + seen++;
          REQUIRE(element.to_string() == model[side == Side::left ? nth : model.size() - 1 - nth]);
          return true;
        });
        REQUIRE(seen == std::min(most, model.size() - std::min(skipped, model.size())));
      }
      if (skipped < model.size()) CHECK(list.at(skipped).to_string() == model[skipped]);
    });
  }

  Rack rack;
  Model model;
};

struct Dice {
  std::mt19937_64 engine{42};

  std::size_t below(std::size_t n) { return engine() % n; }
  Side side() { return below(2) == 0 ? Side::left : Side::right; }
  // Few texts, so that some are alike; of all spellings; now and then one larger than a chunk.
  std::string text() {
    switch (below(12)) {
      case 0: return std::to_string(static_cast<std::int64_t>(engine()));
      case 1: return "";
      case 2: return std::string(below(200), 'm');
      case 3: return below(20) == 0 ? std::string(4000 + below(6000), 'L') : "large";
      default: return std::to_string(below(5));
    }
  }
};

void act_at_random(Pair& pair, Dice& dice) {
  const std::size_t size = pair.model.size();
  const std::size_t act = size == 0 ? 0 : dice.below(20);
  if (act < 9) return pair.push(dice.side(), dice.text());
  if (act < 14) return pair.drop(dice.side(), 1 + dice.below(std::min<std::size_t>(size, 3)));
  if (act < 16) return pair.set(dice.below(size), dice.text());
  if (act < 18) return pair.insert(dice.side(), pair.model[dice.below(size)], dice.text());
  if (act == 18 && dice.below(8) == 0) {
    return pair.remove(pair.model[dice.below(size)], 1 + dice.below(20), dice.side());
  }
  if (act == 19 && dice.below(60) == 0) {
    const std::size_t from = dice.below(size);
    return pair.keep(from, dice.below(size - from + 1));
  }
  pair.push(dice.side(), dice.text());
}

TEST_CASE("a list does what a deque does, in chunks of every size") {
  for (const std::int64_t size : {-1, -2, -5, -9, 0, 1, 2, 5, 128, 100'000}) {
    CAPTURE(size);
    Pair pair(size);
    Dice dice;
    for (int i = 0; i < 6000; ++i) {
      act_at_random(pair, dice);
      if (i % 50 == 0) pair.check();
      if (i % 10 == 0) pair.check_part(dice.below(pair.model.size() + 2), dice.below(20));
    }
    pair.check();
  }
}

TEST_CASE(
    "a list is packed until it would be larger than a chunk, and again when it has shrunk to "
    "half") {
  SUBCASE("bytes") {
    Pair pair(-1);
    // Seven bytes are a listpack's own, and each of these takes 12.
    const std::string text(10, 'x');
    while (12 * pair.model.size() + 7 + text.size() <= 4096) pair.push(Side::right, text);
    CHECK(pair.is_packed());
    pair.push(Side::left, text);
    CHECK_FALSE(pair.is_packed());
    pair.drop(Side::right, pair.model.size() - (2048 - 7) / 12 - 1);
    CHECK_FALSE(pair.is_packed());
    pair.drop(Side::left, 1);
    CHECK(pair.is_packed());
    pair.check();
  }
  SUBCASE("elements") {
    Pair pair(4);
    for (int i = 0; i < 4; ++i) pair.push(Side::right, "x");
    CHECK(pair.is_packed());
    pair.push(Side::right, "x");
    CHECK_FALSE(pair.is_packed());
    pair.drop(Side::right, 2);
    CHECK_FALSE(pair.is_packed());
    pair.drop(Side::right, 1);
    CHECK(pair.is_packed());
  }
  SUBCASE("what an entry cannot hold is never packed") {
    Pair pair(-5);
    while (pair.model.size() < 58) pair.push(Side::right, std::string(1000, 'x'));
    CHECK(pair.is_packed());
    while (pair.model.size() < 62) pair.push(Side::right, std::string(1000, 'x'));
    CHECK_FALSE(pair.is_packed());
    pair.check();
  }
}

TEST_CASE("a queue keeps to few chunks however long it runs") {
  for (const Side in : {Side::left, Side::right}) {
    Pair pair;
    for (int i = 0; i < 2000; ++i) pair.push(in, "element " + std::to_string(i));
    const Side out = in == Side::left ? Side::right : Side::left;
    for (int i = 0; i < 20'000; ++i) {
      pair.push(in, "element " + std::to_string(i));
      pair.drop(out, 1);
    }
    pair.check();
    pair.update(
        [](Slot& slot) { CHECK(slot.value()->object().weight_bytes() < 2000 * 16 + 4 * 8192); });
  }
}

TEST_CASE("both ends of one chunk in turn do not make chunks of a few elements") {
  Pair pair;
  pair.push(Side::left, std::string(9000, 'x'));
  for (int i = 0; i < 4000; ++i) pair.push(i % 2 == 0 ? Side::left : Side::right, "abcdef");
  for (int i = 0; i < 1000; ++i) {
    pair.push(Side::left, "abcdef");
    pair.drop(Side::right, 1);
    pair.push(Side::right, "abcdef");
    pair.drop(Side::left, 1);
  }
  pair.check();
  pair.update([](Slot& slot) {
    CHECK(slot.value()->object().weight_bytes() < 9000 + 4000 * 8 + 4 * 8192);
  });
}

TEST_CASE("a copy has the same elements, weighs what it says, and goes its own way") {
  Pair pair;
  Dice dice;
  while (pair.is_packed() || pair.model.size() < 3000) pair.push(dice.side(), dice.text());
  {
    Keyspace keys(pair.rack.store, 0, kNow);
    keys.update_two(0, keys.key("list"), 0, keys.key("twin"),
                    [](Slot& source, Slot& target) { target.copy_from(source); });
    keys.update(keys.key("twin"), [&](Slot& slot) {
      Pair::check_chunks(*slot.value());
      CHECK(slot.value()->weight_bytes() <=
            pair.update([](Slot& list) { return list.value()->weight_bytes(); }));
      for (int i = 0; i < 100; ++i) ListEdit(slot).push(Side::left, "twin");
      for (int i = 0; i < 100; ++i) ListEdit(slot).push(Side::right, "twin");
      Pair::check_chunks(*slot.value());
    });
  }
  pair.check();
}

}  // namespace
}  // namespace larder::storage
