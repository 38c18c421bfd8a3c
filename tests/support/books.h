// The store's sums held against a walk of all its entries. For who is alone with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/store.h"

namespace larder::testing {

inline bool books_are_right(storage::Store& store) {
  const storage::StoreStatistics sums = store.statistics();
  std::size_t weights = 0;
  std::size_t keys = 0;
  for (std::size_t shard = 0; shard < store.shard_count(); ++shard) {
    for (std::uint32_t db = 0; db < store.database_count(); ++db) {
      const storage::Shard::Database* there = store.cell(shard).shard.database(db);
      if (there == nullptr) continue;
      for (std::size_t i = 0; i < there->table.bucket_count(); ++i) {
        there->table.each_in_bucket(i, [&](storage::Entry* entry) {
          weights += entry->weight_bytes();
          ++keys;
        });
      }
    }
  }
  return weights == sums.entry_bytes && keys == sums.keys &&
         sums.used_bytes == sums.entry_bytes + sums.table_bytes + sums.eviction_bytes;
}

}  // namespace larder::testing
