#include "storage/eviction_auto.h"

#include <algorithm>

namespace larder::storage {
namespace {

// Insertions are told to the clock when they make up this share of the shard.
constexpr std::size_t kInsertedShare = 256;
// A tally is handed in after evictions of this share of the shard, or of so few.
constexpr std::size_t kTallyShare = 16;
constexpr std::size_t kFewestEvictions = 4;
constexpr std::size_t kMostEvictions = 2048;
static_assert(kMostEvictions * Ghosts::kPerLook <= HitDensity::kMostSeen);
// A tally of hits that were gathered over more units than this without an eviction beside them says
// nothing: there was no pressure, and no sample.
constexpr std::uint32_t kStaleUnits = AgeClock::kUnitsPerTurnover * 2;
// What a key takes beside its entry: a slot of the table, a ghost.
constexpr std::size_t kBesideBytes = 12;
// Ghosts that are not put yet are not counted: they are to be few beside the others.
constexpr std::size_t kKeysPerFresh = 256;
// Of two keys of the same price the older one goes: so much is a unit of age.
constexpr double kAgeCounts = 1e-9;

}  // namespace

std::uint32_t AutoShard::bits_when_made(std::uint64_t hash, std::size_t keys, std::int64_t now_ms) {
  if (++inserted_ >= keys / kInsertedShare) {
    store_.clock.inserted(inserted_, keys * shards_, now_ms);
    inserted_ = 0;
  }
  std::uint32_t uses = 0;
  if (!ghosts_.empty()) {
    if (is_fresh(hash)) leave_ghosts(0);
    if (const auto ghost = ghosts_.take(hash, store_.clock.units())) {
      if (tally_) ++tally_->hits[HitDensity::cell(ghost->uses, ghost->age)];
      uses = std::min(ghost->uses + 1, HitDensity::kMostUses);
    }
  }
  return store_.clock.label(now_ms) << kUsesBits | uses;
}

std::uint32_t AutoShard::bits_of_later_use(std::uint32_t bits, std::uint32_t label) {
  const std::uint32_t age = store_.clock.age(bits >> kUsesBits);
  std::uint32_t uses = bits & kUsesMask;
  if (age != 0) {
    if (tally_) ++tally_->hits[HitDensity::cell(uses, age)];
    uses = std::min(uses + 1, HitDensity::kMostUses);
  }
  return label << kUsesBits | uses;
}

double AutoShard::price(const Entry& entry) {
  const std::uint32_t bits = entry.eviction();
  const std::uint32_t age = store_.clock.age(bits >> kUsesBits);
  const std::size_t cell = HitDensity::cell(bits & kUsesMask, age);
  ++tally_->keys_seen[cell];
  ++tally_->keys_looked_at;
  const double bytes = static_cast<double>(entry.weight_bytes() + kBesideBytes);
  return store_.density.turnovers_per_hit(cell) * bytes * (1 + kAgeCounts * age);
}

void AutoShard::passed_on(double price) {
  mix_into_usual(price, kPassedShare);
  if (tally_->keys_looked_at >= HitDensity::kMostSeen) *tally_ = {};
}

void AutoShard::mix_into_usual(double price, float share) {
  const float usual = store_.usual_worth.load(std::memory_order_relaxed);
  const auto worth = static_cast<float>(1 / price);
  store_.usual_worth.store(usual + share * (worth - usual), std::memory_order_relaxed);
}

void AutoShard::evicted(std::uint32_t bits, std::uint64_t hash, double price, std::size_t keys,
                        std::size_t shard_bytes) {
  const std::uint32_t units = store_.clock.units();
  leave_ghosts(std::min(kFresh - 1, keys / kKeysPerFresh));
  fresh_[(fresh_first_ + fresh_count_++) % kFresh] = {
      .hash = hash,
      .uses = bits & kUsesMask,
      .age = store_.clock.age(bits >> kUsesBits),
      .units = units,
  };
  ghosts_.prefetch(hash);
  mix_into_usual(price, kEvictedShare);
  const std::uint32_t since = units - evicted_at_units_;
  evicted_at_units_ = units;
  if (since > kStaleUnits) *tally_ = {};
  const std::size_t enough = std::clamp(keys / kTallyShare, kFewestEvictions, kMostEvictions);
  ++tally_->evictions;
  if (tally_->evictions >= enough || tally_->keys_looked_at >= HitDensity::kMostSeen) {
    hand_in(keys, shard_bytes);
  }
}

bool AutoShard::is_fresh(std::uint64_t hash) const {
  for (std::size_t i = 0; i < fresh_count_; ++i) {
    if (fresh_[(fresh_first_ + i) % kFresh].hash == hash) return true;
  }
  return false;
}

// Until so many are left.
void AutoShard::leave_ghosts(std::size_t left) {
  for (; fresh_count_ > left; --fresh_count_) {
    const Fresh& fresh = fresh_[fresh_first_];
    fresh_first_ = (fresh_first_ + 1) % kFresh;
    ghosts_.look(fresh.hash, tally_->evictions, fresh.units, [this](const Ghosts::Ghost& ghost) {
      ++tally_->ghosts_seen[HitDensity::cell(ghost.uses, ghost.age)];
    });
    tally_->slots_looked_at += Ghosts::kPerLook;
    ghosts_.put(fresh.hash, fresh.uses, fresh.age, fresh.units);
  }
}

void AutoShard::hand_in(std::size_t keys, std::size_t shard_bytes) {
  store_.density.learn(*tally_, keys, ghosts_.slots(), keys * shards_);
  ghosts_.fit(keys, shard_bytes);
}

void AutoShard::prepare(std::size_t keys, std::size_t shard_bytes) {
  if (!tally_) tally_ = std::make_unique<HitDensity::Tally>();
  if (ghosts_.empty()) ghosts_.fit(keys, shard_bytes);
}

void AutoShard::forget() {
  ghosts_.clear();
  fresh_count_ = 0;
  tally_.reset();
}

}  // namespace larder::storage
