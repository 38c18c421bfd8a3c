// README's table of commands is what the rows say. After a change of rows the test prints the new
// table; with LARDER_WRITE_README=1 it puts it there.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/families.h"
#include "server/engine/registry.h"

using namespace larder::server;

namespace {

constexpr const char* kReadme = "README.md";
constexpr std::string_view kBegin = "<!-- commands: printed from their rows -->\n";
constexpr std::string_view kEnd = "<!-- end of commands -->\n";

// "GET", or "CLIENT CACHING|GETNAME" for a container.
std::string told(const Command& command) {
  std::vector<std::string_view> subcommands;
  for (const Command& row : command.subcommands) subcommands.push_back(row.name);
  std::sort(subcommands.begin(), subcommands.end());
  std::string text(command.name);
  for (const std::string_view name : subcommands) {
    text += text.size() == command.name.size() ? " " : "\\|";
    text += name;
  }
  return text;
}

std::string command_table(const Registry& registry) {
  std::map<std::string_view, std::vector<std::string>> by_group;
  for (const Command* command : registry.commands()) {
    by_group[registry.family_of(*command).name].push_back(told(*command));
  }
  std::string table = "| group | commands |\n|---|---|\n";
  for (auto& [group, names] : by_group) {
    std::sort(names.begin(), names.end());
    table.append("| ").append(group).append(" | ");
    for (const std::string& name : names) {
      if (&name != &names.front()) table += ", ";
      table += name;
    }
    table += " |\n";
  }
  return table;
}

}  // namespace

TEST_CASE("README's table of commands is what the rows say") {
  std::ifstream file(kReadme);
  const std::string readme(std::istreambuf_iterator<char>(file), {});
  const std::size_t begin = readme.find(kBegin);
  REQUIRE(begin != std::string::npos);
  const std::size_t first = begin + kBegin.size();
  const std::size_t end = readme.find(kEnd, first);
  REQUIRE(end != std::string::npos);

  const std::string table = command_table(Registry(all_families()));
  if (std::getenv("LARDER_WRITE_README") != nullptr) {
    std::ofstream(kReadme) << readme.substr(0, first) << table << readme.substr(end);
    return;
  }
  INFO("LARDER_WRITE_README=1 puts it right");
  CHECK(readme.substr(first, end - first) == table);
}
