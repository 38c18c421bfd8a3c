#include "server/upkeep.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/engine/blocking.h"
#include "server/engine/dispatch.h"
#include "server/engine/lane.h"
#include "server/engine/pause.h"
#include "server/engine/services.h"
#include "server/engine/ticks.h"
#include "server/engine/tracking.h"
#include "server/log.h"
#include "server/machine.h"
#include "server/metrics/vitals.h"
#include "server/options.h"
#include "storage/store.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

// Names of the timer wheel that one hold of a shard looks at: some 20 microseconds where every one
// of them has expired.
constexpr std::size_t kNamesPerHold = 64;
// Buckets of flushed tables freed in one step: some 30 microseconds.
constexpr std::size_t kBurialsPerStep = 32;

// Buckets that one hold of a shard's lock walks when the wall clock was set: 320 entries or so.
constexpr std::size_t kBucketsPerHold = 32;

// What a tick may take, and a kind of work of it where others wait for their share.
constexpr std::uint64_t kTickUs = 250;
constexpr std::uint64_t kSliceUs = 100;
// A tick that comes late, since the loop is busy with its clients, may take this share of the time
// that went by instead, or memory would come back the slower the more is written.
constexpr std::uint64_t kLateShare = 16;
constexpr std::uint64_t kLongestSliceUs = 1000;

// How long one kind of work goes on.
class Slice {
 public:
  explicit Slice(std::uint64_t us) : us_(us) {}
  bool is_over() const { return microseconds_of(ticks_now() - begin_) >= us_; }

 private:
  std::uint64_t begin_ = ticks_now();
  std::uint64_t us_;
};

// Who waits for keys of the shard that have changed is this lane's to serve.
void take_notes(storage::Store& store, std::size_t shard, storage::ReadyKeys& ready) {
  auto& cell = store.cell(shard);
  const storage::MutexLock lock(cell.mutex);
  if (cell.shard.waits.has_notes()) cell.shard.waits.move_notes(ready);
}

}  // namespace

bool Upkeep::tick(Lane& lane) {
  if (lane.index == 0) look_at_wall(lane);
  wake_overdue(lane);
  const std::int64_t now_ms = lane.now_ms;
  const std::uint64_t ticks = ticks_now();
  const std::uint64_t since_us = microseconds_of(ticks - std::exchange(lane.tended_ticks, ticks));
  const std::uint64_t slice_us =
      lane.is_behind ? std::clamp(since_us / kLateShare, kSliceUs, kLongestSliceUs) : kSliceUs;
  const bool expires = expire(lane, now_ms, slice_us);
  const bool follows = lane.follows_wall && follow_wall(lane, slice_us);
  const bool buries = bury(slice_us);
  if (lane.index == 0) services_.store.weigh_slack();
  // Last, with what the others have left over: mostly all of it.
  const std::uint64_t spent_us = microseconds_of(ticks_now() - ticks);
  const bool evicts = evict(now_ms, std::max(slice_us, kTickUs - std::min(kTickUs, spent_us)));
  if (!lane.ready.empty()) serve_ready(services_, lane);  // a group that expired with its stream
  // One of them keeps the sums, and wakes who was paused.
  if (lane.index == 0) {
    services_.vitals.tick(services_);
    services_.pause.wake_if_over(now_ms);
    services_.tracking.tidy();
    follow_machine(lane);
  }
  lane.is_behind = expires || follows || buries || evicts;
  return lane.is_behind;
}

std::int64_t Upkeep::next_tick_us(const Lane& lane) const {
  if (lane.is_behind) return kBusyPauseUs;
  const std::int64_t left_ms = next_alarm_ms(lane) - services_.timeline.now_ms();
  return std::max<std::int64_t>(kBusyPauseUs, std::clamp<std::int64_t>(left_ms, 0, kTickMs) * 1000);
}

// Somebody has set the wall clock: deadlines that follow it must move, and nobody may make one by
// the old difference meanwhile.
void Upkeep::look_at_wall(Lane& lane) {
  const std::int64_t step_ms = services_.timeline.step_of_wall_ms();
  if (step_ms == 0) return;
  const Alone alone(services_, lane);
  services_.timeline.take_note(step_ms);
  services_.store.wall_was_set(step_ms, services_.timeline.now_ms());
  for (std::size_t i = 0; i < services_.lanes.size(); ++i) services_.lanes[i].follows_wall = true;
}

bool Upkeep::follow_wall(Lane& lane, std::uint64_t slice_us) {
  const Slice slice(slice_us);
  const std::size_t lanes = services_.lanes.size();
  for (std::size_t shard = lane.index; shard < services_.store.shard_count(); shard += lanes) {
    while (services_.store.follow_wall(shard, kBucketsPerHold)) {
      if (slice.is_over()) return true;
    }
  }
  lane.follows_wall = false;
  return false;
}

// One hold a shard, and the next; a shard that has no more is passed over. Where the slice ended,
// the next one begins.
bool Upkeep::expire(Lane& lane, std::int64_t now_ms, std::uint64_t slice_us) {
  storage::Store& store = services_.store;
  const std::size_t lanes = services_.lanes.size();
  const std::size_t shards = (store.shard_count() + lanes - 1 - lane.index) / lanes;
  const Slice slice(slice_us);
  for (std::size_t done = 0; done < shards;) {
    if (lane.next_shard >= shards) lane.next_shard = 0;
    const std::size_t shard = lane.index + lane.next_shard * lanes;
    const std::size_t visited = store.drop_expired(shard, now_ms, kNamesPerHold);
    if (visited != 0) take_notes(store, shard, lane.ready);
    const bool has_more = visited == kNamesPerHold;
    done = has_more ? 0 : done + 1;
    ++lane.next_shard;
    if (has_more && slice.is_over()) return true;
  }
  return false;
}

bool Upkeep::bury(std::uint64_t slice_us) {
  const Slice slice(slice_us);
  while (services_.store.bury(kBurialsPerStep)) {
    if (slice.is_over()) return true;
  }
  return false;
}

bool Upkeep::evict(std::int64_t now_ms, std::uint64_t slice_us) {
  const Slice slice(slice_us);
  while (services_.store.evict_some(now_ms) == storage::Store::Limit::behind) {
    if (slice.is_over()) return true;
  }
  return false;
}

// maxmemory follows the memory of the container or machine, unless somebody gave it.
void Upkeep::follow_machine(Lane& lane) {
  if (services_.options.settings.maxmemory_given) return;
  if (lane.now_ms - looked_ms_ < kLookMs && lane.now_ms >= looked_ms_) return;
  looked_ms_ = lane.now_ms;
  const std::uint64_t share = default_maxmemory(machine_root_);
  if (share == services_.options.settings.maxmemory) return;
  const Alone alone(services_, lane);
  if (!services_.options.follow_machine(share)) return;
  services_.log.notice(
      fmt::format("The memory of the process is limited otherwise now: maxmemory is {}", share));
}

void Upkeep::finish(Lane& lane) {
  while (tick(lane)) {
  }
}

}  // namespace larder::server
