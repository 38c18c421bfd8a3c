#include "storage/types/bitfield.h"

#include <algorithm>

#include "storage/types/bytes.h"

namespace larder::storage {
namespace {

// Holds the sum of any two 64-bit numbers.
__extension__ using Wide = __int128;

Wide lowest(FieldType type) {
  return type.is_signed ? -(Wide{1} << (type.bits - 1)) : Wide{0};
}

Wide highest(FieldType type) {
  return (Wide{1} << (type.is_signed ? type.bits - 1 : type.bits)) - 1;
}

// The number whose low bits these are.
std::int64_t from_low_bits(std::uint64_t low, FieldType type) {
  const unsigned unused = 64 - type.bits;
  if (type.is_signed) return static_cast<std::int64_t>(low << unused) >> unused;
  return static_cast<std::int64_t>(low << unused >> unused);
}

std::optional<std::int64_t> fit(Wide value, FieldType type, Overflow overflow) {
  if (value >= lowest(type) && value <= highest(type)) return static_cast<std::int64_t>(value);
  switch (overflow) {
    case Overflow::wrap: return from_low_bits(static_cast<std::uint64_t>(value), type);
    case Overflow::saturate:
      return static_cast<std::int64_t>(value < lowest(type) ? lowest(type) : highest(type));
    case Overflow::fail: break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<FieldType> parse_field_type(std::string_view text) {
  if (text.empty() || (text.front() != 'i' && text.front() != 'u')) return std::nullopt;
  const bool is_signed = text.front() == 'i';
  const auto bits = strict_integer(text.substr(1));
  if (!bits || *bits < 1 || *bits > (is_signed ? 64 : 63)) return std::nullopt;
  return FieldType{is_signed, static_cast<unsigned>(*bits)};
}

std::int64_t field_at(std::string_view bytes, std::uint64_t first_bit, FieldType type) {
  // A field lies in nine bytes at most: eight in a word, and perhaps one more.
  const std::uint64_t first_byte = first_bit / 8;
  const unsigned skipped = first_bit % 8;
  const auto byte = [&](std::uint64_t i) -> std::uint64_t {
    const std::uint64_t at = first_byte + i;
    return at < bytes.size() ? static_cast<std::uint8_t>(bytes[at]) : 0;
  };
  std::uint64_t word = 0;
  for (unsigned i = 0; i < 8; ++i) word = word << 8 | byte(i);
  if (skipped > 0) word = word << skipped | byte(8) >> (8 - skipped);
  return from_low_bits(word >> (64 - type.bits), type);
}

void store_field(std::span<char> bytes, std::uint64_t first_bit, FieldType type,
                 std::int64_t value) {
  // From the field's end, at most a byte at a time.
  auto rest = static_cast<std::uint64_t>(value);
  std::uint64_t end = first_bit + type.bits;
  while (end > first_bit) {
    const std::uint64_t byte_start = (end - 1) / 8 * 8;
    const std::uint64_t begin = std::max(byte_start, first_bit);
    const auto count = static_cast<unsigned>(end - begin);
    const auto shift = static_cast<unsigned>(byte_start + 8 - end);
    const unsigned mask = ((1u << count) - 1) << shift;
    char& byte = bytes[byte_start / 8];
    const unsigned kept = static_cast<std::uint8_t>(byte) & ~mask;
    byte = static_cast<char>(kept | (static_cast<unsigned>(rest) << shift & mask));
    rest >>= count;
    end = begin;
  }
}

std::optional<std::int64_t> sum_in_field(std::int64_t before, std::int64_t by, FieldType type,
                                         Overflow overflow) {
  return fit(Wide{before} + by, type, overflow);
}

std::optional<std::int64_t> fit_in_field(std::int64_t value, FieldType type, Overflow overflow) {
  if (type.is_signed) return fit(value, type, overflow);
  return fit(static_cast<std::uint64_t>(value), type, overflow);
}

}  // namespace larder::storage
