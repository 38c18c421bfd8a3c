// The store: all shards with their locks, the memory limit over them, and what must be done from
// time to time. The only file with shard locks (with keyspace.h, which takes them through
// LockUnlessHeld and Hold).
//
// The memory limit. A command that may grow evicts what the ones before it have added, so the store
// stays at its limit however fast it is written to. When the limit is lowered, or one command adds
// far more than its successor may evict, the store is above it for a while:
//
//   used    |------------------------------------|      writes go on, as in Redis
//   ceiling |---------------------------------|         growth above it is evicted by commands
//   room    |--------------|                            the way down is upkeep's: evict_some()
//   limit   |---------------------|
//
// The ceiling follows `used` down and never rises above the room, so writers cannot hold the store
// up. Evicting all of it at once (2.5 M keys took 6.5 s) would stop the loop that happens to come
// first.
//
// The limit is about memory that the process takes, and `used` is what keys and tables need of it.
// Between them is slack: free cells in slabs, slabs and large pages kept ready, blobs that wait to
// be freed, databases that wait to be buried. It is weighed at every tick of upkeep and when slabs
// have been taken, and the room for keys is the limit less the slack. Evicting a key makes room at
// once by this account, and slack of its cell; so where sizes change the store goes on until slabs
// have become empty, which tidying (heap.h) sees to: about a sixteenth of all cells stays free.
// Slack beyond a share of the limit is not counted: it is passing, or the limit is too small to be
// kept. Nor is what the process takes without data, and the first few megabytes of slack with it: a
// limit is promised but for 12 MB.
//
// The longest hold of a shard's lock is kept, as a metric. Timed is what may take long: several
// shards at once, steps of upkeep and of scans, flushes and swaps, and strings of kPinnedBytes or
// more that are edited. Everything else is one visit of one key: a probe, a bucket that splits, and
// at most kPinnedBytes copied (what SET stores beyond that was copied before: NewBytes). So a GET
// reads no clock.
//
// A key's shard is the top bits of its hash. Lock order: shards by rising index. Below them only
// mutexes of services are taken, by who is told of keys: by a listener (key_events.h), or by a
// visitor that tells what it did. Such a service visits no key.
// Thread: any; each function says whether every loop must be held off (alone).
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/clock.h"
#include "storage/hash.h"
#include "storage/mutex.h"
#include "storage/shard.h"
#include "storage/ticks.h"
#include "storage/value.h"

namespace larder::storage {

// Bound on the number of shards, and so on the size of a set of held ones.
inline constexpr std::size_t kMostShards = 1024;

// A shard and its lock, on cache lines of their own; the first holds the lock and all that a read
// writes.
struct alignas(64) Cell {
  explicit Cell(const ShardRules& rules) : shard(rules) {}
  Mutex mutex;
  Shard shard;
  // What the store's totals know of this shard's memory; guarded by mutex.
  std::size_t published_bytes = 0;
  std::size_t published_slab_use = 0;
};

// Which shards a caller holds for the length of a call.
class HeldShards {
 public:
  bool has(std::size_t shard) const { return bits_[shard]; }
  void add(std::size_t shard) { bits_[shard] = true; }

 private:
  std::bitset<kMostShards> bits_;
};

struct StoreStatistics {
  ShardCounters counters;
  std::size_t used_bytes = 0;
  std::size_t keys = 0;
  std::size_t volatile_keys = 0;
  std::size_t table_bytes = 0;     // tables and wheels
  std::size_t eviction_bytes = 0;  // what a policy keeps beside the entries
  std::size_t entry_bytes = 0;
};

// How well expiry keeps up.
struct ExpiryStatistics {
  Lateness lateness;
  std::size_t unreclaimed_bytes = 0;  // Shard::unreclaimed_bytes of all
  std::uint64_t fields = 0;           // of hashes that have expired
};

struct DatabaseStatistics {
  std::size_t keys = 0;
  std::size_t volatile_keys = 0;
  std::int64_t mean_ttl_ms = 0;
  std::size_t hashes_with_deadlines = 0;  // of fields
};

class Store {
 public:
  struct Settings {
    std::size_t shards = 16;  // a power of two, at most kMostShards
    std::uint32_t databases = 16;
    std::uint64_t seed = 0;
    // Address space for one table; a table never needs more than a share of the machine's memory.
    std::size_t table_reserve_bytes = std::size_t{64} << 20;
    // And for the entries of all databases.
    std::size_t arena_reserve_bytes = std::size_t{64} << 30;
    bool is_shared = true;    // false: one thread visits it, and never another one
    bool runs_ahead = false;  // a thread has memory ready before it is needed (Arena::run_ahead)
  };

