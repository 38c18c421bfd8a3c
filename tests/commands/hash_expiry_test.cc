#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/pubsub.h"
#include "server/engine/services.h"
#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;
using larder::testing::nil;

namespace {

std::string line_of(Larder& larder, const std::string& field) {
  const std::string page = larder("INFO");
  const std::size_t at = page.find(field);
  return page.substr(at, page.find('\r', at) - at);
}

using Lines = std::vector<std::string>;

// "set k" of each event that the second client was told of since it was last asked.
Lines heard(Larder& larder) {
  Lines lines;
  for (const auto& message : larder.engine().services().pubsub.fetch(larder.client(2)).messages) {
    const bool is_pattern = message->kind == larder::server::Message::Kind::pattern;
    const std::string channel(message->word(is_pattern ? 1 : 0));
    lines.push_back(channel.substr(channel.find(':') + 1) + " " +
                    std::string(message->word(message->size() - 1)));
  }
  return lines;
}

}  // namespace

TEST_CASE("a field is gone from its millisecond on, for every command") {
  for (const char* most : {"512", "0"}) {
    Larder larder;
    larder(std::string("CONFIG SET hash-max-listpack-entries ") + most);
    larder("HSET h a 1 b 2");
    larder("HSET list-of h 1");
    CHECK(larder("HPEXPIRE h 1000 FIELDS 1 a") == "[1]");
    larder("COPY h copy");
    // Nobody's upkeep: only the clock is turned.
    larder.clock().advance(999ms);
    CHECK(larder("HPTTL h FIELDS 2 a b") == "[1, -1]");
    CHECK(larder("HTTL h FIELDS 1 a") == "[1]");
    larder.clock().advance(1ms);
    CHECK(larder("HPTTL copy FIELDS 1 a") == "[-2]");
    CHECK(larder("HLEN h") == "1");
    CHECK(larder("HGET h a") == nil);
    CHECK(larder("HGETALL h") == "[b, 2]");
    CHECK(larder("HEXISTS h a") == "0");
    CHECK(larder("HSTRLEN h a") == "0");
    CHECK(larder("HDEL h a") == "0");
    CHECK(larder("HSETNX h a 3") == "1");
    CHECK(larder("HTTL h FIELDS 1 a") == "[-1]");
    CHECK(larder("HPEXPIRE h 5 FIELDS 1 a") == "[1]");
    larder.clock().advance(5ms);
    CHECK(larder("HINCRBY h a 7") == "7");
    CHECK(larder("HTTL h FIELDS 1 a") == "[-1]");
    CHECK(larder("HPEXPIRE h 5 FIELDS 2 a b") == "[1, 1]");
    larder.clock().advance(5ms);
    CHECK(larder("EXISTS h") == "0");
    CHECK(larder("TYPE h") == "none");
  }
}

TEST_CASE("fields go without being asked for, and are told of") {
  Larder larder;
  larder("CONFIG SET notify-keyspace-events EAh");
  larder.on(2, "PSUBSCRIBE __keyevent@*");
  heard(larder);
  larder("HSET h a 1 b 2 c 3");
  larder("HPEXPIRE h 100 FIELDS 2 a b");
  larder("HPEXPIRE h 100 NX FIELDS 1 a");
  larder("HPERSIST h FIELDS 2 b c");
  larder("HPERSIST h FIELDS 1 c");
  larder("HPEXPIRE h 0 FIELDS 2 b c");
  larder("HSET h c 3");
  larder("HPEXPIRE h 200 FIELDS 1 c");
  CHECK(heard(larder) ==
        Lines{"hset h", "hexpire h", "hpersist h", "hdel h", "hset h", "hexpire h"});
  CHECK(line_of(larder, "db0:") == "db0:keys=1,expires=0,avg_ttl=0,subexpiry=1");
  larder.advance(120ms);
  CHECK(heard(larder) == Lines{"hexpired h"});
  larder.advance(100ms);
  CHECK(heard(larder) == Lines{"hexpired h", "del h"});
  CHECK(line_of(larder, "expired_subkeys:") == "expired_subkeys:2");
  CHECK(line_of(larder, "expired_keys:") == "expired_keys:0");
  CHECK(larder("DBSIZE") == "0");
  larder("HSET h a 1");
  larder("HPEXPIREAT h 1 FIELDS 1 a");
  CHECK(heard(larder) == Lines{"hset h", "hdel h", "del h"});
}

