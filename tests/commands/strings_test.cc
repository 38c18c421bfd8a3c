#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "storage/store.h"
#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

constexpr const char* kSyntax = "(error) ERR syntax error";
constexpr const char* kNotAnInteger = "(error) ERR value is not an integer or out of range";

// How many hits and misses a command counted, as "hits/misses".
std::string counted(Larder& larder, const std::string& line) {
  larder::storage::Store& store = larder.engine().services().store;
  const auto before = store.statistics().counters;
  larder(line);
  const auto after = store.statistics().counters;
  return std::to_string(after.hits - before.hits) + "/" +
         std::to_string(after.misses - before.misses);
}

}  // namespace

TEST_CASE("SET stores and GET answers") {
  Larder larder;
  CHECK(larder("GET k") == "(nil)");
  CHECK(larder("SET k v") == "OK");
  CHECK(larder("GET k") == "v");
  CHECK(larder("SET k 0012") == "OK");
  CHECK(larder("GET k") == "0012");
  CHECK(larder("SET k \"\"") == "OK");
  CHECK(larder("GET k") == "");
}

TEST_CASE("SET with EX dies on time and not before") {
  Larder larder;
  larder("SET k v EX 11");
  larder.advance(10999ms);
  CHECK(larder("GET k") == "v");
  larder.advance(1ms);
  CHECK(larder("GET k") == "(nil)");
}

TEST_CASE("SET forgets the time to live unless told to keep it") {
  Larder larder;
  larder("SET k v PX 500");
  CHECK(larder("SET k w KEEPTTL") == "OK");
  CHECK(larder("PTTL k") == "500");
  CHECK(larder("SET k x") == "OK");
  CHECK(larder("PTTL k") == "-1");
}

TEST_CASE("SET NX and XX") {
  Larder larder;
  CHECK(larder("SET k v XX") == "(nil)");
  CHECK(larder("SET k v NX") == "OK");
  CHECK(larder("SET k w NX") == "(nil)");
  CHECK(larder("GET k") == "v");
  CHECK(larder("SET k w XX") == "OK");
  CHECK(larder("GET k") == "w");
}

TEST_CASE("SET GET answers the old value, whether or not the new one is stored") {
  Larder larder;
  CHECK(larder("SET k a GET") == "(nil)");
  CHECK(larder("SET k b GET") == "a");
  CHECK(larder("SET k c NX GET") == "b");
  CHECK(larder("GET k") == "b");
  CHECK(larder("SET missing c XX GET") == "(nil)");
  CHECK(larder("EXISTS missing") == "0");
  CHECK(larder("SET k d GET EX 10") == "b");
  CHECK(larder("TTL k") == "10");
}

TEST_CASE("SET judges the syntax first and the number of its time last") {
  Larder larder;
  CHECK(larder("SET k v EX abc FOO") == kSyntax);
  CHECK(larder("SET k v NX XX") == kSyntax);
  CHECK(larder("SET k v EX 10 PX 10") == kSyntax);
  CHECK(larder("SET k v KEEPTTL EX 10") == kSyntax);
  CHECK(larder("SET k v EX 10 KEEPTTL") == kSyntax);
  CHECK(larder("SET k v EX") == kSyntax);
  CHECK(larder("SET k v PERSIST") == kSyntax);
  CHECK(larder("SET k v EX abc") == kNotAnInteger);
  CHECK(larder("SET k v EX 0") == "(error) ERR invalid expire time in 'set' command");
  CHECK(larder("SET k v PX -1") == "(error) ERR invalid expire time in 'set' command");
  CHECK(larder("SET k v EX 9223372036854775807") ==
        "(error) ERR invalid expire time in 'set' command");
  CHECK(larder("SET k v PX 9223372036854775807") ==
        "(error) ERR invalid expire time in 'set' command");
  CHECK(larder("EXISTS k") == "0");
  CHECK(larder("SET k v EX 10 EX 20") == "OK");
  CHECK(larder("TTL k") == "20");
}

TEST_CASE("SET with a moment that has passed leaves nothing") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("SET k w PXAT 1") == "OK");
  CHECK(larder("GET k") == "(nil)");
  CHECK(larder("DBSIZE") == "0");
}