  explicit Store(const Settings& settings);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Key key(std::string_view bytes) const { return {bytes, hash_bytes(bytes, rules_.seed)}; }
  std::size_t shard_of(const Key& key) const { return shard_of(key.hash); }
  std::size_t shard_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> 1 >> (shard_shift_ - 1));  // a shift by 64 is no shift
  }
  Cell& cell_of(const Key& key) { return *cells_[shard_of(key)]; }
  Cell& cell(std::size_t shard) { return *cells_[shard]; }
  std::size_t shard_count() const { return cells_.size(); }
  std::uint32_t database_count() const { return rules_.databases; }

  // The memory limit in bytes (0: none) and how to keep it. Alone, or before the threads start.
  void set_limit(std::size_t limit_bytes, const EvictionRules& rules);
  std::size_t limit_bytes() const { return limit_bytes_; }
  // How long collections stay compact. Alone, or before the threads start.
  void set_collection_limits(const CollectionLimits& limits) { rules_.collections = limits; }
  const EvictionRules& eviction_rules() const { return rules_.eviction; }
  // Who is told of events of keys (key_events.h), and of which: bit_of() each. Alone, or before the
  // threads start; the listener outlives the store's last visit.
  void listen(KeyListener* listener, std::uint32_t events) {
    rules_.listener = listener;
    rules_.listened = events;
  }
  // Who is told of every change of any key; null: nobody. Any thread; the listener outlives the
  // store's last visit. What changes under a shard's lock that is taken after this was said is
  // told.
  void listen_to_changes(ChangeListener* listener) {
    rules_.change_listener.store(listener, std::memory_order_release);
  }
  // Before a command that may grow: evicts at least what was added since the last one did, and a
  // little of what the limit was lowered by; the rest is for evict_some(). False: the store is
  // above its limit and no key may go. No shard may be held by the caller.
  bool make_room(std::int64_t now_ms) { return has_room() || evict_for_command(now_ms); }
  bool has_room() const { return used_bytes() <= room_bytes(); }
  // How much used_bytes() may be now, and what of the limit it leaves to slack. No limit: all.
  std::size_t room_bytes() const { return room_bytes_.load(std::memory_order_relaxed); }
  std::size_t slack_bytes() const { return slack_bytes_.load(std::memory_order_relaxed); }
  // Weighs the slack, and sets the room by it. For upkeep; evictions do so too.
  void weigh_slack();
  // A small step towards the limit, for upkeep. No shard may be held by the caller.
  enum class Limit : std::uint8_t { kept, behind, out_of_reach };
  Limit evict_some(std::int64_t now_ms);
  // Drops one key as the policy says, whatever the limit; false: none may go. For who counts keys
  // and not bytes (tools/bench/hitratio.cc).
  bool evict_key(std::int64_t now_ms);
  // Seconds since a key was used, by its eviction bits. Not under an LFU policy: they do not tell.
  std::int64_t idle_seconds(std::uint32_t bits, std::int64_t now_ms) const;
  // Entries, tables and wheels, in bytes, as published: behind the truth by at most a few KiB per
  // shard.
  std::size_t used_bytes() const {
    const std::ptrdiff_t used = used_bytes_.load(std::memory_order_relaxed);
    return used < 0 ? 0 : static_cast<std::size_t>(used);
  }
  // At the end of a visit that may have changed a shard's memory; its lock is held. Pointers to its
  // entries are void after it.
  void publish(Cell& cell) {
    if (cell.shard.is_untidy()) [[unlikely]]
      cell.shard.tidy();
    const auto grown = static_cast<std::ptrdiff_t>(cell.shard.used_bytes()) -
                       static_cast<std::ptrdiff_t>(cell.published_bytes);
    if (grown < kPublishStepBytes && grown > -kPublishStepBytes) return;
    publish_all(cell);
  }

  // Everything of a database, or all of them. Alone. The memory is given back in steps by bury().
  void flush(std::uint32_t db);
  void flush_all();
  void swap(std::uint32_t a, std::uint32_t b);

  std::size_t size(std::uint32_t db);
  StoreStatistics statistics();
  DatabaseStatistics statistics(std::uint32_t db, std::int64_t now_ms);
  ExpiryStatistics expiry_statistics(std::int64_t now_ms);
  void reset_counters();
  std::optional<std::string> random_key(std::uint32_t db, std::int64_t now_ms,
                                        const HeldShards* held);

  // A key that will be visited soon.
  struct Fetch {
    std::uint32_t db;
    std::uint64_t hash;
  };
  // What a visit of it will read, and the lock it will take (FetchAhead says when). The entry's
  // step reads the bucket: it comes when that has had time to arrive.
  void prefetch_shard(const Fetch& fetch) const {
    __builtin_prefetch(cells_[shard_of(fetch.hash)].get(), 1);
  }
  void prefetch_bucket(const Fetch& fetch) const {
    const Shard::Database* there = cells_[shard_of(fetch.hash)]->shard.database(fetch.db);
    if (there != nullptr) there->table.prefetch_bucket(fetch.hash);
  }
  void prefetch_entry(const Fetch& fetch) const {
    const Shard& shard = cells_[shard_of(fetch.hash)]->shard;
    const Shard::Database* there = shard.database(fetch.db);
    if (there == nullptr || there->table.prefetch_entry(fetch.hash)) return;
    shard.prefetch_ghost(fetch.db, fetch.hash);
  }

  // See Keyspace::scan. The cursor holds the shard in its low bits, the table's own cursor above.
  template <class Visitor>
  std::uint64_t scan(std::uint32_t db, std::uint64_t cursor, std::size_t count, std::int64_t now_ms,
                     const HeldShards* held, Visitor&& visit) NO_THREAD_SAFETY_ANALYSIS;

  // One tick's work on one shard: drop what has expired. Answers how many names it looked at (==
  // budget: there is more).
  std::size_t drop_expired(std::size_t shard, std::int64_t now_ms, std::size_t budget);
  // The wall clock was set forward by so much (back: negative). Alone. Deadlines that follow it are
  // right from now on; the wheel is told of them by follow_wall(), a shard at a time: false when it
  // knows them all.
  void wall_was_set(std::int64_t by_ms, std::int64_t now_ms);
  bool follow_wall(std::size_t shard, std::size_t budget_buckets);
  // Frees some of what was flushed; false when nothing is left to free.
  bool bury(std::size_t budget_buckets);
  // Memory that is kept ready goes back to the system, and what was flushed is freed (a step of it:
  // false when nothing is left to free).
  bool give_back(std::size_t budget_buckets);
  // Keys that were flushed and are not freed yet.
  std::size_t buried_keys() const { return buried_keys_.load(std::memory_order_relaxed); }

  // WATCH: the flag is raised when the key changes. An expired key is dropped first, so that it
  // counts as absent.
  void watch(std::uint32_t db, const Key& key, std::int64_t now_ms, WatchFlag& flag);
  void unwatch(std::uint32_t db, const Key& key, WatchFlag& flag);

  // Waiting for keys. The key's shard is held by who begins to wait, none by who goes.
  void wait(std::uint32_t db, const Key& key, Waiter& waiter);
  void stop_waiting(Waiter& waiter);
  // What changed under waiters and nobody was told: FLUSHALL and SWAPDB, what upkeep does. None
  // may be held.
  void move_notes(ReadyKeys& to);
  // Keys that somebody waits for.
  std::size_t waited_keys();

 private:
  class Wholesale;

  // A shard tells the total only when it has moved by this much: the total's line is written
  // rarely.
  static constexpr std::ptrdiff_t kPublishStepBytes = 4096;
  // Buckets that one hold of a shard's lock walks in a scan.
  static constexpr std::size_t kBucketsPerHold = 32;

  // What one command evicts at the most while the store is above its limit because the limit was
  // lowered: some 20 microseconds' worth.
  static constexpr std::size_t kBacklogKeys = 8;
  static constexpr std::size_t kBacklogBytes = std::size_t{1} << 20;
  // The same, for what other commands have added: a fraction of a millisecond.
  static constexpr std::size_t kGrowthKeys = 128;
  // What commands have added beyond this share of the limit is evicted by them, however long it
  // takes: rather a slow write than a process that the kernel kills.
  static constexpr std::size_t kOverdraftShare = 64;
  // Slabs that are taken before the slack is weighed again: half a percent of a limit of 64 MB.
  static constexpr std::uint64_t kSlabsUnweighed = 8;
  // Slack that is not counted: with it the process still takes less than 12 MB beside its data.
  static constexpr std::size_t kFreeSlackBytes = std::size_t{4} << 20;
  // What of the limit slack may take: a quarter.
  static constexpr std::size_t kSlackShare = 4;
  // Small shards in turn that may decline to evict, each for having nothing dear.
  static constexpr std::size_t kMostPassedOn = 8;

  struct Evicted {
    std::size_t keys = 0;
    std::size_t bytes = 0;
    bool passed_on = false;  // nothing was done: another shard is likely to have keys worth less
  };
  void publish_all(Cell& cell) {
    const auto grown = static_cast<std::ptrdiff_t>(cell.shard.used_bytes()) -
                       static_cast<std::ptrdiff_t>(cell.published_bytes);
    cell.published_bytes = cell.shard.used_bytes();
    // Relaxed: a sum, no other memory hangs on it.
    used_bytes_.fetch_add(grown, std::memory_order_relaxed);
    const std::size_t slab_use = cell.shard.slab_use_bytes();
    slab_use_bytes_.fetch_add(slab_use - std::exchange(cell.published_slab_use, slab_use),
                              std::memory_order_relaxed);
  }
  void set_room();
  Cell& next_to_evict();
  Evicted evict_from(Cell& cell, std::int64_t now_ms, bool may_pass_on);
  Evicted evict_from_next_shard(std::int64_t now_ms);
  bool evict_for_command(std::int64_t now_ms);
  std::size_t lower_ceiling();
  static bool bury_some(Shard::Database& grave, std::size_t& budget);

  Arena arena_;          // before whatever takes from it
  AutoStore automatic_;  // before the shards, which refer to it
  ShardRules rules_;
  int shard_shift_;
  std::vector<std::unique_ptr<Cell>> cells_;
  std::size_t limit_bytes_ = 0;
  std::atomic<std::size_t> slack_bytes_{0};
  std::atomic<std::size_t> room_bytes_{SIZE_MAX};
  std::atomic<std::uint64_t> weighed_at_slabs_{0};
  // Of all shards together, as published.
  std::atomic<std::size_t> slab_use_bytes_{0};
  // What the store may take while it is on its way down to a lowered limit.
  // Relaxed, as used_bytes_: a reader that is behind evicts a key less or more.
  std::atomic<std::size_t> ceiling_bytes_{0};
  std::atomic<std::uint64_t> chance_;
  alignas(64) std::atomic<std::ptrdiff_t> used_bytes_{0};
  std::atomic<std::size_t> evict_hand_{0};
  Mutex graves_mutex_;
  std::vector<std::unique_ptr<Shard::Database>> graves_ GUARDED_BY(graves_mutex_);
  std::atomic<bool> has_graves_{false};
  std::atomic<std::size_t> buried_keys_{0};
};

