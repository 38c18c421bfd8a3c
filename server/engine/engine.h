// The engine: everything that answers commands, without a socket. The server puts loops and
// listeners around it; tests run it in-process with a clock they turn.
//
// Thread: made and ended on one thread; in between each service says itself who may call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/engine/client_registry.h"
#include "server/engine/dispatch.h"
#include "server/engine/events.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "server/engine/pause.h"
#include "server/engine/pubsub.h"
#include "server/engine/registry.h"
#include "server/engine/services.h"
#include "server/engine/tracking.h"
#include "server/metrics/slowlog.h"
#include "server/metrics/vitals.h"
#include "server/scripting/functions.h"
#include "server/scripting/scripts.h"
#include "server/security/users.h"
#include "server/upkeep.h"
#include "storage/store.h"
#include "storage/timeline.h"
#include "storage/turnstile.h"

namespace larder::server {

class Engine {
 public:
  // `lanes` event loops will run commands. `seed` is for the hash of keys and all chance.
  Engine(Options& options, const storage::Clock& clock, ServerControl& control, Log& log,
         std::size_t lanes, std::uint64_t seed);

  Services& services() { return services_; }
  Dispatcher& dispatcher() { return dispatcher_; }
  storage::Store& store() { return store_; }
  Lane& lane(std::size_t i) { return lanes_[i]; }
  // Whether loops share the store with other loops.
  bool is_shared() const { return lanes_.size() > 1; }
  ClientRegistry& clients() { return clients_; }
  Upkeep& upkeep() { return upkeep_; }
  // Reads the options that concern the engine again (maxmemory and its policy). Alone, or before
  // the threads start.
  void apply_options();

 private:
  void apply_events();
  void apply_limits();
  void apply_security();

  Options& options_;
  storage::Turnstile turnstile_;
  storage::Store store_;
  Registry registry_;
  ClientRegistry clients_;
  scripting::Scripts scripts_;
  scripting::Functions functions_;
  security::Users users_;
  Lanes lanes_;
  Monitors monitors_;
  Pause pause_;
  Pubsub pubsub_;
  Events events_;
  Tracking tracking_;
  SlowLog slowlog_;
  storage::Timeline timeline_;
  Vitals vitals_;
  Services services_;
  Dispatcher dispatcher_;
  Upkeep upkeep_;
};

}  // namespace larder::server
