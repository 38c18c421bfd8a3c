// The keys as one call sees them: one database, at one moment. A visit finds the key, hands it to
// the visitor under the shard's lock, and drops the lock; inside EXEC or a narrow script the shards
// are held already and a visit only looks.
//
// Visitors run under a lock: they read, change, tell what they did (keyspace events), and say one
// reply; they never visit another key, or block.
// Cost: one hash (done by the caller, once), one lock, one probe. Thread: loop; made per call,
// cheap.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "storage/slot.h"
#include "storage/store.h"

namespace larder::storage {

class Keyspace {
 public:
  // held: the shards this caller holds for the length of the call, or null.
  Keyspace(Store& store, std::uint32_t db, std::int64_t now_ms, const HeldShards* held = nullptr)
      : store_(store), now_ms_(now_ms), held_(held), db_(db) {}

  Key key(std::string_view bytes) const { return store_.key(bytes); }
  std::uint32_t db() const { return db_; }
  void select(std::uint32_t db) { db_ = db; }
  std::int64_t now_ms() const { return now_ms_; }
  // CLIENT NO-TOUCH: reads leave recency and frequency as they are.
  void no_touch(bool on) { touches_ = !on; }
  // Changes of keys that somebody waits for are told here; the owner must see to them
  // (waiting.h).
  void tell(ReadyKeys& ready) { ready_ = &ready; }
  // For whom the keys are visited from here on, where that matters (key_events.h); null: nobody.
  void act_for(const Visiting* who) { who_ = who; }
  Store& store() { return store_; }

  // visit(const Value*): null when absent. Counts a hit or a miss; touches.
  template <class Visitor>
  decltype(auto) read(const Key& key, Visitor&& visit) {
    return look(key, touches_, std::forward<Visitor>(visit));
  }
  // The same, counted but not touched (TTL, TYPE, EXISTS, OBJECT).
  template <class Visitor>
  decltype(auto) peek(const Key& key, Visitor&& visit) {
    return look(key, false, std::forward<Visitor>(visit));
  }
  // visit(Slot&): for a change. Neither counted nor touched until the visitor says so.
  template <class Visitor>
  decltype(auto) update(const Key& key, Visitor&& visit) NO_THREAD_SAFETY_ANALYSIS {
    return update_in(db_, key, std::forward<Visitor>(visit));
  }
  template <class Visitor>
  decltype(auto) update_in(std::uint32_t db, const Key& key,
                           Visitor&& visit) NO_THREAD_SAFETY_ANALYSIS {
    Cell& cell = store_.cell_of(key);
    const LockUnlessHeld lock(store_, cell, held_ != nullptr && held_->has(store_.shard_of(key)));
    const TellAtEnd tell(cell.shard, ready_);
    const ActsFor acts(cell.shard, key, who_);
    Slot slot(cell.shard, db, key, now_ms_, cell.shard.find(db, key, now_ms_));
    return visit(slot);
  }
  // visit(Slot& a, Slot& b): two keys, which may be equal in name only if the databases differ.
  template <class Visitor>
  decltype(auto) update_two(std::uint32_t db_a, const Key& a, std::uint32_t db_b, const Key& b,
                            Visitor&& visit) {
    const Key both[] = {a, b};
    const Hold hold(store_, both, held_);
    Shard& shard_a = store_.cell_of(a).shard;
    Shard& shard_b = store_.cell_of(b).shard;
    const TellAtEnd tell_a(shard_a, ready_);
    const TellAtEnd tell_b(shard_b, ready_);
    const ActsFor acts_a(shard_a, a, who_);
    const ActsFor acts_b(shard_b, b, who_);
    Slot first(shard_a, db_a, a, now_ms_, shard_a.find(db_a, a, now_ms_));
    Slot second(shard_b, db_b, b, now_ms_, shard_b.find(db_b, b, now_ms_));
    return visit(first, second);
  }

  class Several;

  // Calls visit(std::string_view key, const Value&) for at least `count` keys if there are so many;
  // answers the next cursor, 0 at the end. Every key that is there from the first call to the last
  // is visited at least once.
  template <class Visitor>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Visitor&& visit) {
    return store_.scan(db_, cursor, count, now_ms_, held_, std::forward<Visitor>(visit));
  }
  std::size_t size() const { return store_.size(db_); }
  // Nullopt when the database is empty.
  std::optional<std::string> random_key() { return store_.random_key(db_, now_ms_, held_); }

 private:
  // A visit of a key for somebody; where nobody wants to know for whom, a test of a pointer.
  class ActsFor {
   public:
    ActsFor(Shard& shard, const Key& key, const Visiting* who)
        : shard_(shard), key_(key), who_(who) {
      if (who_ != nullptr) [[unlikely]]
        shard_.acts_for(who_->actor);
    }
    ~ActsFor() {
      if (who_ == nullptr) [[likely]]
        return;
      shard_.acts_for(kNobody);
      if (who_->reader != nullptr) who_->reader->has_read(key_.bytes);
    }
    ActsFor(const ActsFor&) = delete;
    ActsFor& operator=(const ActsFor&) = delete;

   private:
    Shard& shard_;
    const Key& key_;
    const Visiting* who_;
  };

  template <class Visitor>
  decltype(auto) look(const Key& key, bool touch, Visitor&& visit) NO_THREAD_SAFETY_ANALYSIS {
    Cell& cell = store_.cell_of(key);
    const LockUnlessHeld lock(store_, cell, held_ != nullptr && held_->has(store_.shard_of(key)));
    const ActsFor acts(cell.shard, key, who_);
    Entry* entry = cell.shard.find_to_read(db_, key, now_ms_, touch);
    if (entry == nullptr) return visit(static_cast<const Value*>(nullptr));
    const Value value(*entry);
    return visit(&value);
  }

  Store& store_;
  std::int64_t now_ms_;
  const HeldShards* held_;
  ReadyKeys* ready_ = nullptr;
  const Visiting* who_ = nullptr;
  std::uint32_t db_;
  bool touches_ = true;
};

// Holds the shards of many keys at once, in rising order, so that what is done through it is one
// atomic step.
class Keyspace::Several {
 public:
  Several(Keyspace& outer, std::span<const Key> keys)
      : hold_(outer.store_, keys, outer.held_), inner_(outer) {
    inner_.held_ = &hold_.held();
  }
  const HeldShards& shards() const { return hold_.held(); }
  Keyspace* operator->() { return &inner_; }
  Keyspace& operator*() { return inner_; }

 private:
  Hold hold_;
  Keyspace inner_;
};

}  // namespace larder::storage
