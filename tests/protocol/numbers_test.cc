#include "protocol/numbers.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>

using namespace larder::protocol;
using namespace std::string_literals;

TEST_CASE("an integer has one spelling") {
  CHECK(parse_integer("0") == 0);
  CHECK(parse_integer("-1") == -1);
  CHECK(parse_integer("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_integer("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  for (const std::string text :
       {"", "-", "-0", "+1", " 1", "1 ", "01", "-01", "00", "1.0", "1e3", "0x10", "a", "1a", "--1",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999999"}) {
    CAPTURE(text);
    CHECK(!parse_integer(text));
  }
  CHECK(!parse_integer("1\0"s));
}

TEST_CASE("an unsigned integer goes to 2^64-1") {
  CHECK(parse_unsigned("0") == 0);
  CHECK(parse_unsigned("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"", "-1", "+1", "01", "18446744073709551616", " 1"}) {
    CAPTURE(text);
    CHECK(!parse_unsigned(text));
  }
}

TEST_CASE("a cursor is what strtoul takes whole") {
  CHECK(parse_cursor("0") == 0);
  CHECK(parse_cursor("") == 0);
  CHECK(parse_cursor("\0x"s) == 0);
  CHECK(parse_cursor("12\0x"s) == 12);
  CHECK(parse_cursor("+7") == 7);
  CHECK(parse_cursor("007") == 7);
  CHECK(parse_cursor("-1") == std::numeric_limits<std::uint64_t>::max());
  CHECK(parse_cursor("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"x", " 1", "1 ", "-", "+", "+-1", "18446744073709551616", "1.5"}) {
    CAPTURE(text);
    CHECK(!parse_cursor(text));
  }
}

TEST_CASE("a double is what strtod takes whole and can hold") {
  CHECK(parse_double("3") == 3.0);
  CHECK(parse_double("-1.5e3") == -1500.0);
  CHECK(parse_double("+1") == 1.0);
  CHECK(parse_double(".5") == 0.5);
  CHECK(parse_double("5.") == 5.0);
  CHECK(parse_double("0x1p3") == 8.0);
  CHECK(parse_double("1e-310") == 1e-310);
  CHECK(parse_double("inf") == std::numeric_limits<double>::infinity());
  CHECK(parse_double("-Infinity") == -std::numeric_limits<double>::infinity());
  CHECK(parse_double("+INF") == std::numeric_limits<double>::infinity());
  for (const std::string text : {"", " 1", "1 ", "nan", "-nan", "NAN(1)", "1e400", "-1e400",
                                 "1e-400", "1,5", "x", "1e", "--1", "0x", "\t1"}) {
    CAPTURE(text);
    CHECK(!parse_double(text));
  }
  CHECK(!parse_double("1\0"s));
  CHECK(parse_double(std::string(kFloatWordBytes - 2, '0') + "1") == 1.0);
}

TEST_CASE("a long double goes further") {
  CHECK(parse_long_double("0x10") == 16.0L);
  CHECK(parse_long_double("1e400") == 1e400L);
  CHECK(parse_long_double("inf") == std::numeric_limits<long double>::infinity());
  for (const std::string text : {"", " 1", "1 ", "nan", "1e5000", "1e-5000", "x"}) {
    CAPTURE(text);
    CHECK(!parse_long_double(text));
  }
  CHECK(!parse_long_double(std::string(kFloatWordBytes, '1')));
}

TEST_CASE("integers are written as to_string writes them") {
  std::mt19937_64 chance(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<std::int64_t>(chance() >> (chance() % 64));
    CHECK(integer_text(value) == std::to_string(value));
    CHECK(integer_text(-value) == std::to_string(-value));
    CHECK(parse_integer(integer_text(value)) == value);
  }
  CHECK(integer_text(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  char text[kIntegerChars];
  CHECK(std::string(text, write_unsigned(text, ~std::uint64_t{0})) == "18446744073709551615");
}

TEST_CASE("doubles are written with 17 significant digits") {
  const auto by_printf = [](double value) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.17g", value);
    return std::string(text);
  };
  for (const double value : {0.0, -0.0, 0.1, 4.35, 1e15, 999999999999999.0, 1e16, 1e17, 1e22, -3.0,
                             1.7976931348623157e308, 5e-324, 123456789012345680.0}) {
    CHECK(double_text(value) == by_printf(value));
  }
  std::mt19937_64 chance(2);
  for (int i = 0; i < 50'000; ++i) {
    const auto value = std::bit_cast<double>(chance());
    if (!std::isfinite(value)) continue;
    REQUIRE(double_text(value) == by_printf(value));
    REQUIRE(double_text(value).size() <= kDoubleChars);
    REQUIRE(double_text(std::trunc(value)) == by_printf(std::trunc(value)));
  }
  CHECK(double_text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(double_text(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(double_text(std::nan("")) == "nan");
}

TEST_CASE("long doubles are written as INCRBYFLOAT shows them") {
  CHECK(long_double_text(0.1L) == "0.1");
  CHECK(long_double_text(10.5L) == "10.5");
  CHECK(long_double_text(100.0L) == "100");
  CHECK(long_double_text(-17.0L) == "-17");
  CHECK(long_double_text(1e-17L) == "0.00000000000000001");
  CHECK(long_double_text(1e20L) == "100000000000000000000");
  CHECK(long_double_text(-0.0L) == "0");
  CHECK(long_double_text(-1e-30L) == "0");
  CHECK(long_double_text(std::numeric_limits<long double>::max()).size() == 4933);
  CHECK(long_double_text(std::numeric_limits<long double>::infinity()) == "inf");
  CHECK(long_double_text(-std::numeric_limits<long double>::infinity()) == "-inf");
}
