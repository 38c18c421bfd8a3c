// An auditor: counts again, entry by entry, what a store keeps account of.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "storage/store.h"
#include "storage/types/field_deadlines.h"

namespace larder::storage {

// Every entry that has a deadline, or a field with one, has a name that comes up in time.
inline void audit_wheel(const Store& store, const Shard::Database& database) {
  std::unordered_map<std::uint32_t, std::int64_t> comes_up_ms;
  if (database.wheel) {
    database.wheel->each([&](std::uint32_t name, std::int64_t ms) {
      const auto it = comes_up_ms.emplace(name, ms).first;
      it->second = std::min(it->second, ms);
    });
  }
  for (std::size_t bucket = 0; bucket < database.table.bucket_count(); ++bucket) {
    database.table.each_in_bucket(bucket, [&](Entry* entry) {
      if (!entry->is_mortal()) return;
      if (entry->is_behind_wall(database.wall.epoch)) return;  // when it is found, that is changed
      const auto name = static_cast<std::uint32_t>(store.key(entry->key()).hash);
      const auto it = comes_up_ms.find(name);
      REQUIRE(it != comes_up_ms.end());
      const std::int64_t deadline_ms = next_deadline(*entry).ms();
      if (deadline_ms < INT64_MAX / 2) {
        // What was due when it was hung comes up with the next tick.
        const std::int64_t now_ms = database.wheel->now_ms();
        REQUIRE(it->second < std::max(deadline_ms, now_ms) + 2 * TimerWheel::kTickMs);
      }
    });
  }
}

// Nobody else may be at the store meanwhile.
inline void audit(Store& store) {
  for (std::size_t i = 0; i < store.shard_count(); ++i) {
    const Shard& shard = store.cell(i).shard;
    std::size_t used_bytes = 0;
    for (std::uint32_t db = 0; db < store.database_count(); ++db) {
      const Shard::Database* there = shard.database(db);
      if (there == nullptr) continue;
      std::size_t keys = 0;
      std::size_t volatile_keys = 0;
      std::size_t following_keys = 0;
      std::size_t with_fields = 0;
      std::size_t entry_bytes = 0;
      for (std::size_t bucket = 0; bucket < there->table.bucket_count(); ++bucket) {
        there->table.each_in_bucket(bucket, [&](Entry* entry) {
          ++keys;
          if (entry->has(Entry::has_deadline)) ++volatile_keys;
          if (entry->deadline().follows_wall()) ++following_keys;
          if (entry->has(Entry::fields_expire)) ++with_fields;
          REQUIRE(entry->has(Entry::fields_expire) == has_field_deadlines(*entry));
          entry_bytes += entry->weight_bytes();
          const Key key = store.key(entry->key());
          REQUIRE(store.shard_of(key) == i);
          REQUIRE(there->table.find(key.hash, key.bytes) == entry);
        });
      }
      REQUIRE(there->table.size() == keys);
      REQUIRE(there->volatile_count == volatile_keys);
      REQUIRE(there->following_count == following_keys);
      REQUIRE(there->fields_expire_count == with_fields);
      REQUIRE(there->entry_bytes == entry_bytes);
      REQUIRE(there->own_bytes ==
              there->table.used_bytes() + (there->wheel ? there->wheel->used_bytes() : 0));
      used_bytes += there->own_bytes + entry_bytes;
      audit_wheel(store, *there);
    }
    REQUIRE(shard.used_bytes() == used_bytes + shard.eviction_bytes());
  }
}

// Drops all that is due in every shard; answers how many names were looked at.
inline std::size_t drop_all_expired(Store& store, std::int64_t now_ms) {
  constexpr std::size_t kBudget = 100;
  std::size_t total = 0;
  for (std::size_t i = 0; i < store.shard_count(); ++i) {
    for (std::size_t seen = kBudget; seen == kBudget; total += seen) {
      seen = store.drop_expired(i, now_ms, kBudget);
    }
  }
  return total;
}

}  // namespace larder::storage