// A shard's lock for the length of a visit, unless the caller holds it already.
class LockUnlessHeld {
 public:
  LockUnlessHeld(Store& store, Cell& cell, bool is_held) NO_THREAD_SAFETY_ANALYSIS
      : store_(store),
        cell_(cell),
        is_held_(is_held) {
    if (!is_held_) cell_.mutex.lock();
  }
  ~LockUnlessHeld() NO_THREAD_SAFETY_ANALYSIS {
    if (is_held_) return;
    store_.publish(cell_);
    cell_.mutex.unlock();
  }
  LockUnlessHeld(const LockUnlessHeld&) = delete;
  LockUnlessHeld& operator=(const LockUnlessHeld&) = delete;

 private:
  Store& store_;
  Cell& cell_;
  bool is_held_;
};

// At the end of a visit that may change keys, its shard held: tells which of those that changed are
// waited for. Null: nobody is told, and the notes stay.
class TellAtEnd {
 public:
  TellAtEnd(Shard& shard, ReadyKeys* ready) : shard_(shard), ready_(ready) {}
  ~TellAtEnd() {
    if (ready_ != nullptr && shard_.waits.has_notes()) [[unlikely]]
      shard_.waits.move_notes(*ready_);
  }
  TellAtEnd(const TellAtEnd&) = delete;
  TellAtEnd& operator=(const TellAtEnd&) = delete;

