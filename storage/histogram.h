// A histogram of numbers that spread over many orders of magnitude: durations, above all.
//
// Adding one is a bit scan and an increment. Buckets are exact for the smallest numbers, then so
// many a power of two: with kFineBits of 3, a percentile is known to an eighth of itself.
//
//   number  0 1 2 .. 7 | 8 9 .. 15 | 16,17 18,19 .. | 32..35 ..
//   bucket  0 1 2 .. 7 | 8 9 .. 15 | 16    17    .. | 24     ..
//
// Thread: its owner's.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>

namespace larder::storage {

// Two to the kFineBits buckets a power of two; what has more than kBits bits counts as the largest
// number that has as many.
template <unsigned kFineBits, unsigned kBits>
class Histogram {
 public:
  static constexpr std::uint64_t kLargest = (std::uint64_t{1} << kBits) - 1;

  void add(std::uint64_t number) { ++counts_[bucket_of(number)]; }
  void reset() { counts_.fill(0); }
  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  }

  std::uint64_t total() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  }
  // visit(the largest number of a bucket, how many are in it): the buckets that have any, rising.
  template <class Visitor>
  void each(Visitor&& visit) const {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (counts_[i] != 0) visit(largest_in(i), counts_[i]);
    }
  }
  // The largest number of the bucket in which the share (0 .. 1) of all is reached; 0 without any.
  std::uint64_t at(double share) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(static_cast<double>(total()) * share));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && seen >= wanted) return largest_in(i);
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kExact = std::uint64_t{1} << kFineBits;
  static constexpr std::size_t kBuckets = std::size_t{kBits - kFineBits + 1} << kFineBits;

  static constexpr std::size_t bucket_of(std::uint64_t number) {
    if (number > kLargest) number = kLargest;
    if (number < kExact) return number;
    const auto octave = static_cast<unsigned>(std::bit_width(number)) - 1 - kFineBits;
    return (std::size_t{octave} << kFineBits) + static_cast<std::size_t>(number >> octave);
  }
  static constexpr std::uint64_t largest_in(std::size_t bucket) {
    if (bucket < kExact) return bucket;
    const std::size_t octave = (bucket >> kFineBits) - 1;
    const std::uint64_t fine = bucket - (octave << kFineBits);
    return ((fine + 1) << octave) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
};

}  // namespace larder::storage
