// All clients of all loops, for CLIENT LIST, KILL, INFO. Ids rise by one per connection and are
// never used twice.
//
// Thread: add, remove and next_id from any loop (guarded by mutex_). each() looks into clients of
// other loops: only with every loop held off (rows flagged exclusive). cut_off_worst() looks only
// at what any thread may read of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
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

  // What a client may hold too much of: its own buffers, or values that are kept for its reply.
  enum class Held : std::uint8_t { buffers, values };
  // Ends the connections of those that hold most of it, until they held `excess_bytes` together,
  // and says who. Those with CLIENT NO-EVICT stay.
  void cut_off_worst(Held what, std::size_t excess_bytes,
                     const std::function<void(const Client&, std::size_t bytes)>& say);

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