 private:
  Shard& shard_;
  ReadyKeys* ready_;
};

// The shards of several keys, locked in rising order, but for those that an outer caller holds
// already.
class Hold {
 public:
  Hold(Store& store, std::span<const Key> keys,
       const HeldShards* outer = nullptr) NO_THREAD_SAFETY_ANALYSIS;
  ~Hold() NO_THREAD_SAFETY_ANALYSIS;
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  const HeldShards& held() const { return held_; }

 private:
  Store& store_;
  HeldShards held_;                  // the outer ones too
  std::vector<std::uint32_t> ours_;  // rising
  std::uint64_t since_ticks_ = 0;    // the first of them is held
};

template <class Visitor>
std::uint64_t Store::scan(std::uint32_t db, std::uint64_t cursor, std::size_t count,
                          std::int64_t now_ms, const HeldShards* held, Visitor&& visit) {
  const std::size_t shards = cells_.size();
  const auto bits = static_cast<unsigned>(64 - shard_shift_);
  std::size_t shard = cursor & (shards - 1);
  std::uint64_t inner = cursor >> bits;
  std::size_t seen = 0;
  std::size_t buckets = 0;
  while (shard < shards) {
    Cell& cell = *cells_[shard];
    const LockUnlessHeld lock(*this, cell, held != nullptr && held->has(shard));
    const LongestTimer timer(cell.shard.counters.longest_hold_ticks);
    const Shard::Database* database = cell.shard.database(db);
    std::size_t in_this_hold = 0;
    while (database != nullptr && database->table.size() != 0) {
      inner = database->table.scan_bucket(inner, [&](Entry* entry) {
        ++seen;
        if (!entry->deadline().has_passed(now_ms)) visit(entry->key(), Value(*entry));
      });
      ++buckets;
      if (inner == 0 || seen >= count || ++in_this_hold == kBucketsPerHold) break;
    }
    if (database == nullptr || database->table.size() == 0) inner = 0;
    if (inner == 0) ++shard;
    // Empty stretches count too, a little, so that a sparse table does not make one call walk all
    // of it.
    if (seen >= count || buckets >= count * 10) break;
  }
  return shard < shards ? inner << bits | shard : 0;
}

}  // namespace larder::storage
