// Ghosts: what a shard remembers of keys it has evicted, so that one that comes back is known.
//
// A ghost is 32 bits, sixteen to a cache line; a key's hash says which line. When a line is full
// the ghost whose key was used longest ago gives way.
//
//   bits 31..16   tag of the hash, never 0     15..12   uses that were counted
//   bits 11..0    when the key was last used, in units (AgeClock), the low bits
//
// Another key's ghost is taken for one's own with a chance of 16 in 65535.
//
// There are up to two ghosts for each key, but all of them together take at most 1/48 of what the
// shard's keys take: with small values memory serves better as cache. When the shard has grown or
// shrunk by a quarter they are made anew, and the old ones forgotten: lines are found by
// multiplying, and a tag does not tell the line of another size.
//
// Cost: a line to put one, a line to take one. Thread: part of a Shard; whoever holds it may call;
// prefetch() anyone.
// Source: ghost lists as in ARC (Megiddo and Modha, FAST 2003), here without the list.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace larder::storage {

class Ghosts {
 public:
  static constexpr std::size_t kPerLine = 16;
  static constexpr std::size_t kPerLook = 4;

  struct Ghost {
    std::uint32_t uses;  // up to 15
    std::uint32_t age;   // units
  };

  // As many as a shard of that size should have; true: they were made anew.
  bool fit(std::size_t keys, std::size_t shard_bytes);
  void clear();
  bool empty() const { return lines_.empty(); }
  std::size_t slots() const { return lines_.size() * kPerLine; }
  std::size_t used_bytes() const { return lines_.capacity() * sizeof(Line); }

  // The key was evicted: its ghost takes the place of the one used longest ago.
  void put(std::uint64_t hash, std::uint32_t uses, std::uint32_t age, std::uint32_t now_units) {
    Line& line = lines_[line_of(hash)];
    line.ghosts[place_in(line, now_units)] = tag_of(hash) << kTagShift | uses << kUnitBits |
                                             ((now_units - age) & kUnitMask);
  }
  // visit(Ghost) for those among kPerLook places of the line of a hash, which are a fair sample of
  // all; `turn` says which.
  template <class Visitor>
  void look(std::uint64_t hash, std::size_t turn, std::uint32_t now_units, Visitor&& visit) const {
    const Line& line = lines_[line_of(hash)];
    const std::size_t first = turn * kPerLook % kPerLine;
    for (std::size_t i = first; i < first + kPerLook; ++i) {
      if (line.ghosts[i] != 0) visit(read(line.ghosts[i], now_units));
    }
  }

  // Any thread. Who meets a change of their number fetches a line too many.
  void prefetch(std::uint64_t hash) const {
    const std::uintptr_t start = start_.load(std::memory_order_relaxed);
    if (start == 0) return;
    const std::size_t line = line_of(hash, count_.load(std::memory_order_relaxed));
    __builtin_prefetch(reinterpret_cast<const void*>(start + line * sizeof(Line)));
  }
  // The key is back: its ghost goes.
  std::optional<Ghost> take(std::uint64_t hash, std::uint32_t now_units);

 private:
  struct alignas(64) Line {
    std::array<std::uint32_t, kPerLine> ghosts;  // 0: none
  };
  static_assert(sizeof(Line) == 64, "a line of ghosts is one cache line");

  static constexpr int kPlaceBits = 4;
  static_assert(kPerLine == 1 << kPlaceBits);
  static constexpr int kTagShift = 16;
  static constexpr int kUnitBits = 12;
  static constexpr std::uint32_t kUnitMask = (std::uint32_t{1} << kUnitBits) - 1;
  static constexpr std::uint32_t kUsesMask = 15;

  // Bits 0..31 choose the line; the shard has the top ones.
  static std::size_t line_of(std::uint64_t hash, std::size_t lines) {
    return (hash & 0xffffffff) * lines >> 32;
  }
  std::size_t line_of(std::uint64_t hash) const { return line_of(hash, lines_.size()); }
  static std::uint32_t tag_of(std::uint64_t hash) {
    const auto tag = static_cast<std::uint32_t>(hash >> 32) & 0xffff;
    return tag == 0 ? 1 : tag;
  }
  static Ghost read(std::uint32_t ghost, std::uint32_t now_units) {
    return {.uses = ghost >> kUnitBits & kUsesMask, .age = (now_units - ghost) & kUnitMask};
  }

  // An empty place, or that of the longest idle. Without a branch: what is where is up to chance.
  static std::size_t place_in(const Line& line, std::uint32_t now_units) {
    std::uint32_t best = 0;
    for (std::uint32_t i = 0; i < kPerLine; ++i) {
      const std::uint32_t ghost = line.ghosts[i];
      const std::uint32_t age = ghost == 0 ? kUnitMask + 1 : (now_units - ghost) & kUnitMask;
      best = std::max(best, age << kPlaceBits | i);
    }
    return best & (kPerLine - 1);
  }

  void make(std::size_t lines);

  std::vector<Line> lines_;
  // Where they begin and how many they are, for prefetch().
  std::atomic<std::uintptr_t> start_{0};
  std::atomic<std::size_t> count_{0};
};

}  // namespace larder::storage
