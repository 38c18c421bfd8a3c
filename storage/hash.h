// The hash of a key: XXH3 with a seed that is drawn at start, so that a stranger cannot choose keys
// that collide.
//
// One hash serves everybody, each with its own bits:
//   bits 63..    the shard (its index is the top bits)
//   bits 0..31   the bucket within the shard's table, as many low bits as the table has grown to
//   bits 12..27  the tag kept beside the entry's name in the bucket
//   bits 0..31   the name under which the timer wheel remembers an entry
// The tag overlaps the bucket's bits on purpose: from 4096 buckets on a bucket can be split by
// looking at tags alone, without touching an entry; what is left to tell entries of one bucket
// apart is 28 - log2(buckets) bits.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace larder::storage {

// A key as a call names it: its bytes (a view that must outlive the visit) and its hash, computed
// once.
struct Key {
  std::string_view bytes;
  std::uint64_t hash;
};

inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// The cursors of scans count in the order of the bits reversed, so that the two halves of a bucket
// that is split come one behind the other.
inline std::uint64_t reverse_bits(std::uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555ull) | ((v & 0x5555555555555555ull) << 1);
  v = ((v >> 2) & 0x3333333333333333ull) | ((v & 0x3333333333333333ull) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0full) | ((v & 0x0f0f0f0f0f0f0f0full) << 4);
  return __builtin_bswap64(v);
}

}  // namespace larder::storage
