// The clock of allkeys-auto: tells how long ago a key was used, measured in what the cache took in
// since then, and in seconds for who asks OBJECT IDLETIME.
//
// Ages that decide about eviction are counted in units: 64 of them pass while as many keys are
// inserted as the store holds (one turnover). So the same habits of the users look the same in a
// cache of a thousand keys and in one of a hundred million, at noon and at night. But an entry has
// only 20 bits to note a moment, and people want seconds too. So an entry notes a label, and the
// clock remembers what was the time when the label was new:
//
//   label     begins with every unit, and after a second at the latest if somebody looks
//   moments   (milliseconds, units) of the last 1024 labels, and of every 1024th (or the first)
//             before them
//
// Labels wrap: after 12 days if nothing but seconds drives them, after 16 thousand turnovers if
// insertions do. What was not used for so long looks younger than it is.
//
// Must hold: a label's moment is written before the label can be read.
// Cost: a use reads one line that is written when a label begins; an insertion adds to another.
// Thread: any. Insertions come in batches of a shard's, so the common line is written rarely.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "storage/mutex.h"

namespace larder::storage {

class AgeClock {
 public:
  static constexpr int kLabelBits = 20;
  static constexpr std::uint32_t kLabels = std::uint32_t{1} << kLabelBits;
  static constexpr std::uint32_t kUnitsPerTurnover = 64;

  // The label of now: what a key that is used gets.
  std::uint32_t label(std::int64_t now_ms) {
    // A clock that was set back makes this large as well.
    const auto since =
        static_cast<std::uint64_t>(now_ms - second_began_ms_.load(std::memory_order_relaxed));
    if (since >= kLongestLabelMs) [[unlikely]]
      second_has_passed(now_ms);
    // Acquire: who has the label finds its moment.
    return label_.load(std::memory_order_acquire);
  }
  // So many of a store's `keys` keys are new. Batches of more than a unit blur the ages.
  void inserted(std::size_t new_keys, std::size_t keys, std::int64_t now_ms);

  // Units since the label was new.
  std::uint32_t age(std::uint32_t label) const {
    const std::uint32_t now = label_.load(std::memory_order_acquire);
    return static_cast<std::uint32_t>(moment(now, now) - moment(label, now)) & kUnitMask;
  }
  std::uint32_t units() const {
    const std::uint32_t now = label_.load(std::memory_order_acquire);
    return static_cast<std::uint32_t>(moment(now, now)) & kUnitMask;
  }
  std::int64_t idle_ms(std::uint32_t label, std::int64_t now_ms) const;
  // The newest label that is so old; the oldest there was, when none is.
  std::uint32_t label_idle_for(std::int64_t idle_ms, std::int64_t now_ms) const;

 private:
  static constexpr std::uint64_t kLongestLabelMs = 1000;
  static constexpr int kUnitBits = 20;
  static constexpr std::uint32_t kUnitMask = (std::uint32_t{1} << kUnitBits) - 1;
  static constexpr std::uint32_t kFine = 1024;
  static constexpr std::uint32_t kStride = kLabels / kFine;
  // Parts of a unit that insertions add up.
  static constexpr int kPartBits = 20;
  // A store of fewer keys ages as if it had so many: a label for each insertion.
  static constexpr std::size_t kFewestKeys = kUnitsPerTurnover;

  // A moment is milliseconds of the wall clock above its units, so that both are read at once.
  std::uint64_t moment(std::uint32_t label, std::uint32_t now) const {
    const std::uint32_t back = (now - label) & (kLabels - 1);
    const std::atomic<std::uint64_t>& kept = back < kFine ? recent_[label % kFine]
                                                          : older_[label / kStride % kFine];
    return kept.load(std::memory_order_relaxed);
  }
  void second_has_passed(std::int64_t now_ms);
  void begin_label(std::int64_t now_ms, std::uint64_t units) REQUIRES(mutex_);

  std::atomic<std::uint32_t> label_{0};
  std::atomic<std::int64_t> second_began_ms_{INT64_MIN / 2};
  alignas(64) std::atomic<std::uint64_t> parts_{0};  // relaxed: a sum
  std::atomic<std::uint64_t> label_units_{0};        // relaxed: says only that a label may be due
  Mutex mutex_;
  std::array<std::atomic<std::uint64_t>, kFine> recent_{};
  std::array<std::atomic<std::uint64_t>, kFine> older_{};
};

}  // namespace larder::storage
