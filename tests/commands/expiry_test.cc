#include <doctest/doctest.h>

#include <string>

#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

constexpr const char* kInvalid = "(error) ERR invalid expire time in 'expire' command";

}  // namespace

TEST_CASE("EXPIRE, TTL and PERSIST") {
  Larder larder;
  CHECK(larder("EXPIRE k 10") == "0");
  CHECK(larder("TTL k") == "-2");
  larder("SET k v");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("PERSIST k") == "0");
  CHECK(larder("EXPIRE k 10") == "1");
  CHECK(larder("TTL k") == "10");
  CHECK(larder("PERSIST k") == "1");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("PERSIST missing") == "0");
}

TEST_CASE("seconds are rounded to the nearest") {
  Larder larder;
  larder("SET k v PX 1500");
  CHECK(larder("TTL k") == "2");
  larder.advance(1ms);
  CHECK(larder("TTL k") == "1");
  CHECK(larder("PTTL k") == "1499");
  larder.advance(1498ms);
  CHECK(larder("PTTL k") == "1");
  CHECK(larder("TTL k") == "0");
  larder.advance(1ms);
  CHECK(larder("PTTL k") == "-2");
}

TEST_CASE("EXPIREAT and EXPIRETIME speak of moments") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("EXPIREAT k 33177117420") == "1");
  CHECK(larder("EXPIRETIME k") == "33177117420");
  CHECK(larder("PEXPIRETIME k") == "33177117420000");
  CHECK(larder("PEXPIREAT k 33177117420500") == "1");
  CHECK(larder("EXPIRETIME k") == "33177117421");
  CHECK(larder("EXPIRETIME missing") == "-2");
  larder("SET k v");
  CHECK(larder("PEXPIRETIME k") == "-1");
}

TEST_CASE("a moment that has passed deletes") {
  Larder larder;
  larder("MSET a 1 b 2 c 3");
  CHECK(larder("EXPIRE a 0") == "1");
  CHECK(larder("PEXPIRE b -9223372036854775808") == "1");
  CHECK(larder("EXPIREAT c 1") == "1");
  CHECK(larder("DBSIZE") == "0");
}

TEST_CASE("NX, XX, GT and LT") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("EXPIRE k 100 XX") == "0");
  CHECK(larder("EXPIRE k 100 GT") == "0");
  CHECK(larder("EXPIRE k 100 NX") == "1");
  CHECK(larder("EXPIRE k 200 NX") == "0");
  CHECK(larder("EXPIRE k 100 GT") == "0");
  CHECK(larder("EXPIRE k 200 GT") == "1");
  CHECK(larder("EXPIRE k 200 LT") == "0");
  CHECK(larder("EXPIRE k 100 LT") == "1");
  CHECK(larder("EXPIRE k 150 XX GT") == "1");
  CHECK(larder("TTL k") == "150");
  larder("SET k v");
  CHECK(larder("EXPIRE k 100 LT") == "1");
}

TEST_CASE("options are judged first, then the number, then the key") {
  Larder larder;
  CHECK(larder("EXPIRE k x FOO") == "(error) ERR Unsupported option FOO");
  CHECK(larder("EXPIRE k x NX LT") ==
        "(error) ERR NX and XX, GT or LT options at the same time are not compatible");
  CHECK(larder("EXPIRE k x GT LT") ==
        "(error) ERR GT and LT options at the same time are not compatible");
  CHECK(larder("EXPIRE k x") == "(error) ERR value is not an integer or out of range");
  CHECK(larder("EXPIRE k 9223372036854775807") == kInvalid);
  CHECK(larder("EXPIRE k -9223372036854775808") == kInvalid);
  CHECK(larder("EXPIRE k 9223372036854775") == kInvalid);
  CHECK(larder("PEXPIRE k 9223372036854775807") ==
        "(error) ERR invalid expire time in 'pexpire' command");
  CHECK(larder("PEXPIREAT k 9223372036854775807") == "0");
}

TEST_CASE("the farthest moment is far, not never") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("PEXPIREAT k 9223372036854775807") == "1");
  CHECK(larder("TTL k") != "-1");
  CHECK(larder("PERSIST k") == "1");
}