TEST_CASE("SETEX, PSETEX and SETNX") {
  Larder larder;
  CHECK(larder("SETEX k 10 v") == "OK");
  CHECK(larder("TTL k") == "10");
  CHECK(larder("PSETEX k 1500 w") == "OK");
  CHECK(larder("PTTL k") == "1500");
  CHECK(larder("SETEX k 0 v") == "(error) ERR invalid expire time in 'setex' command");
  CHECK(larder("PSETEX k -5 v") == "(error) ERR invalid expire time in 'psetex' command");
  CHECK(larder("SETEX k x v") == kNotAnInteger);
  CHECK(larder("SETNX k z") == "0");
  CHECK(larder("SETNX other z") == "1");
  CHECK(larder("TTL other") == "-1");
}

TEST_CASE("GETSET and GETDEL answer what they take away") {
  Larder larder;
  larder("SET k v EX 10");
  CHECK(larder("GETSET k w") == "v");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("GETDEL k") == "w");
  CHECK(larder("GETDEL k") == "(nil)");
}

TEST_CASE("GETEX sets, clears and judges the time only of a key that is there") {
  Larder larder;
  CHECK(larder("GETEX missing EX abc") == "(nil)");
  CHECK(larder("GETEX missing EX 1 PERSIST") == kSyntax);
  larder("SET k v");
  CHECK(larder("GETEX k EX abc") == kNotAnInteger);
  CHECK(larder("GETEX k KEEPTTL") == kSyntax);
  CHECK(larder("GETEX k EX 0") == "(error) ERR invalid expire time in 'getex' command");
  CHECK(larder("GETEX k EX 10") == "v");
  CHECK(larder("TTL k") == "10");
  CHECK(larder("GETEX k") == "v");
  CHECK(larder("TTL k") == "10");
  CHECK(larder("GETEX k PERSIST") == "v");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("GETEX k PXAT 1") == "v");
  CHECK(larder("EXISTS k") == "0");
}

TEST_CASE("MGET, MSET and MSETNX with keys named twice") {
  Larder larder;
  CHECK(larder("MSET a 1 b 2 a 3") == "OK");
  CHECK(larder("MGET a b a missing") == "[3, 2, 3, (nil)]");
  CHECK(larder("MSET a 1 b") == "(error) ERR wrong number of arguments for 'mset' command");
  CHECK(larder("MSETNX c 1 a 9") == "0");
  CHECK(larder("EXISTS c") == "0");
  CHECK(larder("MSETNX c 1 c 2") == "1");
  CHECK(larder("GET c") == "2");
  CHECK(larder("MSETNX d") == "(error) ERR wrong number of arguments for 'msetnx' command");
}

