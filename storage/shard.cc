#include "storage/shard.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "storage/ensure.h"
#include "storage/types/field_deadlines.h"

namespace larder::storage {
namespace {

// How many buckets a sample for eviction may look at for each key it wants, before it takes what it
// has.
constexpr std::size_t kBucketsPerSample = 4;
// How many times the sample that was asked for is taken at the most, where that makes a difference.
constexpr std::size_t kLargerSample = 3;
// Of one sample several keys may go, but no more when so many bytes are free: the limit may be
// kept.
constexpr std::size_t kFreedAtOnce = 4096;

// So few keys are erased one by one when their database is flushed: cheaper than to make all anew,
// and clients that flush between two small tests do so all day.
constexpr std::size_t kFewKeys = 64;

// Fields of large hashes that one hold of a shard drops, of those that were begun before, and of
// others: some 20 microseconds.
constexpr std::size_t kFieldsPerHold = 64;

// Deadlines behind this moment (the year 4147) count as it in the mean, so that the sum of a
// hundred million fits.
constexpr std::int64_t kFarthestSummedS = std::int64_t{1} << 36;

}  // namespace

Shard::Database::~Database() {
  if (!has_outside()) return;
  for (std::size_t i = emptied_buckets; i < table.bucket_count(); ++i) {
    table.each_in_bucket(i, [this](Entry* entry) { entry->destroy(heap); });
  }
}

Shard::Shard(const ShardRules& rules)
    : rules_(rules),
      databases_(std::make_unique<std::atomic<Database*>[]>(rules.databases)),
      auto_(*rules.automatic, rules.shards),
      chance_(rules.seed ^ reinterpret_cast<std::uintptr_t>(this) ^ 0x9e3779b97f4a7c15ull) {
  if (chance_ == 0) chance_ = 1;
}

Shard::~Shard() {
  for (std::uint32_t db = 0; db < rules_.databases; ++db) delete database(db);
}

Shard::Database& Shard::database_or_make(std::uint32_t db) {
  if (Database* there = database(db)) return *there;
  auto* made = new Database(rules_);
  // Release: who prefetches without the shard finds the table complete.
  place(db).store(made, std::memory_order_release);
  account(*made, 0);
  return *made;
}

void Shard::account(Database& database, std::ptrdiff_t entry_bytes) {
  const std::size_t own = database.table.used_bytes() +
                          (database.wheel ? database.wheel->used_bytes() : 0);
  const std::size_t grown = own - database.own_bytes + static_cast<std::size_t>(entry_bytes);
  if (database.heap.wants_tidying()) untidy_ = &database;
  // A value written over one of its size changes no account, and takes no line from other loops.
  if (grown == 0 && entry_bytes == 0) return;
  used_bytes_ += grown;
  database.entry_bytes += static_cast<std::size_t>(entry_bytes);
  database.own_bytes = own;
}

// A visit pays for what it freed, and a little for what others did.
void Shard::tidy() {
  constexpr std::size_t kCellsPerVisit = 4;
  Database& database = *untidy_;
  database.heap.tidy(kCellsPerVisit, [&](void* cell) {
    auto* entry = static_cast<Entry*>(cell);
    const std::uint64_t hash = hash_bytes(entry->key(), rules_.seed);
    const Heap::Ref older = database.heap.ref_of(entry);
    database.table.replace(hash, older, entry->move(database.heap));
  });
  if (!database.heap.wants_tidying()) untidy_ = nullptr;
}

void Shard::expire(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms) {
  ++counters.expired;
  if (!lateness_) lateness_ = std::make_unique<Lateness>();
  lateness_->add(now_ms - entry->deadline().ms(), now_ms);
  tell(KeyEvent::expired, db, key.bytes);
  // Not the doing of whoever came by.
  const std::uint64_t visitor = std::exchange(actor_, kNobody);
  erase(db, key, entry);
  actor_ = visitor;
}

void Shard::count_deadline(Database& database, Deadline deadline, int sign) {
  if (deadline.is_never()) return;
  database.volatile_count += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(sign));
  if (deadline.follows_wall()) {
    database.following_count += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(sign));
  }
  database.deadline_sum_s += sign * std::min(deadline.ms() / 1000, kFarthestSummedS);
}

