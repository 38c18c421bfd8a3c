// Entries to measure with: so many of them, each with its hash, made once for each size and kept
// for all benchmarks of that size.
//
// Numbers are drawn by hashing a counter that goes on from one run to the next, so that visits miss
// the caches as a server's would, and are not warmed by the run before.
// Thread: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "storage/clock.h"
#include "storage/entry.h"
#include "storage/hash.h"

namespace larder::bench {

inline constexpr std::size_t kKeyBytes = 16;
inline constexpr std::uint64_t kSeed = 0x1a4de4;
// The sizes of keyspace that are measured.
inline constexpr std::int64_t kSmall = 10'000;
inline constexpr std::int64_t kMiddle = 1'000'000;
inline constexpr std::int64_t kLarge = 10'000'000;

inline std::uint64_t mix(std::uint64_t n) {
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
  return n ^ (n >> 31);
}

struct KeyText {
  std::array<char, kKeyBytes> bytes;
  explicit KeyText(std::uint64_t number) {
    const std::uint64_t other = ~number;
    std::memcpy(bytes.data(), &number, sizeof number);
    std::memcpy(bytes.data() + sizeof number, &other, sizeof other);
  }
  std::string_view view() const { return {bytes.data(), bytes.size()}; }
  std::uint64_t hash() const { return storage::hash_bytes(view(), kSeed); }
};

// Where all of them lie.
inline storage::Heap& heap() {
  static storage::Arena arena(std::size_t{16} << 30);
  static storage::Heap made(arena);
  return made;
}

inline storage::Entry* make_entry(std::string_view key, std::string_view value) {
  using storage::Encoding;
  storage::Entry* entry = storage::Entry::make(
      heap(), key,
      {.type = storage::Type::string,
       .encoding = value.size() <= storage::kEmbstrBytes ? Encoding::embstr : Encoding::raw,
       .deadline = storage::Deadline::never(),
       .value_bytes = value.size()});
  std::memcpy(entry->value(), value.data(), value.size());
  return entry;
}

// Draws numbers below `count`: the same ones each time the program runs, others each time one is
// made.
class Draw {
 public:
  explicit Draw(std::uint64_t count) : count_(count), drawn_(another_start()) {}
  std::uint64_t next() {
    // The high half of a product is a number below `count` without a division.
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(mix(++drawn_)) * count_ >> 64);
  }

 private:
  static std::uint64_t another_start() {
    static std::uint64_t made = 0;
    return ++made << 40;
  }

  std::uint64_t count_;
  std::uint64_t drawn_;
};

// `count` entries of 16-byte keys and 32-byte values, in the order of their numbers.
class Entries {
 public:
  explicit Entries(std::size_t count) {
    const std::string value(32, 'v');
    all_.reserve(count);
    for (std::size_t n = 0; n < count; ++n) {
      all_.push_back(make_entry(KeyText(n).view(), value));
    }
  }
  ~Entries() {
    for (storage::Entry* entry : all_) entry->destroy(heap());
  }
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;

  storage::Entry*& operator[](std::size_t n) { return all_[n]; }
  std::size_t size() const { return all_.size(); }

 private:
  std::vector<storage::Entry*> all_;
};

}  // namespace larder::bench
