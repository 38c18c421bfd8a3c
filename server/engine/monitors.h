// MONITOR: clients that see every command. One relaxed load per command while there are none.
//
// Thread: any; the list is guarded by mutex_, lines are posted to each monitor's own loop through
// its Link.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>

#include "protocol/request.h"
#include "server/engine/client.h"
#include "storage/mutex.h"

namespace larder::server {

class Monitors {
 public:
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
  void add(Client& client);
  void remove(Client& client);  // safe when it never was one
  // `hide_arguments`: AUTH and HELLO are shown as (redacted) words, as Redis does. `from_script`:
  // "lua" for the address.
  void show(std::int64_t wall_us, const Client& client, protocol::Words words, bool hide_arguments,
            bool from_script);

 private:
  std::atomic<std::uint32_t> count_{0};
  storage::Mutex mutex_;
  std::map<std::uint64_t, Link*> monitors_ GUARDED_BY(mutex_);
};

}  // namespace larder::server
