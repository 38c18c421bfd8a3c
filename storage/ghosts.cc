#include "storage/ghosts.h"

#include <algorithm>

namespace larder::storage {
namespace {

// Of the bytes of a shard's keys.
constexpr std::size_t kGhostShare = 48;
constexpr std::size_t kMostPerKey = 2;
// They are made anew when they are too few or too many by one in so many.
constexpr std::size_t kMisfit = 4;

}  // namespace

bool Ghosts::fit(std::size_t keys, std::size_t shard_bytes) {
  const std::size_t by_keys = kMostPerKey * keys / kPerLine;
  const std::size_t by_bytes = shard_bytes / kGhostShare / sizeof(Line);
  const std::size_t wanted = std::max<std::size_t>(1, std::min(by_keys, by_bytes));
  const std::size_t apart = wanted > lines_.size() ? wanted - lines_.size()
                                                   : lines_.size() - wanted;
  if (apart * kMisfit <= wanted) return false;
  make(wanted);
  return true;
}

void Ghosts::clear() {
  make(0);
}

void Ghosts::make(std::size_t lines) {
  lines_ = std::vector<Line>(lines);
  start_.store(reinterpret_cast<std::uintptr_t>(lines_.data()), std::memory_order_relaxed);
  count_.store(lines, std::memory_order_relaxed);
}

std::optional<Ghosts::Ghost> Ghosts::take(std::uint64_t hash, std::uint32_t now_units) {
  if (lines_.empty()) return std::nullopt;
  const std::uint32_t tag = tag_of(hash);
  for (std::uint32_t& ghost : lines_[line_of(hash)].ghosts) {
    if (ghost >> kTagShift != tag) continue;
    const Ghost found = read(ghost, now_units);
    ghost = 0;
    return found;
  }
  return std::nullopt;
}

}  // namespace larder::storage
