#include "protocol/rdb.h"

#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>

using namespace larder::protocol;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t kMost = 1 << 20;

std::string dump_of(std::string_view text) {
  RdbWriter writer(RdbType::string);
  writer.string(text);
  return writer.finish();
}

// The string a dump holds; nothing when it holds none, or something behind it.
std::optional<std::string> string_in(std::string_view dump, std::size_t most = kMost) {
  RdbReader reader(dump, most);
  if (reader.type() != static_cast<std::uint8_t>(RdbType::string)) return std::nullopt;
  const std::string text = reader.string();
  return reader.is_at_end() ? std::optional(text) : std::nullopt;
}

// A value of these bytes in a right frame.
std::string framed(std::string_view value) {
  std::string dump(value);
  dump += '\x0a';
  dump += '\0';
  const std::uint64_t sum = crc64(dump);
  for (int i = 0; i < 8; ++i) dump += static_cast<char>(sum >> (8 * i));
  return dump;
}

}  // namespace

TEST_CASE("the sum is that of Jones") {
  CHECK(crc64("123456789") == 0xe9c6d914c4b8d9ca);
  CHECK(crc64("") == 0);
}

TEST_CASE("a dump is to the byte what redis-server says") {
  CHECK(dump_of("123") == "\x00\xc0{\n\x00H\xe2S\xe1\x00zg\xb9"sv);
}

TEST_CASE("a compressed dump of redis-server is read") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "abcabcabc";
  CHECK(string_in("\x00\xc3\x0e"
                  "Ah\x03"
                  "abca\xe0\xff\x02\xe1Q\a\x01"
                  "bc\n\x00\xd5\xf8\xb6\xea\xe9r]\x95"sv) == text);
}

TEST_CASE("strings of every length and spelling come back") {
  for (const std::size_t size : {0, 1, 63, 64, 16'383, 16'384, 100'000}) {
    const std::string text(size, 'x');
    CHECK(string_in(dump_of(text)) == text);
  }
  for (const char* text : {"0", "-1", "127", "128", "-128", "-129", "32767", "32768", "-32769",
                           "2147483647", "2147483648", "-2147483648", "-2147483649", "007", "-0"}) {
    CHECK(string_in(dump_of(text)) == text);
  }
  CHECK(string_in(dump_of("12345")).value() == "12345");
  CHECK_FALSE(string_in(dump_of(std::string(11, 'x')), 10));
}

TEST_CASE("numbers come back to the bit") {
  for (const double number : {0.0, -0.0, 1.5, -1e300, std::numeric_limits<double>::infinity()}) {
    RdbWriter writer(RdbType::zset);
    writer.number(number);
    const std::string dump = writer.finish();
    RdbReader reader(dump, kMost);
    CHECK(reader.type() == 5);
    CHECK(std::bit_cast<std::uint64_t>(reader.number()) == std::bit_cast<std::uint64_t>(number));
    CHECK(reader.is_at_end());
  }
}

TEST_CASE("a frame that does not hold is refused, whichever bit is wrong") {
  const std::string dump = dump_of("a value of some length");
  for (std::size_t bit = 0; bit < dump.size() * 8; ++bit) {
    std::string broken = dump;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ 1 << bit % 8);
    CHECK_FALSE(RdbReader(broken, kMost).is_framed());
  }
  for (std::size_t size = 0; size < dump.size(); ++size) {
    CHECK_FALSE(RdbReader(std::string_view(dump).substr(0, size), kMost).is_good());
  }
}

TEST_CASE("lengths that lie are found out before anything is allocated for them") {
  for (const std::string_view value :
       {"\x00\x80\xff\xff\xff\xff"sv, "\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff"sv,
        "\x00\x05"
        "abc"sv,
        "\x00\xc3\x01\x80\x7f\xff\xff\xffx"sv, "\x00\xc3\x00\x00"sv, "\x00\xc4"sv, "\x00\x82"sv,
        "\x00\xc2\x01"sv, "\x00"sv, ""sv}) {
    CHECK_FALSE(string_in(framed(value), std::numeric_limits<std::size_t>::max()));
  }
  const std::string liar = framed("\x01\x80\xff\xff\xff\xff"sv);
  RdbReader counting(liar, kMost);
  counting.type();
  CHECK(counting.count() == 0);
  CHECK_FALSE(counting.is_good());
}

TEST_CASE("whatever the bytes, the reader ends and says so") {
  std::mt19937_64 chance(4);
  for (int i = 0; i < 20'000; ++i) {
    std::string value(1 + chance() % 40, '\0');
    for (char& c : value) c = static_cast<char>(chance() % 4 == 0 ? 0xc0 + chance() % 5 : chance());
    const std::string dump = framed(value);
    RdbReader reader(dump, kMost);
    reader.type();
    while (reader.is_good() && !reader.is_at_end()) {
      switch (chance() % 4) {
        case 0: reader.string(); break;
        case 1: reader.number(); break;
        case 2: reader.count(); break;
        default: reader.number_as_text();
      }
    }
    CHECK(reader.is_framed());
  }
}
