// What a replay is held to: caches that need not be cheap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tools/bench/hitratio/trace.h"

namespace larder::bench {

// Misses of a cache that holds keys up to a sum of weights and drops the one used longest ago.
std::uint64_t exact_lru(const Trace& trace, std::size_t limit,
                        const std::function<std::size_t(std::uint32_t)>& weight);
// Misses of a cache of so many keys that knows the future and drops the one that is used last
// (Belady 1966).
std::uint64_t optimum(const Trace& trace, std::size_t limit);

}  // namespace larder::bench