TEST_CASE("a field that dies is a change for who watches the key") {
  Larder larder;
  larder("HSET h a 1 b 2");
  larder("HPEXPIRE h 100 FIELDS 1 a");
  larder("WATCH h");
  larder.advance(120ms);
  larder("MULTI");
  larder("HLEN h");
  CHECK(larder("EXEC") == nil);
}

TEST_CASE("a hash is dumped with its deadlines, and restored") {
  for (const char* most : {"512", "0"}) {
    Larder larder;
    larder(std::string("CONFIG SET hash-max-listpack-entries ") + most);
    larder("HSET h a 1 b 2 c 3");
    larder("HPEXPIRE h 1000 FIELDS 1 a");
    larder("HPEXPIRE h 5000 FIELDS 1 b");
    const std::string dump = larder.reply_to({"DUMP", "h"}).text;
    larder.clock().advance(500ms);
    CHECK(larder.say({"RESTORE", "twin", "0", dump}) == "OK");
    CHECK(larder("HPTTL twin FIELDS 3 a b c") == "[500, 4500, -1]");
    CHECK(larder("HMGET twin a b c") == "[1, 2, 3]");
    larder.clock().advance(700ms);
    CHECK(larder.say({"RESTORE", "late", "0", dump}) == "OK");
    CHECK(larder("HPTTL late FIELDS 3 a b c") == "[-2, 3800, -1]");
    larder.clock().advance(10s);
    CHECK(larder("HLEN late") == "1");
    // Without deadlines that are left it is a dump as any other.
    CHECK(larder.reply_to({"DUMP", "h"}).text[0] == 4);
    for (std::size_t i = 0; i < dump.size(); ++i) {
      std::string cut = dump.substr(0, i);
      CHECK(larder.say({"RESTORE", "x", "0", cut}).find("ERR") != std::string::npos);
    }
  }
}

TEST_CASE("the deadline of a field stays where it is when the wall clock is set") {
  Larder larder;
  larder("HSET h a 1");
  larder("HPEXPIRE h 10000 FIELDS 1 a");
  const std::int64_t moment_ms = larder.now_ms() + 10'000;
  CHECK(larder("HPEXPIRETIME h FIELDS 1 a") == "[" + std::to_string(moment_ms) + "]");
  larder.clock().set_wall(1h);
  larder.advance(10ms);
  CHECK(larder("HPTTL h FIELDS 1 a") == "[9990]");
  CHECK(larder("HPEXPIRETIME h FIELDS 1 a") == "[" + std::to_string(moment_ms + 3'600'000) + "]");
}

TEST_CASE("many fields at once are as many answers") {
  Larder larder;
  std::string fields;
  for (int i = 0; i < 3000; ++i) fields += " f" + std::to_string(i);
  std::string pairs;
  for (int i = 0; i < 3000; ++i) pairs += " f" + std::to_string(i) + " " + std::to_string(i);
  larder("HSET h" + pairs);
  const auto set = larder.reply_to({"HLEN", "h"});
  CHECK(set.integer == 3000);
  CHECK(larder("HPEXPIRE h 50 FIELDS 3000" + fields).size() == 9000);  // "[1, 1, ...]"
  CHECK(larder("HPERSIST h FIELDS 2 f1 f2") == "[1, 1]");
  larder.advance(51ms);
  CHECK(larder("HLEN h") == "2");
  CHECK(line_of(larder, "expired_subkeys:") == "expired_subkeys:2998");
}
