// The dispatcher: from words to a reply. The gates stand in one order (known, arity, signed in, queueing, memory,
// pause), each a small function that passes or answers; then the command runs and is counted.
//
// Thread: frozen after start; each loop calls with its own lane and its own clients, inside the turnstile.
#pragma once

#include <cstdint>

#include "protocol/resp_writer.h"
#include "server/engine/command.h"
#include "server/engine/registry.h"

namespace larder::server {

// What the session does next with this client.
enum class Next : std::uint8_t {
  go_on,    // the reply is written
  wait,     // nothing written yet: call resume() when the link says so (pause), or after a turn (work)
  close,    // send what is written, then close
};

class Dispatcher {
 public:
  explicit Dispatcher(Services& services) : services_(services) {}

  // Runs one request of a client. The lane must have entered the turnstile (LaneVisit).
  Next execute(Lane& lane, Client& client, Words words, protocol::RespWriter& writer);
  // Goes on with a client whose work is not done.
  Next resume(Lane& lane, Client& client, protocol::RespWriter& writer);

  // Runs a row for EXEC or a script: gates that depend on the connection are the caller's. Replies go to `reply`.
  struct Inner {
    const storage::HeldShards* held = nullptr;
    std::int64_t now_ms = 0;
    bool in_script = false;
    bool in_exec = false;
  };
  void run_inner(Lane& lane, Client& client, const Command& row, Words words, Reply& reply,
                 const Inner& inner);
  // Over the limit and nothing to evict: true means may_grow rows must answer OOM.
  bool is_out_of_memory(std::int64_t now_ms);

  Services& services() { return services_; }

 private:
  Services& services_;
};

// Inside the turnstile for the length of a batch.
class LaneVisit {
 public:
  LaneVisit(storage::Turnstile& turnstile, Lane& lane) : turnstile_(turnstile), lane_(lane) {
    turnstile_.enter(lane_.seat);
    lane_.is_inside = true;
  }
  ~LaneVisit() {
    lane_.is_inside = false;
    turnstile_.leave(lane_.seat);
  }
  LaneVisit(const LaneVisit&) = delete;
  LaneVisit& operator=(const LaneVisit&) = delete;

 private:
  storage::Turnstile& turnstile_;
  Lane& lane_;
};

// Every other loop held off, from a command that runs inside a visit. Nests.
class Alone {
 public:
  Alone(storage::Turnstile& turnstile, Lane& lane);
  ~Alone();
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  storage::Turnstile& turnstile_;
  Lane& lane_;
  bool closed_here_;
};

}  // namespace larder::server
