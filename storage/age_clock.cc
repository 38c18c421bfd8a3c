#include "storage/age_clock.h"

#include <algorithm>

namespace larder::storage {

void AgeClock::inserted(std::size_t new_keys, std::size_t keys, std::int64_t now_ms) {
  const std::uint64_t parts = (std::uint64_t{new_keys} * kUnitsPerTurnover << kPartBits) /
                              std::max(keys, kFewestKeys);
  const std::uint64_t sum = parts_.fetch_add(parts, std::memory_order_relaxed) + parts;
  const std::uint64_t units = sum >> kPartBits;
  if (units <= label_units_.load(std::memory_order_relaxed)) return;
  const MutexLock lock(mutex_);
  if (units > label_units_.load(std::memory_order_relaxed)) begin_label(now_ms, units);
}

void AgeClock::second_has_passed(std::int64_t now_ms) {
  const MutexLock lock(mutex_);
  const auto since =
      static_cast<std::uint64_t>(now_ms - second_began_ms_.load(std::memory_order_relaxed));
  if (since >= kLongestLabelMs) begin_label(now_ms, label_units_.load(std::memory_order_relaxed));
}

void AgeClock::begin_label(std::int64_t now_ms, std::uint64_t units) {
  const std::uint32_t label = (label_.load(std::memory_order_relaxed) + 1) & (kLabels - 1);
  const std::uint64_t moment = static_cast<std::uint64_t>(now_ms) << kUnitBits |
                               (units & kUnitMask);
  recent_[label % kFine].store(moment, std::memory_order_relaxed);
  std::atomic<std::uint64_t>& older = older_[label / kStride];
  if (label % kStride == 0 || older.load(std::memory_order_relaxed) == 0) {
    older.store(moment, std::memory_order_relaxed);
  }
  label_units_.store(units, std::memory_order_relaxed);
  second_began_ms_.store(now_ms, std::memory_order_relaxed);
  // Release: the moment comes before the label.
  label_.store(label, std::memory_order_release);
}

std::int64_t AgeClock::idle_ms(std::uint32_t label, std::int64_t now_ms) const {
  const std::uint32_t now = label_.load(std::memory_order_acquire);
  const auto then_ms = static_cast<std::int64_t>(moment(label, now) >> kUnitBits);
  // Zero: a label that never was, of bits that another policy has left.
  return then_ms == 0 ? 0 : std::max<std::int64_t>(0, now_ms - then_ms);
}

std::uint32_t AgeClock::label_idle_for(std::int64_t idle_ms, std::int64_t now_ms) const {
  const std::uint32_t now = label_.load(std::memory_order_acquire);
  const auto is_younger = [&](std::uint32_t back) {
    const std::uint32_t label = (now - back) & (kLabels - 1);
    const bool is_known = moment(label, now) >> kUnitBits != 0;
    return is_known && this->idle_ms(label, now_ms) < idle_ms;
  };
  // Younger ones come first; behind the oldest there are none that were.
  std::uint32_t younger = 0;
  std::uint32_t end = kLabels;
  while (younger < end) {
    const std::uint32_t middle = younger + (end - younger) / 2;
    if (is_younger(middle)) {
      younger = middle + 1;
    } else {
      end = middle;
    }
  }
  const std::uint32_t label = (now - younger) & (kLabels - 1);
  const bool is_known = younger < kLabels && moment(label, now) >> kUnitBits != 0;
  return is_known || younger == 0 ? label : (label + 1) & (kLabels - 1);
}

}  // namespace larder::storage
