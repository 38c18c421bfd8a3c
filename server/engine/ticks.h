// The ticks of storage/ticks.h as time: every command is timed by them.
//
// How long one lasts is measured once, at start, against the steady clock.
#pragma once

#include <cstdint>

#include "storage/ticks.h"

namespace larder::server {

using storage::ticks_now;

// Nanoseconds per tick. The first call measures for some milliseconds; make it before serving.
double nanoseconds_per_tick();

inline std::uint64_t microseconds_of(std::uint64_t ticks) {
  return static_cast<std::uint64_t>(static_cast<double>(ticks) * nanoseconds_per_tick() / 1000.0);
}

}  // namespace larder::server
