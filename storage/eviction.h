// Which key goes when memory is short: the policies by the names users know, and what each keeps in
// an entry's 24 bits.
//
//   *-lru     the time of the last touch, in ticks of 64 ms (wraps in 12 days); the longest idle
//   goes
//   *-lfu     16 bits: minute of the last decay; 8 bits: a counter that rises ever more slowly;
//             the lowest goes
//   *-random  nothing; any goes          volatile-ttl   nothing; the nearest deadline goes
//
// A victim is the worst of a sample of a shard's keys: no list to maintain on reads, no pointers in
// entries.
// Thread: pure functions over an entry; whoever holds the shard may call.
// Sources: Redis's maxmemory policies (names, counter and decay rules of LFU).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/entry.h"

namespace larder::storage {

enum class Policy : std::uint8_t {
  noeviction,
  allkeys_lru,
  allkeys_lfu,
  allkeys_random,
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
constexpr bool is_lfu(Policy policy) {
  return policy == Policy::allkeys_lfu || policy == Policy::volatile_lfu;
}

struct EvictionRules {
  Policy policy = Policy::allkeys_lru;
  std::size_t samples = 10;
  unsigned lfu_log_factor = 10;
  unsigned lfu_decay_minutes = 1;
};

// The bits of a key that was just made, and after a read. `chance` is any random number.
std::uint32_t bits_when_made(const EvictionRules& rules, std::int64_t now_ms);
std::uint32_t bits_when_read(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms,
                             std::uint64_t chance);

// The higher, the sooner it goes.
std::uint64_t eviction_rank(const EvictionRules& rules, const Entry& entry, std::int64_t now_ms,
                            std::uint64_t chance);

// What OBJECT IDLETIME and OBJECT FREQ say of an entry's bits.
std::int64_t idle_seconds(std::uint32_t bits, std::int64_t now_ms);
unsigned frequency(const EvictionRules& rules, std::uint32_t bits, std::int64_t now_ms);

}  // namespace larder::storage
