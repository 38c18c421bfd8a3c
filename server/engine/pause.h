// CLIENT PAUSE: until a moment, commands (all, or those that write) are held back on every
// connection.
//
// Thread: set only while every loop is held off; read by every loop inside the turnstile. The
// clients held back are woken through their links.
#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/client.h"
#include "storage/mutex.h"

namespace larder::server {

class Pause {
 public:
  enum class Kind : std::uint8_t { none, writes, all };

  // Longer and stricter wins over what is still in force. Alone only.
  void begin(Kind kind, std::int64_t until_ms, std::int64_t now_ms);
  // Alone only; wakes who was held back.
  void end();
  Kind kind(std::int64_t now_ms) const { return now_ms < until_ms_ ? kind_ : Kind::none; }
  std::int64_t until_ms() const { return until_ms_; }

  void hold_back(Client& client);
  void forget(Client& client);
  // Wakes everybody when the time is over; a loop's tick calls it, inside the turnstile.
  void wake_if_over(std::int64_t now_ms);

 private:
  void wake_all();

  Kind kind_ = Kind::none;
  std::int64_t until_ms_ = 0;
  storage::Mutex mutex_;
  std::vector<Client*> held_back_ GUARDED_BY(mutex_);
};

}  // namespace larder::server
