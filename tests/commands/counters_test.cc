#include <doctest/doctest.h>

#include "tests/support/larder.h"

using larder::testing::Larder;

namespace {

constexpr const char* kNotAnInteger = "(error) ERR value is not an integer or out of range";
constexpr const char* kNotAFloat = "(error) ERR value is not a valid float";
constexpr const char* kOverflow = "(error) ERR increment or decrement would overflow";

}  // namespace

TEST_CASE("INCR and its kin count from 0 and keep the time to live") {
  Larder larder;
  CHECK(larder("INCR n") == "1");
  CHECK(larder("EXPIRE n 10") == "1");
  CHECK(larder("INCRBY n 41") == "42");
  CHECK(larder("DECR n") == "41");
  CHECK(larder("DECRBY n 50") == "-9");
  CHECK(larder("TTL n") == "10");
  CHECK(larder("OBJECT ENCODING n") == "int");
}

TEST_CASE("what is no number is not counted") {
  Larder larder;
  larder("MSET text abc spaced \" 1\" float 1.5 big 9223372036854775808");
  CHECK(larder("INCR text") == kNotAnInteger);
  CHECK(larder("INCR spaced") == kNotAnInteger);
  CHECK(larder("INCR float") == kNotAnInteger);
  CHECK(larder("INCR big") == kNotAnInteger);
  CHECK(larder("INCRBY n abc") == kNotAnInteger);
  CHECK(larder("INCRBY n 1.0") == kNotAnInteger);
  CHECK(larder("EXISTS n") == "0");
}

TEST_CASE("counting stops at the ends of 64 bits") {
  Larder larder;
  larder("SET n 9223372036854775806");
  CHECK(larder("INCR n") == "9223372036854775807");
  CHECK(larder("INCR n") == kOverflow);
  CHECK(larder("GET n") == "9223372036854775807");
  larder("SET n -9223372036854775808");
  CHECK(larder("DECR n") == kOverflow);
  CHECK(larder("DECRBY n -9223372036854775808") == "(error) ERR decrement would overflow");
  CHECK(larder("INCRBY n 9223372036854775807") == "-1");
}

TEST_CASE("INCRBYFLOAT adds as people do") {
  Larder larder;
  CHECK(larder("INCRBYFLOAT f 10.50") == "10.5");
  CHECK(larder("INCRBYFLOAT f 0.1") == "10.6");
  CHECK(larder("INCRBYFLOAT f -5") == "5.6");
  CHECK(larder("EXPIRE f 10") == "1");
  larder("SET e 5.0e3 EX 10");
  CHECK(larder("INCRBYFLOAT e 2.0e2") == "5200");
  CHECK(larder("TTL e") == "10");
  CHECK(larder("INCR e") == "5201");
  CHECK(larder("INCRBYFLOAT f abc") == kNotAFloat);
  CHECK(larder("INCRBYFLOAT f nan") == kNotAFloat);
  CHECK(larder("INCRBYFLOAT f inf") == "(error) ERR increment would produce NaN or Infinity");
  larder("SET text abc");
  CHECK(larder("INCRBYFLOAT text 1") == kNotAFloat);
}
