#include "storage/store.h"

#include <algorithm>
#include <bit>

#include "storage/ensure.h"
#include "storage/eviction_lru.h"
#include "storage/page_runs.h"
#include "storage/reaper.h"

namespace larder::storage {
namespace {

// Tries at a random key before the answer is taken from a scan (a database full of expired keys).
constexpr int kRandomTries = 100;

// Of a heap so many slabs are given back at once; it takes as long as to empty so many buckets into
// it, and so does unmapping what is left of a database.
constexpr std::size_t kSlabsGivenBack = 8;
constexpr std::size_t kBucketsWorth = 64;

// Flushed databases that may wait for their burial; beyond it FLUSH does it itself. Each takes some
// mappings, of which the system gives a process 65 thousand.
constexpr std::size_t kMostGraves = 2048;

std::uint64_t mix(std::uint64_t n) {  // splitmix64: from a counter to something that looks like
                                      // chance
  n += 0x9e3779b97f4a7c15ull;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
  return n ^ (n >> 31);
}

}  // namespace

Store::Store(const Settings& settings)
    : arena_(settings.arena_reserve_bytes),
      rules_{.databases = settings.databases,
             .shards = settings.shards,
             .seed = settings.seed,
             .table_reserve_bytes = settings.table_reserve_bytes,
             .arena = &arena_,
             .eviction = {},
             .collections = {},
             .automatic = &automatic_},
      shard_shift_(64 - std::countr_zero(settings.shards)),
      chance_(settings.seed) {
  ensure(std::has_single_bit(settings.shards) && settings.shards <= kMostShards,
         "the number of shards is a power of two within bounds");
  ensure(settings.databases >= 1, "there is at least one database");
  if (settings.runs_ahead) arena_.run_ahead();
  cells_.reserve(settings.shards);
  for (std::size_t i = 0; i < settings.shards; ++i) {
    cells_.push_back(std::make_unique<Cell>(rules_));
    if (!settings.is_shared) cells_.back()->mutex.serve_one_thread();
  }
}

Store::~Store() = default;

void Store::set_limit(std::size_t limit_bytes, const EvictionRules& rules) {
  limit_bytes_ = limit_bytes;
  rules_.eviction = rules;
  arena_.run_ahead_until(limit_bytes == 0 ? SIZE_MAX : limit_bytes);
  set_room();
  // What a shard has not told yet is not taken for growth later.
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    cell->shard.rules_changed(!has_room());
    publish_all(*cell);
  }
  ceiling_bytes_.store(std::max(room_bytes(), used_bytes()), std::memory_order_relaxed);
}

void Store::set_room() {
  const std::size_t counted = slack_bytes() - std::min(slack_bytes(), kFreeSlackBytes);
  const std::size_t slack = std::min(counted, limit_bytes_ / kSlackShare);
  room_bytes_.store(limit_bytes_ == 0 ? SIZE_MAX : limit_bytes_ - slack, std::memory_order_relaxed);
}

void Store::weigh_slack() {
  weighed_at_slabs_.store(arena_.slabs_faulted(), std::memory_order_relaxed);
  const std::size_t resident = arena_.resident_bytes();
  const std::size_t in_use = slab_use_bytes_.load(std::memory_order_relaxed);
  const std::size_t in_slabs = resident - std::min(resident, in_use);
  slack_bytes_.store(
      in_slabs + PageRuns::of_process().warm_bytes() + Reaper::counts().waiting_bytes,
      std::memory_order_relaxed);
  set_room();
}

// To what is used now, or to the room there is. Answers where it is.
std::size_t Store::lower_ceiling() {
  const std::size_t wanted = std::max(room_bytes(), used_bytes());
  std::size_t ceiling = ceiling_bytes_.load(std::memory_order_relaxed);
  while (wanted < ceiling) {
    if (ceiling_bytes_.compare_exchange_weak(ceiling, wanted, std::memory_order_relaxed)) {
      return wanted;
    }
  }
  return ceiling;
}

// Shards evict in turn: the hash spreads keys and bytes evenly, so no shard needs looking for.
Cell& Store::next_to_evict() {
  return *cells_[evict_hand_.fetch_add(1, std::memory_order_relaxed) & (cells_.size() - 1)];
}

