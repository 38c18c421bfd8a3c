// Who wants to know that a key changed: transactions that WATCH it. (What happened to it, and to
// whichever key, is for key_events.h.)
//
// One table per shard, so a notice is looked up only among the watched keys of that shard, and
// costs one test of a counter while nobody watches anything.
// Thread: part of a Shard; whoever holds the shard may call. The flag itself is atomic, since its
// owner reads it later.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace larder::storage {

// Raised when a watched key changes. Owned by who watches; must be removed from every shard before
// it goes.
class WatchFlag {
 public:
  // Release/acquire: whoever sees the flag sees what changed, even without the shard's lock.
  void raise() { raised_.store(true, std::memory_order_release); }
  void lower() { raised_.store(false, std::memory_order_release); }
  bool is_raised() const { return raised_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> raised_{false};
};

class WatchTable {
 public:
  bool empty() const { return watchers_.empty(); }
  void add(std::uint32_t db, std::string_view key, WatchFlag& flag);
  void remove(std::uint32_t db, std::string_view key, WatchFlag& flag);
  void key_changed(std::uint32_t db, std::string_view key);

  // Every watched key of a database, for FLUSHDB and SWAPDB.
  template <class Visitor>
  void each(std::uint32_t db, Visitor&& visit) {
    for (auto& [name, flags] : watchers_) {
      if (name.db == db) visit(std::string_view(name.key), flags);
    }
  }

 private:
  struct Name {
    std::uint32_t db;
    std::string key;
    bool operator==(const Name&) const = default;
  };
  struct NameHash {
    std::size_t operator()(const Name& name) const {
      return std::hash<std::string_view>()(name.key) ^ name.db;
    }
  };
  std::unordered_map<Name, std::vector<WatchFlag*>, NameHash> watchers_;
};

}  // namespace larder::storage
