#include "server/net/listener.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/client_registry.h"
#include "server/log.h"
#include "server/net/doorway.h"
#include "server/options.h"
#include "storage/timeline.h"

namespace larder::server::net {
namespace {

using Tcp = asio::ip::tcp;
using Unix = asio::local::stream_protocol;

// After a failed accept: long enough not to spin, short enough to go unnoticed.
constexpr std::chrono::milliseconds kRetryAfter{100};
constexpr std::int64_t kTellRefusalsMs = 1000;

std::string text_of(const Tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                    : fmt::format("{}:{}", address, endpoint.port());
}

void keep_alive(int socket, int idle_s) {
  if (idle_s <= 0) return;
  const int on = 1;
  const int interval_s = std::max(1, idle_s / 3);
  const int probes = 3;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

// Whoever could end the server anyway.
bool is_admin(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

Listener::Listener(asio::io_context& context, Engine& engine,
                   std::vector<std::unique_ptr<Loop>>& loops, Doorway* doorway)
    : context_(context), engine_(engine), loops_(loops), doorway_(doorway), retry_(context) {}

std::uint16_t Listener::listen_tcp(const std::string& address, std::uint16_t port, int backlog,
                                   Speech speech) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(fmt::format("Can't listen on {}:{}: {}", address, port, why));
  };
  asio::error_code error;
  const std::string numeric = address == "*" ? "0.0.0.0" : address == "::*" ? "::" : address;
  asio::ip::address where = asio::ip::make_address(numeric, error);
  if (error) {
    Tcp::resolver resolver(context_);
    const auto found = resolver.resolve(address, "", error);
    if (error || found.empty()) fail("no such address");
    where = found.begin()->endpoint().address();
  }
  const Tcp::endpoint endpoint(where, port);
  auto acceptor = std::make_unique<Tcp::acceptor>(context_);
  acceptor->open(endpoint.protocol(), error);
  if (error) fail(error.message());
  acceptor->set_option(Tcp::acceptor::reuse_address(true), error);
  if (where.is_v6()) acceptor->set_option(asio::ip::v6_only(true), error);
  acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(backlog, error);
  if (error) fail(error.message());
  const std::uint16_t bound = acceptor->local_endpoint().port();
  tcp_.push_back(std::move(acceptor));
  accept_next(*tcp_.back(), speech);
  return bound;
}

void Listener::listen_unix(const std::string& path, int permissions, int backlog) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(fmt::format("Can't listen on the unix socket {}: {}", path, why));
  };
  if (path.size() >= sizeof(sockaddr_un::sun_path)) fail("the path is too long");
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) fail("something else is there, and it is no socket");
    ::unlink(path.c_str());
  }
  asio::error_code error;
  auto acceptor = std::make_unique<Unix::acceptor>(context_);
  acceptor->open(Unix(), error);
  if (error) fail(error.message());
  // Nobody but the owner gets in between bind and chmod.
  const mode_t before = ::umask(0177);
  acceptor->bind(Unix::endpoint(path), error);
  ::umask(before);
  if (error) fail(error.message());
  if (::chmod(path.c_str(), static_cast<mode_t>(permissions)) != 0) fail(std::strerror(errno));
  acceptor->listen(backlog, error);
  if (error) fail(error.message());
  unix_paths_.push_back(path);
  unix_.push_back(std::move(acceptor));
  accept_next(*unix_.back(), Speech::plain);
}

void Listener::close() {
  asio::error_code ignored;
  retry_.cancel();
  for (auto& acceptor : tcp_) acceptor->close(ignored);
  for (auto& acceptor : unix_) acceptor->close(ignored);
  for (const std::string& path : unix_paths_) ::unlink(path.c_str());
  unix_paths_.clear();
}

template <class Protocol>
void Listener::accept_next(asio::basic_socket_acceptor<Protocol>& acceptor, Speech speech) {
  acceptor.async_accept([this, &acceptor, speech](asio::error_code error,
                                                  asio::basic_stream_socket<Protocol> socket) {
    if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
    if (error) {
      engine_.services().log.warning(
          fmt::format("Accepting a connection failed: {}", error.message()));
      return try_again_later(acceptor, speech);
    }
    take(std::move(socket), speech);
    accept_next(acceptor, speech);
  });
}

