#include "server/metrics/latency.h"

#include <cmath>
#include <numeric>

namespace larder::server {

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
}

std::uint64_t LatencyHistogram::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

std::uint64_t LatencyHistogram::ticks_at(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(static_cast<double>(total()) * share));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (counts_[i] != 0 && seen >= wanted) return longest_in(i);
  }
  return 0;
}

}  // namespace larder::server
