#include "storage/types/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace larder::storage {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

std::uint64_t word_at(const char* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, kWordBytes);
  return word;
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

// Inlined into each of its two callers, so that popcount is an instruction in one of them.
[[gnu::always_inline]] inline std::uint64_t count_by_words(std::string_view bytes) {
  std::uint64_t ones = 0;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kWordBytes; at += kWordBytes, left -= kWordBytes) {
    ones += static_cast<std::uint64_t>(__builtin_popcountll(word_at(at)));
  }
  std::uint64_t rest = 0;
  if (left > 0) std::memcpy(&rest, at, left);
  return ones + static_cast<std::uint64_t>(__builtin_popcountll(rest));
}

#if defined(__x86_64__)
// The oldest 64-bit x86 has no such instruction, and the compiler may assume no younger one.
[[gnu::target("popcnt")]] std::uint64_t count_by_instruction(std::string_view bytes) {
  return count_by_words(bytes);
}
#endif

template <class Combine>
void combine_words(char* into, const char* other, std::size_t count, Combine combine) {
  std::size_t at = 0;
  for (; count - at >= kWordBytes; at += kWordBytes) {
    const std::uint64_t word = combine(word_at(into + at), word_at(other + at));
    std::memcpy(into + at, &word, kWordBytes);
  }
  for (; at < count; ++at) into[at] = static_cast<char>(combine(into[at], other[at]));
}

}  // namespace

bool bit_at(std::string_view bytes, std::uint64_t bit) {
  if (bit / 8 >= bytes.size()) return false;
  return (byte_at(bytes, bit / 8) >> (7 - bit % 8) & 1) != 0;
}

void store_bit(std::span<char> bytes, std::uint64_t bit, bool on) {
  char& byte = bytes[bit / 8];
  const unsigned mask = 0x80u >> (bit % 8);
  const unsigned before = static_cast<std::uint8_t>(byte);
  byte = static_cast<char>(on ? before | mask : before & ~mask);
}

std::uint64_t count_ones(std::string_view bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) return count_by_instruction(bytes);
#endif
  return count_by_words(bytes);
}

std::uint64_t count_ones(std::string_view bytes, std::uint64_t first, std::uint64_t last) {
  const std::string_view touched = bytes.substr(first / 8, last / 8 - first / 8 + 1);
  // What the first and the last byte hold outside of the range.
  const unsigned ahead = byte_at(touched, 0) & ~(0xffu >> (first % 8));
  const unsigned behind = byte_at(touched, touched.size() - 1) & (0x7fu >> (last % 8));
  return count_ones(touched) - static_cast<std::uint64_t>(std::popcount(ahead)) -
         static_cast<std::uint64_t>(std::popcount(behind));
}

std::optional<std::uint64_t> find_bit(std::string_view bytes, bool wanted, std::uint64_t first,
                                      std::uint64_t last) {
  // Looked for is a one; where a zero is wanted, all is read inverted.
  const std::uint8_t inverted = wanted ? 0 : 0xff;
  const std::uint64_t dull_word = wanted ? 0 : ~std::uint64_t{0};
  const std::size_t end = last / 8 + 1;
  std::size_t at = first / 8;
  unsigned byte = (byte_at(bytes, at) ^ inverted) & (0xffu >> (first % 8));
  while (byte == 0) {
    ++at;
    while (end - at >= kWordBytes && word_at(bytes.data() + at) == dull_word) at += kWordBytes;
    if (at == end) return std::nullopt;
    byte = byte_at(bytes, at) ^ inverted;
  }
  const auto leading = static_cast<unsigned>(std::countl_zero(static_cast<std::uint8_t>(byte)));
  const std::uint64_t found = at * 8 + leading;
  if (found > last) return std::nullopt;
  return found;
}

void combine(std::string& into, std::string_view other, BitOperation operation) {
  const std::size_t both = std::min(into.size(), other.size());
  const std::size_t longer = std::max(into.size(), other.size());
  switch (operation) {
    case BitOperation::all:
      combine_words(into.data(), other.data(), both, [](auto a, auto b) { return a & b; });
      into.resize(both);
      return into.resize(longer);
    case BitOperation::any:
      combine_words(into.data(), other.data(), both, [](auto a, auto b) { return a | b; });
      break;
    case BitOperation::odd:
      combine_words(into.data(), other.data(), both, [](auto a, auto b) { return a ^ b; });
      break;
  }
  into.append(other.substr(both));
}

void invert(std::span<char> bytes) {
  combine_words(bytes.data(), bytes.data(), bytes.size(), [](auto a, auto) { return ~a; });
}

}  // namespace larder::storage
