// allkeys-lru, volatile-lru: the key that was left alone longest goes.
//
// The 24 bits are the time of the last use in ticks of 64 ms; they wrap after 12 days, and a key
// that was not used for longer looks younger than it is. The oldest of a sample goes: with ten keys
// in it that misses 0.7 % more than a list in the order of use would, without the list
// (storage/README.md). Redis ticks once a second and keeps a pool of candidates for the same end.
//
// Thread: pure functions.
// Sources: Redis's approximated LRU (the name, OBJECT IDLETIME); sampling instead of lists: Psounis
// and Prabhakar, "Efficient randomized web-cache replacement schemes" (IEEE/ACM ToN 2002).
#pragma once

#include <cstdint>

namespace larder::storage::lru {

inline constexpr std::uint32_t kBits = 0xffffff;
inline constexpr std::int64_t kTickMs = 64;

// What a key gets that is made or used.
constexpr std::uint32_t bits(std::int64_t now_ms) {
  return static_cast<std::uint32_t>(now_ms / kTickMs) & kBits;
}
constexpr std::uint32_t idle_ticks(std::uint32_t bits_then, std::int64_t now_ms) {
  return (bits(now_ms) - bits_then) & kBits;
}
constexpr std::int64_t idle_seconds(std::uint32_t bits_then, std::int64_t now_ms) {
  // Up to a tick more than the two readings tell apart: two seconds are never called one.
  return (idle_ticks(bits_then, now_ms) * kTickMs + kTickMs - 1) / 1000;
}

}  // namespace larder::storage::lru
