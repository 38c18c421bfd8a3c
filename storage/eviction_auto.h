// allkeys-auto: the key goes that is worth least for its size, by what was learned of keys like it.
//
// An entry's 24 bits, written at a use unless they say so already:
//
//   bits 23..4   label of the moment of the last use (AgeClock)
//   bits 3..0    uses beyond the first, up to 15; within one unit of age they count as one
//
// A key that was evicted leaves a ghost; one that comes back in time takes up its count of uses.
// The victim is the dearest of a sample of a shard's keys: by turnovers that it must be kept for
// one hit (HitDensity) times its bytes. Where none of the sample is as dear as victims usually are,
// a larger sample is taken, and a small shard passes the duty on to the next one: so a store of a
// hundred keys in sixteen shards evicts about as well as one that could sort them all. Others of
// the sample that are as dear as victims usually are may go with the worst.
//
// AutoStore is what all shards share, AutoShard what each has.
// Cost: beyond a sample's cache misses a line for the ghost, which is fetched at the eviction and
// written eight evictions of the shard later; that of a key that is to be made is fetched with its
// bucket. (Written at once, and looked for when the key was made, they were a quarter of what a new
// key cost in a full store.) For a key: the entry's bits, and a
// ghost of four bytes. storage/README.md has what it brings, and what else was tried.
// Thread: AutoStore any; AutoShard is part of a Shard, whoever holds it may call.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/age_clock.h"
#include "storage/entry.h"
#include "storage/ghosts.h"
#include "storage/hit_density.h"

namespace larder::storage {

struct AutoStore {
  AgeClock clock;
  HitDensity density;
  // Hits per turnover and byte that victims would have had lately. Relaxed: a hint; who overwrites
  // another's addition loses a fiftieth of it.
  alignas(64) std::atomic<float> usual_worth{0};
};

class AutoShard {
 public:
  // shards: so many share the store's keys evenly.
  AutoShard(AutoStore& store, std::size_t shards) : store_(store), shards_(shards) {}

  // `keys`: the shard's, the new one included. `hash`: the key's, another in each database.
  std::uint32_t bits_when_made(std::uint64_t hash, std::size_t keys, std::int64_t now_ms);
  std::uint32_t bits_when_used(std::uint32_t bits, std::int64_t now_ms) {
    const std::uint32_t label = store_.clock.label(now_ms);
    return bits >> kUsesBits == label ? bits : bits_of_later_use(bits, label);
  }

  // The same uses, but the last of them so long ago, as far back as the clock remembers.
  std::uint32_t bits_when_idle(std::uint32_t bits, std::int64_t idle_ms,
                               std::int64_t now_ms) const {
    return store_.clock.label_idle_for(idle_ms, now_ms) << kUsesBits | (bits & kUsesMask);
  }

  // Evictions will follow: what they need is made, so that it counts as used before.
  void prepare(std::size_t keys, std::size_t shard_bytes);
  // What it costs to keep the entry until it brings a hit; remembered as seen by an eviction. After
  // prepare().
  double price(const Entry& entry);
  // Whether a key of that price is one that usually goes.
  bool is_dear(double price) const {
    return kDearWorth * price * store_.usual_worth.load(std::memory_order_relaxed) >= 1;
  }
  // Whether it is as dear as those.
  bool is_usual(double price) const {
    return price * store_.usual_worth.load(std::memory_order_relaxed) >= 1;
  }
  // The shard has nothing dear, and another is asked: what is usual comes a little closer to it.
  void passed_on(double price);
  // The entry that had these bits is gone.
  void evicted(std::uint32_t bits, std::uint64_t hash, double price, std::size_t keys,
               std::size_t shard_bytes);
  // The ghost of a key that is made soon. Any thread.
  void prefetch(std::uint64_t hash) const { ghosts_.prefetch(hash); }

  // Another policy has taken over, or all keys are gone.
  void forget();
  std::size_t used_bytes() const {
    return ghosts_.used_bytes() + (tally_ ? sizeof(HitDensity::Tally) : 0);
  }

  static std::int64_t idle_ms(const AutoStore& store, std::uint32_t bits, std::int64_t now_ms) {
    return store.clock.idle_ms(bits >> kUsesBits, now_ms);
  }

 private:
  static constexpr int kUsesBits = 4;
  static constexpr std::uint32_t kUsesMask = (1u << kUsesBits) - 1;
  static_assert(kUsesBits + AgeClock::kLabelBits == 24);
  static_assert(kUsesMask == HitDensity::kMostUses);
  // Up to so many times as worthy as usual victims are, a key is let go without a longer search.
  static constexpr double kDearWorth = 1.3;
  static constexpr float kPassedShare = 0.02f;
  static constexpr float kEvictedShare = 0.05f;

  std::uint32_t bits_of_later_use(std::uint32_t bits, std::uint32_t label);
  void mix_into_usual(double price, float share);
  bool is_fresh(std::uint64_t hash) const;
  void leave_ghosts(std::size_t left);
  void hand_in(std::size_t keys, std::size_t shard_bytes);

  AutoStore& store_;
  std::size_t shards_;
  std::size_t inserted_ = 0;  // not told to the clock yet
  std::uint32_t evicted_at_units_ = 0;
  Ghosts ghosts_;
  // Those of the last evictions are put when their lines have had time to arrive.
  static constexpr std::size_t kFresh = 8;
  struct Fresh {
    std::uint64_t hash;
    std::uint32_t uses;
    std::uint32_t age;
    std::uint32_t units;  // when it was evicted
  };
  std::array<Fresh, kFresh> fresh_;  // a ring
  std::size_t fresh_first_ = 0;
  std::size_t fresh_count_ = 0;
  std::unique_ptr<HitDensity::Tally> tally_;  // from the first eviction on
};

}  // namespace larder::storage
