// A shard: one slice of the keyspace, with everything that belongs to it: for each database a table
// and a timer wheel, the eviction of its keys, its counters, and who watches its keys
// or waits for them.
//
// It knows no lock: its holder may call. (Store keeps a lock beside each shard; in exclusive mode
// nobody else runs.)
// When the wall clock is set, the deadlines that follow it must move, which may be all of them: a
// walk in steps (wall_step.cc). Each of them says for which epoch of the wall it is; one that is
// found in the meantime is moved as it is found, so a lookup is never wrong.
//
// A hash may have fields with a deadline of their own (field_expiry.cc): it has a flag then, and
// find() drops what is due of it before anybody sees it.
//
// Must hold: entry_bytes_ is the sum of the weights of all entries; a database's volatile count is
// the number of its entries with a deadline, its fields_expire_count of those with the flag;
// every entry that has either has a name in the wheel that comes up in time: at its deadline or at
// the earliest of its fields', whichever is first.
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
#include "storage/eviction_auto.h"
#include "storage/hash.h"
#include "storage/key_events.h"
#include "storage/lateness.h"
#include "storage/table.h"
#include "storage/timer_wheel.h"
#include "storage/types/limits.h"
#include "storage/waiting.h"
#include "storage/watch.h"

namespace larder::storage {

// What all shards share: set at start, or while every loop is held off.
struct ShardRules {
  std::uint32_t databases = 16;
  std::size_t shards = 1;  // that share the keys
  std::uint64_t seed = 0;
  std::size_t table_reserve_bytes = 0;
  Arena* arena = nullptr;  // not owned: where the heaps take their slabs from
  EvictionRules eviction;
  CollectionLimits collections;
  AutoStore* automatic = nullptr;   // what allkeys-auto has learned
  KeyListener* listener = nullptr;  // not owned; told of the events it asked for
  std::uint32_t listened = 0;       // bit_of() each of them
  // Not owned; null while nobody asks. Acquire where it is read: whoever is found there is whole.
  std::atomic<ChangeListener*> change_listener{nullptr};
  bool is_wholesale = false;  // databases are emptied or swapped: it is told so, not of each key
};

struct ShardCounters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t changes = 0;
  std::uint64_t expired = 0;
  std::uint64_t evicted = 0;
  std::uint64_t longest_hold_ticks = 0;  // of its lock; see Store
};

// How the deadlines of a database that follow the wall clock are brought to where it was set.
struct WallStep {
  unsigned epoch = 0;  // 0 or 1: of the deadlines that are right
  bool is_walking = false;
  std::int64_t by_ms = 0;  // those of the other epoch die so much earlier
  std::int64_t at_ms = 0;  // when it happened
  std::size_t walked_buckets = 0;
  std::size_t seen_buckets = 0;  // that the table had; with fewer the walk begins anew
};

class Shard {
 public:
  struct Database;

  // First, and used_bytes_ with them: what a visit writes shares the line of the shard's lock
  // (Cell), so that a loop takes over one line from the loop that came before, not three.
  ShardCounters counters;

 private:
  std::size_t used_bytes_ = 0;
  // On the next line, what a visit only reads.
  const ShardRules& rules_;
  std::atomic<Database*> first_database_{nullptr};       // owned; made at the first key
  std::unique_ptr<std::atomic<Database*>[]> databases_;  // the others, by number
  std::size_t keys_ = 0;                                 // of all databases
  AutoShard auto_;

 public:
  struct Database {
    explicit Database(const ShardRules& rules)
        : heap(*rules.arena), table(heap, rules.table_reserve_bytes, rules.seed) {}
    ~Database();
    // Something hangs on entries that does not go with the heap.
    bool has_outside() const { return outside != 0 || heap.boxes() != 0; }

    Heap heap;
    Table table;
    std::size_t outside = 0;            // entries with a blob or an object
    std::unique_ptr<TimerWheel> wheel;  // from the first deadline on
    std::size_t volatile_count = 0;
    std::size_t following_count = 0;  // entries whose deadline follows the wall clock
    std::size_t fields_expire_count = 0;
    std::int64_t deadline_sum_s = 0;  // seconds, of all deadlines: for the mean time to live
    WallStep wall;
    std::size_t entry_bytes = 0;
    std::size_t own_bytes = 0;        // table and wheel, as last accounted
    std::size_t emptied_buckets = 0;  // progress of bury()
  };

  explicit Shard(const ShardRules& rules);
  ~Shard();

