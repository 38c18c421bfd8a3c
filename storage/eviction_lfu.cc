#include "storage/eviction_lfu.h"

#include <algorithm>

namespace larder::storage::lfu {
namespace {

// A new key starts here so that it is not the first to go (Redis's figure).
constexpr unsigned kOfNew = 5;
constexpr unsigned kMost = 255;

std::uint32_t minute_clock(std::int64_t now_ms) {
  return static_cast<std::uint32_t>(now_ms / 60'000) & 0xffff;
}

}  // namespace

unsigned frequency(const Rules& rules, std::uint32_t bits, std::int64_t now_ms) {
  const unsigned counter = bits & 0xff;
  if (rules.decay_minutes == 0) return counter;
  const unsigned minutes = (minute_clock(now_ms) - (bits >> 8)) & 0xffff;
  return counter - std::min(counter, minutes / rules.decay_minutes);
}

std::uint32_t bits_of_frequency(unsigned frequency, std::int64_t now_ms) {
  return minute_clock(now_ms) << 8 | std::min(frequency, kMost);
}

std::uint32_t bits_when_made(std::int64_t now_ms) {
  return bits_of_frequency(kOfNew, now_ms);
}

std::uint32_t bits_when_used(const Rules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance) {
  unsigned counter = frequency(rules, bits, now_ms);
  if (counter < kMost) {
    const unsigned above = counter > kOfNew ? counter - kOfNew : 0;
    // Rises with probability 1 / (above * factor + 1).
    if (chance % (std::uint64_t{above} * rules.log_factor + 1) == 0) ++counter;
  }
  return minute_clock(now_ms) << 8 | counter;
}

}  // namespace larder::storage::lfu
