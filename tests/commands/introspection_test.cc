#include <doctest/doctest.h>

#include "tests/support/larder.h"

using larder::testing::Larder;

TEST_CASE("COMMAND and COMMAND INFO without names tell of every command") {
  Larder larder;
  const auto all = larder.reply_to({"COMMAND"});
  CHECK(std::to_string(all.children.size()) == larder("COMMAND COUNT"));
  CHECK(larder.bytes_of({"COMMAND"}) == larder.bytes_of({"COMMAND", "INFO"}));
}

TEST_CASE("COMMAND INFO keeps the place of names that are none, COMMAND DOCS passes them over") {
  Larder larder;
  const auto info = larder.reply_to({"COMMAND", "INFO", "nothing", "get", "client|nothing"});
  REQUIRE(info.children.size() == 3);
  CHECK(info.children[0].kind == larder::protocol::Node::Kind::null);
  CHECK(info.children[1].children.front().text == "get");
  larder("HELLO 3");
  CHECK(larder("COMMAND DOCS nothing") == "{}");
  CHECK(larder("COMMAND DOCS nothing echo") ==
        "{echo: {summary: Hear back what was said, since: 1.0.0, group: connection, "
        "complexity: O(1), arguments: [{name: message, type: string}]}}");
}

TEST_CASE("COMMAND LIST tells names, filtered") {
  Larder larder;
  CHECK(larder("COMMAND LIST FILTERBY PATTERN GETR*") == "[getrange]");
  CHECK(larder("COMMAND LIST FILTERBY PATTERN slowlog|*") ==
        "[slowlog|get, slowlog|help, slowlog|len, slowlog|reset]");
  CHECK(larder("COMMAND LIST FILTERBY ACLCAT TRANSACTION") ==
        "[multi, exec, discard, watch, unwatch]");
  CHECK(larder("COMMAND LIST FILTERBY ACLCAT nothing") == "[]");
  CHECK(larder("COMMAND LIST FILTERBY MODULE any") == "[]");
  CHECK(larder("COMMAND LIST FILTERBY PATTERN") == "(error) ERR syntax error");
  CHECK(larder("COMMAND LIST FILTERBY FOO bar") == "(error) ERR syntax error");
}

TEST_CASE("COMMAND GETKEYS finds keys where the rows say they are") {
  Larder larder;
  CHECK(larder("COMMAND GETKEYS get a") == "[a]");
  CHECK(larder("COMMAND GETKEYS mset a 1 b 2") == "[a, b]");
  CHECK(larder("COMMAND GETKEYS memory usage a") == "[a]");
  CHECK(larder("COMMAND GETKEYS nothing a") == "(error) ERR Invalid command specified");
  CHECK(larder("COMMAND GETKEYS client nothing") == "(error) ERR Invalid command specified");
  CHECK(larder("COMMAND GETKEYS ping a") == "(error) ERR The command has no key arguments");
  CHECK(larder("COMMAND GETKEYS get a b") ==
        "(error) ERR Invalid number of arguments specified for command");
  CHECK(larder("COMMAND GETKEYSANDFLAGS rename a b") ==
        "[[a, [RW, access, delete]], [b, [OW, update]]]");
}
