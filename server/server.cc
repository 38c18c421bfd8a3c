#include "server/server.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

#include "protocol/errors.h"
#include "server/engine/dispatch.h"
#include "server/engine/lane.h"
#include "server/engine/ticks.h"
#include "server/machine.h"
#include "server/metrics/summary.h"
#include "server/version.h"

namespace larder::server {
namespace {

// File handles that are not connections: log, listeners, epoll sets, and a reserve.
constexpr rlim_t kOtherHandles = 64;

std::uint64_t draw_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

// Raises the limit of open files, if the system lets us, to what so many clients need; answers how
// many it is good for.
std::uint64_t room_for(std::uint64_t clients) {
  rlimit limit{};
  const rlim_t wanted = clients + kOtherHandles;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return clients;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return clients;
  return limit.rlim_cur > kOtherHandles ? limit.rlim_cur - kOtherHandles : 1;
}

// Fewer clients where the system has no handles for them, and a line that says so.
void raise_file_limit(Settings& settings, Log& log) {
  const std::uint64_t clients = room_for(settings.maxclients);
  if (clients >= settings.maxclients) return;
  log.warning(
      fmt::format("The limit of open files is too low for maxclients {}, which is lowered "
                  "to {}",
                  settings.maxclients, clients));
  settings.maxclients = clients;
}

}  // namespace

std::size_t loops_for(int wanted) {
  return wanted > 0 ? static_cast<std::size_t>(wanted) : usable_cores();
}

Server::Server(Options& options, Log& log)
    : options_(options),
      log_(log),
      engine_(options, clock_, *this, log, loops_for(options.settings.threads), draw_seed()),
      supervisor_(options.settings.supervised) {
  read_users();
  refuse_open_door();
  raise_file_limit(options_.settings, log_);
  options_.publish();
  for (std::size_t i = 0; i < loops_for(options_.settings.threads); ++i) {
    loops_.push_back(std::make_unique<net::Loop>(engine_, engine_.lane(i)));
  }
  options_.when_tried("maxclients", [](const Settings& next) -> std::optional<std::string> {
    const std::uint64_t clients = room_for(next.maxclients);
    if (clients >= next.maxclients) return std::nullopt;
    return fmt::format(
        "The operating system is not able to handle the specified number of clients, try with {}",
        clients);
  });
  if (options_.settings.tls_port != 0) {
    doorway_ = std::make_unique<net::Doorway>(
        engine_, loops_, std::make_shared<const net::TlsContext>(options_.settings));
    follow_tls_options();
    when_reloaded([this] { renew_certificates(); });
  }
  listener_ =
      std::make_unique<net::Listener>(loops_.front()->context(), engine_, loops_, doorway_.get());
  listen();
  let_slow_scripts_poll();
  wait_for_signals();
}

Server::~Server() = default;

// From the ACL file or the config file.
void Server::read_users() {
  security::Users& users = engine_.services().users;
  if (const auto problem = security::read_users(users, options_.settings)) {
    throw std::runtime_error(*problem);
  }
  options_.user_lines = [&users, is_in_file = !options_.settings.aclfile.empty()] {
    std::vector<std::string> lines;
    if (is_in_file) return lines;
    constexpr std::string_view kWord = "user ";
    for (const std::string& line : users.told()) lines.push_back(line.substr(kWord.size()));
    return lines;
  };
}

// Without a password only this machine may come in, unless the operator says otherwise in so many
// words.
void Server::refuse_open_door() {
  const Settings& settings = options_.settings;
  if (!settings.protected_mode || !engine_.services().users.lets_all_in()) return;
  if (settings.port == 0 && settings.tls_port == 0) return;
  for (std::string address : settings.bind) {
    if (address.starts_with('-')) address.erase(0, 1);
    if (is_loopback(address)) continue;
    throw std::runtime_error(
        fmt::format("Refusing to listen on '{}' without a password: set --requirepass, bind to "
                    "loopback only, or say --protected-mode no",
                    address));
  }
}

void Server::listen() {
  const Settings& settings = options_.settings;
  if (settings.port != 0) listen_tcp(settings.port, net::Listener::Speech::plain);
  if (settings.tls_port != 0) listen_tcp(settings.tls_port, net::Listener::Speech::tls);
  if (!settings.unixsocket.empty()) {
    listener_->listen_unix(settings.unixsocket, settings.unixsocketperm, settings.tcp_backlog);
  }
}

void Server::listen_tcp(int port, net::Listener::Speech speech) {
  bool is_listening = false;
  for (std::string address : options_.settings.bind) {
    const bool may_be_missing = address.starts_with('-');
    if (may_be_missing) address.erase(0, 1);
    try {
      listener_->listen_tcp(address, static_cast<std::uint16_t>(port),
                            options_.settings.tcp_backlog, speech);
      is_listening = true;
    } catch (const std::runtime_error& error) {
      if (!may_be_missing) throw;
      log_.verbose(error.what());
    }
  }
  if (!is_listening) {
    throw std::runtime_error(
        fmt::format("Can't listen on port {}: no address of bind is to be had", port));
  }
}

// CONFIG SET of what has to do with TLS but for its files: all of it holds together, or nothing
// changes.
void Server::follow_tls_options() {
  options_.when_tried("tls-", [this](const Settings& next) -> std::optional<std::string> {
    try {
      doorway_->use(std::make_shared<const net::TlsContext>(next));
      return std::nullopt;
    } catch (const std::runtime_error& error) {
      log_.warning(fmt::format("CONFIG SET for TLS: {}", error.what()));
      return std::string(protocol::errors::config_not_tls);
    }
  });
}

void Server::renew_certificates() {
  // Nobody changes the settings meanwhile; a script that lets us look here has shut them out.
  std::optional<LaneVisit> visit;
  if (!script_is_slow_) visit.emplace(engine_.services(), engine_.lane(0));
  try {
    doorway_->use(std::make_shared<const net::TlsContext>(options_.settings));
    log_.notice("Certificates for TLS were read again");
  } catch (const std::runtime_error& error) {
    log_.warning(fmt::format("Certificates for TLS stay as they were: {}", error.what()));
  }
}

void Server::let_slow_scripts_poll() {
  engine_.services().scripts.when_slow([this](Lane& lane) {
    engine_.services().turnstile.mark_long();
    supervisor_.beat();
    if (lane.index == 0) script_is_slow_ = true;
    loops_[lane.index]->serve_while_busy();
    if (lane.index == 0) script_is_slow_ = false;
  });
}

void Server::wait_for_signals() {
  if (!signals_) {
    signals_ = std::make_unique<asio::signal_set>(loops_.front()->context(), SIGINT, SIGTERM);
    signals_->add(SIGHUP);
    signals_->add(SIGUSR1);
  }
  signals_->async_wait([this](asio::error_code error, int signal) {
    if (error) return;
    take_signal(signal);
    wait_for_signals();
  });
}

void Server::take_signal(int signal) {
  switch (signal) {
    case SIGHUP: return reload();
    case SIGUSR1: return log_state();
    default: return shut_down(signal == SIGINT ? "SIGINT" : "SIGTERM");
  }
}

void Server::reload() {
  if (!log_.reopen()) {
    log_.warning(fmt::format("SIGHUP: can't open the log file again: {}", std::strerror(errno)));
  }
  log_.notice("SIGHUP: the log file is opened again");
  for (const auto& hook : reload_hooks_) hook();
}

void Server::log_state() {
  Lane& lane = engine_.lane(0);
  // In the middle of a script nobody can look at the keys.
  std::optional<LaneVisit> visit;
  if (!script_is_slow_) visit.emplace(engine_.services(), lane);
  if (!visit || !visit->is_inside()) {
    log_.notice("SIGUSR1: a script runs for long; ask again when it is over (SCRIPT KILL ends it)");
    return;
  }
  const Alone alone(engine_.services(), lane);
  for (const std::string& line : state_summary(engine_.services())) log_.notice(line);
}

void Server::run() {
  nanoseconds_per_tick();
  for (std::size_t i = 1; i < loops_.size(); ++i) loops_[i]->start();
  if (doorway_ != nullptr) doorway_->start();
  const Settings& settings = options_.settings;
  log_.notice(fmt::format(
      "Larder {} ready to accept connections on port {}{} with {} event loop{}", kLarderVersion,
      settings.port, settings.tls_port == 0 ? "" : fmt::format(", TLS on {}", settings.tls_port),
      loops_.size(), loops_.size() == 1 ? "" : "s"));
  supervisor_.ready(loops_.size(), [this](std::size_t i) {
    asio::post(loops_[i]->context(), [this, i] { supervisor_.sign(i); });
  });
  loops_.front()->run();
  if (doorway_ != nullptr) doorway_->join();
  for (std::size_t i = 1; i < loops_.size(); ++i) loops_[i]->join();
  log_.notice("Larder is now ready to exit, bye bye...");
}

void Server::shut_down(const std::string& reason) {
  if (is_stopping_.exchange(true)) return;
  log_.notice(fmt::format("Shutting down: {}", reason));
  supervisor_.stopping();
  // A script that runs now ends, or its loop would never come free.
  engine_.services().scripts.request_stop();
  asio::post(loops_.front()->context(), [this] {
    listener_->close();
    if (doorway_ != nullptr) doorway_->stop();
    signals_->cancel();
    for (auto& loop : loops_) loop->stop();
  });
}

}  // namespace larder::server
