// How fields of hashes die: what a shard does for a hash that has the flag Entry::fields_expire.
//
// A field is gone from its millisecond on, like a key: find() hands no such hash out before what is
// due of it has been dropped, so no view, edit, dump or copy has to look at a clock, and whoever
// touches hashes without deadlines of fields pays nothing. Scans of the keyspace do not look into
// hashes: one whose fields are all due may be named by them until the wheel has come by. (Redis 7.4
// skips dead fields in each command, and names such keys too.)
//
// Without being asked the wheel comes by at the earliest deadline of a hash, and drops all that is
// due of a small one, and so many fields of large ones in a hold; a hash that has more is owing,
// and the next hold goes on with it. The visit of a hash that comes before drops all that are due:
// a million fields with the same deadline are a stall for who asks at that very moment, as is
// reading a million fields. They are dropped in the order of their deadlines,
// and a hash all of whose fields are due goes as a whole, to the reaper.
//
// Deadlines of fields are moments of the timeline, fixed when they are given: unlike those of keys
// they do not follow the wall clock when that is set (HEXPIREAT by a clock that is wrong stays
// wrong), since that would be a walk through all fields.
//
// Must hold: a hash has the flag if and only if a field has a deadline; the mark of the sweep is
// taken away whenever a name of it is hung (a mark that is missing costs a name, one too many an
// expiry). Dropping fields does not touch the key, in the sense of the eviction policies, but is a
// change of it for those who watch it.
// Thread: as Shard.
#include <algorithm>
#include <string>

#include "storage/shard.h"
#include "storage/slot.h"
#include "storage/types/field_deadlines.h"
#include "storage/types/hash.h"

namespace larder::storage {

void Shard::count_fields(Database& database, Entry* entry, int sign) {
  if (!entry->has(Entry::fields_expire)) [[likely]]
    return;
  database.fields_expire_count += static_cast<std::size_t>(static_cast<std::ptrdiff_t>(sign));
  if (sign > 0) store_field_sweep(*entry, 0);
}

void Shard::field_deadlines_changed(std::uint32_t db, const Key& key, Entry* entry, Deadline before,
                                    std::int64_t now_ms) {
  Database& database = *this->database(db);
  count_fields(database, entry, -1);
  entry->set(Entry::fields_expire, has_field_deadlines(*entry));
  count_fields(database, entry, 1);
  const Deadline after = next_deadline(*entry);
  if (!after.is_never() &&
      (after < std::min(entry->deadline(), before) || !entry->has(Entry::in_wheel))) {
    hang(database, key, entry, now_ms);
  }
  account(database, 0);
}

Entry* Shard::find_with_fields(std::uint32_t db, Database& there, const Key& key, Entry* entry,
                               std::int64_t now_ms) {
  if (entry->is_behind_wall(there.wall.epoch)) catch_up_with_wall(there, key.hash, entry);
  if (entry->deadline().has_passed(now_ms)) {
    expire(db, key, entry, now_ms);
    return nullptr;
  }
  if (!earliest_field_deadline(*entry).has_passed(now_ms)) return entry;
  return drop_due_fields(db, key, entry, now_ms, SIZE_MAX);
}

// Drops so many fields that are due; answers where the entry is now, null when that was the last
// field.
Entry* Shard::drop_due_fields(std::uint32_t db, const Key& key, Entry* entry, std::int64_t now_ms,
                              std::size_t most) {
  if (!lateness_) lateness_ = std::make_unique<Lateness>();
  lateness_->add(now_ms - earliest_field_deadline(*entry).ms(), now_ms);
  // Who is used just now is not told from who is used again; afterwards it is as before.
  const std::uint32_t eviction = entry->eviction();
  if (!is_lfu(rules_.eviction.policy)) was_used_before(entry, 0, now_ms);
  Slot slot(*this, db, key, now_ms, entry);
  const std::size_t dropped = HashEdit(slot).drop_due(now_ms, most);
  expired_fields_ += dropped;
  fields_left_ -= std::min(fields_left_, dropped);
  tell(KeyEvent::fields_expired, db, key.bytes);
  Entry* left = slot.entry();
  if (left == nullptr) {
    tell(KeyEvent::emptied, db, key.bytes);
  } else {
    left->store_eviction(eviction);
  }
  return left;
}

// The wheel has come to a hash, and not for its own deadline; when it is to come again.
Deadline Shard::visit_due_fields(std::uint32_t db, std::uint32_t name, Entry* entry,
                                 std::int64_t now_ms) {
  const std::size_t most = entry->is_inline() ? SIZE_MAX : fields_left_;
  if (most != 0) {
    const std::string bytes(entry->key());  // the entry may be replaced
    const Key key{bytes, hash_bytes(bytes, rules_.seed)};
    entry = drop_due_fields(db, key, entry, now_ms, most);
  }
  if (entry == nullptr) return Deadline::never();
  const Deadline next = next_deadline(*entry);
  if (next.is_never()) {
    entry->set(Entry::in_wheel, false);
  } else if (next.has_passed(now_ms)) {
    owe_fields(db, name);
  }
  store_sweep_of(*entry, 0);
  return next;
}

// The next hold is to go on with it. A name that has no room here, or is not found in its database
// any more, comes up with the next tick of the wheel.
void Shard::owe_fields(std::uint32_t db, std::uint32_t name) {
  constexpr std::size_t kMostOwing = 64;
  const bool is_known = std::any_of(owing_.begin(), owing_.end(), [&](const Owing& owing) {
    return owing.db == db && owing.name == name;
  });
  if (!is_known && owing_.size() < kMostOwing) owing_.push_back({db, name});
}

void Shard::work_off_fields(std::int64_t now_ms) {
  while (!owing_.empty() && fields_left_ != 0) {
    const Owing owing = owing_.back();
    owing_.pop_back();
    Database* there = database(owing.db);
    if (there != nullptr) visit_due(owing.db, *there, owing.name, now_ms);
  }
}

}  // namespace larder::storage
