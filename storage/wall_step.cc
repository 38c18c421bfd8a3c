// What becomes of deadlines when the wall clock is set: those that follow it are moved by as much.
//
// A step begins a new epoch of a database: deadlines of the other one are wrong by by_ms. Whoever
// comes upon such an entry puts it right (find, the wheel), and a walk over the buckets, in steps,
// finds the others, for the wheel must come by in time. New entries are of the new epoch. There are
// only two epochs: a second step waits for the end of the first one's walk.
//
// Must hold: when a walk is over no entry of the other epoch is left. A split moves entries to a
// bucket at the end, where the walk comes by later; when the table shrinks they may move to where
// it has been, so it begins anew. Cost: a visit of each entry of a database that has such
// deadlines, when the clock is set; nothing otherwise. Thread: as Shard and Store.
#include <algorithm>

#include "storage/shard.h"
#include "storage/store.h"

namespace larder::storage {

// True when the entry is to die earlier than before. What the step kills dies with it, no earlier;
// and what was dead stays dead.
bool Shard::move_with_wall(Database& database, Entry* entry) {
  const WallStep& wall = database.wall;
  const Deadline before = entry->deadline();
  const std::int64_t moved_ms = std::max(before.ms() - wall.by_ms, wall.at_ms);
  const Deadline after = Deadline::following_wall(
      before.has_passed(wall.at_ms) ? before.ms() : std::min(moved_ms, Deadline::kLastFollowingMs));
  count_deadline(database, before, -1);
  count_deadline(database, after, 1);
  entry->store_deadline(after);
  entry->store_wall_epoch(wall.epoch);
  return after < before;
}

void Shard::catch_up_with_wall(Database& database, std::uint64_t hash, Entry* entry) {
  if (!move_with_wall(database, entry)) return;
  database.wheel->add(static_cast<std::uint32_t>(hash), entry->deadline());
  account(database, 0);
}

void Shard::wall_was_set(std::int64_t by_ms, std::int64_t now_ms) {
  while (follow_wall(SIZE_MAX)) {
  }
  for (std::uint32_t db = 0; db < rules_.databases; ++db) {
    Database* there = database(db);
    if (there == nullptr || there->following_count == 0) continue;
    there->wall = {.epoch = there->wall.epoch ^ 1,
                   .is_walking = true,
                   .by_ms = by_ms,
                   .at_ms = now_ms,
                   .seen_buckets = there->table.bucket_count()};
  }
}

bool Shard::follow_wall(std::size_t budget_buckets) {
  for (std::uint32_t db = 0; db < rules_.databases; ++db) {
    Database* there = database(db);
    if (there == nullptr || !there->wall.is_walking) continue;
    if (!walk_with_wall(*there, budget_buckets)) return true;
  }
  return false;
}

// True: the walk is over.
bool Shard::walk_with_wall(Database& database, std::size_t& budget_buckets) {
  WallStep& wall = database.wall;
  const std::size_t buckets = database.table.bucket_count();
  if (buckets < wall.seen_buckets) wall.walked_buckets = 0;
  wall.seen_buckets = buckets;
  for (; wall.walked_buckets < buckets && budget_buckets != 0; --budget_buckets) {
    database.table.each_in_bucket(wall.walked_buckets++, [&](Entry* entry) {
      if (!entry->is_behind_wall(wall.epoch)) return;
      catch_up_with_wall(database, hash_bytes(entry->key(), rules_.seed), entry);
    });
  }
  wall.is_walking = wall.walked_buckets < buckets;
  return !wall.is_walking;
}

void Store::wall_was_set(std::int64_t by_ms, std::int64_t now_ms) {
  for (auto& cell : cells_) {
    const MutexLock lock(cell->mutex);
    cell->shard.wall_was_set(by_ms, now_ms);
  }
}

bool Store::follow_wall(std::size_t shard, std::size_t budget_buckets) {
  Cell& cell = *cells_[shard];
  const MutexLock lock(cell.mutex);
  const LongestTimer timer(cell.shard.counters.longest_hold_ticks);
  const bool has_more = cell.shard.follow_wall(budget_buckets);
  publish(cell);
  return has_more;
}

}  // namespace larder::storage
