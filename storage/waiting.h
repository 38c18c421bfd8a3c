// Who waits for a key to have something for them, in the order in which they came.
//
//   WaitTable   one per shard   (db, key) -> queue:  first <-> second <-> third
//   Waiter      has a place in the queue of each key it waits for, in any shards
//   ReadyKeys   keys that have changed while somebody waited for them, in the order of the changes
//
// A waiter is queued under the same hold of the shards under which its keys were found empty, so no
// change is missed. A key that changes while it has a queue is noted in its shard, once; the visit
// that changed it moves the notes to its own ReadyKeys before the shard is let go. Whoever owns
// those must see to them before it lets its client go on: so a change and what it means to those
// who wait are one step to whoever made it. Storage does not know what a waiter wants, and takes
// nobody out: that is the server's (engine/blocking.h).
//
// Must hold: a queue in the table is not empty. A waiter is taken out of all queues before it goes.
// Cost: a test of a pointer where nobody waits; else a lookup for each change. A place is a node of
// its queue: whoever goes is taken out without looking at the others, were they ten thousand.
// Thread: WaitTable is part of a Shard: whoever holds it may call. What a place says is guarded by
// the shard of its key; which places a waiter has is its owner's alone. ReadyKeys: its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace larder::storage {

// A key of a database, as a name to look up.
struct KeyName {
  std::uint32_t db;
  std::string_view key;
  bool operator==(const KeyName&) const = default;
};
struct KeyNameHash {
  std::size_t operator()(const KeyName& name) const {
    return std::hash<std::string_view>()(name.key) ^ name.db;
  }
};

class WaitQueue;
class Waiter;

// Where somebody stands in a queue.
struct WaitPlace {
  Waiter* waiter;
  std::size_t shard;           // of the key
  WaitQueue* queue = nullptr;  // null: not in it any more
  WaitPlace* before = nullptr;
  WaitPlace* after = nullptr;
};

class Waiter {
 public:
  // `minds_absence`: it wants to know as well that a key is gone.
  explicit Waiter(bool minds_absence = false) : minds_absence_(minds_absence) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

 protected:
  ~Waiter() = default;

 private:
  friend class WaitTable;
  friend class WaitQueue;
  friend class Store;
  std::forward_list<WaitPlace> places_;
  const bool minds_absence_;
};

// Those who wait for one key.
class WaitQueue {
 public:
  WaitQueue(std::uint32_t db, std::string_view key) : db_(db), key_(key) {}

  KeyName name() const { return {db_, key_}; }
  // From whom the places lead on, each to the next; never null.
  WaitPlace* first() { return first_; }
  // Somebody in it wants to know that the key is gone.
  bool has_minders() const { return minders_ != 0; }

 private:
  friend class WaitTable;
  void append(WaitPlace& place);
  void take_out(WaitPlace& place);

  std::uint32_t db_;
  std::string key_;
  WaitPlace* first_ = nullptr;
  WaitPlace* last_ = nullptr;
  std::size_t minders_ = 0;
  bool is_noted_ = false;  // that the key has changed; its shard has the note still
};

// Keys that have changed, each once, in the order in which they did first.
class ReadyKeys {
 public:
  struct Name {
    std::uint32_t db;
    std::string key;
  };

  bool empty() const { return names_.empty(); }
  void add(std::uint32_t db, std::string_view key);
  // The one that was added first. Needs !empty().
  Name take();

 private:
  std::deque<Name> names_;
  std::unordered_set<KeyName, KeyNameHash> seen_;  // views of names_
};

class WaitTable {
 public:
  // Nobody waits, and nothing is left to tell.
  bool empty() const { return used_ == nullptr; }
  // Keys that somebody waits for.
  std::size_t size() const { return used_ == nullptr ? 0 : used_->queues.size(); }
  // Null: nobody waits for it.
  WaitQueue* find(std::uint32_t db, std::string_view key);
  // At the end of the key's queue. Who is asked for twice in one hold is there once.
  void add(std::uint32_t db, std::string_view key, std::size_t shard, Waiter& waiter);
  // A queue that has nobody left is gone with its last place.
  void remove(WaitPlace& place);

  void key_changed(std::uint32_t db, std::string_view key);
  // Every key of it may have.
  void database_changed(std::uint32_t db);
  bool has_notes() const { return used_ != nullptr && !used_->notes.empty(); }
  void move_notes(ReadyKeys& to);

 private:
  // Behind a pointer, which is all that a write sees of it where nobody waits.
  struct Used {
    std::unordered_map<KeyName, std::unique_ptr<WaitQueue>, KeyNameHash> queues;  // views of theirs
    std::vector<ReadyKeys::Name> notes;
  };
  void note(WaitQueue& queue);
  void forget_if_unused();

  std::unique_ptr<Used> used_;
};

}  // namespace larder::storage