// Sees to it that the wheel comes by at the entry's next deadline. A name that is in the wheel
// already and comes up earlier serves: the wheel then asks again for the later moment.
void Shard::hang(Database& database, const Key& key, Entry* entry, std::int64_t now_ms) {
  if (!database.wheel) database.wheel = std::make_unique<TimerWheel>(now_ms);
  database.wheel->add(static_cast<std::uint32_t>(key.hash), next_deadline(*entry));
  entry->set(Entry::in_wheel, true);
}

void Shard::insert(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms) {
  Database& database = database_or_make(db);
  ++keys_;
  entry->store_eviction(rules_.eviction.policy == Policy::allkeys_auto
                            ? auto_.bits_when_made(hash_in(db, key.hash), keys_, now_ms)
                            : bits_when_made(rules_.eviction, now_ms));
  database.table.insert(key.hash, entry);
  if (entry->has(Entry::has_deadline)) {
    const Deadline deadline = entry->deadline();
    if (deadline.follows_wall()) entry->store_wall_epoch(database.wall.epoch);
    count_deadline(database, deadline, 1);
  }
  count_fields(database, entry, 1);
  if (entry->is_mortal()) hang(database, key, entry, now_ms);
  database.outside += entry->has_outside();
  account(database, static_cast<std::ptrdiff_t>(entry->weight_bytes()));
  note_change(db, key.bytes);
  tell(KeyEvent::made, db, key.bytes);
}

void Shard::replace(std::uint32_t db, const Key& key, Entry* older, Entry* newer,
                    std::int64_t now_ms) {
  Database& database = *this->database(db);
  newer->inherit(*older);
  const Deadline before = older->deadline();
  const Deadline after = newer->deadline();
  const auto grown = static_cast<std::ptrdiff_t>(newer->weight_bytes()) -
                     static_cast<std::ptrdiff_t>(older->weight_bytes());
  count_deadline(database, before, -1);
  count_deadline(database, after, 1);
  if (after.follows_wall()) newer->store_wall_epoch(database.wall.epoch);
  const Deadline next_before = next_deadline(*older);
  const Deadline next_after = next_deadline(*newer);
  count_fields(database, older, -1);
  count_fields(database, newer, 1);
  database.outside += newer->has_outside();
  database.outside -= older->has_outside();
  database.table.replace(key.hash, older, newer);
  older->destroy(database.heap);
  // A name in the wheel came up no later than the old deadline; that serves a later one too.
  const bool is_served = newer->has(Entry::in_wheel) && !next_before.is_never() &&
                         next_before <= next_after;
  if (!next_after.is_never() && !is_served) hang(database, key, newer, now_ms);
  account(database, grown);
  note_change(db, key.bytes);
}

Entry* Shard::take(std::uint32_t db, const Key& key, Entry* entry) {
  Database& database = *this->database(db);
  count_deadline(database, entry->deadline(), -1);
  count_fields(database, entry, -1);
  database.table.erase(key.hash, entry);
  --keys_;
  database.outside -= entry->has_outside();
  account(database, -static_cast<std::ptrdiff_t>(entry->weight_bytes()));
  note_change(db, key.bytes);
  return entry;
}

void Shard::erase(std::uint32_t db, const Key& key, Entry* entry) {
  take(db, key, entry);
  // key.bytes may have been a view of it: nothing of the entry is used after this.
  Database& database = *this->database(db);
  entry->destroy(database.heap);
  if (database.heap.wants_tidying()) untidy_ = &database;
}

