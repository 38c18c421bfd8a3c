// How long the calls of one command took: a histogram from which INFO latencystats reads its
// percentiles.
//
// Durations are counted in the ticks of engine/ticks.h, so that adding one is a bit scan and an
// increment; ticks become microseconds only when somebody asks. Buckets are exact up to eight
// ticks, then eight a power of two: a percentile is known to an eighth of itself.
//
//   ticks   0 1 2 .. 7 | 8 9 .. 15 | 16,17 18,19 .. | 32..35 ..
//   bucket  0 1 2 .. 7 | 8 9 .. 15 | 16    17    .. | 24     ..
//
// Cost: 2.4 KB a command and lane, made at the first call. Thread: its lane adds; others read only
// while the lanes stand still.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace larder::server {

class LatencyHistogram {
 public:
  static constexpr unsigned kFineBits = 3;   // eight buckets a power of two
  static constexpr unsigned kTickBits = 40;  // minutes, at any clock rate; longer ones count as
                                             // this long
  static constexpr std::size_t kBuckets = (kTickBits - kFineBits + 1) << kFineBits;

  void add(std::uint64_t ticks) { ++counts_[bucket_of(ticks)]; }
  void reset() { counts_.fill(0); }
  void merge(const LatencyHistogram& other);

  std::uint64_t total() const;
  // The longest duration of the bucket in which the share (0 .. 1) of all calls is reached; 0
  // without calls.
  std::uint64_t ticks_at(double share) const;

 private:
  static constexpr std::size_t bucket_of(std::uint64_t ticks) {
    constexpr std::uint64_t kLongest = (std::uint64_t{1} << kTickBits) - 1;
    if (ticks > kLongest) ticks = kLongest;
    if (ticks < (std::uint64_t{1} << kFineBits)) return ticks;
    const auto octave = static_cast<unsigned>(std::bit_width(ticks)) - 1 - kFineBits;
    return (std::size_t{octave} << kFineBits) + static_cast<std::size_t>(ticks >> octave);
  }
  static constexpr std::uint64_t longest_in(std::size_t bucket) {
    if (bucket < (std::size_t{1} << kFineBits)) return bucket;
    const std::size_t octave = (bucket >> kFineBits) - 1;
    const std::uint64_t fine = bucket - (octave << kFineBits);
    return ((fine + 1) << octave) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
};

}  // namespace larder::server