template <class Protocol>
void Listener::try_again_later(asio::basic_socket_acceptor<Protocol>& acceptor, Speech speech) {
  retry_.expires_after(kRetryAfter);
  retry_.async_wait([this, &acceptor, speech](asio::error_code error) {
    if (!error) accept_next(acceptor, speech);
  });
}

void Listener::take(Tcp::socket socket, Speech speech) {
  const ConnectionLimits& limits = engine_.services().options.limits;
  asio::error_code error;
  socket.set_option(Tcp::no_delay(true), error);
  keep_alive(socket.native_handle(), limits.keepalive_s.load(std::memory_order_relaxed));
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  const Tcp::endpoint here = socket.local_endpoint(error);
  Newcomer newcomer;
  newcomer.address = text_of(peer);
  newcomer.local_address = text_of(here);
  if (open() >= limits.clients.load(std::memory_order_relaxed)) {
    return refuse(socket.native_handle(), speech, newcomer.address, "maxclients");
  }
  newcomer.place = sources_.enter(peer.address(), most_of_source(peer.address()));
  if (newcomer.place == nullptr) {
    return refuse(socket.native_handle(), speech, newcomer.address, "maxclients-per-source");
  }
  newcomer.socket = socket.release(error);
  if (!error) admit(std::move(newcomer), speech);
}

void Listener::take(Unix::socket socket, Speech speech) {
  const std::size_t most =
      engine_.services().options.limits.clients.load(std::memory_order_relaxed) +
      (is_admin(socket.native_handle()) ? kReservedForAdmins : 0);
  Newcomer newcomer;
  newcomer.is_unix = true;
  newcomer.address = unix_paths_.front() + ":0";
  newcomer.local_address = newcomer.address;
  if (open() >= most) {
    return refuse(socket.native_handle(), speech, newcomer.address, "maxclients");
  }
  asio::error_code error;
  newcomer.socket = socket.release(error);
  if (!error) admit(std::move(newcomer), speech);
}

void Listener::admit(Newcomer newcomer, Speech speech) {
  if (speech == Speech::tls) return doorway_->admit(std::move(newcomer));
  give_to_idlest(loops_, std::move(newcomer));
}

// Connections, and those that are about to be.
std::size_t Listener::open() const {
  std::size_t count = doorway_ == nullptr ? 0 : doorway_->size();
  for (const auto& loop : loops_) count += loop->size();
  return count;
}

// A share of maxclients is for strangers: on this machine everybody comes from one address.
std::size_t Listener::most_of_source(const asio::ip::address& address) const {
  constexpr auto relaxed = std::memory_order_relaxed;
  const ConnectionLimits& limits = engine_.services().options.limits;
  const std::uint64_t most = limits.clients_of_source.load(relaxed);
  if (most == 0 || (limits.spares_loopback.load(relaxed) && address.is_loopback())) return SIZE_MAX;
  return most;
}

// Nobody who waits for a handshake would understand a sentence.
void Listener::refuse(int socket, Speech speech, const std::string& address, const char* why) {
  if (speech == Speech::plain) {
    const std::string text = fmt::format("-{}\r\n", protocol::errors::max_clients);
    [[maybe_unused]] const auto sent =
        ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  loops_.front()->lane().counters.rejected_connections.add();
  ++untold_refusals_;
  const Services& services = engine_.services();
  const std::int64_t now_ms = services.timeline.now_ms();
  if (now_ms - told_refusal_ms_ < kTellRefusalsMs && now_ms >= told_refusal_ms_) return;
  services.log.warning(
      fmt::format("Connection of {} refused: {} is reached ({} refused since the "
                  "last such line)",
                  address, why, untold_refusals_));
  told_refusal_ms_ = now_ms;
  untold_refusals_ = 0;
}

}  // namespace larder::server::net
