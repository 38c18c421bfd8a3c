#include "storage/types/bitfield.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "storage/types/bits.h"

using namespace larder::storage;

namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

FieldType type_of(std::string_view text) {
  const auto type = parse_field_type(text);
  REQUIRE(type.has_value());
  return *type;
}

// Bit by bit, as the manual describes it.
std::int64_t field_in(const std::vector<bool>& bits, std::size_t first, FieldType type) {
  std::uint64_t value = type.is_signed && bits[first] ? ~std::uint64_t{0} : 0;
  for (unsigned i = 0; i < type.bits; ++i) value = value << 1 | (bits[first + i] ? 1 : 0);
  return static_cast<std::int64_t>(value);
}

FieldType some_type(std::mt19937_64& random) {
  const bool is_signed = random() % 2 == 0;
  return {is_signed, 1 + static_cast<unsigned>(random() % (is_signed ? 64 : 63))};
}

}  // namespace

TEST_CASE("field types are i1 to i64 and u1 to u63") {
  CHECK(type_of("i1").bits == 1);
  CHECK(type_of("i64").is_signed);
  CHECK(type_of("u63").bits == 63);
  CHECK(!type_of("u63").is_signed);
  for (const char* text : {"", "i", "u", "8", "x8", "I8", "u0", "i0", "u64", "i65", "u08", "u+8",
                           "u-1", "u8 ", " u8", "u 8", "i9223372036854775808"}) {
    CHECK_MESSAGE(!parse_field_type(text), text);
  }
}

TEST_CASE("fields are stored and read as if bit by bit, and leave their neighbours alone") {
  std::mt19937_64 random(1);
  std::string bytes(40, '\0');
  std::vector<bool> model(bytes.size() * 8);
  for (int i = 0; i < 20000; ++i) {
    const FieldType type = some_type(random);
    const std::size_t first = random() % (model.size() - type.bits + 1);
    const auto value = static_cast<std::int64_t>(random());
    store_field(bytes, first, type, value);
    for (unsigned bit = 0; bit < type.bits; ++bit) {
      model[first + bit] = (static_cast<std::uint64_t>(value) >> (type.bits - 1 - bit) & 1) != 0;
    }
    for (std::size_t bit = 0; bit < model.size(); ++bit) {
      REQUIRE(bit_at(bytes, bit) == model[bit]);
    }
    const FieldType other = some_type(random);
    const std::size_t place = random() % (model.size() - other.bits + 1);
    REQUIRE(field_at(bytes, place, other) == field_in(model, place, other));
  }
}

TEST_CASE("a field that goes beyond the end reads zeros there") {
  CHECK(field_at("\xff", 4, type_of("u8")) == 0xf0);
  CHECK(field_at("\xff", 4, type_of("i8")) == -16);
  CHECK(field_at("\xff", 8, type_of("i64")) == 0);
  CHECK(field_at("", 4294967295, type_of("i64")) == 0);
  CHECK(field_at("\x01", 7, type_of("i64")) == kLowest);
}

TEST_CASE("a sum that does not fit wraps, stays at the edge, or fails") {
  const FieldType i8 = type_of("i8");
  const FieldType u8 = type_of("u8");
  const FieldType i64 = type_of("i64");
  const FieldType u63 = type_of("u63");
  CHECK(sum_in_field(100, 27, i8, Overflow::fail) == 127);
  CHECK(sum_in_field(100, 28, i8, Overflow::fail) == std::nullopt);
  CHECK(sum_in_field(100, 28, i8, Overflow::wrap) == -128);
  CHECK(sum_in_field(100, 28, i8, Overflow::saturate) == 127);
  CHECK(sum_in_field(-100, -29, i8, Overflow::wrap) == 127);
  CHECK(sum_in_field(-100, -29, i8, Overflow::saturate) == -128);
  CHECK(sum_in_field(250, 10, u8, Overflow::wrap) == 4);
  CHECK(sum_in_field(250, 10, u8, Overflow::saturate) == 255);
  CHECK(sum_in_field(5, -6, u8, Overflow::wrap) == 255);
  CHECK(sum_in_field(5, -6, u8, Overflow::saturate) == 0);
  CHECK(sum_in_field(5, kLowest, u8, Overflow::saturate) == 0);
  CHECK(sum_in_field(kHighest, 1, i64, Overflow::wrap) == kLowest);
  CHECK(sum_in_field(kHighest, kHighest, i64, Overflow::wrap) == -2);
  CHECK(sum_in_field(kLowest, kLowest, i64, Overflow::wrap) == 0);
  CHECK(sum_in_field(kLowest, -1, i64, Overflow::saturate) == kLowest);
  CHECK(sum_in_field(kLowest, kHighest, i64, Overflow::fail) == -1);
  CHECK(sum_in_field(kHighest, 1, u63, Overflow::wrap) == 0);
  CHECK(sum_in_field(kHighest, kHighest, u63, Overflow::saturate) == kHighest);
}

TEST_CASE("one number is fitted, a negative one into an unsigned field as a very large one") {
  CHECK(fit_in_field(128, type_of("i8"), Overflow::wrap) == -128);
  CHECK(fit_in_field(-129, type_of("i8"), Overflow::saturate) == -128);
  CHECK(fit_in_field(-1, type_of("u8"), Overflow::wrap) == 255);
  CHECK(fit_in_field(-1, type_of("u8"), Overflow::saturate) == 255);
  CHECK(fit_in_field(-1, type_of("u8"), Overflow::fail) == std::nullopt);
  CHECK(fit_in_field(-1, type_of("u63"), Overflow::wrap) == kHighest);
  CHECK(fit_in_field(kLowest, type_of("i64"), Overflow::fail) == kLowest);
}
