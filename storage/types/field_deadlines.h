// What a shard must know of a hash whose fields have deadlines: when the next of them dies, and how
// far the wheel's sweep has come with its name. (How they are kept is hash.h's.)
//
// Such a hash needs its own place for the mark of the sweep (Shard, TimerWheel), since its entry
// may have no deadline and so no room for one.
// Thread: whoever holds the shard.
#pragma once

#include <algorithm>
#include <cstddef>

#include "storage/clock.h"
#include "storage/entry.h"

namespace larder::storage {

// What a small hash of which fields expire begins with: the earliest deadline and the mark.
inline constexpr std::size_t kFieldHeadBytes = 8;

// Of a hash that has the flag Entry::fields_expire, or is small and has had it.
Deadline earliest_field_deadline(const Entry& entry);
unsigned field_sweep(const Entry& entry);
void store_field_sweep(Entry& entry, unsigned number);

// Into the head of a small one: never if no field has one. The mark is taken away.
void write_earliest_field_deadline(Entry& entry, Deadline earliest);

// Of any hash, whether it has the flag already or not.
bool has_field_deadlines(const Entry& entry);

// For any entry: when the wheel must come by, and what the sweep has marked it with.
inline Deadline next_deadline(const Entry& entry) {
  if (!entry.has(Entry::fields_expire)) return entry.deadline();
  return std::min(entry.deadline(), earliest_field_deadline(entry));
}
inline unsigned sweep_of(const Entry& entry) {
  return entry.has(Entry::fields_expire) ? field_sweep(entry) : entry.sweep();
}
inline void store_sweep_of(Entry& entry, unsigned number) {
  entry.store_sweep(number);
  if (entry.has(Entry::fields_expire)) store_field_sweep(entry, number);
}

}  // namespace larder::storage
