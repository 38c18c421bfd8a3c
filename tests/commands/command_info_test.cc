// server/commands/command_info: rows as COMMAND INFO and COMMAND DOCS tell them, and what every row
// must say.
#include "server/commands/command_info.h"

#include <doctest/doctest.h>

#include <string>

#include "protocol/reply_tree.h"
#include "server/engine/categories.h"
#include "server/engine/families.h"
#include "server/engine/syntax.h"

using namespace larder;
using namespace larder::server;

namespace {

const Registry& registry() {
  static const Registry rows(all_families());
  return rows;
}

const Command& row(std::string_view name) {
  const Command* found = find_row(registry(), name);
  REQUIRE(found != nullptr);
  return *found;
}

std::string info_of(std::string_view name) {
  protocol::ReplyTree tree;
  say_info(tree, registry(), row(name));
  REQUIRE(tree.complete());
  return protocol::to_text(tree.root());
}

std::string docs_of(std::string_view name) {
  protocol::ReplyTree tree;
  tree.array(2);
  say_docs(tree, registry(), row(name));
  REQUIRE(tree.complete());
  return protocol::to_text(tree.root());
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every row says what it is for, and its syntax line reads") {
  for (std::size_t number = 0; number < registry().size(); ++number) {
    const Command& one = registry().row(number);
    CAPTURE(registry().full_name(one));
    CHECK_FALSE(one.summary.empty());
    CHECK_FALSE(one.since.empty());
    CHECK((one.run != nullptr || !one.subcommands.empty()));
    CHECK(one.arity.words != 0);
    parse_syntax(one.syntax);
  }
}

TEST_CASE("the key positions of every row lie within its words") {
  for (std::size_t number = 0; number < registry().size(); ++number) {
    const Command& one = registry().row(number);
    CAPTURE(registry().full_name(one));
    const int fewest = one.arity.words < 0 ? -one.arity.words : one.arity.words;
    if (one.keys.none()) continue;
    if (one.keys.numkeys != 0) {
      CHECK(one.keys.numkeys < fewest);
    } else {
      CHECK(one.keys.first < fewest);
      CHECK(one.keys.last < fewest);
      CHECK(one.keys.step > 0);
    }
  }
}

TEST_CASE("every row names as many arguments as it needs words") {
  for (std::size_t number = 0; number < registry().size(); ++number) {
    const Command& one = registry().row(number);
    const std::string name = registry().full_name(one);
    CAPTURE(name);
    if (one.arity.words < 0 || one.run == nullptr) continue;
    const std::size_t words_of_name = name.find('|') == std::string::npos ? 1 : 2;
    std::size_t words = words_of_name;
    for (const Argument& argument : parse_syntax(one.syntax)) {
      CHECK_FALSE(argument.is_optional);
      const bool is_pair = argument.type != ArgumentType::pure_token && !argument.token.empty();
      // LIB-NAME libname|LIB-VER libver: an alternative with a token of its own is two words.
      const bool has_pairs = argument.type == ArgumentType::oneof &&
                             argument.children.front().type != ArgumentType::pure_token &&
                             !argument.children.front().token.empty();
      words += is_pair || has_pairs ? 2 : 1;
    }
    CHECK(words == static_cast<std::size_t>(one.arity.words));
  }
}

TEST_CASE("COMMAND INFO tells arity, flags, keys and categories from the row") {
  CHECK(info_of("get") ==
        "[get, 2, ~[readonly, fast], 1, 1, 1, ~[@read, @string, @fast], ~[], "
        "~[{flags: ~[RO, access], begin_search: {type: index, spec: {index: 1}}, "
        "find_keys: {type: range, spec: {lastkey: 0, keystep: 1, limit: 0}}}], ~[]]");
  CHECK(contains(info_of("MSET"), "[mset, -3, ~[write, denyoom], 1, -1, 2, "));
  CHECK(contains(info_of("mset"), "spec: {lastkey: -1, keystep: 2, limit: 0}"));
}

TEST_CASE("two keys that are used differently are two key specs") {
  const std::string info = info_of("rename");
  CHECK(contains(info,
                 "flags: ~[RW, access, delete], begin_search: {type: index, spec: {index: 1}}"));
  CHECK(contains(info, "flags: ~[OW, update], begin_search: {type: index, spec: {index: 2}}"));
}

TEST_CASE("subcommands go by container and name") {
  CHECK(contains(info_of("client|kill"), "[client|kill, -3, ~[admin, noscript, loading, stale], "));
  CHECK(contains(info_of("client|kill"), "~[@admin, @slow, @dangerous, @connection]"));
  CHECK(contains(info_of("client"), "[client, -2, ~[], 0, 0, 0, ~[@slow], ~[], ~[], [[client|"));
  CHECK(contains(info_of("memory|usage"), ", ~[readonly], 2, 2, 1, ~[@read, @slow], "));
}

TEST_CASE("rows are found by their full names only") {
  CHECK(find_row(registry(), "Client|Id") == &row("client|id"));
  CHECK(find_row(registry(), "client|nothing") == nullptr);
  CHECK(find_row(registry(), "client id") == nullptr);
  CHECK(find_row(registry(), "nothing|id") == nullptr);
  CHECK(find_row(registry(), "get|x") == nullptr);
  CHECK(find_row(registry(), "client|") == nullptr);
  CHECK(find_row(registry(), "|") == nullptr);
  CHECK(find_row(registry(), "") == nullptr);
}

TEST_CASE("COMMAND DOCS tells arguments as a tree") {
  const std::string docs = docs_of("setex");
  CHECK(contains(docs, "group: string"));
  CHECK(contains(docs,
                 "arguments: [{name: key, type: key, key_spec_index: 0}, "
                 "{name: seconds, type: integer}, {name: value, type: string}]"));
  CHECK(contains(docs_of("mset"),
                 "arguments: [{name: key_value, type: block, flags: ~[multiple], arguments: "
                 "[{name: key, type: key, key_spec_index: 0}, {name: value, type: string}]}]"));
  CHECK(contains(docs_of("rename"), "{name: newkey, type: key, key_spec_index: 1}"));
  CHECK(contains(docs_of("set"), "{name: seconds, type: integer, token: EX}"));
  CHECK(contains(docs_of("client"), "subcommands: {client|"));
}

TEST_CASE("categories are found in any case, and only whole") {
  CHECK(category_named("FAST") == "fast");
  CHECK(category_named("Transaction") == "transaction");
  CHECK_FALSE(category_named("fas"));
  CHECK_FALSE(category_named("@fast"));
  CHECK_FALSE(category_named(""));
}
