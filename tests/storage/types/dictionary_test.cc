#include "storage/types/dictionary.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>

namespace larder::storage {
namespace {

struct Node {
  Node* next = nullptr;
  std::string text;
  int value = 0;

  std::string_view name() const { return text; }
  std::size_t size_bytes() const { return sizeof(Node); }
  static void destroy(Node* node) { delete node; }
};
using Names = Dictionary<Node>;

Node* node_of(const std::string& name, int value = 0) {
  return new Node{nullptr, name, value};
}

TEST_CASE("a dictionary is a map, through growth and shrinking") {
  std::mt19937_64 chance(1);
  Names names(7);
  std::map<std::string, int> model;
  // Waves: mostly in, then mostly out, so that every size up to some thousands is passed twice.
  for (int i = 0; i < 60'000; ++i) {
    const bool grows = i / 10'000 % 2 == 0;
    const std::string name = std::to_string(chance() % 8000);
    Node* there = names.find(name);
    CHECK((there != nullptr) == model.contains(name));
    if (there != nullptr) CHECK(there->value == model[name]);
    if (chance() % 4 != 0 ? grows : !grows) {
      if (there == nullptr) {
        names.insert(node_of(name, i));
      } else {
        names.replace(there, node_of(name, i));
      }
      model[name] = i;
    } else {
      CHECK(names.erase(name) == (model.erase(name) != 0));
    }
    REQUIRE(names.size() == model.size());
  }
  std::map<std::string, int> seen;
  names.each([&](const Node& node) { CHECK(seen.emplace(node.text, node.value).second); });
  CHECK(seen == model);
  while (!model.empty()) {
    Node* taken = names.take(model.begin()->first);
    REQUIRE(taken != nullptr);
    Node::destroy(taken);
    model.erase(model.begin());
  }
  CHECK(names.size() == 0);
}

TEST_CASE("a scan meets every name that stays, while others come and go") {
  std::mt19937_64 chance(2);
  for (int round = 0; round < 200; ++round) {
    Names names(static_cast<std::uint64_t>(round));
    const std::size_t stay = chance() % 300;
    for (std::size_t i = 0; i < stay; ++i) names.insert(node_of("stay" + std::to_string(i)));
    const bool grows = round % 2 == 0;
    std::size_t others = grows ? 0 : 3000;
    for (std::size_t i = 0; i < others; ++i) names.insert(node_of("other" + std::to_string(i)));
    std::set<std::string> met;
    std::uint64_t cursor = 0;
    do {
      cursor = names.scan_bucket(cursor, [&](const Node& node) { met.insert(node.text); });
      for (int i = 0; i < 8; ++i) {
        if (grows && others < 3000) {
          names.insert(node_of("other" + std::to_string(others++)));
        } else if (!grows && others > 0) {
          CHECK(names.erase("other" + std::to_string(--others)));
        }
      }
    } while (cursor != 0);
    for (std::size_t i = 0; i < stay; ++i) REQUIRE(met.contains("stay" + std::to_string(i)));
  }
}

TEST_CASE("what is drawn by chance is there, and everything is drawn") {
  std::mt19937_64 chance(3);
  Names names(1);
  for (int i = 0; i < 50; ++i) names.insert(node_of(std::to_string(i)));
  std::set<std::string> drawn;
  for (int i = 0; i < 5000; ++i) drawn.insert(names.random([&] { return chance(); }).text);
  CHECK(drawn.size() == 50);
}

TEST_CASE("the weight follows the nodes and falls back when they are gone") {
  Names names(1);
  const std::size_t empty = names.weight_bytes();
  for (int i = 0; i < 10'000; ++i) names.insert(node_of(std::to_string(i)));
  const std::size_t full = names.weight_bytes();
  CHECK(full > empty + 10'000 * (footprint(sizeof(Node)) + sizeof(Node*)));
  for (int i = 0; i < 10'000; ++i) names.erase(std::to_string(i));
  CHECK(names.weight_bytes() < empty + 10'000);
}

}  // namespace
}  // namespace larder::storage