// A few keys of one shard, unless it passes the duty on before the first.
Store::Evicted Store::evict_from(Cell& cell, std::int64_t now_ms, bool may_pass_on) {
  constexpr std::size_t kKeysPerHold = 4;
  const MutexLock lock(cell.mutex);
  const LongestTimer timer(cell.shard.counters.longest_hold_ticks);
  const std::size_t before = cell.shard.used_bytes();
  Evicted evicted;
  while (evicted.keys < kKeysPerHold && !has_room()) {
    const Shard::Evicted step = cell.shard.evict(now_ms, kKeysPerHold - evicted.keys, may_pass_on);
    evicted.passed_on = step.passed_on && evicted.keys == 0;
    if (step.keys == 0) break;
    evicted.keys += step.keys;
    publish(cell);
  }
  // The steps too small to be told one by one are told when the hold ends, or the limit could never
  // be reached.
  publish_all(cell);
  evicted.bytes = before - std::min(before, cell.shard.used_bytes());
  return evicted;
}

Store::Evicted Store::evict_from_next_shard(std::int64_t now_ms) {
  for (std::size_t passed_on = 0;; ++passed_on) {
    const Evicted evicted = evict_from(next_to_evict(), now_ms, passed_on < kMostPassedOn);
    if (!evicted.passed_on) return evicted;
  }
}

bool Store::evict_key(std::int64_t now_ms) {
  for (std::size_t asked = 0; asked < kMostPassedOn + cells_.size(); ++asked) {
    Cell& cell = next_to_evict();
    const MutexLock lock(cell.mutex);
    const Shard::Evicted evicted = cell.shard.evict(now_ms, 1, asked < kMostPassedOn);
    publish_all(cell);
    if (evicted.keys != 0) return true;
  }
  return false;
}

std::int64_t Store::idle_seconds(std::uint32_t bits, std::int64_t now_ms) const {
  if (rules_.eviction.policy != Policy::allkeys_auto) return lru::idle_seconds(bits, now_ms);
  return AutoShard::idle_ms(automatic_, bits, now_ms) / 1000;
}

bool Store::evict_for_command(std::int64_t now_ms) {
  if (rules_.eviction.policy == Policy::noeviction) return false;
  if (arena_.slabs_faulted() >=
      weighed_at_slabs_.load(std::memory_order_relaxed) + kSlabsUnweighed) {
    weigh_slack();
  }
  const std::size_t ceiling = lower_ceiling();
  const std::size_t overdraft = limit_bytes_ / kOverdraftShare;
  Evicted sum;
  std::size_t fruitless = 0;
  for (;;) {
    const std::size_t used = used_bytes();
    if (used <= room_bytes()) break;
    const bool did_its_part = sum.keys >= kBacklogKeys || sum.bytes >= kBacklogBytes;
    if (did_its_part && used <= ceiling) break;
    if (sum.keys >= kGrowthKeys && used <= ceiling + overdraft) break;
    const Evicted evicted = evict_from_next_shard(now_ms);
    sum.keys += evicted.keys;
    sum.bytes += evicted.bytes;
    fruitless = evicted.keys != 0 ? 0 : fruitless + 1;
    if (fruitless == cells_.size()) return has_room();
  }
  lower_ceiling();
  return true;
}

Store::Limit Store::evict_some(std::int64_t now_ms) {
  if (limit_bytes_ == 0) return Limit::kept;
  lower_ceiling();
  if (has_room()) return Limit::kept;
  if (rules_.eviction.policy == Policy::noeviction) return Limit::out_of_reach;
  std::size_t fruitless = 0;
  while (!has_room() && fruitless < cells_.size()) {
    if (evict_from_next_shard(now_ms).keys != 0) break;
    ++fruitless;
  }
  lower_ceiling();
  if (has_room()) return Limit::kept;
  return fruitless == cells_.size() ? Limit::out_of_reach : Limit::behind;
}

// A change of whole databases is told as one, not key by key. Alone.
class Store::Wholesale {
 public:
  explicit Wholesale(ShardRules& rules)
      : rules_(rules), is_outermost_(!std::exchange(rules.is_wholesale, true)) {}
  ~Wholesale() {
    if (!is_outermost_) return;
    rules_.is_wholesale = false;
    ChangeListener* const listener = rules_.change_listener.load(std::memory_order_acquire);
    if (listener != nullptr) listener->all_changed();
  }
  Wholesale(const Wholesale&) = delete;
  Wholesale& operator=(const Wholesale&) = delete;

 private:
  ShardRules& rules_;
  const bool is_outermost_;
};

void Store::flush(std::uint32_t db) {
  const Wholesale wholesale(rules_);
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    const LongestTimer timer(cell->shard.counters.longest_hold_ticks);
    std::unique_ptr<Shard::Database> grave = cell->shard.take_database(db);
    publish(*cell);
    if (!grave) continue;
    const MutexLock graves(graves_mutex_);
    buried_keys_.fetch_add(grave->table.size(), std::memory_order_relaxed);
    graves_.push_back(std::move(grave));
    has_graves_.store(true, std::memory_order_relaxed);
  }
  const auto graves = [this] {
    const MutexLock lock(graves_mutex_);
    return graves_.size();
  };
  while (graves() > kMostGraves) bury(kMostGraves);
}