Entry* Shard::set_deadline(std::uint32_t db, const Key& key, Entry* entry, Deadline deadline,
                           std::int64_t now_ms) {
  Database& database = *this->database(db);
  const Deadline before = entry->deadline();
  if (Entry::deadline_bytes(before) != Entry::deadline_bytes(deadline)) {
    // The field comes, goes or widens, and the layout with it: a copy of the entry, what is outside
    // of it handed over.
    const Entry::Shape shape{entry->type(), entry->encoding(), deadline, entry->value_size()};
    Entry* newer = Entry::make(database.heap, key.bytes, shape);
    std::memcpy(newer->value(), entry->value(), entry->value_size());
    newer->set(Entry::edited, entry->has(Entry::edited));
    newer->set(Entry::fields_expire, entry->has(Entry::fields_expire));
    entry->hold_outside();
    replace(db, key, entry, newer, now_ms);
    return newer;
  }
  if (deadline.is_never()) return entry;
  count_deadline(database, before, -1);
  count_deadline(database, deadline, 1);
  entry->store_deadline(deadline);
  if (deadline.follows_wall()) entry->store_wall_epoch(database.wall.epoch);
  if (deadline < before || !entry->has(Entry::in_wheel)) hang(database, key, entry, now_ms);
  account(database, 0);
  note_change(db, key.bytes);
  return entry;
}

std::size_t Shard::size(std::uint32_t db) const {
  const Database* there = database(db);
  return there == nullptr ? 0 : there->table.size();
}

std::size_t Shard::slab_use_bytes() const {
  std::size_t sum = 0;
  for (std::uint32_t db = 0; db < rules_.databases; ++db) {
    if (const Database* there = database(db)) {
      sum += there->heap.live_bytes() + there->table.slab_bytes();
    }
  }
  return sum;
}

// A name has come up: drop the entries it may mean whose time has come; the earliest deadline of
// the others is next.
Deadline Shard::visit_due(std::uint32_t db, Database& database, std::uint32_t name,
                          std::int64_t now_ms) {
  Deadline next = Deadline::never();
  due_.clear();
  database.table.each_named(name, [&](Entry* entry) {
    // Where it is to hang is what this visit answers.
    if (entry->is_behind_wall(database.wall.epoch)) move_with_wall(database, entry);
    const Deadline deadline = next_deadline(*entry);
    if (deadline.is_never()) {
      entry->set(Entry::in_wheel, false);
    } else if (deadline.has_passed(now_ms)) {
      due_.push_back(entry);
    } else {
      next = std::min(next, deadline);
      store_sweep_of(*entry, 0);  // a sweep may meet its name again
    }
  });
  for (Entry* entry : due_) {
    if (!entry->deadline().has_passed(now_ms)) {
      next = std::min(next, visit_due_fields(db, name, entry, now_ms));
      continue;
    }
    expire(db, Key{entry->key(), hash_bytes(entry->key(), rules_.seed)}, entry, now_ms);
  }
  return next;
}

// A sweep of the wheel has come to a name: it is kept if an entry needs it that was not met by this
// sweep before. (What is dead already is dropped when the wheel comes by.)
Deadline Shard::visit_swept(Database& database, std::uint32_t name) {
  TimerWheel& wheel = *database.wheel;
  Deadline next = Deadline::never();
  bool is_needed = false;
  database.table.each_named(name, [&](Entry* entry) {
    const Deadline deadline = next_deadline(*entry);
    next = std::min(next, deadline);
    if (!deadline.is_never() && sweep_of(*entry) != wheel.sweep_number()) is_needed = true;
  });
  if (!is_needed) return Deadline::never();
  const unsigned mark = wheel.is_behind_sweep(next) ? wheel.sweep_number() : 0;
  database.table.each_named(name, [&](Entry* entry) { store_sweep_of(*entry, mark); });
  return next;
}

