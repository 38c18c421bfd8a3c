#include "storage/types/skip_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "storage/memory.h"

namespace larder::storage {
namespace {

using Node = SkipList::Node;
using Ordered = std::map<std::pair<double, std::string>, Node*>;

void check_order(const SkipList& list, const Ordered& model) {
  REQUIRE(list.size() == model.size());
  std::size_t rank = 0;
  const Node* node = list.first();
  const Node* before = nullptr;
  for (const auto& [place, expected] : model) {
    REQUIRE(node == expected);
    REQUIRE(node->before() == before);
    REQUIRE(list.at(rank) == node);
    REQUIRE(list.rank_of(*node) == rank);
    before = node;
    node = node->after();
    ++rank;
  }
  CHECK(node == nullptr);
  CHECK(list.last() == before);
}

TEST_CASE("a skip list keeps its order, ranks and widths through any work") {
  std::mt19937_64 chance(3);
  SkipList list(99);
  Ordered model;
  const auto nth = [&](std::size_t rank) {
    return std::next(model.begin(), static_cast<long>(rank));
  };
  for (int i = 0; i < 12'000; ++i) {
    const auto score = static_cast<double>(chance() % 50);
    const bool grows = i / 2000 % 2 == 0;
    const std::size_t kind = chance() % 8;
    if (model.empty() || (grows ? kind < 5 : kind < 2)) {
      const std::string name = "m" + std::to_string(i);
      Node* node = Node::make(name, score, list.draw_levels());
      list.insert(node);
      model.emplace(std::pair(score, name), node);
    } else if (kind == 5) {
      const auto it = nth(chance() % model.size());
      Node* node = it->second;
      const std::string name = it->first.second;
      model.erase(it);
      list.rescore(node, score);
      model.emplace(std::pair(score, name), node);
    } else if (kind == 6 && !grows) {
      const std::size_t first = chance() % model.size();
      const std::size_t count = chance() % std::min<std::size_t>(model.size() - first + 1, 20);
      list.remove_ranks(first, count, [&](Node* node) {
        CHECK(nth(first)->second == node);
        model.erase(nth(first));
        Node::destroy(node);
      });
    } else {
      const auto it = nth(chance() % model.size());
      list.remove(it->second);
      Node::destroy(it->second);
      model.erase(it);
    }
    if (i % 500 == 0) check_order(list, model);
  }
  check_order(list, model);
  for (const auto& [place, node] : model) {
    list.remove(node);
    Node::destroy(node);
  }
  CHECK(list.first() == nullptr);
  CHECK(list.last() == nullptr);
}

TEST_CASE("a skip list counts what lies before a place") {
  SkipList list(5);
  std::vector<Node*> nodes;
  for (int i = 0; i < 1000; ++i) {
    nodes.push_back(Node::make("m" + std::to_string(i), i / 10, list.draw_levels()));
    list.insert(nodes.back());
  }
  for (int score = -1; score <= 101; ++score) {
    const std::size_t below =
        list.count_before([&](const Node& node) { return node.score() < score; });
    CHECK(below == static_cast<std::size_t>(std::clamp(score * 10, 0, 1000)));
  }
  for (Node* node : nodes) Node::destroy(node);
}

TEST_CASE("a level more comes with a chance of one in four") {
  SkipList list(11);
  std::size_t levels = 0;
  constexpr std::size_t kDraws = 100'000;
  for (std::size_t i = 0; i < kDraws; ++i) {
    const unsigned drawn = list.draw_levels();
    REQUIRE(drawn >= 1);
    REQUIRE(drawn <= SkipList::kMostLevels);
    levels += drawn;
  }
  CHECK(static_cast<double>(levels) / kDraws == doctest::Approx(4.0 / 3).epsilon(0.02));
}

}  // namespace
}  // namespace larder::storage
