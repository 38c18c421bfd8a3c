// Listeners: accept connections and hand each to the loop that has the fewest, or to the doorway
// where it shakes hands first (doorway.h).
//
// An error of accept (no file handles left, a client that is gone already) never ends the
// listening: it is logged, and the next try comes after a short pause. A unix socket gets its
// permissions before it listens (CVE-2023-45145): it is bound as its owner's alone, and nobody can
// connect to what does not listen.
//
// Who is refused: everybody from maxclients on, and from maxclients-per-source on whoever comes
// from that address. When the server is full, kReservedForAdmins more connections over the unix
// socket are taken from the user the server runs as, or root: so an operator always gets in, and
// applications on the same socket cannot use that up.
// Thread: the loop whose context it was made with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/net/asio.h"
#include "server/net/loop.h"
#include "server/net/sources.h"

namespace larder::server::net {

class Doorway;

class Listener {
 public:
  // `doorway`: null where nobody speaks TLS.
  Listener(asio::io_context& context, Engine& engine, std::vector<std::unique_ptr<Loop>>& loops,
           Doorway* doorway);

  enum class Speech { plain, tls };
  // Each throws std::runtime_error with a sentence that names the address and the reason.
  // port 0: the kernel picks one, which the answer tells.
  std::uint16_t listen_tcp(const std::string& address, std::uint16_t port, int backlog,
                           Speech speech = Speech::plain);
  // A socket that somebody left there is taken away; anything else that lies there is not.
  void listen_unix(const std::string& path, int permissions, int backlog);
  void close();

 private:
  // For who looks into a full server, besides maxclients.
  static constexpr std::size_t kReservedForAdmins = 4;

  template <class Protocol>
  void accept_next(asio::basic_socket_acceptor<Protocol>& acceptor, Speech speech);
  template <class Protocol>
  void try_again_later(asio::basic_socket_acceptor<Protocol>& acceptor, Speech speech);
  void take(asio::ip::tcp::socket socket, Speech speech);
  void take(asio::local::stream_protocol::socket socket, Speech speech);
  void admit(Newcomer newcomer, Speech speech);
  std::size_t open() const;
  std::size_t most_of_source(const asio::ip::address& address) const;
  void refuse(int socket, Speech speech, const std::string& address, const char* why);

  asio::io_context& context_;
  Engine& engine_;
  std::vector<std::unique_ptr<Loop>>& loops_;
  Doorway* doorway_;
  Sources sources_;
  std::vector<std::unique_ptr<asio::ip::tcp::acceptor>> tcp_;
  std::vector<std::unique_ptr<asio::local::stream_protocol::acceptor>> unix_;
  std::vector<std::string> unix_paths_;
  asio::steady_timer retry_;
  // Refusals are logged once a second at most: a storm does not fill the disk.
  std::int64_t told_refusal_ms_ = 0;
  std::size_t untold_refusals_ = 0;
};

}  // namespace larder::server::net
