#include "storage/types/zset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/storage/rack.h"

namespace larder::storage {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

// A sorted set, and the same in std:: containers.
struct Twin {
  explicit Twin(Rack& rack) : keys(rack.store, 0, rack.now_ms), key(keys.key("z")) {}

  void put(const std::string& member, double score) {
    keys.update(key, [&](Slot& slot) { ZsetEdit(slot).put(member, score); });
    drop(member);
    scores[member] = score;
    order.insert({member, score});
  }
  void remove(const std::string& member) {
    const bool was_there = drop(member);
    keys.update(key, [&](Slot& slot) { CHECK(ZsetEdit(slot).remove(member) == was_there); });
  }
  void remove_ranks(RankRange ranks) {
    keys.update(key, [&](Slot& slot) { ZsetEdit(slot).remove(ranks); });
    for (std::size_t left = ranks.count(); left > 0; --left) {
      drop(std::next(order.begin(), static_cast<long>(ranks.first))->member);
    }
  }
  bool drop(const std::string& member) {
    const auto found = scores.find(member);
    if (found == scores.end()) return false;
    order.erase({member, found->second});
    scores.erase(found);
    return true;
  }
  template <class Look>
  void look(Look&& see) {
    keys.read(key, [&](const Value* value) {
      REQUIRE((value != nullptr) == !scores.empty());
      if (value != nullptr) see(*value, ZsetView(*value));
    });
  }
  std::string encoding() {
    std::string name;
    look([&](const Value& value, const ZsetView&) { name = value.encoding_name(); });
    return name;
  }
  // Every question has the same answer.
  void check() {
    look([&](const Value&, const ZsetView& view) {
      REQUIRE(view.size() == order.size());
      std::vector<Scored> walked;
      view.each(view.all(), false, [&](const Bytes& member, double score) {
        walked.push_back({member.to_string(), score});
      });
      REQUIRE(walked.size() == order.size());
      std::size_t rank = 0;
      for (const Scored& expected : order) {
        REQUIRE(walked[rank].member == expected.member);
        REQUIRE(walked[rank].score == expected.score);
        REQUIRE(view.score(expected.member) == expected.score);
        REQUIRE(view.place(expected.member)->rank == rank);
        ++rank;
      }
      view.each(view.all(), true, [&](const Bytes& member, double) {
        REQUIRE(member.to_string() == walked[--rank].member);
      });
      std::set<std::string> scanned;
      std::uint64_t cursor = 0;
      do {
        cursor = view.scan(
            cursor, 10, [&](const Bytes& member, double) { scanned.insert(member.to_string()); });
      } while (cursor != 0);
      CHECK(scanned.size() == order.size());
    });
  }
  void check_ranges(const ScoreRange& range) {
    look([&](const Value&, const ZsetView& view) {
      std::size_t inside = 0;
      for (const Scored& scored : order) {
        inside += !range.is_below(scored.score) && !range.is_above(scored.score);
      }
      CHECK(view.ranks(range).count() == inside);
    });
  }

