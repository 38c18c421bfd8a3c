#include "server/upkeep.h"

#include "server/engine/lane.h"
#include "server/engine/pause.h"
#include "server/engine/services.h"
#include "server/metrics/vitals.h"
#include "storage/store.h"

namespace larder::server {
namespace {

// Names of the timer wheel that one hold of a shard looks at: about 20 microseconds.
constexpr std::size_t kNamesPerHold = 128;
// Holds per shard and tick: with 10 ms ticks and 32 shards a loop drops up to 1.6 million keys a
// second.
constexpr int kHoldsPerTick = 4;
// Buckets of flushed tables freed per tick: about a millisecond.
constexpr std::size_t kBurialsPerTick = 2000;

}  // namespace

bool Upkeep::tick(Lane& lane) {
  const std::int64_t now_ms = lane.now_us / 1000;
  const std::size_t lanes = services_.lanes.size();
  bool more = false;
  for (std::size_t shard = lane.index; shard < services_.store.shard_count(); shard += lanes) {
    int holds = 0;
    while (services_.store.drop_expired(shard, now_ms, kNamesPerHold) == kNamesPerHold) {
      if (++holds == kHoldsPerTick) {
        more = true;
        break;
      }
    }
  }
  if (services_.store.bury(kBurialsPerTick)) more = true;
  // One of them keeps the sums, and wakes who was paused.
  if (lane.index == 0) {
    services_.vitals.tick(services_);
    services_.pause.wake_if_over(now_ms);
  }
  return more;
}

void Upkeep::finish(Lane& lane) {
  while (tick(lane)) {
  }
}

}  // namespace larder::server
