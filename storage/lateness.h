// Lateness: by how much keys outlived their deadlines before their memory was given back. (They are
// invisible from their deadline on.)
//
// A histogram of all of them, and the largest of the last minute. The minute is kept in windows of
// five seconds, so a large one is forgotten 55 to 60 seconds after it happened.
//
// Cost: an increment in a table of 1.3 KB, and a comparison. Thread: part of a Shard; whoever holds
// the shard may call.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "storage/histogram.h"

namespace larder::storage {

class Lateness {
 public:
  static constexpr std::int64_t kWindowMs = 5000;
  static constexpr std::size_t kWindows = 12;

  void add(std::int64_t late_ms, std::int64_t now_ms) {
    all_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, late_ms)));
    note(now_ms / kWindowMs, late_ms);
  }
  void merge(const Lateness& other) {
    all_.merge(other.all_);
    for (const Window& window : other.windows_) note(window.number, window.longest_ms);
  }

  std::int64_t longest_of_minute_ms(std::int64_t now_ms) const {
    const std::int64_t oldest = now_ms / kWindowMs - static_cast<std::int64_t>(kWindows) + 1;
    std::int64_t longest_ms = 0;
    for (const Window& window : windows_) {
      if (window.number >= oldest) longest_ms = std::max(longest_ms, window.longest_ms);
    }
    return longest_ms;
  }
  // Milliseconds that the share (0 .. 1) of all keys was not later than; to an eighth of itself.
  std::uint64_t at(double share) const { return all_.at(share); }
  std::uint64_t total() const { return all_.total(); }

 private:
  struct Window {
    std::int64_t number = 0;
    std::int64_t longest_ms = 0;
  };

  void note(std::int64_t number, std::int64_t late_ms) {
    Window& window = windows_[static_cast<std::size_t>(number) % kWindows];
    if (window.number < number) window = {number, 0};
    if (window.number == number) window.longest_ms = std::max(window.longest_ms, late_ms);
  }

  Histogram<3, 22> all_;  // up to an hour
  std::array<Window, kWindows> windows_{};
};

}  // namespace larder::storage