void Store::flush_all() {
  const Wholesale wholesale(rules_);
  for (std::uint32_t db = 0; db < rules_.databases; ++db) flush(db);
}

void Store::swap(std::uint32_t a, std::uint32_t b) {
  const Wholesale wholesale(rules_);
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    const LongestTimer timer(cell->shard.counters.longest_hold_ticks);
    cell->shard.swap_databases(a, b);
  }
}

std::size_t Store::size(std::uint32_t db) {
  std::size_t keys = 0;
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    keys += cell->shard.size(db);
  }
  return keys;
}

StoreStatistics Store::statistics() {
  StoreStatistics sum;
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    const Shard& shard = cell->shard;
    sum.counters.hits += shard.counters.hits;
    sum.counters.misses += shard.counters.misses;
    sum.counters.expired += shard.counters.expired;
    sum.counters.evicted += shard.counters.evicted;
    sum.counters.changes += shard.counters.changes;
    sum.counters.longest_hold_ticks =
        std::max(sum.counters.longest_hold_ticks, shard.counters.longest_hold_ticks);
    sum.used_bytes += shard.used_bytes();
    sum.eviction_bytes += shard.eviction_bytes();
    for (std::uint32_t db = 0; db < rules_.databases; ++db) {
      const Shard::Database* there = shard.database(db);
      if (there == nullptr) continue;
      sum.keys += there->table.size();
      sum.volatile_keys += there->volatile_count;
      sum.entry_bytes += there->entry_bytes;
      sum.table_bytes += there->own_bytes;
    }
  }
  return sum;
}

DatabaseStatistics Store::statistics(std::uint32_t db, std::int64_t now_ms) {
  DatabaseStatistics sum;
  std::int64_t deadlines_s = 0;
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    const Shard::Database* there = cell->shard.database(db);
    if (there == nullptr) continue;
    sum.keys += there->table.size();
    sum.volatile_keys += there->volatile_count;
    deadlines_s += there->deadline_sum_s;
    sum.hashes_with_deadlines += there->fields_expire_count;
  }
  if (sum.volatile_keys != 0) {
    const std::int64_t mean_s = deadlines_s / static_cast<std::int64_t>(sum.volatile_keys);
    sum.mean_ttl_ms = std::max<std::int64_t>(0, mean_s * 1000 - now_ms);
  }
  return sum;
}

ExpiryStatistics Store::expiry_statistics(std::int64_t now_ms) {
  ExpiryStatistics sum;
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    if (cell->shard.lateness() != nullptr) sum.lateness.merge(*cell->shard.lateness());
    sum.unreclaimed_bytes += cell->shard.unreclaimed_bytes(now_ms);
    sum.fields += cell->shard.expired_fields();
  }
  return sum;
}

void Store::reset_counters() {
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    const std::uint64_t changes = cell->shard.counters.changes;
    cell->shard.counters = {.changes = changes};
    cell->shard.reset_expiry_counts();
  }
}

std::optional<std::string> Store::random_key(std::uint32_t db, std::int64_t now_ms,
                                             const HeldShards* held) {
  std::optional<std::string> found;
  for (int tries = 0; tries < kRandomTries && !found; ++tries) {
    const std::uint64_t drawn = mix(chance_.fetch_add(1, std::memory_order_relaxed));
    const std::size_t shard = drawn & (cells_.size() - 1);
    Cell& cell = *cells_[shard];
    const LockUnlessHeld lock(*this, cell, held != nullptr && held->has(shard));
    const Shard::Database* there = cell.shard.database(db);
    if (there == nullptr || there->table.size() == 0) continue;
    std::uint64_t nth = 0;
    there->table.each_in_bucket((drawn >> 16) % there->table.bucket_count(), [&](Entry* entry) {
      if (entry->deadline().has_passed(now_ms)) return;
      // Each of the bucket's keys is kept with the chance of one in those seen so far.
      ++nth;
      if (mix(drawn + nth) % nth == 0) found = std::string(entry->key());
    });
  }
  std::uint64_t cursor = 0;
  while (!found) {
    cursor = scan(db, cursor, 1, now_ms, held, [&](std::string_view key, const Value&) {
      if (!found) found = std::string(key);
    });
    if (cursor == 0) break;
  }
  return found;
}

