// All clients of all loops, for CLIENT LIST, KILL, INFO. Ids rise by one per connection and are
// never used twice.
//
// Thread: add, remove and next_id from any loop (guarded by mutex_). each() looks into clients of
// other loops: only with every loop held off (rows flagged exclusive).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>

#include "server/engine/client.h"
#include "storage/mutex.h"

namespace larder::server {

class ClientRegistry {
 public:
  std::uint64_t next_id() { return ids_.fetch_add(1, std::memory_order_relaxed) + 1; }
  void add(Client& client);
  void remove(Client& client);
  std::size_t size() const;
  bool has(std::uint64_t id) const;

  // In the order of ids. visit(Client&).
  template <class Visitor>
  void each(Visitor&& visit) {
    const storage::MutexLock lock(mutex_);
    for (auto& [id, client] : clients_) visit(*client);
  }

 private:
  mutable storage::Mutex mutex_;
  std::map<std::uint64_t, Client*> clients_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> ids_{0};
};

}  // namespace larder::server
