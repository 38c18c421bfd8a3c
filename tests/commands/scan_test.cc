#include <doctest/doctest.h>

#include <charconv>
#include <set>
#include <string>
#include <vector>

#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

// The elements of a reply told as "[a, b]", which names here have no commas to disturb.
std::vector<std::string> elements(std::string_view text) {
  std::vector<std::string> found;
  if (text.size() <= 2) return found;
  text = text.substr(1, text.size() - 2);
  while (true) {
    const std::size_t comma = text.find(", ");
    found.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return found;
    text.remove_prefix(comma + 2);
  }
}

struct Batch {
  std::string cursor;
  std::vector<std::string> names;
};

Batch scan(Larder& larder, const std::string& cursor, const std::string& options = "") {
  const std::string reply = larder("SCAN " + cursor + options);
  const std::size_t comma = reply.find(", ");
  const std::string_view names = std::string_view(reply).substr(comma + 2);
  return {reply.substr(1, comma - 1), elements(names.substr(0, names.size() - 1))};
}

void fill(Larder& larder, int first, int last) {
  for (int i = first; i < last; ++i) larder("SET key:" + std::to_string(i) + " v");
}

}  // namespace

TEST_CASE("SCAN from 0 to 0 finds every key once when nothing changes") {
  Larder larder;
  fill(larder, 0, 3000);
  std::multiset<std::string> found;
  std::string cursor = "0";
  int batches = 0;
  do {
    const Batch batch = scan(larder, cursor);
    found.insert(batch.names.begin(), batch.names.end());
    cursor = batch.cursor;
    ++batches;
  } while (cursor != "0");
  CHECK(found.size() == 3000);
  CHECK(std::set<std::string>(found.begin(), found.end()).size() == 3000);
  CHECK(batches > 10);
}

TEST_CASE("SCAN finds what was there all along while the table grows and shrinks") {
  Larder larder;
  fill(larder, 0, 500);
  std::set<std::string> found;
  std::string cursor = "0";
  int turn = 0;
  do {
    const Batch batch = scan(larder, cursor, " COUNT 20");
    found.insert(batch.names.begin(), batch.names.end());
    cursor = batch.cursor;
    if (turn < 20) fill(larder, 1000 + turn * 200, 1200 + turn * 200);
    if (turn >= 20 && turn < 40) {
      for (int i = 1000 + (turn - 20) * 200; i < 1200 + (turn - 20) * 200; ++i) {
        larder("DEL key:" + std::to_string(i));
      }
    }
    ++turn;
  } while (cursor != "0");
  for (int i = 0; i < 500; ++i) CHECK(found.count("key:" + std::to_string(i)) == 1);
}

TEST_CASE("SCAN with a COUNT of several steps answers them in one batch") {
  Larder larder;
  fill(larder, 0, 5000);
  const Batch all = scan(larder, "0", " COUNT 1000000");
  CHECK(all.cursor == "0");
  CHECK(all.names.size() == 5000);
  const Batch some = scan(larder, "0", " COUNT 2500");
  CHECK(some.cursor != "0");
  CHECK(some.names.size() >= 2500);
  CHECK(some.names.size() < 4000);
}

TEST_CASE("SCAN filters by pattern and by type") {
  Larder larder;
  fill(larder, 0, 100);
  CHECK(scan(larder, "0", " COUNT 1000 MATCH key:1?").names.size() == 10);
  CHECK(scan(larder, "0", " COUNT 1000 MATCH key:[5-6]").names.size() == 2);
  CHECK(scan(larder, "0", " COUNT 1000 TYPE String").names.size() == 100);
  CHECK(scan(larder, "0", " COUNT 1000 TYPE hash").names.empty());
}

TEST_CASE("SCAN and KEYS do not show keys whose time has come") {
  Larder larder;
  larder("SET a 1 EX 10");
  larder("SET b 2");
  larder.advance(10s);
  CHECK(larder("SCAN 0 COUNT 100") == "[0, [b]]");
  CHECK(larder("KEYS *") == "[b]");
}

TEST_CASE("SCAN takes any cursor") {
  Larder larder;
  fill(larder, 0, 100);
  for (const char* cursor : {"1", "12345678901234", "-1", "18446744073709551615", "007"}) {
    CHECK(larder(std::string("SCAN ") + cursor).front() == '[');
  }
  CHECK(larder("SCAN x") == "(error) ERR invalid cursor");
  CHECK(larder("SCAN 18446744073709551616") == "(error) ERR invalid cursor");
  CHECK(larder("SCAN 0 COUNT 0") == "(error) ERR syntax error");
  CHECK(larder("SCAN 0 COUNT x") == "(error) ERR value is not an integer or out of range");
}

TEST_CASE("KEYS answers all matches, over as many steps as it takes") {
  Larder larder;
  fill(larder, 0, 20'000);
  CHECK(elements(larder("KEYS *")).size() == 20'000);
  CHECK(elements(larder("KEYS key:149??")).size() == 100);
  CHECK(larder("KEYS nothing*") == "[]");
}

TEST_CASE("KEYS inside MULTI runs to its end") {
  Larder larder;
  fill(larder, 0, 3000);
  larder("MULTI");
  larder("KEYS key:2??");
  larder("KEYS *");
  const std::string reply = larder("EXEC");
  CHECK(elements(reply).size() == 3100);
}

TEST_CASE("names of any length, and many of them, are answered whole and once") {
  Larder larder;
  std::set<std::string> names;
  for (const std::size_t size : {0, 1, 4091, 4092, 4093, 300'000}) {
    names.insert(std::string(size, 'n'));
  }
  for (int i = 0; i < 4000; ++i) names.insert(std::to_string(i) + std::string(100, 'k'));
  for (const std::string& name : names) CHECK(larder.say({"SET", name, "v"}) == "OK");
  const auto words_of = [](const larder::protocol::Node& reply) {
    std::multiset<std::string> words;
    for (const auto& element : reply.children) words.insert(element.text);
    return words;
  };
  const std::multiset<std::string> all(names.begin(), names.end());
  CHECK(words_of(larder.reply_to({"KEYS", "*"})) == all);
  std::multiset<std::string> scanned;
  std::string cursor = "0";
  do {
    const larder::protocol::Node reply = larder.reply_to({"SCAN", cursor, "COUNT", "3000"});
    cursor = reply.children.at(0).text;
    scanned.merge(words_of(reply.children.at(1)));
  } while (cursor != "0");
  CHECK(scanned == all);
}
