// How long the calls of one command took: a histogram from which INFO latencystats reads its
// percentiles.
//
// Durations are counted in the ticks of engine/ticks.h, which become microseconds only when
// somebody asks. Forty bits of them are minutes, at any clock rate; longer ones count as this long.
//
// Cost: 2.4 KB a command and lane, made at the first call. Thread: its lane adds; others read only
// while the lanes stand still.
#pragma once

#include "storage/histogram.h"

namespace larder::server {

using LatencyHistogram = storage::Histogram<3, 40>;

}  // namespace larder::server
