// Rates: how fast a counter rises, as INFO's instantaneous_* fields say it.
//
// A window of the last samples, one each tick of about 100 ms; the rate is their mean, so a burst
// fades after about 1.6 s. A counter that was reset (CONFIG RESETSTAT) gives one sample of zero,
// not a negative one.
// Thread: whoever owns it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace larder::server {

class Rate {
 public:
  static constexpr std::size_t kSamples = 16;

  // The counter's reading at a moment of steady time.
  void sample(std::uint64_t reading, std::int64_t at_ms);
  double per_second() const;
  void reset();

 private:
  std::array<double, kSamples> samples_{};
  std::size_t next_ = 0;
  std::uint64_t last_reading_ = 0;
  std::int64_t last_ms_ = 0;
  bool has_last_ = false;
};

}  // namespace larder::server
