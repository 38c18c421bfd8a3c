#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/larder.h"

using larder::testing::Larder;
using larder::testing::nil;

namespace {

std::vector<std::string> sadd(const std::string& key, int from, int to,
                              const std::string& prefix = "") {
  std::vector<std::string> words = {"SADD", key};
  for (int i = from; i < to; ++i) words.push_back(prefix + std::to_string(i));
  return words;
}

}  // namespace

TEST_CASE("the limits of compact sets are those of CONFIG SET") {
  Larder larder;
  larder.say(sadd("i", 0, 512));
  CHECK(larder("OBJECT ENCODING i") == "intset");
  larder("SADD i 512");
  CHECK(larder("OBJECT ENCODING i") == "hashtable");
  larder.say(sadd("t", 0, 128, "t"));
  CHECK(larder("OBJECT ENCODING t") == "listpack");
  larder("SADD t more");
  CHECK(larder("OBJECT ENCODING t") == "hashtable");
  larder("CONFIG SET set-max-intset-entries 2 set-max-listpack-entries 3 set-max-listpack-value 4");
  larder("SADD a 1 2");
  CHECK(larder("OBJECT ENCODING a") == "intset");
  larder("SADD a b");
  CHECK(larder("OBJECT ENCODING a") == "listpack");
  larder("SADD b 1 2 3");
  CHECK(larder("OBJECT ENCODING b") == "listpack");
  larder("SADD c 1 abcde");
  CHECK(larder("OBJECT ENCODING c") == "hashtable");
}

TEST_CASE("what changes nothing is no change to who watches") {
  Larder larder;
  larder.say(sadd("small", 0, 3));
  larder.say(
      sadd("large", 0, 3, "some rather long member that is not kept in a listpack, no, no "));
  for (const std::string key : {"small", "large"}) {
    const std::string there = larder("SRANDMEMBER " + key);
    larder("WATCH " + key);
    CHECK(larder.say({"SADD", key, there, there}, 2) == "0");
    CHECK(larder.say({"SREM", key, "none"}, 2) == "0");
    CHECK(larder.say({"SMOVE", key, key, there}, 2) == "1");
    larder("MULTI");
    CHECK(larder("EXEC") == "[]");
    larder("WATCH " + key);
    CHECK(larder.say({"SADD", key, "new"}, 2) == "1");
    larder("MULTI");
    CHECK(larder("EXEC") == nil);
  }
}

TEST_CASE("SPOP takes what it answers, one or several or all, of every encoding") {
  Larder larder;
  for (const std::string prefix :
       {"", "t", "a prefix that is long enough to keep it out of a listpack, always "}) {
    larder.say(sadd("k", 0, 60, prefix));
    std::set<std::string> popped;
    for (int i = 0; i < 20; ++i) popped.insert(larder("SPOP k"));
    for (const auto& member : larder.reply_to({"SPOP", "k", "30"}).children)
      popped.insert(member.text);
    CHECK(popped.size() == 50);
    for (const auto& member : popped) CHECK(larder.say({"SISMEMBER", "k", member}) == "0");
    for (const auto& member : larder.reply_to({"SPOP", "k", "30"}).children)
      popped.insert(member.text);
    CHECK(popped.size() == 60);
    CHECK(larder("EXISTS k") == "0");
  }
}

TEST_CASE("SRANDMEMBER does not answer more than a client may have unsent") {
  Larder larder;
  larder.say({"SADD", "k", std::string(1 << 20, 'x')});
  const std::string refused = "(error) ERR value is out of range";
  CHECK(larder("SRANDMEMBER k -1000") == refused);
  CHECK(larder("SRANDMEMBER k -9223372036854775807") == refused);
  larder("SADD one 1");
  CHECK(larder("SRANDMEMBER one -9223372036854775807") == refused);
  CHECK(larder.reply_to({"SRANDMEMBER", "one", "-100000"}).children.size() == 100'000);
}

TEST_CASE("an expired source is an absent one") {
  Larder larder;
  larder("SADD a 1 2 3");
  larder("SADD b 2 3");
  larder("PEXPIRE b 100");
  larder.advance(std::chrono::milliseconds(200));
  CHECK(larder("SINTER a b") == "[]");
  CHECK(larder("SDIFF a b") == "[1, 2, 3]");
  CHECK(larder("SUNIONSTORE b a b") == "3");
  CHECK(larder("TTL b") == "-1");
}
