#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

constexpr const char* kSame = "(error) ERR source and destination objects are the same";
constexpr const char* kSyntax = "(error) ERR syntax error";
constexpr const char* kBadIndex = "(error) ERR DB index is out of range";

}  // namespace

TEST_CASE("DEL, UNLINK, EXISTS and TOUCH count keys, a repeated one as often as it helps") {
  Larder larder;
  larder("MSET a 1 b 2 c 3");
  CHECK(larder("EXISTS a a missing") == "2");
  CHECK(larder("TOUCH a b missing") == "2");
  CHECK(larder("DEL a a missing") == "1");
  CHECK(larder("UNLINK b c c") == "2");
  CHECK(larder("DEL a") == "0");
  CHECK(larder("DBSIZE") == "0");
}

TEST_CASE("TYPE") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("TYPE k") == "string");
  CHECK(larder("TYPE missing") == "none");
}

TEST_CASE("RENAME moves the value with its time to live") {
  Larder larder;
  CHECK(larder("RENAME a b") == "(error) ERR no such key");
  CHECK(larder("RENAME a a") == "(error) ERR no such key");
  larder("SET a 1 EX 10");
  larder("SET b 2 EX 99");
  CHECK(larder("RENAME a a") == "OK");
  CHECK(larder("RENAME a b") == "OK");
  CHECK(larder("GET b") == "1");
  CHECK(larder("TTL b") == "10");
  CHECK(larder("EXISTS a") == "0");
  larder.advance(10s);
  CHECK(larder("EXISTS b") == "0");
}

TEST_CASE("RENAMENX leaves what is there") {
  Larder larder;
  CHECK(larder("RENAMENX a b") == "(error) ERR no such key");
  larder("MSET a 1 b 2");
  CHECK(larder("RENAMENX a a") == "0");
  CHECK(larder("RENAMENX a b") == "0");
  CHECK(larder("RENAMENX a c") == "1");
  CHECK(larder("MGET a b c") == "[(nil), 2, 1]");
}

TEST_CASE("COPY copies the value and its time to live") {
  Larder larder;
  larder("SET a 1 EX 10");
  CHECK(larder("COPY missing b") == "0");
  CHECK(larder("COPY a b") == "1");
  CHECK(larder("TTL b") == "10");
  larder("SET a 2");
  CHECK(larder("COPY a b") == "0");
  CHECK(larder("COPY a b REPLACE") == "1");
  CHECK(larder("GET b") == "2");
  CHECK(larder("TTL b") == "-1");
  CHECK(larder("COPY a a") == kSame);
  CHECK(larder("COPY a a DB 1") == "1");
  CHECK(larder("COPY a b DB 99") == kBadIndex);
  CHECK(larder("COPY a b DB 99999999999") ==
        "(error) ERR value is out of range, value must between -2147483648 and 2147483647");
  CHECK(larder("COPY a b DB") == kSyntax);
  CHECK(larder("COPY a b FOO") == kSyntax);
}

TEST_CASE("a copy of a large value is another value") {
  Larder larder;
  const std::string big(50'000, 'x');
  larder("SET a " + big);
  larder("COPY a b");
  larder("APPEND b y");
  CHECK(larder("GET a") == big);
  CHECK(larder("GET b") == big + "y");
}

TEST_CASE("MOVE and SWAPDB between databases") {
  Larder larder;
  larder("SET a 1 EX 10");
  CHECK(larder("MOVE a 0") == kSame);
  CHECK(larder("MOVE a 99") == kBadIndex);
  CHECK(larder("MOVE a x") == "(error) ERR value is not an integer or out of range");
  CHECK(larder("MOVE missing 1") == "0");
  CHECK(larder("MOVE a 1") == "1");
  CHECK(larder("EXISTS a") == "0");
  larder("SET a 2");
  CHECK(larder("MOVE a 1") == "0");
  CHECK(larder("SWAPDB 0 1") == "OK");
  CHECK(larder("GET a") == "1");
  CHECK(larder("TTL a") == "10");
  CHECK(larder("SWAPDB x 1") == "(error) ERR invalid first DB index");
  CHECK(larder("SWAPDB 0 x") == "(error) ERR invalid second DB index");
  CHECK(larder("SWAPDB 0 99") == kBadIndex);
}

TEST_CASE("FLUSHDB empties one database, FLUSHALL all of them") {
  Larder larder;
  larder("SET a 1");
  larder("COPY a a DB 1");
  CHECK(larder("FLUSHDB ASYNC") == "OK");
  CHECK(larder("DBSIZE") == "0");
  larder("SWAPDB 0 1");
  CHECK(larder("DBSIZE") == "1");
  CHECK(larder("FLUSHALL FOO") == kSyntax);
  CHECK(larder("FLUSHALL SYNC ASYNC") == kSyntax);
  CHECK(larder("FLUSHALL sync") == "OK");
  CHECK(larder("DBSIZE") == "0");
}

TEST_CASE("RANDOMKEY draws from what is there") {
  Larder larder;
  CHECK(larder("RANDOMKEY") == "(nil)");
  larder("MSET a 1 b 2 c 3");
  std::set<std::string> drawn;
  for (int i = 0; i < 1000 && drawn.size() < 3; ++i) drawn.insert(larder("RANDOMKEY"));
  CHECK(drawn == std::set<std::string>{"a", "b", "c"});
}

TEST_CASE("OBJECT ENCODING tells numbers, short strings and long ones apart") {
  Larder larder;
  larder("MSET n 12 short abc big 99999999999999999999");
  larder("SET long " + std::string(45, 'x'));
  CHECK(larder("OBJECT ENCODING n") == "int");
  CHECK(larder("OBJECT ENCODING short") == "embstr");
  CHECK(larder("OBJECT ENCODING big") == "embstr");
  CHECK(larder("OBJECT ENCODING long") == "raw");
  larder("APPEND short d");
  CHECK(larder("OBJECT ENCODING short") == "raw");
  CHECK(larder("OBJECT ENCODING missing") == "(nil)");
  CHECK(larder("OBJECT REFCOUNT n") == "1");
}

TEST_CASE("OBJECT IDLETIME grows until the key is used, not until it is looked at") {
  Larder larder;
  larder("SET k v");
  larder.advance(102400ms);  // a whole number of the clock's ticks of 64 ms
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("TYPE k") == "string");
  CHECK(larder("EXISTS k") == "1");
  CHECK(larder("OBJECT IDLETIME k") == "102");
  larder("TOUCH k");
  CHECK(larder("OBJECT IDLETIME k") == "0");
  CHECK(larder("OBJECT FREQ k").find("(error) ERR An LFU maxmemory policy is not selected") == 0);
  CHECK(larder("OBJECT FREQ missing") == "(nil)");
}

TEST_CASE("OBJECT HELP lists its subcommands") {
  Larder larder;
  const std::string text = larder("OBJECT HELP");
  CHECK(text.find("OBJECT <subcommand>") != std::string::npos);
  CHECK(text.find("ENCODING key") != std::string::npos);
}
