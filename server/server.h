// The server: engine, loops, listeners and signals, started and stopped in one readable order.
//
// Thread: made and run on the main thread, which serves loop 0. shut_down() may come from any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/engine.h"
#include "server/engine/server_control.h"
#include "server/log.h"
#include "server/net/doorway.h"
#include "server/net/listener.h"
#include "server/net/loop.h"
#include "server/options.h"
#include "server/supervisor.h"
#include "storage/clock.h"
#include "storage/reaper.h"

namespace larder::server {

class Server final : public ServerControl {
 public:
  // Binds everything; throws std::runtime_error with a sentence when something is not to be had.
  Server(Options& options, Log& log);
  ~Server() override;

  // Serves until a signal or SHUTDOWN.
  void run();
  void shut_down(const std::string& reason) override;
  // Called at each SIGHUP, on loop 0, after the log file was opened again: for what else is to be
  // read anew. Before run().
  void when_reloaded(std::function<void()> hook) { reload_hooks_.push_back(std::move(hook)); }

 private:
  void refuse_open_door();
  void read_users();
  void listen();
  void listen_tcp(int port, net::Listener::Speech speech);
  void follow_tls_options();
  // Reads certificates and keys again; what is wrong with them is logged, and the old ones stay.
  void renew_certificates();
  void wait_for_signals();
  void take_signal(int signal);
  void reload();
  void log_state();
  void let_slow_scripts_poll();

  Options& options_;
  Log& log_;
  storage::RealClock clock_;
  storage::Reaper reaper_;  // ends after everything that holds blobs
  Engine engine_;
  Supervisor supervisor_;
  std::vector<std::function<void()>> reload_hooks_;
  bool script_is_slow_ = false;  // one that runs on loop 0 lets it serve others
  std::vector<std::unique_ptr<net::Loop>> loops_;
  std::unique_ptr<net::Doorway> doorway_;  // null where nobody speaks TLS
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<asio::signal_set> signals_;
  std::atomic<bool> is_stopping_{false};
};

// Event loops for `wanted` threads, 0: as many as cores this process may use (cgroup quota and
// affinity respected).
std::size_t loops_for(int wanted);

}  // namespace larder::server
