#include "server/engine/client_registry.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace larder::server {

void ClientRegistry::add(Client& client) {
  const storage::MutexLock lock(mutex_);
  clients_.emplace(client.id, &client);
}

void ClientRegistry::remove(Client& client) {
  const storage::MutexLock lock(mutex_);
  clients_.erase(client.id);
}

bool ClientRegistry::has(std::uint64_t id) const {
  const storage::MutexLock lock(mutex_);
  return clients_.contains(id);
}

std::size_t ClientRegistry::size() const {
  const storage::MutexLock lock(mutex_);
  return clients_.size();
}

// Its loop has not come by yet for who is cut off already: that much is on its way. Who holds
// nothing would not be missed.
void ClientRegistry::cut_off_worst(
    Held what, std::size_t excess_bytes,
    const std::function<void(const Client&, std::size_t bytes)>& say) {
  constexpr auto relaxed = std::memory_order_relaxed;
  const storage::MutexLock lock(mutex_);
  std::vector<std::pair<std::size_t, Client*>> holders;
  std::size_t on_its_way = 0;
  for (const auto& [id, client] : clients_) {
    const auto& held = what == Held::buffers ? client->buffer_bytes : client->pinned_bytes;
    const std::size_t bytes = held.load(relaxed);
    if (client->is_cut_off.load(relaxed)) {
      on_its_way += bytes;
    } else if (bytes != 0 && client->link != nullptr && !client->no_evict.load(relaxed)) {
      holders.emplace_back(bytes, client);
    }
  }
  std::sort(holders.begin(), holders.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second->id < b.second->id;
  });
  for (const auto& [bytes, client] : holders) {
    if (on_its_way >= excess_bytes) return;
    on_its_way += bytes;
    client->is_cut_off.store(true, relaxed);
    say(*client, bytes);
    client->link->cut_off();
  }
}

}  // namespace larder::server