  // Null when absent; an entry whose time has come is dropped first, and so are fields of a hash.
  [[gnu::always_inline]] Entry* find(std::uint32_t db, const Key& key, std::int64_t now_ms) {
    Database* there = database(db);
    if (there == nullptr) return nullptr;
    Entry* entry = there->table.find(key.hash, key.bytes);
    if (entry == nullptr || !entry->is_mortal()) return entry;
    if (entry->has(Entry::fields_expire)) [[unlikely]]
      return find_with_fields(db, *there, key, entry, now_ms);
    if (entry->is_behind_wall(there->wall.epoch)) [[unlikely]]
      catch_up_with_wall(*there, key.hash, entry);
    if (!entry->deadline().has_passed(now_ms)) return entry;
    expire(db, key, entry, now_ms);
    return nullptr;
  }
  // The same, counting a hit or a miss and touching the entry's eviction bits if asked.
  Entry* find_to_read(std::uint32_t db, const Key& key, std::int64_t now_ms, bool touch) {
    Entry* entry = find(db, key, now_ms);
    count_lookup(db, key, entry, now_ms, touch);
    return entry;
  }
  void count_lookup(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms,
                    bool touch) {
    if (entry == nullptr) {
      ++counters.misses;
      return tell(KeyEvent::missed, db, key.bytes);
    }
    ++counters.hits;
    if (touch) this->touch(entry, now_ms);
  }

  // Any thread. What the insertion of an absent key will read beside the table.
  void prefetch_ghost(std::uint32_t db, std::uint64_t hash) const {
    auto_.prefetch(hash_in(db, hash));
  }
  // Each keeps table, wheel and account in step and tells the watchers.
  void insert(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms);
  void replace(std::uint32_t db, const Key& key, Entry* older, Entry* newer, std::int64_t now_ms);
  void erase(std::uint32_t db, const Key& key, Entry* entry);
  // Takes the entry out without destroying it (RENAME).
  Entry* take(std::uint32_t db, const Key& key, Entry* entry);
  // The value of an entry was changed where it lies: in its cell, or in the room of its blob.
  void rewritten(std::uint32_t db, const Key& key) { note_change(db, key.bytes); }
  // The object of an entry weighs so much more than before.
  void object_weighs(std::uint32_t db, std::ptrdiff_t grown_bytes) {
    account(*database(db), grown_bytes);
  }
  // Where new entries of a database are made.
  Heap& heap(std::uint32_t db) { return database_or_make(db).heap; }
  // Half-empty slabs of the heaps: a few entries of them are moved (all pointers to entries are
  // void then), until none is left.
  bool is_untidy() const { return untidy_ != nullptr; }
  void tidy();
  // As a read or write of the key would: recency or frequency, no counting.
  void touch(Entry* entry, std::int64_t now_ms) {
    const std::uint32_t before = entry->eviction();
    const EvictionRules& rules = rules_.eviction;
    const std::uint32_t bits =
        rules.policy == Policy::allkeys_auto
            ? auto_.bits_when_used(before, now_ms)
            : bits_when_read(rules, before, now_ms, is_lfu(rules.policy) ? draw() : 0);
    if (bits != before) entry->store_eviction(bits);
  }
  // The entry counts as last used so long ago. Not under an LFU policy.
  void was_used_before(Entry* entry, std::int64_t idle_ms, std::int64_t now_ms) {
    entry->store_eviction(rules_.eviction.policy == Policy::allkeys_auto
                              ? auto_.bits_when_idle(entry->eviction(), idle_ms, now_ms)
                              : bits_when_made(rules_.eviction, now_ms - idle_ms));
  }
  // Gives a present entry another deadline; answers where the entry is now.
  Entry* set_deadline(std::uint32_t db, const Key& key, Entry* entry, Deadline deadline,
                      std::int64_t now_ms);

  // A hash was changed where it lies, and with it the earliest deadline of its fields, which was
  // `before`.
  void field_deadlines_changed(std::uint32_t db, const Key& key, Entry* entry, Deadline before,
                               std::int64_t now_ms);

  // Drops keys as the policy says, to free memory: one, or a few of those it came upon. None: none
  // may go. Passed on (only if that is allowed): keys of other shards are likely to be worth less.
  struct Evicted {
    std::size_t keys = 0;
    bool passed_on = false;
  };
  Evicted evict(std::int64_t now_ms, std::size_t most_keys, bool may_pass_on);
  // The policy has changed, or the limit; there is much to evict.
  void rules_changed(bool is_above_limit);
  // Drops keys and fields whose time has come, looking at no more than `budget` names; answers how
  // many it looked at: the whole budget if it has left some.
  std::size_t drop_expired(std::int64_t now_ms, std::size_t budget);
  // How late keys were dropped; null: none was yet.
  const Lateness* lateness() const { return lateness_.get(); }
  std::uint64_t expired_fields() const { return expired_fields_; }
  void reset_expiry_counts() {
    lateness_.reset();
    expired_fields_ = 0;
  }
  // Bytes of entries whose time has come and that are still there, as far as upkeep will find them:
  // up to a few hundred names are looked at, and beyond that it is an estimate by their mean.
  std::size_t unreclaimed_bytes(std::int64_t now_ms) const;

  // The wall clock was set forward by so much (back: negative): deadlines that follow it die so
  // much earlier from now on. Finishes what an earlier step has left; the rest is follow_wall()'s.
  void wall_was_set(std::int64_t by_ms, std::int64_t now_ms);
  // Moves those of some buckets; false when there is nothing left to move.
  bool follow_wall(std::size_t budget_buckets);

