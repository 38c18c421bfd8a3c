// Integers of 1 to 64 bits at any place in a string (BITFIELD).
//
// A field's highest bit comes first, as the bits of a string are numbered (bits.h). Signed fields
// are two's complement. The unsigned ones end at 63 bits, since RESP has no unsigned integers.
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace larder::storage {

struct FieldType {
  bool is_signed = false;
  unsigned bits = 0;
};

// "i1" ... "i64", "u1" ... "u63".
std::optional<FieldType> parse_field_type(std::string_view text);

// Zeros behind the end of the bytes.
std::int64_t field_at(std::string_view bytes, std::uint64_t first_bit, FieldType type);
// The low bits of the value. All of the field lies within.
void store_field(std::span<char> bytes, std::uint64_t first_bit, FieldType type,
                 std::int64_t value);

// What becomes of a number that its field cannot hold.
enum class Overflow : std::uint8_t { wrap, saturate, fail };

// before + by as the field holds it; nothing when it does not fit and may not be changed.
std::optional<std::int64_t> sum_in_field(std::int64_t before, std::int64_t by, FieldType type,
                                         Overflow overflow);
// The same for one number. An unsigned field takes a negative one for its 64 bits, as Redis does:
// far too large.
std::optional<std::int64_t> fit_in_field(std::int64_t value, FieldType type, Overflow overflow);

}  // namespace larder::storage
