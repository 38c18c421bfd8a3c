#include "server/metrics/rates.h"

#include <numeric>

namespace larder::server {

void Rate::sample(std::uint64_t reading, std::int64_t at_ms) {
  if (has_last_ && at_ms > last_ms_) {
    const std::uint64_t risen = reading >= last_reading_ ? reading - last_reading_ : 0;
    samples_[next_] = static_cast<double>(risen) * 1000.0 / static_cast<double>(at_ms - last_ms_);
    next_ = (next_ + 1) % kSamples;
  }
  has_last_ = true;
  last_reading_ = reading;
  last_ms_ = at_ms;
}

double Rate::per_second() const {
  return std::accumulate(samples_.begin(), samples_.end(), 0.0) / kSamples;
}

void Rate::reset() {
  samples_.fill(0);
}

}  // namespace larder::server
