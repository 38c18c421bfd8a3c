// What people read is printed from the tables, and what of it is kept in the tree is what they say.
#include "server/manual.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "server/options_table.h"

using namespace larder::server;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("packaging/larder.conf is what the table of options says") {
  constexpr const char* kFile = "packaging/larder.conf";
  if (std::getenv("LARDER_WRITE_README") != nullptr) {
    std::ofstream(kFile) << config_text();
    return;
  }
  std::ifstream file(kFile);
  INFO("LARDER_WRITE_README=1 puts it right");
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == config_text());
}

TEST_CASE("--help, the manual and larder.conf name every option, each under its section") {
  const std::string help = help_text();
  const std::string manual = manual_page();
  const std::string config = config_text();
  std::string_view last_title;
  std::size_t last = 0;
  for (const Option& option : option_table()) {
    if (option.change == Change::fixed) continue;
    CAPTURE(option.name);
    CHECK(!option.help.empty());
    CHECK(has(manual, option.help.substr(0, option.help.find_first_of("-'")).substr(1)));
    CHECK(has(config, "\n#" + std::string(option.name) + " "));
    const std::size_t place = help.find("\n  --" + std::string(option.name) + " ");
    REQUIRE(place != std::string::npos);
    CHECK(place > last);
    last = place;
    if (title_of(option.section) == last_title) continue;
    last_title = title_of(option.section);
    CHECK(has(help, "\n\n" + std::string(last_title) + "\n"));
  }
}

TEST_CASE("the manual tells of every command") {
  const std::string manual = manual_page();
  for (const char* name : {"GET", "CONFIG REWRITE", "XGROUP CREATE", "SORT_RO"}) {
    CHECK(has(manual, std::string("\n.B ") + name + "\n"));
  }
  CHECK_FALSE(has(manual, "\n'"));
}

TEST_CASE("lines fit a terminal") {
  for (const std::string& text : {help_text(), config_text()}) {
    std::size_t longest = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      REQUIRE(end != std::string::npos);
      longest = std::max(longest, end - begin);
      begin = end + 1;
    }
    CHECK(longest <= 100);
  }
}

TEST_CASE("an option's variable") {
  CHECK(environment_name("maxmemory-policy") == "LARDER_MAXMEMORY_POLICY");
}
