// The rows: what must hold of every one, so that everything derived from them is right.
#include "server/engine/registry.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "server/engine/families.h"
#include "tests/support/transcript.h"

using namespace larder::server;
namespace test = larder::test;

namespace {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// The first words of every command said in a transcript: "SET", and "CONFIG GET".
std::set<std::string> commands_in_transcripts() {
  std::set<std::string> said;
  for (const auto& file : std::filesystem::recursive_directory_iterator("tests/wire")) {
    if (file.path().extension() != ".txt" || file.path().filename() == "CMakeLists.txt") continue;
    for (const test::Step& step : test::parse_transcript(file.path().string()).steps) {
      if (step.words.empty()) continue;
      said.insert(upper(step.words[0]));
      if (step.words.size() > 1) said.insert(upper(step.words[0] + " " + step.words[1]));
    }
  }
  return said;
}

std::string spoken_name(const Registry& registry, const Command& row) {
  const Command* container = registry.container_of(row);
  return container == nullptr ? std::string(row.name)
                              : std::string(container->name) + " " + std::string(row.name);
}

}  // namespace

TEST_CASE("every row says what it is and has keys where its words can be") {
  const Registry registry(all_families());
  REQUIRE(registry.size() > 0);
  for (std::size_t i = 0; i < registry.size(); ++i) {
    const Command& row = registry.row(i);
    INFO(spoken_name(registry, row));
    CHECK_FALSE(row.summary.empty());
    CHECK(row.name == upper(std::string(row.name)));
    CHECK((row.run != nullptr || !row.subcommands.empty()));
    CHECK(registry.number_of(row) == i);
    const int fewest = row.arity.words < 0 ? -row.arity.words : row.arity.words;
    if (row.keys.numkeys != 0) {
      CHECK(row.keys.numkeys < fewest);
    } else if (row.keys.first != 0) {
      CHECK(row.keys.step > 0);
      CHECK(row.keys.first < fewest);
    }
    const bool names_keys = !row.keys.none();
    const bool uses_keys = row.flags & (Flag::reads | Flag::writes | Flag::no_script);
    if (names_keys && !(row.flags & Flag::control)) CHECK(uses_keys);
  }
}

TEST_CASE("every row is found under its name, in any case, and under no other") {
  const Registry registry(all_families());
  for (const Command* command : registry.commands()) {
    std::string name(command->name);
    CHECK(registry.find(name) == command);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    CHECK(registry.find(name) == command);
    const Command* longer = registry.find(name + "x");  // LPUSH, LPUSHX
    CHECK((longer == nullptr || longer->name == upper(name + "x")));
    for (const Command& sub : command->subcommands) {
      const std::string_view words[] = {name, sub.name};
      CHECK(registry.match(words).row == &sub);
      CHECK(registry.row(registry.match(words).number).name == sub.name);
    }
  }
  CHECK(registry.find("") == nullptr);
}

TEST_CASE("what only looks like a name is unknown") {
  const Registry registry(all_families());
  for (const Command* command : registry.commands()) {
    const std::string name(command->name);
    std::vector<std::string> others = {name + ' ', name + '\0', ' ' + name, ""};
    for (std::size_t i = 0; i < name.size(); ++i) {
      // The same five bits, or the same bits but those of case.
      for (const int flip : {0x40, 0x60, 0x80, 0xa0}) {
        std::string other = name;
        other[i] = static_cast<char>(other[i] ^ flip);
        others.push_back(other);
      }
    }
    for (const std::string& other : others) {
      if (registry.find(other) != nullptr) continue;  // by the slow way: another name after all
      const std::string_view words[] = {other, "key", "value"};
      CHECK_MESSAGE(registry.match(words).row == nullptr, name);
    }
    std::string mixed = name;
    for (std::size_t i = 0; i < mixed.size(); i += 2) {
      mixed[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(mixed[i])));
    }
    const std::string_view alone[] = {mixed};
    CHECK(registry.match(alone).container == command);
    CHECK(registry.match(alone).number == registry.number_of(*command));
  }
}

TEST_CASE("every row is spoken in some transcript") {
  const std::set<std::string> said = commands_in_transcripts();
  const Registry registry(all_families());
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    const Command& row = registry.row(i);
    if (row.run == nullptr) continue;
    if (!said.contains(spoken_name(registry, row))) missing.push_back(spoken_name(registry, row));
  }
  std::string list;
  for (const std::string& name : missing) list += name + ", ";
  INFO("no transcript says: " << list);
  CHECK(missing.empty());
}

TEST_CASE("keys are found where the row says") {
  const Registry registry(all_families());
  const auto positions = [&](std::vector<std::string_view> words) {
    return key_positions(*registry.match(words).row, words);
  };
  using Positions = std::vector<std::size_t>;
  CHECK(positions({"GET", "a"}) == Positions{1});
  CHECK(positions({"MSET", "a", "1", "b", "2"}) == Positions{1, 3});
  CHECK(positions({"DEL", "a", "b", "c"}) == Positions{1, 2, 3});
  CHECK(positions({"RENAME", "a", "b"}) == Positions{1, 2});
  CHECK(positions({"OBJECT", "ENCODING", "a"}) == Positions{2});
  CHECK(positions({"PING"}).empty());
}