std::size_t Shard::drop_expired(std::int64_t now_ms, std::size_t budget) {
  fields_left_ = kFieldsPerHold;
  work_off_fields(now_ms);
  fields_left_ = kFieldsPerHold;
  std::size_t visited = 0;
  for (std::uint32_t db = 0; db < rules_.databases && visited < budget; ++db) {
    Database* there = database(db);
    if (there == nullptr || !there->wheel) continue;
    visited += there->wheel->advance(now_ms, budget - visited, [&](std::uint32_t name) {
      return visit_due(db, *there, name, now_ms);
    });
    visited += there->wheel->sweep(there->volatile_count + there->fields_expire_count,
                                   budget - visited,
                                   [&](std::uint32_t name) { return visit_swept(*there, name); });
    account(*there, 0);
  }
  return owing_.empty() ? visited : budget;
}

std::size_t Shard::unreclaimed_bytes(std::int64_t now_ms) const {
  constexpr std::size_t kMostNames = 256;
  std::size_t sum = 0;
  for (std::uint32_t db = 0; db < rules_.databases; ++db) {
    Database* there = database(db);
    if (there == nullptr || !there->wheel) continue;
    std::size_t bytes = 0;
    const auto weigh = [&](const Entry* entry) {
      if (entry->deadline().has_passed(now_ms)) bytes += entry->weight_bytes();
    };
    const std::size_t names = there->wheel->each_due(
        now_ms, kMostNames, [&](std::uint32_t name) { there->table.each_named(name, weigh); });
    sum += names <= kMostNames ? bytes : bytes * names / kMostNames;
  }
  return sum;
}

std::uint64_t Shard::rank_of(const Entry& entry, std::int64_t now_ms) {
  const EvictionRules& rules = rules_.eviction;
  if (rules.policy != Policy::allkeys_auto) return eviction_rank(rules, entry, now_ms, draw());
  // The bits of positive numbers are in the order of the numbers.
  return std::bit_cast<std::uint64_t>(auto_.price(entry));
}

// Buckets of a sample, in the order in which they are looked at: a few here and there, then all in
// a row for who has not found enough. (Only a row would be easier to fetch, but it wears holes:
// where keys are few a row reaches far, and whatever it ends at is sampled too often, which makes
// the hole larger. A store of 19 thousand keys missed 8 % more than LRU should.)
class Shard::Walk {
 public:
  Walk(std::uint64_t drawn, std::size_t buckets)
      : first_((drawn >> 32) * buckets >> 32), step_(step(drawn, buckets)), buckets_(buckets) {}

  std::size_t length() const { return buckets_ <= kScattered ? buckets_ : buckets_ + kScattered; }
  std::size_t bucket(std::size_t i) const {
    return (first_ + (i < kScattered ? i * step_ : i)) % buckets_;
  }

 private:
  static constexpr std::size_t kScattered = 16;

  static std::size_t step(std::uint64_t drawn, std::size_t buckets) {
    std::size_t step = 1 + ((drawn & 0xffffffff) * (buckets - 1) >> 32);
    // Of few buckets each is to be met once.
    while (buckets <= kScattered && std::gcd(step, buckets) != 1) ++step;
    return step;
  }

  std::size_t first_;
  std::size_t step_;
  std::size_t buckets_;
};

// A sample is a dozen cache misses. Where the next two begin is known: the buckets of one and the
// entries of the other are fetched while this one is looked at.
Shard::Walk Shard::begin_sample(const Database& database) {
  const std::size_t buckets = database.table.bucket_count();
  const Walk walk(next_samples_[0], buckets);
  next_samples_ = {next_samples_[1], draw()};
  const Walk next(next_samples_[0], buckets);
  const Walk over_next(next_samples_[1], buckets);
  std::size_t fetched = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    if (fetched < least_sample()) {
      database.table.each_in_bucket(next.bucket(i), [&](Entry* entry) {
        __builtin_prefetch(entry);
        ++fetched;
      });
    }
    database.table.prefetch_bucket_number(over_next.bucket(i));
  }
  return walk;
}

