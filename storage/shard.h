// A shard: one slice of the keyspace, with everything that belongs to it: for each database a table
// and a timer wheel, the eviction of its keys, its counters, and who watches its keys.
//
// It knows no lock: its holder may call. (Store keeps a lock beside each shard; in exclusive mode
// nobody else runs.)
// Must hold: entry_bytes_ is the sum of the weights of all entries; a database's volatile count is
// the number of its entries with a deadline; every entry with a deadline has a name in the wheel
// that comes up in time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/eviction.h"
#include "storage/hash.h"
#include "storage/table.h"
#include "storage/timer_wheel.h"
#include "storage/watch.h"

namespace larder::storage {

// What all shards share: set at start, or while every loop is held off.
struct ShardRules {
  std::uint32_t databases = 16;
  std::uint64_t seed = 0;
  std::size_t table_reserve_bytes = 0;
  Arena* arena = nullptr;  // not owned: where the heaps take their slabs from
  EvictionRules eviction;
};

struct ShardCounters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t changes = 0;
  std::uint64_t expired = 0;
  std::uint64_t evicted = 0;
  std::uint64_t longest_hold_ticks = 0;  // of its lock; see Store
};

class Shard {
 public:
  // First, and used_bytes_ with them: what a visit writes shares the line of the shard's lock
  // (Cell), so that a loop takes over one line from the loop that came before, not three.
  ShardCounters counters;

 private:
  std::size_t used_bytes_ = 0;

 public:
  struct Database {
    explicit Database(const ShardRules& rules)
        : heap(*rules.arena), table(heap, rules.table_reserve_bytes, rules.seed) {}
    ~Database();
    // Something hangs on entries that does not go with the heap.
    bool has_outside() const { return blobs != 0 || heap.boxes() != 0; }

    Heap heap;
    Table table;
    std::size_t blobs = 0;              // entries with one
    std::unique_ptr<TimerWheel> wheel;  // from the first deadline on
    std::size_t volatile_count = 0;
    std::int64_t deadline_sum_s = 0;  // seconds, of all deadlines: for the mean time to live
    std::size_t entry_bytes = 0;
    std::size_t own_bytes = 0;        // table and wheel, as last accounted
    std::size_t emptied_buckets = 0;  // progress of bury()
  };

  explicit Shard(const ShardRules& rules);
  ~Shard();

  // Null when absent; an entry whose time has come is dropped first.
  [[gnu::always_inline]] Entry* find(std::uint32_t db, const Key& key, std::int64_t now_ms) {
    Database* there = database(db);
    if (there == nullptr) return nullptr;
    Entry* entry = there->table.find(key.hash, key.bytes);
    if (entry == nullptr || !entry->has(Entry::has_deadline)) return entry;
    if (!entry->deadline().has_passed(now_ms)) return entry;
    expire(db, key, entry);
    return nullptr;
  }
  // The same, counting a hit or a miss and touching the entry's eviction bits if asked.
  Entry* find_to_read(std::uint32_t db, const Key& key, std::int64_t now_ms, bool touch) {
    Entry* entry = find(db, key, now_ms);
    count_lookup(entry, now_ms, touch);
    return entry;
  }
  void count_lookup(Entry* entry, std::int64_t now_ms, bool touch) {
    if (entry == nullptr) {
      ++counters.misses;
      return;
    }
    ++counters.hits;
    if (touch) this->touch(entry, now_ms);
  }

  // Each keeps table, wheel and account in step and tells the watchers.
  void insert(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms);
  void replace(std::uint32_t db, const Key& key, Entry* older, Entry* newer, std::int64_t now_ms);
  void erase(std::uint32_t db, const Key& key, Entry* entry);
  // Takes the entry out without destroying it (RENAME).
  Entry* take(std::uint32_t db, const Key& key, Entry* entry);
  // The value of an entry was changed in place, in the same cell.
  void rewritten(std::uint32_t db, const Key& key) { note_change(db, key.bytes); }
  // An entry's value was changed in place; its weight was `weight_before`.
  void changed_in_place(std::uint32_t db, const Key& key, Entry* entry, std::size_t weight_before);
  // Where new entries of a database are made.
  Heap& heap(std::uint32_t db) { return database_or_make(db).heap; }
  // Half-empty slabs of the heaps: a few entries of them are moved (all pointers to entries are
  // void then), until none is left.
  bool is_untidy() const { return untidy_ != nullptr; }
  void tidy();
  // As a read or write of the key would: recency or frequency, no counting.
  void touch(Entry* entry, std::int64_t now_ms) {
    const std::uint32_t before = entry->eviction();
    const std::uint64_t chance = is_lfu(rules_.eviction.policy) ? draw() : 0;
    const std::uint32_t bits = bits_when_read(rules_.eviction, before, now_ms, chance);
    if (bits != before) entry->store_eviction(bits);
  }
  // Gives a present entry another deadline; answers where the entry is now.
  Entry* set_deadline(std::uint32_t db, const Key& key, Entry* entry, Deadline deadline,
                      std::int64_t now_ms);

  // Drops one key as the policy says, to free memory. False: there is none that may go.
  bool evict_one(std::int64_t now_ms);
  // Drops keys whose time has come, looking at no more than `budget` names; answers how many it
  // looked at.
  std::size_t drop_expired(std::int64_t now_ms, std::size_t budget);

  std::size_t size(std::uint32_t db) const;
  Database* database(std::uint32_t db) const {
    return databases_[db].load(std::memory_order_acquire);
  }
  // Takes a whole database out (FLUSH). Null when there is nothing, or so little that it was erased
  // where it lay. Every loop is held off.
  std::unique_ptr<Database> take_database(std::uint32_t db);
  void swap_databases(std::uint32_t a, std::uint32_t b);

  WatchTable watches;
  // Entries, tables and wheels, in bytes.
  std::size_t used_bytes() const { return used_bytes_; }

  const ShardRules& rules() const { return rules_; }

 private:
  Database& database_or_make(std::uint32_t db);
  void expire(std::uint32_t db, const Key& key, Entry* entry);
  void empty(std::uint32_t db, Database& database);
  void note_change(std::uint32_t db, std::string_view key) {
    ++counters.changes;
    if (!watches.empty()) watches.key_changed(db, key);
  }
  void account(Database& database, std::ptrdiff_t entry_bytes);
  void hang(Database& database, const Key& key, Entry* entry, std::int64_t now_ms);
  void count_deadline(Database& database, Deadline deadline, int sign);
  Deadline visit_due(std::uint32_t db, Database& database, std::uint32_t name, std::int64_t now_ms);
  std::optional<std::uint32_t> draw_database();
  Entry* pick_victim(Database& database, std::int64_t now_ms);
  std::uint64_t draw() {
    chance_ ^= chance_ << 13;
    chance_ ^= chance_ >> 7;
    return chance_ ^= chance_ << 17;
  }

  const ShardRules& rules_;
  std::unique_ptr<std::atomic<Database*>[]> databases_;  // owned; made at the first key
  std::array<std::uint64_t, 2> next_samples_{};          // where they will begin, drawn ahead
  std::uint64_t chance_;                                 // xorshift: only ever picks samples
  Database* untidy_ = nullptr;
  std::vector<Entry*> due_;
};

}  // namespace larder::storage
