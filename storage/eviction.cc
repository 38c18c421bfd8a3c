#include "storage/eviction.h"

#include <algorithm>
#include <array>
#include <utility>

namespace larder::storage {
namespace {

constexpr std::uint32_t kBits = 0xffffff;
constexpr std::int64_t kIdleTickMs = 64;
// A new key starts here so that it is not the first to go (Redis's figure).
constexpr unsigned kFrequencyOfNew = 5;

constexpr std::array<std::pair<std::string_view, Policy>, 8> kNames{{
    {"noeviction", Policy::noeviction},
    {"allkeys-lru", Policy::allkeys_lru},
    {"allkeys-lfu", Policy::allkeys_lfu},
    {"allkeys-random", Policy::allkeys_random},
    {"volatile-lru", Policy::volatile_lru},
    {"volatile-lfu", Policy::volatile_lfu},
    {"volatile-random", Policy::volatile_random},
    {"volatile-ttl", Policy::volatile_ttl},
}};

std::uint32_t idle_clock(std::int64_t now_ms) {
  return static_cast<std::uint32_t>(now_ms / kIdleTickMs) & kBits;
}

std::uint32_t minute_clock(std::int64_t now_ms) {
  return static_cast<std::uint32_t>(now_ms / 60'000) & 0xffff;
}

std::uint32_t idle_ticks(std::uint32_t bits, std::int64_t now_ms) {
  return (idle_clock(now_ms) - bits) & kBits;
}

}  // namespace

std::optional<Policy> policy_named(std::string_view name) {
  for (const auto& [known, policy] : kNames) {
    if (known == name) return policy;
  }
  return std::nullopt;
}

std::string_view policy_name(Policy policy) {
  return kNames[static_cast<std::size_t>(policy)].first;
}

unsigned frequency(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms) {
  const unsigned counter = bits & 0xff;
  if (rules.lfu_decay_minutes == 0) return counter;
  const unsigned minutes = (minute_clock(now_ms) - (bits >> 8)) & 0xffff;
  return counter - std::min(counter, minutes / rules.lfu_decay_minutes);
}

std::uint32_t bits_when_made(const EvictionRules& rules, std::int64_t now_ms) {
  if (is_lfu(rules.policy)) return minute_clock(now_ms) << 8 | kFrequencyOfNew;
  return idle_clock(now_ms);
}

std::uint32_t bits_when_read(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance) {
  if (!is_lfu(rules.policy)) return idle_clock(now_ms);
  unsigned counter = frequency(rules, bits, now_ms);
  if (counter < 255) {
    const unsigned above = counter > kFrequencyOfNew ? counter - kFrequencyOfNew : 0;
    // Rises with probability 1 / (above * factor + 1).
    if (chance % (std::uint64_t{above} * rules.lfu_log_factor + 1) == 0) ++counter;
  }
  return minute_clock(now_ms) << 8 | counter;
}

std::uint64_t eviction_rank(const EvictionRules& rules, const Entry& entry, std::int64_t now_ms,
                            std::uint64_t chance) {
  switch (rules.policy) {
    case Policy::allkeys_lru:
    case Policy::volatile_lru: return idle_ticks(entry.eviction(), now_ms);
    case Policy::allkeys_lfu:
    case Policy::volatile_lfu: return 255 - frequency(rules, entry.eviction(), now_ms);
    case Policy::volatile_ttl:
      return static_cast<std::uint64_t>(INT64_MAX - entry.deadline().unix_ms());
    default: return chance;
  }
}

std::int64_t idle_seconds(std::uint32_t bits, std::int64_t now_ms) {
  // Up to a tick more than the two readings tell apart: two seconds are never called one.
  return (idle_ticks(bits, now_ms) * kIdleTickMs + kIdleTickMs - 1) / 1000;
}

}  // namespace larder::storage
