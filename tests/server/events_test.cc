// server/engine/events: the letters of notify-keyspace-events, and what happens to keys that no
// command has asked for.
#include "server/engine/events.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "server/engine/pubsub.h"
#include "tests/support/larder.h"

using namespace larder;
using namespace larder::server;
using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

using Lines = std::vector<std::string>;

// A whole server with a second client that listens to the events of keys.
struct Listener {
  Larder larder;

  explicit Listener(const std::string& classes,
                    const Settings& settings = Larder::settings_for_tests())
      : larder(settings) {
    CHECK(larder("CONFIG SET notify-keyspace-events " + classes) == "OK");
    larder.on(2, "PSUBSCRIBE __keyevent@*");
  }

  // "__keyevent@0__:set k" since it was last asked.
  Lines heard() {
    Lines lines;
    for (const auto& message : larder.engine().services().pubsub.fetch(larder.client(2)).messages) {
      lines.push_back(std::string(message->word(1)) + " " + std::string(message->word(2)));
    }
    return lines;
  }
};

std::string again(std::string_view letters) {
  const auto classes = parse_event_classes(letters);
  return classes ? event_letters(*classes) : "refused";
}

}  // namespace

TEST_CASE("the letters are said again in one order, and A for all it stands for") {
  CHECK(again("") == "");
  CHECK(again("KEA") == "AKE");
  CHECK(again("g$lshzxetd") == "A");
  CHECK(again("g$lshzxet") == "g$lshzxet");
  CHECK(again("Elgg") == "glE");
  CHECK(again("Kdn") == "dnK");
  CHECK(again("AKEn") == "AKE");
  CHECK(again("mKE") == "KEm");
  CHECK(again("Kq") == "refused");
  CHECK(again("K ") == "refused");
}

TEST_CASE("a key that dies is told of when upkeep comes by, and no later than at the next look") {
  Listener listener("Ex");
  Larder& larder = listener.larder;
  larder("SET slow v PX 50");
  larder.advance(49ms);
  CHECK(listener.heard().empty());
  // Upkeep ticks every 10 ms: long before 100 are over.
  larder.advance(11ms);
  CHECK(listener.heard() == Lines{"__keyevent@0__:expired slow"});
  CHECK(larder("GET slow") == "(nil)");
  CHECK(listener.heard().empty());

  larder("SELECT 3");
  larder("SET looked-at v PX 50");
  larder.clock().advance(60ms);
  CHECK(larder("GET looked-at") == "(nil)");
  CHECK(listener.heard() == Lines{"__keyevent@3__:expired looked-at"});
  larder.advance(10ms);
  CHECK(listener.heard().empty());
}

TEST_CASE("a string that is stored with its time over is set, expires and is told of so") {
  Listener listener("EA");
  CHECK(listener.larder("SET k v PXAT 1") == "OK");
  CHECK(listener.heard() ==
        Lines{"__keyevent@0__:set k", "__keyevent@0__:expire k", "__keyevent@0__:expired k"});
  CHECK(listener.larder("GET k") == "(nil)");
}

TEST_CASE("a deleted key does not expire later") {
  Listener listener("EA");
  listener.larder("SET k v EX 10");
  listener.larder("DEL k");
  listener.heard();
  listener.larder.advance(11s);
  CHECK(listener.heard().empty());
}

TEST_CASE("a key that goes for memory is told of") {
  Settings settings = Larder::settings_for_tests();
  settings.maxmemory_policy = "allkeys-lru";
  Listener listener("Ee", settings);
  Larder& larder = listener.larder;
  for (int i = 0; i < 2000; ++i)
    larder("SET key:" + std::to_string(i) + " " + std::string(200, 'x'));
  CHECK(listener.heard().empty());
  const std::size_t keys = larder.engine().store().statistics().keys;
  larder("CONFIG SET maxmemory 100kb");
  larder.advance(10ms);
  const std::size_t left = larder.engine().store().statistics().keys;
  REQUIRE(left < keys);
  const Lines heard = listener.heard();
  CHECK(heard.size() == keys - left);
  for (const std::string& line : heard) {
    REQUIRE(line.starts_with("__keyevent@0__:evicted key:"));
    REQUIRE(larder("EXISTS " + line.substr(line.rfind(' ') + 1)) == "0");
  }
}

TEST_CASE("events that nobody asks for cost no look at who listens") {
  Listener listener("Kg");
  const Events& events = listener.larder.engine().services().events;
  CHECK(events.wants(EventClass::generic));
  CHECK_FALSE(events.wants(EventClass::string));
  listener.larder("CONFIG SET notify-keyspace-events g");
  CHECK_FALSE(events.wants(EventClass::generic));
}
