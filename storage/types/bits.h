// Bits of a string, numbered as Redis numbers them: bit 0 is the highest of the first byte.
//
// Pure functions over bytes that somebody else holds; what lies behind the end reads as zero where
// a function says so, and is out of bounds where it does not. All of them walk eight bytes at a
// time, since they run while a shard is held.
// Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace larder::storage {

// Zero behind the end.
bool bit_at(std::string_view bytes, std::uint64_t bit);
// The bit lies within.
void store_bit(std::span<char> bytes, std::uint64_t bit, bool on);

std::uint64_t count_ones(std::string_view bytes);
// Those from the first to the last bit, both included; first <= last, which lies within.
std::uint64_t count_ones(std::string_view bytes, std::uint64_t first, std::uint64_t last);
// The lowest bit of that value from the first to the last, both included, as above.
std::optional<std::uint64_t> find_bit(std::string_view bytes, bool wanted, std::uint64_t first,
                                      std::uint64_t last);

enum class BitOperation : std::uint8_t { all, any, odd };  // AND, OR, XOR
// into = into OP other. The shorter one counts as followed by zeros; the result has the length of
// the longer.
void combine(std::string& into, std::string_view other, BitOperation operation);
void invert(std::span<char> bytes);

}  // namespace larder::storage