// How many keys a sample has at the least. Where more are looked at when these are all worth
// keeping, half of what was asked for is a beginning.
std::size_t Shard::least_sample() const {
  const EvictionRules& rules = rules_.eviction;
  if (is_random(rules.policy)) return 1;
  return rules.policy == Policy::allkeys_auto ? (rules.samples + 1) / 2 : rules.samples;
}

bool Shard::is_found(const Candidate& worst, std::size_t sampled) const {
  const EvictionRules& rules = rules_.eviction;
  if (sampled < least_sample()) return false;
  return rules.policy != Policy::allkeys_auto || sampled >= kLargerSample * rules.samples ||
         auto_.is_dear(std::bit_cast<double>(worst.rank));
}

// The worst of a sample, into victims_; allkeys-auto adds the others of it that may go as well. A
// volatile policy looks until it finds keys with a deadline: the count says there are some. Answers
// whether the sample was all there is.
bool Shard::pick_victims(Database& database, std::int64_t now_ms) {
  const EvictionRules& rules = rules_.eviction;
  const bool needs_deadline = is_volatile(rules.policy);
  const Walk walk = begin_sample(database);
  std::size_t looked_at = 0;
  std::size_t sampled = 0;
  Candidate worst;
  victims_.clear();
  while (looked_at < walk.length() && !is_found(worst, sampled)) {
    if (worst.entry != nullptr && looked_at > rules.samples * kBucketsPerSample) break;
    // All are fetched before the first is looked at.
    sample_.clear();
    do {
      database.table.each_in_bucket(walk.bucket(looked_at), [&](Entry* entry) {
        __builtin_prefetch(entry);
        sample_.push_back(entry);
      });
    } while (++looked_at < walk.length() && sampled + sample_.size() < least_sample());
    for (Entry* entry : sample_) {
      if (needs_deadline && !entry->has(Entry::has_deadline)) continue;
      ++sampled;
      Candidate candidate{entry, rank_of(*entry, now_ms)};
      if (entry == worst.entry) continue;  // a walk may meet a bucket again
      if (worst.entry == nullptr || candidate.rank > worst.rank) std::swap(worst, candidate);
      if (candidate.entry != nullptr && may_go_as_well(candidate)) victims_.push_back(candidate);
    }
  }
  // The last is the first to go.
  std::erase_if(victims_, [&](const Candidate& other) { return other.entry == worst.entry; });
  if (worst.entry != nullptr) victims_.push_back(worst);
  return looked_at == walk.length();
}

bool Shard::may_go_as_well(const Candidate& candidate) const {
  if (rules_.eviction.policy != Policy::allkeys_auto) return false;
  if (!auto_.is_usual(std::bit_cast<double>(candidate.rank))) return false;
  return std::none_of(victims_.begin(), victims_.end(),
                      [&](const Candidate& other) { return other.entry == candidate.entry; });
}

// A database drawn by its number of keys (of keys that may go), so that none is drained for
// another's sake.
std::optional<std::uint32_t> Shard::draw_database() {
  const bool only_volatile = is_volatile(rules_.eviction.policy);
  const auto weight = [&](std::uint32_t db) -> std::size_t {
    const Database* there = database(db);
    if (there == nullptr) return 0;
    return only_volatile ? there->volatile_count : there->table.size();
  };
  std::size_t total = keys_;
  if (only_volatile) {
    total = 0;
    for (std::uint32_t db = 0; db < rules_.databases; ++db) total += weight(db);
  }
  if (total == 0) return std::nullopt;
  std::size_t drawn = draw() % total;
  for (std::uint32_t db = 0;; ++db) {
    if (drawn < weight(db)) return db;
    drawn -= weight(db);
  }
}

