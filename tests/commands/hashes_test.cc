#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/larder.h"

using larder::testing::Larder;
using Words = std::vector<std::string>;

namespace {

// A hash of so many fields f0, f1... with the values 0, 1...
void fill(Larder& larder, int fields) {
  for (int i = 0; i < fields; ++i)
    larder.say({"HSET", "h", "f" + std::to_string(i), std::to_string(i)});
}

std::vector<std::string> texts(const larder::protocol::Node& array) {
  std::vector<std::string> found;
  for (const auto& item : array.children) found.push_back(item.text);
  return found;
}

}  // namespace

TEST_CASE("HSCAN meets every field of a hash that is scanned in several turns of the loop") {
  Larder larder;
  fill(larder, 3000);
  CHECK(larder("OBJECT ENCODING h") == "hashtable");
  for (const std::string count : {"7", "1000", "100000"}) {
    std::map<std::string, std::string> met;
    std::string cursor = "0";
    do {
      const auto reply = larder.reply_to({"HSCAN", "h", cursor, "COUNT", count});
      cursor = reply.children.at(0).text;
      const auto words = texts(reply.children.at(1));
      REQUIRE(words.size() % 2 == 0);
      for (std::size_t i = 0; i < words.size(); i += 2) met[words[i]] = words[i + 1];
    } while (cursor != "0");
    REQUIRE(met.size() == 3000);
    for (const auto& [field, value] : met) CHECK(field == "f" + value);
  }
  const auto reply =
      larder.reply_to({"HSCAN", "h", "0", "COUNT", "9999", "MATCH", "f2?", "NOVALUES"});
  CHECK(reply.children.at(1).children.size() == 10);
}

TEST_CASE("HRANDFIELD draws as many as it was asked for") {
  for (const int fields : {10, 600}) {
    Larder larder;
    fill(larder, fields);
    for (const int count : {1, 5, 10, 300, 1024, 1025, 5000}) {
      const std::string number = std::to_string(count);
      CHECK(larder.reply_to({"HRANDFIELD", "h", "-" + number}).children.size() ==
            static_cast<std::size_t>(count));
      const auto pairs = texts(larder.reply_to({"HRANDFIELD", "h", "-" + number, "WITHVALUES"}));
      REQUIRE(pairs.size() == static_cast<std::size_t>(2 * count));
      for (std::size_t i = 0; i < pairs.size(); i += 2) CHECK(pairs[i] == "f" + pairs[i + 1]);
      const auto words = texts(larder.reply_to({"HRANDFIELD", "h", number}));
      CHECK(words.size() == static_cast<std::size_t>(std::min(count, fields)));
      CHECK(std::set<std::string>(words.begin(), words.end()).size() == words.size());
    }
    larder("HELLO 3");
    const auto nested = larder.reply_to({"HRANDFIELD", "h", "-3000", "WITHVALUES"});
    REQUIRE(nested.children.size() == 3000);
    for (const auto& pair : nested.children) {
      REQUIRE(pair.children.size() == 2);
      CHECK(pair.children[0].text == "f" + pair.children[1].text);
    }
  }
}

TEST_CASE("HRANDFIELD does not draw without end") {
  Larder larder;
  larder("HSET h f v");
  const std::string refused = "(error) ERR value is out of range";
  CHECK(larder("HRANDFIELD h -16777217") == refused);
  CHECK(larder("HRANDFIELD h -9223372036854775807") == refused);
  CHECK(larder("HRANDFIELD h -4611686018427387903 WITHVALUES") == refused);
  CHECK(larder("HRANDFIELD none -9223372036854775807") == "[]");
  larder("CONFIG SET client-output-buffer-hard-limit 10000");
  CHECK(larder("HRANDFIELD h -100000") == refused);
  CHECK(larder.reply_to({"HRANDFIELD", "h", "-2000"}).children.size() == 2000);
}

TEST_CASE("inside a transaction the steps of a scan follow each other at once") {
  Larder larder;
  fill(larder, 2000);
  larder("MULTI");
  larder("HSCAN h 0 COUNT 100000");
  larder("HRANDFIELD h -3000");
  larder("DEL h");
  const auto replies = larder.reply_to({"EXEC"});
  CHECK(replies.children.at(0).children.at(1).children.size() == 4000);
  CHECK(replies.children.at(1).children.size() == 3000);
  CHECK(replies.children.at(2).integer == 1);
}
