// allkeys-lfu, volatile-lfu: the key that is asked for least goes.
//
//   bits 23..8   minute of the last decay          bits 7..0   the counter
//
// The counter rises ever more slowly (with the chance of one in as many as it is high, times
// lfu-log-factor), so that eight bits tell a million uses from a thousand; it falls by one every
// lfu-decay-time minutes. The lowest of a sample goes.
//
// Thread: pure functions; chance comes from the caller.
// Sources: Redis's LFU (names, rules and figures, OBJECT FREQ); counting with a probability:
// Morris, "Counting large numbers of events in small registers" (CACM 1978).
#pragma once

#include <cstdint>

namespace larder::storage::lfu {

struct Rules {
  unsigned log_factor = 10;
  unsigned decay_minutes = 1;
};

std::uint32_t bits_when_made(std::int64_t now_ms);
std::uint32_t bits_of_frequency(unsigned frequency, std::int64_t now_ms);
std::uint32_t bits_when_used(const Rules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance);
// The counter as it has fallen until now.
unsigned frequency(const Rules& rules, std::uint32_t bits, std::int64_t now_ms);

}  // namespace larder::storage::lfu
