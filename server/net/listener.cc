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
#include <type_traits>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/client_registry.h"
#include "server/log.h"
#include "server/options.h"

namespace larder::server::net {
namespace {

using Tcp = asio::ip::tcp;
using Unix = asio::local::stream_protocol;

// After a failed accept: long enough not to spin, short enough to go unnoticed.
constexpr std::chrono::milliseconds kRetryAfter{100};

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

}  // namespace

Listener::Listener(asio::io_context& context, Engine& engine,
                   std::vector<std::unique_ptr<Loop>>& loops)
    : context_(context), engine_(engine), loops_(loops), retry_(context) {}

std::uint16_t Listener::listen_tcp(const std::string& address, std::uint16_t port, int backlog) {
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
  accept_next(*tcp_.back());
  return bound;
}

void Listener::listen_unix(const std::string& path, int permissions, int backlog) {
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(fmt::format("Can't listen on the unix socket {}: {}", path, why));
  };
  if (path.size() >= sizeof(sockaddr_un::sun_path)) fail("the path is too long");
  ::unlink(path.c_str());
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
  accept_next(*unix_.back());
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
void Listener::accept_next(asio::basic_socket_acceptor<Protocol>& acceptor) {
  acceptor.async_accept(
      [this, &acceptor](asio::error_code error, asio::basic_stream_socket<Protocol> socket) {
        if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
        if (error) {
          engine_.services().log.warning(
              fmt::format("Accepting a connection failed: {}", error.message()));
          return try_again_later(acceptor);
        }
        take(std::move(socket));
        accept_next(acceptor);
      });
}

template <class Protocol>
void Listener::try_again_later(asio::basic_socket_acceptor<Protocol>& acceptor) {
  retry_.expires_after(kRetryAfter);
  retry_.async_wait([this, &acceptor](asio::error_code error) {
    if (!error) accept_next(acceptor);
  });
}

template <class Protocol>
void Listener::take(asio::basic_stream_socket<Protocol> socket) {
  asio::error_code error;
  Loop::Newcomer newcomer{-1, "", "", false};
  if constexpr (std::is_same_v<Protocol, Tcp>) {
    socket.set_option(Tcp::no_delay(true), error);
    keep_alive(socket.native_handle(), engine_.services().options.limits.keepalive_s);
    const Tcp::endpoint peer = socket.remote_endpoint(error);
    const Tcp::endpoint here = socket.local_endpoint(error);
    newcomer.address = text_of(peer);
    newcomer.local_address = text_of(here);
  } else {
    newcomer.is_unix = true;
    newcomer.address = unix_paths_.front() + ":0";
    newcomer.local_address = newcomer.address;
  }
  if (is_full(socket.native_handle())) return;
  newcomer.socket = socket.release(error);
  if (!error) hand_over(std::move(newcomer));
}

bool Listener::is_full(int socket) {
  std::size_t open = 0;
  for (const auto& loop : loops_) open += loop->size();
  if (open < engine_.services().options.limits.clients) return false;
  const std::string text = fmt::format("-{}\r\n", protocol::errors::max_clients);
  [[maybe_unused]] const auto sent =
      ::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  loops_.front()->lane().counters.rejected_connections.add();
  return true;
}

void Listener::hand_over(Loop::Newcomer newcomer) {
  const auto fewest =
      std::min_element(loops_.begin(), loops_.end(),
                       [](const auto& a, const auto& b) { return a->size() < b->size(); });
  (*fewest)->adopt(std::move(newcomer));
}

}  // namespace larder::server::net