  std::size_t size(std::uint32_t db) const;
  Database* database(std::uint32_t db) const { return place(db).load(std::memory_order_acquire); }
  // Takes a whole database out (FLUSH). Null when there is nothing, or so little that it was erased
  // where it lay. Every loop is held off.
  std::unique_ptr<Database> take_database(std::uint32_t db);
  void swap_databases(std::uint32_t a, std::uint32_t b);

  // Who makes the changes from here on, until told otherwise: for the change listener.
  void acts_for(std::uint64_t actor) { actor_ = actor; }

  WatchTable watches;
  WaitTable waits;
  // Entries, tables and wheels, and what evictions remember, in bytes.
  std::size_t used_bytes() const { return used_bytes_; }
  std::size_t eviction_bytes() const { return auto_bytes_; }
  // What of used_bytes() lies in slabs of the arena.
  std::size_t slab_use_bytes() const;

  const ShardRules& rules() const { return rules_; }

 private:
  // Nearly everybody uses the first database: it is found without a further line.
  const std::atomic<Database*>& place(std::uint32_t db) const {
    return db == 0 ? first_database_ : databases_[db];
  }
  std::atomic<Database*>& place(std::uint32_t db) {
    return db == 0 ? first_database_ : databases_[db];
  }
  Database& database_or_make(std::uint32_t db);
  void expire(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms);
  void empty(std::uint32_t db, Database& database);
  void note_change(std::uint32_t db, std::string_view key) {
    ++counters.changes;
    if (!watches.empty()) watches.key_changed(db, key);
    if (!waits.empty()) waits.key_changed(db, key);
    ChangeListener* const listener = rules_.change_listener.load(std::memory_order_acquire);
    if (listener != nullptr && !rules_.is_wholesale) [[unlikely]]
      listener->key_changed(key, actor_);
  }
  void tell(KeyEvent event, std::uint32_t db, std::string_view key) const {
    if ((rules_.listened & bit_of(event)) != 0) [[unlikely]]
      rules_.listener->heard(event, db, key);
  }
  void account(Database& database, std::ptrdiff_t entry_bytes);
  void hang(Database& database, const Key& key, Entry* entry, std::int64_t now_ms);
  void count_deadline(Database& database, Deadline deadline, int sign);
  bool move_with_wall(Database& database, Entry* entry);
  void catch_up_with_wall(Database& database, std::uint64_t hash, Entry* entry);
  bool walk_with_wall(Database& database, std::size_t& budget_buckets);
  Deadline visit_due(std::uint32_t db, Database& database, std::uint32_t name, std::int64_t now_ms);
  static Deadline visit_swept(Database& database, std::uint32_t name);
  // field_expiry.cc
  Entry* find_with_fields(std::uint32_t db, Database& there, const Key& key, Entry* entry,
                          std::int64_t now_ms);
  Entry* drop_due_fields(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms,
                         std::size_t most);
  Deadline visit_due_fields(std::uint32_t db, std::uint32_t name, Entry* entry,
                            std::int64_t now_ms);
  void owe_fields(std::uint32_t db, std::uint32_t name);
  void work_off_fields(std::int64_t now_ms);
  void count_fields(Database& database, Entry* entry, int sign);
  std::optional<std::uint32_t> draw_database();
  // A key of the sample, and how much sooner than others it should go.
  struct Candidate {
    Entry* entry = nullptr;
    std::uint64_t rank = 0;
  };
  bool pick_victims(Database& database, std::int64_t now_ms);
  bool may_go_as_well(const Candidate& candidate) const;
  void evict(std::uint32_t db, const Candidate& victim);
  std::uint64_t rank_of(const Entry& entry, std::int64_t now_ms);
  class Walk;
  Walk begin_sample(const Database& database);
  std::size_t least_sample() const;
  bool is_found(const Candidate& worst, std::size_t sampled) const;
  std::uint64_t hash_in(std::uint32_t db, std::uint64_t hash) const {
    return hash ^ db * 0x9e3779b97f4a7c15ull;
  }
  void account_auto();
  std::uint64_t draw() {
    chance_ ^= chance_ << 13;
    chance_ ^= chance_ >> 7;
    return chance_ ^= chance_ << 17;
  }

  std::uint64_t actor_ = kNobody;                // nobody between two visits
  std::size_t auto_bytes_ = 0;                   // as last accounted
  std::array<std::uint64_t, 2> next_samples_{};  // where they will begin, drawn ahead
  std::uint64_t chance_;                         // xorshift: only ever picks samples
  Database* untidy_ = nullptr;
  std::unique_ptr<Lateness> lateness_;  // from the first expired key on
  std::uint64_t expired_fields_ = 0;
  // The name of a hash that has more fields that are due than one hold may drop. It hangs in the
  // wheel too.
  struct Owing {
    std::uint32_t db;
    std::uint32_t name;
  };
  std::vector<Owing> owing_;
  std::size_t fields_left_ = 0;  // that this hold may drop
  std::vector<Entry*> due_;
  std::vector<Entry*> sample_;
  std::vector<Candidate> victims_;  // void after any change but their own eviction
};

}  // namespace larder::storage
