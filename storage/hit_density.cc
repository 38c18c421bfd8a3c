#include "storage/hit_density.h"

#include <cmath>

#include "storage/age_clock.h"

namespace larder::storage {
namespace {

// All classes are learned anew once in this share of a turnover, but not more often than in so many
// evictions; what was known before then counts so much.
constexpr std::size_t kLessonsPerTurnover = 16;
constexpr std::size_t kFewestEvictions = 64;
constexpr float kRemembered = 0.98f;

// Of the hazards that are assumed without evidence, counted as so many hits:
//   hazard = kAssumed[class] / (age + kAssumedAge), ages in turnovers
// About what zipfian requests with some recency give; the figures matter for the first turnover.
constexpr float kAssumedHits = 1;
constexpr float kAssumedAge = 0.03f;
constexpr std::array<float, HitDensity::kClasses> kAssumed{0.1f, 0.25f, 0.4f, 0.4f,
                                                           0.8f, 1.2f,  1.5f, 2.0f};
// The last bin has no end; it counts as so much of its beginning.
constexpr float kLastBinShare = 0.5f;

// Where the bins begin, and the last one ends, in turnovers.
constexpr std::array<float, HitDensity::kBins + 1> kEdges = [] {
  std::array<float, HitDensity::kBins + 1> edges{};
  for (std::size_t bin = 0; bin < HitDensity::kBins; ++bin) {
    const std::size_t units = bin < 4 ? bin : (4 + bin % 4) << (bin / 4 - 1);
    edges[bin] = static_cast<float>(units) / AgeClock::kUnitsPerTurnover;
  }
  edges[HitDensity::kBins] = edges[HitDensity::kBins - 1] * (1 + kLastBinShare);
  return edges;
}();

float width(std::size_t bin) {
  return kEdges[bin + 1] - kEdges[bin];
}

float assumed_hazard(std::size_t which, std::size_t bin) {
  return kAssumed[which] / ((kEdges[bin] + kEdges[bin + 1]) / 2 + kAssumedAge);
}

}  // namespace

HitDensity::HitDensity() {
  const MutexLock lock(mutex_);
  for (std::size_t which = 0; which < kClasses; ++which) learn_class(which);
}

void HitDensity::learn(Tally& tally, std::size_t keys, std::size_t ghost_slots,
                       std::size_t store_keys) {
  // Each eviction is a step of time in which all keys stand where the ones looked at do; ghosts are
  // as many more as there are slots for them.
  const auto steps = static_cast<float>(tally.evictions);
  const float key_step = steps / static_cast<float>(std::max<std::size_t>(1, tally.keys_looked_at));
  const float ghosts_per_key = static_cast<float>(ghost_slots) /
                               static_cast<float>(std::max<std::size_t>(1, keys));
  const float ghost_step = ghosts_per_key * steps /
                           static_cast<float>(std::max<std::size_t>(1, tally.slots_looked_at));
  const MutexLock lock(mutex_);
  for (std::size_t cell = 0; cell < kCells; ++cell) {
    hits_[cell] += static_cast<float>(tally.hits[cell]);
    exposure_[cell] += static_cast<float>(tally.keys_seen[cell]) * key_step +
                       static_cast<float>(tally.ghosts_seen[cell]) * ghost_step;
  }
  evictions_ += tally.evictions;
  tally = {};
  const std::size_t lesson = std::max(store_keys / kLessonsPerTurnover, kFewestEvictions) /
                             kClasses;
  for (std::size_t n = 0; n < kClasses && evictions_ >= lesson; ++n) {
    evictions_ -= lesson;
    learn_class(next_class_);
    next_class_ = (next_class_ + 1) % kClasses;
  }
  evictions_ = std::min(evictions_, lesson);
}

void HitDensity::learn_class(std::size_t which) {
  float* hits = &hits_[which * kBins];
  float* exposure = &exposure_[which * kBins];
  // Of a key that enters a bin: the chance that it is used again in there, and the time until then
  // or the end. The first bin of a key's way it enters in its middle.
  std::array<float, kBins> chance;
  std::array<float, kBins> time;
  std::array<float, kBins> first_chance;
  std::array<float, kBins> first_time;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    const float assumed = assumed_hazard(which, bin);
    const float hazard = (hits[bin] + kAssumedHits) / (exposure[bin] + kAssumedHits / assumed);
    chance[bin] = 1 - std::exp(-hazard * width(bin));
    time[bin] = chance[bin] / hazard;
    first_chance[bin] = 1 - std::exp(-hazard * width(bin) / 2);
    first_time[bin] = first_chance[bin] / hazard;
  }
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    float sum_chance = first_chance[bin];
    float sum_time = first_time[bin];
    float left = 1 - first_chance[bin];
    float least = sum_time / sum_chance;
    for (std::size_t later = bin + 1; later < kBins; ++later) {
      sum_chance += left * chance[later];
      sum_time += left * time[later];
      left *= 1 - chance[later];
      least = std::min(least, sum_time / sum_chance);
    }
    turnovers_per_hit_[which * kBins + bin].store(least, std::memory_order_relaxed);
  }
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    hits[bin] *= kRemembered;
    exposure[bin] *= kRemembered;
  }
}

}  // namespace larder::storage
