#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "tests/support/larder.h"

using larder::testing::Larder;

namespace {

void fill(Larder& larder, const std::string& key, int members) {
  for (int i = 0; i < members; ++i) {
    larder("ZADD " + key + " " + std::to_string(i) + " m" + std::to_string(i));
  }
}

}  // namespace

TEST_CASE("a sorted set's encoding follows zset-max-listpack-entries and -value") {
  Larder larder;
  fill(larder, "z", 128);
  CHECK(larder("OBJECT ENCODING z") == "listpack");
  CHECK(larder("ZADD z 1 more") == "1");
  CHECK(larder("OBJECT ENCODING z") == "skiplist");
  CHECK(larder("ZREMRANGEBYRANK z 1 -1") == "128");
  CHECK(larder("OBJECT ENCODING z") == "skiplist");
  larder("CONFIG SET zset-max-listpack-entries 2 zset-max-listpack-value 4");
  larder("ZADD y 1 a 2 b");
  CHECK(larder("OBJECT ENCODING y") == "listpack");
  larder("ZADD y 3 c");
  CHECK(larder("OBJECT ENCODING y") == "skiplist");
  larder("ZADD x 1 abcd");
  CHECK(larder("OBJECT ENCODING x") == "listpack");
  larder("ZADD x 1 abcde");
  CHECK(larder("OBJECT ENCODING x") == "skiplist");
  CHECK(larder("ZUNIONSTORE w 1 y WEIGHTS 2") == "3");
  CHECK(larder("OBJECT ENCODING w") == "skiplist");
  CHECK(larder("ZRANGESTORE v y 0 1") == "2");
  CHECK(larder("OBJECT ENCODING v") == "listpack");
  larder("CONFIG SET zset-max-listpack-entries 0");
  larder("ZADD u 1 a");
  CHECK(larder("OBJECT ENCODING u") == "skiplist");
  CHECK(larder("ZPOPMIN u") == "[a, 1]");
  CHECK(larder("EXISTS u") == "0");
}

TEST_CASE("ZRANDMEMBER draws every member, and different ones where it must") {
  Larder larder;
  for (const int size : {10, 200}) {
    fill(larder, "z", size);
    std::map<std::string, int> drawn;
    for (int i = 0; i < size * 40; ++i) ++drawn[larder("ZRANDMEMBER z")];
    CHECK(drawn.size() == static_cast<std::size_t>(size));
    for (const auto& [member, times] : drawn) {
      CHECK(times > 5);
      CHECK(times < 120);
    }
    for (const int count : {1, size / 2, size - 1, size, size + 1}) {
      const auto reply = larder.reply_to({"ZRANDMEMBER", "z", std::to_string(count)});
      std::set<std::string> members;
      for (const auto& member : reply.children) members.insert(member.text);
      CHECK(reply.children.size() == static_cast<std::size_t>(std::min(count, size)));
      CHECK(members.size() == reply.children.size());
    }
    CHECK(larder.reply_to({"ZRANDMEMBER", "z", "-500"}).children.size() == 500);
  }
}

TEST_CASE("ZSCAN finds every member once of a set that stays as it is") {
  Larder larder;
  fill(larder, "z", 1000);
  std::map<std::string, std::string> found;
  std::string cursor = "0";
  int calls = 0;
  do {
    const auto reply = larder.reply_to({"ZSCAN", "z", cursor, "COUNT", "20"});
    cursor = reply.children[0].text;
    const auto& items = reply.children[1].children;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      CHECK(found.emplace(items[i].text, items[i + 1].text).second);
    }
    ++calls;
  } while (cursor != "0");
  CHECK(found.size() == 1000);
  CHECK(found["m77"] == "77");
  CHECK(calls > 20);
}

TEST_CASE("a sorted set lives with its deadline, copies and renames") {
  using namespace std::chrono_literals;
  Larder larder;
  fill(larder, "z", 300);
  larder("EXPIRE z 10");
  larder("ZADD z 7 late");
  CHECK(larder("TTL z") == "10");
  CHECK(larder("COPY z y") == "1");
  CHECK(larder("RENAME y x") == "OK");
  CHECK(larder("PERSIST x") == "1");
  larder("ZREM z m0");
  larder.advance(10s);
  CHECK(larder("ZCARD z") == "0");
  CHECK(larder("ZCARD x") == "301");
  CHECK(larder("ZRANK x late") == "7");
}

TEST_CASE("sorted sets work inside MULTI, with several keys") {
  Larder larder;
  larder("MULTI");
  larder("ZADD a 1 x 2 y");
  larder("ZADD b 3 y");
  larder("ZUNIONSTORE c 2 a b");
  larder("ZMPOP 2 none a MIN");
  larder("ZRANGESTORE d c 0 -1");
  CHECK(larder("EXEC") == "[2, 1, 2, [a, [[x, 1]]], 2]");
  CHECK(larder("ZRANGE d 0 -1 WITHSCORES") == "[x, 1, y, 5]");
}
