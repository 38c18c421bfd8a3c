#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/larder.h"

using namespace larder::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

// The string 123, as redis-server dumps it.
const std::string kDumped = "\x00\xc0{\n\x00H\xe2S\xe1\x00zg\xb9"s;

std::string restore(Larder& larder, const std::vector<std::string>& options) {
  std::vector<std::string> words = {"RESTORE", "k", "0", kDumped, "REPLACE"};
  words.insert(words.end(), options.begin(), options.end());
  return larder.say(words);
}

}  // namespace

TEST_CASE("a restored key is as idle as it is told to be, under policies that tell") {
  Larder larder;
  larder("CONFIG SET maxmemory-policy allkeys-lru");
  CHECK(restore(larder, {"IDLETIME", "1000"}) == "OK");
  CHECK(larder("OBJECT IDLETIME k") == "1000");
  larder("CONFIG SET maxmemory-policy allkeys-lfu");
  CHECK(restore(larder, {"FREQ", "77"}) == "OK");
  CHECK(larder("OBJECT FREQ k") == "77");
  CHECK(restore(larder, {"IDLETIME", "1000"}) == "OK");
  CHECK(larder("OBJECT FREQ k") == "5");
}

TEST_CASE("under allkeys-auto it is as idle as the clock of uses can say") {
  Larder larder;
  larder("SET a 1");
  larder.advance(60s);
  larder("SET b 1");
  larder.advance(40s);
  CHECK(restore(larder, {"IDLETIME", "30"}) == "OK");
  CHECK(larder("OBJECT IDLETIME k") == "40");
  CHECK(restore(larder, {"IDLETIME", "100000"}) == "OK");
  CHECK(larder("OBJECT IDLETIME k") == "100");
}

TEST_CASE("a restored key lives as long as it is told to") {
  Larder larder;
  CHECK(larder.say({"RESTORE", "k", "5000", kDumped}) == "OK");
  CHECK(larder("PTTL k") == "5000");
  larder.advance(5s);
  CHECK(larder("EXISTS k") == "0");
  CHECK(larder.say({"RESTORE", "k", "9223372036854775807", kDumped}) == "OK");
  CHECK(larder("GET k") == "123");
}

TEST_CASE("a key that is restored dead is not there") {
  Larder larder;
  larder("SET k v");
  CHECK(larder.say({"RESTORE", "k", "1", kDumped, "REPLACE", "ABSTTL"}) == "OK");
  CHECK(larder("EXISTS k") == "0");
}