Shard::Evicted Shard::evict(std::int64_t now_ms, std::size_t most_keys, bool may_pass_on) {
  if (rules_.eviction.policy == Policy::noeviction) return {};
  const std::optional<std::uint32_t> db = draw_database();
  if (!db) return {};
  const bool is_auto = rules_.eviction.policy == Policy::allkeys_auto;
  if (is_auto) auto_.prepare(keys_, used_bytes_);
  const bool saw_all = pick_victims(*database(*db), now_ms);
  if (victims_.empty()) return {};
  const double price = std::bit_cast<double>(victims_.back().rank);
  if (is_auto && may_pass_on && saw_all && !auto_.is_dear(price)) {
    auto_.passed_on(price);
    return {.passed_on = true};
  }
  const std::size_t before = used_bytes_;
  Evicted evicted;
  while (!victims_.empty() && evicted.keys < most_keys &&
         before - std::min(before, used_bytes_) < kFreedAtOnce) {
    evict(*db, victims_.back());
    victims_.pop_back();
    ++evicted.keys;
  }
  if (is_auto) account_auto();
  return evicted;
}

void Shard::evict(std::uint32_t db, const Candidate& victim) {
  const Key key{victim.entry->key(), hash_bytes(victim.entry->key(), rules_.seed)};
  const std::uint32_t bits = victim.entry->eviction();
  ++counters.evicted;
  tell(KeyEvent::evicted, db, key.bytes);
  erase(db, key, victim.entry);
  if (rules_.eviction.policy != Policy::allkeys_auto) return;
  auto_.evicted(bits, hash_in(db, key.hash), std::bit_cast<double>(victim.rank), keys_,
                used_bytes_);
}

void Shard::account_auto() {
  const std::size_t bytes = auto_.used_bytes();
  used_bytes_ += bytes - auto_bytes_;
  auto_bytes_ = bytes;
}

void Shard::rules_changed(bool is_above_limit) {
  if (rules_.eviction.policy != Policy::allkeys_auto) {
    auto_.forget();
  } else if (is_above_limit && keys_ != 0) {
    auto_.prepare(keys_, used_bytes_);
  }
  account_auto();
}

void Shard::empty(std::uint32_t db, Database& database) {
  due_.clear();
  for (std::size_t i = 0; i < database.table.bucket_count(); ++i) {
    database.table.each_in_bucket(i, [this](Entry* entry) { due_.push_back(entry); });
  }
  for (Entry* entry : due_) {
    erase(db, Key{entry->key(), hash_bytes(entry->key(), rules_.seed)}, entry);
  }
}

std::unique_ptr<Shard::Database> Shard::take_database(std::uint32_t db) {
  Database* there = database(db);
  if (there == nullptr) return nullptr;
  if (there->table.size() <= kFewKeys) {
    empty(db, *there);
    return nullptr;
  }
  watches.each(db, [&](std::string_view key, const std::vector<WatchFlag*>& flags) {
    if (there->table.find(hash_bytes(key, rules_.seed), key) == nullptr) return;
    for (WatchFlag* flag : flags) flag->raise();
  });
  waits.database_changed(db);
  counters.changes += there->table.size();
  place(db).store(nullptr, std::memory_order_release);
  used_bytes_ -= there->own_bytes + there->entry_bytes;
  keys_ -= there->table.size();
  if (keys_ == 0) auto_.forget();
  account_auto();
  if (untidy_ == there) untidy_ = nullptr;
  return std::unique_ptr<Database>(there);
}

void Shard::swap_databases(std::uint32_t a, std::uint32_t b) {
  Database* const was_a = database(a);
  Database* const was_b = database(b);
  const auto is_in = [&](Database* there, std::string_view key) {
    return there != nullptr && there->table.find(hash_bytes(key, rules_.seed), key) != nullptr;
  };
  for (const std::uint32_t db : {a, b}) {
    watches.each(db, [&](std::string_view key, const std::vector<WatchFlag*>& flags) {
      if (!is_in(was_a, key) && !is_in(was_b, key)) return;
      for (WatchFlag* flag : flags) flag->raise();
    });
  }
  place(a).store(was_b, std::memory_order_release);
  place(b).store(was_a, std::memory_order_release);
  waits.database_changed(a);
  waits.database_changed(b);
}

}  // namespace larder::storage
