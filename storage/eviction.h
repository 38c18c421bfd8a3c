// Which key goes when memory is short: the policies by the names users know, and which of them
// reads an entry's 24 bits how.
//
//   *-lru         eviction_lru.h    the longest idle goes
//   *-lfu         eviction_lfu.h    the least asked for goes
//   *-random      any goes
//   volatile-ttl  the nearest deadline goes
//   allkeys-auto  eviction_auto.h   what is worth least goes, by what was learned: the default
//
// A victim is the worst of a sample of a shard's keys (Shard::pick_victims): no list to maintain on
// reads, no pointers in entries. allkeys-auto has a state and is asked by Shard itself; all others
// are pure functions over an entry, below. Bits that another policy has left are misread until the
// key is used again: it goes a little too soon or too late, no more.
//
// Thread: pure functions; whoever holds the shard may call.
// Source: Redis's maxmemory policies (their names).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/entry.h"
#include "storage/eviction_lfu.h"

namespace larder::storage {

enum class Policy : std::uint8_t {
  noeviction,
  allkeys_lru,
  allkeys_lfu,
  allkeys_random,
  allkeys_auto,
  volatile_lru,
  volatile_lfu,
  volatile_random,
  volatile_ttl,
};

std::optional<Policy> policy_named(std::string_view name);
std::string_view policy_name(Policy policy);
constexpr bool is_volatile(Policy policy) {
  return policy >= Policy::volatile_lru;
}
constexpr bool is_random(Policy policy) {
  return policy == Policy::allkeys_random || policy == Policy::volatile_random;
}
constexpr bool is_lfu(Policy policy) {
  return policy == Policy::allkeys_lfu || policy == Policy::volatile_lfu;
}

struct EvictionRules {
  Policy policy = Policy::allkeys_auto;
  std::size_t samples = 10;
  unsigned lfu_log_factor = 10;
  unsigned lfu_decay_minutes = 1;
};

// The bits of a key that was just made, and after a read. `chance` is any random number. Not for
// allkeys-auto.
std::uint32_t bits_when_made(const EvictionRules& rules, std::int64_t now_ms);
std::uint32_t bits_when_read(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance);

// The higher, the sooner it goes. Not for allkeys-auto.
std::uint64_t eviction_rank(const EvictionRules& rules, const Entry& entry, std::int64_t now_ms,
                            std::uint64_t chance);

// What OBJECT FREQ says of an entry's bits. (For IDLETIME see Store::idle_seconds.)
unsigned frequency(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms);

}  // namespace larder::storage
