#include "storage/eviction.h"

#include <array>
#include <utility>

#include "storage/eviction_lru.h"

namespace larder::storage {
namespace {

constexpr std::array<std::pair<std::string_view, Policy>, 9> kNames{{
    {"noeviction", Policy::noeviction},
    {"allkeys-lru", Policy::allkeys_lru},
    {"allkeys-lfu", Policy::allkeys_lfu},
    {"allkeys-random", Policy::allkeys_random},
    {"allkeys-auto", Policy::allkeys_auto},
    {"volatile-lru", Policy::volatile_lru},
    {"volatile-lfu", Policy::volatile_lfu},
    {"volatile-random", Policy::volatile_random},
    {"volatile-ttl", Policy::volatile_ttl},
}};

// The highest counter has the lowest rank.
constexpr unsigned kHighestCounter = 255;

lfu::Rules lfu_rules(const EvictionRules& rules) {
  return {.log_factor = rules.lfu_log_factor, .decay_minutes = rules.lfu_decay_minutes};
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
  return lfu::frequency(lfu_rules(rules), bits, now_ms);
}

std::uint32_t bits_when_made(const EvictionRules& rules, std::int64_t now_ms) {
  return is_lfu(rules.policy) ? lfu::bits_when_made(now_ms) : lru::bits(now_ms);
}

std::uint32_t bits_when_read(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance) {
  if (!is_lfu(rules.policy)) return lru::bits(now_ms);
  return lfu::bits_when_used(lfu_rules(rules), bits, now_ms, chance);
}

std::uint64_t eviction_rank(const EvictionRules& rules, const Entry& entry, std::int64_t now_ms,
                            std::uint64_t chance) {
  switch (rules.policy) {
    case Policy::allkeys_lru:
    case Policy::volatile_lru: return lru::idle_ticks(entry.eviction(), now_ms);
    case Policy::allkeys_lfu:
    case Policy::volatile_lfu: return kHighestCounter - frequency(rules, entry.eviction(), now_ms);
    case Policy::volatile_ttl: return static_cast<std::uint64_t>(INT64_MAX - entry.deadline().ms());
    default: return chance;
  }
}

}  // namespace larder::storage
