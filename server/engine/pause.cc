#include "server/engine/pause.h"

#include <algorithm>
#include <utility>

namespace larder::server {

void Pause::begin(Kind kind, std::int64_t until_ms, std::int64_t now_ms) {
  const Kind in_force = this->kind(now_ms);
  if (in_force == Kind::none) {
    kind_ = kind;
    until_ms_ = until_ms;
    return;
  }
  kind_ = std::max(in_force, kind);
  until_ms_ = std::max(until_ms_, until_ms);
}

void Pause::end() {
  kind_ = Kind::none;
  until_ms_ = 0;
  wake_all();
}

void Pause::hold_back(Client& client) {
  const storage::MutexLock lock(mutex_);
  if (std::find(held_back_.begin(), held_back_.end(), &client) == held_back_.end()) {
    held_back_.push_back(&client);
  }
  client.is_paused = true;
}

void Pause::forget(Client& client) {
  const storage::MutexLock lock(mutex_);
  std::erase(held_back_, &client);
}

void Pause::wake_if_over(std::int64_t now_ms) {
  if (now_ms >= until_ms_) wake_all();
}

// Links only post to their own loops. The lock is kept meanwhile: a client that goes away forgets
// itself under it.
void Pause::wake_all() {
  const storage::MutexLock lock(mutex_);
  for (Client* client : std::exchange(held_back_, {})) {
    client->is_paused = false;
    if (client->link != nullptr) client->link->resume();
  }
}

}  // namespace larder::server
