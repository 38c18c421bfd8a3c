// What a command may use, by reference: forward declarations only, so that a family includes just
// the service it needs. Frozen after start; each service says itself which threads may call it.
#pragma once

namespace larder::storage {
class Clock;
class Store;
class Timeline;
class Turnstile;
}  // namespace larder::storage

namespace larder::server {

class ClientRegistry;  // engine/client_registry.h: all clients; ids
class Dispatcher;      // engine/dispatch.h: runs commands (EXEC, scripts)
class Events;          // engine/events.h: keyspace events
class Lane;            // engine/lane.h: what one loop keeps for the commands it runs
class Lanes;           // engine/lane.h: all of them, for sums
class Log;             // log.h
class Monitors;        // engine/monitors.h: who sees every command
class Options;         // options.h: settings, live and at start
class Pause;           // engine/pause.h: CLIENT PAUSE
class Pubsub;          // engine/pubsub.h: channels, and who listens
class Registry;        // engine/registry.h: the rows
class ServerControl;   // engine/server_control.h: what only the process can do (shutdown)
class SlowLog;         // metrics/slowlog.h
class Tracking;        // engine/tracking.h: who caches which keys
class Vitals;          // metrics/vitals.h: run id, start time, rates, for INFO
namespace security {
class Users;  // security/users.h: who may do what
}
namespace scripting {
class Functions;  // scripting/functions.h: the libraries of FUNCTION
class Scripts;    // scripting/scripts.h: the script cache, SCRIPT KILL
}  // namespace scripting

struct Services {
  storage::Store& store;
  storage::Turnstile& turnstile;
  const storage::Clock& clock;
  storage::Timeline& timeline;
  Registry& registry;
  Dispatcher& dispatcher;
  Options& options;
  ClientRegistry& clients;
  Lanes& lanes;
  Monitors& monitors;
  Pause& pause;
  Pubsub& pubsub;
  Events& events;
  Tracking& tracking;
  SlowLog& slowlog;
  Vitals& vitals;
  scripting::Scripts& scripts;
  scripting::Functions& functions;
  security::Users& users;
  ServerControl& control;
  Log& log;
};

}  // namespace larder::server
