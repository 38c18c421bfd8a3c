// What keys are worth keeping: learned from how the keys of a store are used, and pooled over its
// shards.
//
// Keys are told apart by two things: how often they were used (eight classes) and how long ago the
// last time was (33 bins, four to the doubling). For each of these cells two sums are kept:
//
//   hits       how many keys were used again out of this cell
//   exposure   how many keys stood in it, and for how long: taken from the keys that evictions
//              sample anyway, and from the ghosts that lie beside the one an eviction leaves
//
// Their ratio is the hazard of a cell: the rate at which its keys are used again. Ghosts extend it
// beyond the age at which keys are evicted now, so that what was never kept long enough to be used
// is known as well. (Without them a policy never learns that a loop is only a little longer than
// the cache.) From a class's hazards follows, for each age, the hit density: hits to be expected
// over the time a key is kept to get them, if it is kept as long as suits best. A key that is
// likely to come soon has a high one; a key that comes surely but late has the same as one that
// comes unlikely but soon or never. The least density for its size goes.
//
// This is LRU where the hazard falls with age, LFU where the classes differ most, MRU on a loop.
// Nothing is switched between policies, so nothing has to be noticed first.
//
// Until there is evidence, hazards are those of a plain cache: falling with age, higher for keys
// that were used more often. One hit's worth of evidence for each cell is taken from there. Sums
// are forgotten with a half-life of about two turnovers.
//
// A shard gathers in its Tally what it sees, and hands it in now and then.
// Cost: handing in 264 cells, some 100 ns; one class learned, some 2 us, eight times in a sixteenth
// of a turnover.
// Thread: any, with the shard that a tally belongs to held.
// Sources: Beckmann, Chen, Cidon, "LHD: Improving Cache Hit Rate by Maximizing Hit Density" (NSDI
// 2018), which learns from evicted keys as if they had died, where we count exposure; the time to
// keep a key that suits best is Gittins' index ("Bandit Processes and Dynamic Allocation Indices",
// 1979).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "storage/mutex.h"

namespace larder::storage {

class HitDensity {
 public:
  static constexpr std::size_t kClasses = 8;
  static constexpr std::size_t kBins = 33;
  static constexpr std::size_t kCells = kClasses * kBins;
  // Uses are counted up to here.
  static constexpr std::uint32_t kMostUses = 15;
  // A tally is handed in before it has seen more ghosts than this, and at once when it has seen as
  // many keys: its counts of 16 bits hold them and a last sample.
  static constexpr std::size_t kMostSeen = 32768;

  // By uses beyond the first, and units of age.
  static std::size_t cell(std::uint32_t uses, std::uint32_t age) {
    constexpr std::array<std::uint8_t, kMostUses + 1> kClassOf{0, 1, 2, 3, 4, 4, 5, 5,
                                                               5, 5, 6, 6, 6, 6, 6, 7};
    return kClassOf[uses] * kBins + bin(age);
  }
  static std::size_t bin(std::uint32_t age) {
    if (age < 4) return age;
    const auto doublings = static_cast<std::size_t>(std::bit_width(age) - 1);
    return std::min(kBins - 1, (doublings - 1) * 4 + (age >> (doublings - 2) & 3));
  }

  struct Tally {
    std::array<std::uint32_t, kCells> hits{};
    std::array<std::uint16_t, kCells> keys_seen{};
    std::array<std::uint16_t, kCells> ghosts_seen{};
    std::size_t evictions = 0;
    std::size_t keys_looked_at = 0;
    std::size_t slots_looked_at = 0;  // of ghosts, empty ones too
  };

  HitDensity();
  // ghost_slots and keys: the shard's. store_keys: all shards'. The tally begins anew.
  void learn(Tally& tally, std::size_t keys, std::size_t ghost_slots, std::size_t store_keys);

  // Turnovers that a key of this cell must be kept for one hit: the reciprocal of its density.
  float turnovers_per_hit(std::size_t cell) const {
    return turnovers_per_hit_[cell].load(std::memory_order_relaxed);
  }

 private:
  void learn_class(std::size_t which) REQUIRES(mutex_);

  Mutex mutex_;
  std::array<float, kCells> hits_ GUARDED_BY(mutex_){};
  std::array<float, kCells> exposure_ GUARDED_BY(mutex_){};
  std::size_t evictions_ GUARDED_BY(mutex_) = 0;  // since a class was learned
  std::size_t next_class_ GUARDED_BY(mutex_) = 0;
  // Relaxed: each stands for itself, and a mixture of two generations does no harm.
  std::array<std::atomic<float>, kCells> turnovers_per_hit_;
};

}  // namespace larder::storage
