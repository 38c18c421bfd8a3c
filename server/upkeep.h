// Upkeep: what each tick of a loop does for the store and the statistics, in which order and with
// which budget.
//
// Loop i looks after the expiry of the shards i, i + n, i + 2n...; flushed tables and keys above
// the memory limit are everybody's. Work is done in steps bounded by what they do (keys, buckets),
// and steps are repeated until the tick's slice of time is over, so no client waits behind more
// than a third of a millisecond of it. A tick that left something over asks for another one
// kBusyPauseUs later: most of the loop's idle time, and a bounded share of a busy one's.
//
// Tried: budgets in work alone (16 shards x 512 names, 2000 buckets a tick): 9 to 20 ms a tick when
// all of it is due, while a budget small enough for the worst case is too slow for all others.
// Thread: each lane ticks on its own loop, inside the turnstile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace larder::server {

class Lane;
struct Services;

class Upkeep {
 public:
  explicit Upkeep(Services& services) : services_(services) {}

  // How often a loop ticks, in milliseconds: an expired key's memory follows its deadline within a
  // few ticks.
  static constexpr int kTickMs = 10;
  // How often the limit of the process's memory is looked at, which an operator may have changed.
  static constexpr std::int64_t kLookMs = 1000;
  // How soon again when a tick has left work over.
  static constexpr int kBusyPauseUs = 100;

  // True when there is more to do than one tick may.
  bool tick(Lane& lane);
  // How long after this one the next is due: sooner when one of the lane's sleepers has an alarm.
  std::int64_t next_tick_us(const Lane& lane) const;
  // Where the machine's file system begins: another place for tests (machine.h).
  void look_at_machine(std::string root) { machine_root_ = std::move(root); }
  // Everything that is due now, whatever it costs: for tests that turn the clock.
  void finish(Lane& lane);

 private:
  void look_at_wall(Lane& lane);
  bool expire(Lane& lane, std::int64_t now_ms, std::uint64_t slice_us);
  bool follow_wall(Lane& lane, std::uint64_t slice_us);
  bool bury(std::uint64_t slice_us);
  bool evict(std::int64_t now_ms, std::uint64_t slice_us);
  void follow_machine(Lane& lane);

  Services& services_;
  std::string machine_root_;
  std::int64_t looked_ms_ = 0;  // at the machine's memory
};

}  // namespace larder::server