  Keyspace keys;
  Key key;
  std::map<std::string, double> scores;
  std::set<Scored> order;
};

std::string any_member(std::mt19937_64& chance, std::size_t names) {
  const std::size_t n = chance() % names;
  if (n % 3 == 0) return std::to_string(static_cast<int>(n) - 50);
  return "member:" + std::to_string(n) + std::string(n % 20, 'x');
}

double any_score(std::mt19937_64& chance) {
  switch (chance() % 8) {
    case 0: return kInfinite;
    case 1: return -kInfinite;
    case 2: return static_cast<double>(chance() % 1000) / 7;
    case 3: return std::ldexp(1.0, static_cast<int>(chance() % 2000) - 1000);
    default: return static_cast<double>(static_cast<int>(chance() % 41) - 20);
  }
}

TEST_CASE("a sorted set is a map in order, below, at and above its threshold") {
  std::mt19937_64 chance(7);
  for (const std::size_t names : {1u, 2u, 20u, 127u, 128u, 129u, 700u}) {
    Rack rack;
    Twin twin(rack);
    for (int i = 0; i < 3000; ++i) {
      const std::string member = any_member(chance, names);
      const bool grows = i / 500 % 2 == 0;
      const std::size_t kind = chance() % 16;
      if (grows ? kind < 12 : kind < 3) {
        twin.put(member, any_score(chance));
      } else if (kind == 15 && !twin.scores.empty()) {
        const std::size_t first = chance() % twin.scores.size();
        twin.remove_ranks({first, first + chance() % (twin.scores.size() - first + 1)});
      } else {
        twin.remove(member);
      }
      if (i % 100 == 0) {
        twin.check();
        const double a = any_score(chance);
        const double b = any_score(chance);
        twin.check_ranges({a, b, chance() % 2 == 0, chance() % 2 == 0});
        twin.check_ranges({std::min(a, b), std::max(a, b)});
      }
    }
    twin.check();
    twin.remove_ranks({0, twin.scores.size()});
    CHECK(twin.scores.empty());
    twin.check();
  }
}

TEST_CASE("a sorted set becomes large by its members' number and length, and stays so") {
  Rack rack;
  Twin twin(rack);
  for (int i = 0; i < 128; ++i) twin.put("m" + std::to_string(i), i);
  CHECK(twin.encoding() == "listpack");
  twin.put("m5", 700);
  CHECK(twin.encoding() == "listpack");
  twin.put("one more", 1);
  CHECK(twin.encoding() == "skiplist");
  twin.remove_ranks({1, 129});
  CHECK(twin.encoding() == "skiplist");
  twin.remove_ranks({0, 1});
  twin.put(std::string(64, 'a'), 1);
  CHECK(twin.encoding() == "listpack");
  twin.put(std::string(65, 'a'), 1);
  CHECK(twin.encoding() == "skiplist");
  twin.check();
}

TEST_CASE("ranges of names have ends, open and closed") {
  Rack rack;
  Twin twin(rack);
  using Kind = NameBound::Kind;
  for (const bool is_large : {false, true}) {
    for (const char* name : {"a", "b", "c", "d", "e"}) twin.put(name, 0);
    if (is_large) twin.put(std::string(70, 'z'), 0);
    twin.look([&](const Value&, const ZsetView& view) {
      const auto count = [&](NameBound min, NameBound max) {
        return view.ranks(NameRange{min, max}).count();
      };
      const NameBound lowest{Kind::lowest};
      const NameBound highest{Kind::highest};
      CHECK(count(lowest, highest) == view.size());
      CHECK(count(highest, lowest) == 0);
      CHECK(count(lowest, {Kind::at, false, "c"}) == 3);
      CHECK(count(lowest, {Kind::at, true, "c"}) == 2);
      CHECK(count({Kind::at, false, "b"}, {Kind::at, true, "d"}) == 2);
      CHECK(count({Kind::at, true, "bb"}, {Kind::at, false, "bc"}) == 0);
      CHECK(count({Kind::at, false, "d"}, {Kind::at, false, "a"}) == 0);
    });
  }
}

TEST_CASE("a stored sorted set replaces value and deadline") {
  Rack rack;
  Keyspace keys(rack.store, 0, rack.now_ms);
  const Key key = keys.key("z");
  for (const int size : {0, 1, 128, 129, 1000}) {
    rack.set("z", 0, Deadline::at(kNow + 1000));
    std::vector<Scored> members;
    for (int i = 0; i < size; ++i) members.push_back({"m" + std::to_string(1000 + i), i / 2 * 0.5});
    keys.update(key, [&](Slot& slot) { ZsetEdit::store(slot, members); });
    keys.read(key, [&](const Value* value) {
      REQUIRE((value == nullptr) == (size == 0));
      if (value == nullptr) return;
      CHECK(value->deadline().is_never());
      CHECK(value->encoding_name() == (size <= 128 ? "listpack" : "skiplist"));
      std::size_t rank = 0;
      ZsetView(*value).each({0, members.size()}, false, [&](const Bytes& member, double score) {
        CHECK(member.to_string() == members[rank].member);
        CHECK(score == members[rank++].score);
      });
    });
  }
}

TEST_CASE("a large sorted set weighs what its parts weigh, and a copy as much") {
  std::mt19937_64 chance(21);
  LargeZset zset(3);
  std::set<std::string> names;
  for (int i = 0; i < 5000; ++i) {
    const std::string name = any_member(chance, 800);
    LargeZset::Node* node = zset.find(name);
    if (node == nullptr) {
      zset.insert(name, any_score(chance));
    } else if (i % 2 == 0) {
      zset.rescore(node, any_score(chance));
    } else {
      zset.remove(node);
    }
  }
  LargeZset* copy = zset.copy();
  REQUIRE(copy->size() == zset.size());
  std::size_t nodes = 0;
  const LargeZset::Node* theirs = copy->order().first();
  for (const auto* node = zset.order().first(); node != nullptr; node = node->after()) {
    nodes += footprint(node->size_bytes());
    CHECK(theirs->name() == node->name());
    CHECK(theirs->score() == node->score());
    theirs = theirs->after();
  }
  CHECK(zset.weight_bytes() > nodes);
  CHECK(zset.weight_bytes() < nodes + 32 * 1024);
  CHECK(static_cast<double>(copy->weight_bytes()) ==
        doctest::Approx(static_cast<double>(zset.weight_bytes())).epsilon(0.05));
  copy->drop();
}

}  // namespace
}  // namespace larder::storage
