#include "storage/hash.h"

#include <doctest/doctest.h>

#include <array>
#include <set>
#include <string>

using larder::storage::hash_bytes;

TEST_CASE("a hash depends on every byte, on the length and on the seed") {
  std::set<std::uint64_t> seen;
  std::size_t made = 0;
  for (std::size_t size : {0u, 1u, 8u, 16u, 17u, 128u, 129u, 240u, 241u, 1000u}) {
    std::string bytes(size, 'a');
    for (const std::uint64_t seed : {0ull, 1ull, ~0ull}) {
      seen.insert(hash_bytes(bytes, seed));
      ++made;
    }
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = 'b';
      seen.insert(hash_bytes(bytes, 0));
      ++made;
      bytes[i] = 'a';
    }
  }
  CHECK(seen.size() == made);
}

TEST_CASE("both ends of a hash are spread: the shard's bits and the bucket's") {
  std::array<int, 16> high{};
  std::array<int, 16> low{};
  for (int i = 0; i < 16'000; ++i) {
    const std::uint64_t hash = hash_bytes("user:" + std::to_string(i), 9);
    ++high[hash >> 60];
    ++low[hash & 15];
  }
  for (const auto& counts : {high, low}) {
    for (const int count : counts) {
      CHECK(count > 800);
      CHECK(count < 1200);
    }
  }
}