std::size_t Store::drop_expired(std::size_t shard, std::int64_t now_ms, std::size_t budget) {
  Cell& cell = *cells_[shard];
  const MutexLock lock(cell.mutex);
  const LongestTimer timer(cell.shard.counters.longest_hold_ticks);
  const std::size_t visited = cell.shard.drop_expired(now_ms, budget);
  publish(cell);
  return visited;
}

// Entries go with their heap, but for what hangs on some of them outside. True: nothing is left.
bool Store::bury_some(Shard::Database& grave, std::size_t& budget) {
  const std::size_t buckets = grave.table.bucket_count();
  for (; grave.has_outside() && grave.emptied_buckets < buckets && budget != 0; --budget) {
    grave.table.each_in_bucket(grave.emptied_buckets++, [&](Entry* entry) {
      grave.outside -= entry->has_outside();
      entry->destroy(grave.heap);
    });
  }
  while (budget != 0) {
    budget -= std::min(budget, kBucketsWorth);
    const bool has_heap = !grave.heap.give_back(kSlabsGivenBack);
    if (!has_heap && grave.table.give_back(kSlabsGivenBack)) return true;
  }
  return false;
}

bool Store::bury(std::size_t budget_buckets) {
  if (!has_graves_.load(std::memory_order_relaxed)) return false;
  while (budget_buckets != 0) {
    std::unique_ptr<Shard::Database> grave;
    {
      const MutexLock lock(graves_mutex_);
      if (graves_.empty()) break;
      grave = std::move(graves_.back());
      graves_.pop_back();
    }
    if (bury_some(*grave, budget_buckets)) {
      buried_keys_.fetch_sub(grave->table.size(), std::memory_order_relaxed);
      continue;
    }
    const MutexLock lock(graves_mutex_);
    graves_.push_back(std::move(grave));
  }
  const MutexLock lock(graves_mutex_);
  has_graves_.store(!graves_.empty(), std::memory_order_relaxed);
  return !graves_.empty();
}

bool Store::give_back(std::size_t budget_buckets) {
  const bool has_more = bury(budget_buckets);
  arena_.cool();
  PageRuns::of_process().cool_to(0);
  weigh_slack();
  return has_more;
}

void Store::watch(std::uint32_t db, const Key& key, std::int64_t now_ms, WatchFlag& flag) {
  Cell& cell = cell_of(key);
  const MutexLock lock(cell.mutex);
  cell.shard.find(db, key, now_ms);
  cell.shard.watches.add(db, key.bytes, flag);
}

void Store::unwatch(std::uint32_t db, const Key& key, WatchFlag& flag) {
  Cell& cell = cell_of(key);
  const MutexLock lock(cell.mutex);
  cell.shard.watches.remove(db, key.bytes, flag);
}

void Store::wait(std::uint32_t db, const Key& key, Waiter& waiter) {
  const std::size_t shard = shard_of(key);
  cells_[shard]->shard.waits.add(db, key.bytes, shard, waiter);
}

void Store::stop_waiting(Waiter& waiter) {
  for (WaitPlace& place : waiter.places_) {
    Cell& cell = *cells_[place.shard];
    const MutexLock lock(cell.mutex);
    cell.shard.waits.remove(place);
  }
  waiter.places_.clear();
}

void Store::move_notes(ReadyKeys& to) {
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    cell->shard.waits.move_notes(to);
  }
}

std::size_t Store::waited_keys() {
  std::size_t keys = 0;
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    keys += cell->shard.waits.size();
  }
  return keys;
}

Hold::Hold(Store& store, std::span<const Key> keys, const HeldShards* outer) : store_(store) {
  if (outer != nullptr) held_ = *outer;
  ours_.reserve(keys.size());
  for (const Key& key : keys) {
    const std::size_t shard = store.shard_of(key);
    if (held_.has(shard)) continue;
    held_.add(shard);
    ours_.push_back(static_cast<std::uint32_t>(shard));
  }
  std::sort(ours_.begin(), ours_.end());
  for (const std::uint32_t shard : ours_) {
    store_.cell(shard).mutex.lock();
    if (since_ticks_ == 0) since_ticks_ = ticks_now();
  }
}

Hold::~Hold() {
  if (!ours_.empty()) {
    std::uint64_t& longest = store_.cell(ours_.front()).shard.counters.longest_hold_ticks;
    longest = std::max(longest, ticks_now() - since_ticks_);
  }
  for (const std::uint32_t shard : ours_) {
    Cell& cell = store_.cell(shard);
    store_.publish(cell);
    cell.mutex.unlock();
  }
}

}  // namespace larder::storage
