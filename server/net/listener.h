// Listeners: accept connections and hand each to the loop that has the fewest.
//
// An error of accept (no file handles left, a client that is gone already) never ends the
// listening: it is logged, and the next try comes after a short pause. A unix socket gets its
// permissions before it listens (CVE-2023-45145).
// Thread: the loop whose context it was made with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/net/asio.h"
#include "server/net/loop.h"

namespace larder::server::net {

class Listener {
 public:
  Listener(asio::io_context& context, Engine& engine, std::vector<std::unique_ptr<Loop>>& loops);

  // Each throws std::runtime_error with a sentence that names the address and the reason.
  // port 0: the kernel picks one, which the answer tells.
  std::uint16_t listen_tcp(const std::string& address, std::uint16_t port, int backlog);
  void listen_unix(const std::string& path, int permissions, int backlog);
  void close();

 private:
  template <class Protocol>
  void accept_next(asio::basic_socket_acceptor<Protocol>& acceptor);
  template <class Protocol>
  void take(asio::basic_stream_socket<Protocol> socket);
  template <class Protocol>
  void try_again_later(asio::basic_socket_acceptor<Protocol>& acceptor);
  void hand_over(Loop::Newcomer newcomer);
  bool is_full(int socket);

  asio::io_context& context_;
  Engine& engine_;
  std::vector<std::unique_ptr<Loop>>& loops_;
  std::vector<std::unique_ptr<asio::ip::tcp::acceptor>> tcp_;
  std::vector<std::unique_ptr<asio::local::stream_protocol::acceptor>> unix_;
  std::vector<std::string> unix_paths_;
  asio::steady_timer retry_;
};

}  // namespace larder::server::net