TEST_CASE("APPEND and SETRANGE grow strings and keep the time to live") {
  Larder larder;
  CHECK(larder("APPEND k \"\"") == "0");
  CHECK(larder("EXISTS k") == "1");
  CHECK(larder("APPEND k 12") == "2");
  CHECK(larder("EXPIRE k 10") == "1");
  CHECK(larder("APPEND k 34") == "4");
  CHECK(larder("SETRANGE k 6 x") == "7");
  CHECK(larder("GET k") == std::string("1234\0\0x", 7));
  CHECK(larder("TTL k") == "10");
  CHECK(larder("SETRANGE missing 5 \"\"") == "0");
  CHECK(larder("EXISTS missing") == "0");
  CHECK(larder("SETRANGE k -1 x") == "(error) ERR offset is out of range");
  CHECK(larder("SETRANGE k 536870912 x") ==
        "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  CHECK(larder("SETRANGE k 9223372036854775807 x") ==
        "(error) ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

TEST_CASE("STRLEN of strings and of numbers") {
  Larder larder;
  larder("MSET text hello number -12");
  CHECK(larder("STRLEN text") == "5");
  CHECK(larder("STRLEN number") == "3");
  CHECK(larder("STRLEN missing") == "0");
}

TEST_CASE("GETRANGE counts from both ends and never outside") {
  Larder larder;
  larder("MSET k \"Hello World\" n 12345");
  CHECK(larder("GETRANGE k 0 4") == "Hello");
  CHECK(larder("GETRANGE k -5 -1") == "World");
  CHECK(larder("GETRANGE k 6 100") == "World");
  CHECK(larder("GETRANGE k -100 1") == "He");
  CHECK(larder("GETRANGE k -100 -200") == "");
  CHECK(larder("GETRANGE k -200 -100") == "H");
  CHECK(larder("GETRANGE k 5 2") == "");
  CHECK(larder("GETRANGE k -9223372036854775808 9223372036854775807") == "Hello World");
  CHECK(larder("SUBSTR n 1 3") == "234");
  CHECK(larder("GETRANGE missing 0 -1") == "");
  CHECK(larder("GETRANGE k x 1") == kNotAnInteger);
}

TEST_CASE("a large value is answered whole and in parts") {
  Larder larder;
  const std::string big(100'000, 'x');
  larder("SET k " + big);
  CHECK(larder("GET k") == big);
  CHECK(larder("GETRANGE k 10 50009") == big.substr(0, 50'000));
  CHECK(larder("GETSET k small") == big);
  CHECK(larder("GET k") == "small");
}

TEST_CASE("LCS: the sequence, its length, its runs") {
  Larder larder;
  larder("MSET a ohmytext b mynewtext");
  CHECK(larder("LCS a b") == "mytext");
  CHECK(larder("LCS b a") == "mytext");
  CHECK(larder("LCS a b LEN") == "6");
  CHECK(larder("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN") ==
        "[matches, [[[4, 7], [5, 8], 4]], len, 6]");
  CHECK(larder("LCS b a IDX") == "[matches, [[[5, 8], [4, 7]], [[0, 1], [2, 3]]], len, 6]");
  CHECK(larder("LCS a missing") == "");
  CHECK(larder("LCS a missing IDX") == "[matches, [], len, 0]");
  CHECK(larder("LCS a b LEN IDX") ==
        "(error) ERR If you want both the length and indexes, please just use IDX.");
  larder("HELLO 3");
  CHECK(larder("LCS a missing IDX") == "{matches: [], len: 0}");
}

TEST_CASE("LCS of strings that need several turns, and of strings that are too long") {
  Larder larder;
  const std::string tooth = "ab";
  std::string first;
  for (int i = 0; i < 2000; ++i) first += tooth;
  larder("SET a " + first);
  larder("SET b " + std::string(4000, 'b'));
  CHECK(larder("LCS a b") == std::string(2000, 'b'));
  CHECK(larder("LCS a b LEN") == "2000");
  larder("SET a " + std::string(20'000, 'a'));
  larder("SET b " + std::string(20'000, 'b'));
  CHECK(larder("LCS a b") ==
        "(error) ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
}

TEST_CASE("reads and writes that answer the old value count hits and misses, others do not") {
  Larder larder;
  larder("SET k 1");
  CHECK(counted(larder, "GET k") == "1/0");
  CHECK(counted(larder, "GET missing") == "0/1");
  CHECK(counted(larder, "MGET k missing k") == "2/1");
  CHECK(counted(larder, "STRLEN k") == "1/0");
  CHECK(counted(larder, "GETRANGE missing 0 1") == "0/1");
  CHECK(counted(larder, "SET k 1 GET") == "1/0");
  CHECK(counted(larder, "GETSET k 1") == "1/0");
  CHECK(counted(larder, "GETEX k EX 10") == "1/0");
  CHECK(counted(larder, "GETDEL other") == "0/1");
  CHECK(counted(larder, "LCS k missing FOO") == "1/1");
  CHECK(counted(larder, "EXISTS k missing k") == "2/1");
  CHECK(counted(larder, "TOUCH k") == "1/0");
  CHECK(counted(larder, "TYPE k") == "1/0");
  CHECK(counted(larder, "TTL k") == "1/0");
  CHECK(counted(larder, "OBJECT ENCODING k") == "1/0");
  CHECK(counted(larder, "COPY k copied") == "1/0");
  for (const char* line : {"SET k 2", "SETNX k 3", "MSET k 1 l 2", "MSETNX k 1 m 2", "INCR k",
                           "APPEND k 1", "SETRANGE k 0 1", "INCRBYFLOAT k 1", "EXPIRE k 100",
                           "PERSIST k", "RENAME k l", "MOVE l 1", "DEL k", "UNLINK missing"}) {
    CAPTURE(line);
    CHECK(counted(larder, line) == "0/0");
  }
}
