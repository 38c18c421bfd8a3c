// Upkeep: what each tick of a loop does for the store and the statistics, in which order and with
// which budget.
//
// Loop i looks after the shards i, i + n, i + 2n... A tick is bounded, so no client waits behind
// it: what is left over is done at the next tick, and a tick that left something over asks to be
// called again soon.
// Thread: each lane ticks on its own loop, inside the turnstile.
#pragma once

#include <cstddef>
#include <cstdint>

namespace larder::server {

class Lane;
struct Services;

class Upkeep {
 public:
  explicit Upkeep(Services& services) : services_(services) {}

  // How often a loop ticks, in milliseconds: an expired key's memory follows its deadline within a
  // few ticks.
  static constexpr int kTickMs = 10;

  // True when there is more to do than one tick may.
  bool tick(Lane& lane);
  // Everything that is due now, whatever it costs: for tests that turn the clock.
  void finish(Lane& lane);

 private:
  Services& services_;
};

}  // namespace larder::server
