#include "server/engine/client_registry.h"

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

}  // namespace larder::server
