// TLS for a connection, by OpenSSL on the connection's own socket.
//
// A session reads and writes through Tls as it would with recv() and sendmsg(): the same answers,
// the same errno, so everything behind (batches, gathered writes, back-pressure) is one code for
// plain and for TLS, and a plain connection pays a look at one null pointer a read and a write.
//
// Why not asio::ssl: our sessions do not read through Asio (poller.h), and its stream would put a
// buffer of 17 KiB and two copies between OpenSSL and the socket. OpenSSL reads the socket itself
// here, and reads ahead: a request that comes in one segment is one recv() (redis-server has one
// for the head of a record and one for its body), and a reply is one send().
//
// What was read ahead is no event of the socket any more. So read() goes on until OpenSSL has
// nothing left or the room is full, and has_more() says that the second was the case: the loop then
// comes back without being told by the poller.
//
// A connection that waits has no buffers of OpenSSL's (SSL_MODE_RELEASE_BUFFERS): some 10 KiB are
// left of it, instead of 45. Clients cannot start a second handshake on a connection (TLS 1.2
// renegotiation is off), so handshakes happen at the doorway only (doorway.h).
//
// Thread: a context is frozen when made, and shared. A Tls belongs to whoever serves its
// connection: the doorway first, then a loop.
// Source: SSL_read(3), SSL_write(3), SSL_CTX_set_mode(3).
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

struct ssl_st;
struct ssl_ctx_st;

namespace larder::server {
struct Settings;  // options.h
}

namespace larder::server::net {

class Tls;

// Certificate, key and rules that connections are met with.
class TlsContext {
 public:
  // From the options named tls-*, and the files they name. Throws std::runtime_error with a
  // sentence.
  explicit TlsContext(const Settings& settings);

  // The server's side of a connection on this socket, which it does not close. Null: no memory.
  std::unique_ptr<Tls> meet(int socket) const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

class Tls {
 public:
  // What a connection takes besides its session's buffers, about.
  static constexpr std::size_t kIdleBytes = std::size_t{10} << 10;

  explicit Tls(ssl_st* connection) : ssl_(connection) {}

  enum class Handshake { done, wants_read, wants_write, failed };
  // Goes on with it as far as the socket lets it.
  Handshake shake_hands();
  // Why it failed, in OpenSSL's words.
  const std::string& problem() const { return problem_; }

  // As recv(): bytes read, 0 at the end, or -1 and errno, which is EAGAIN when nothing is there.
  ssize_t read(std::span<char> room);
  // There may be more to read than the last read() had room for, and the poller does not know.
  bool has_more() const { return has_more_; }
  // As sendmsg(). After EAGAIN or a short write the next call begins with the first byte not
  // written, and with at least as many bytes as this one.
  ssize_t write(std::span<const iovec> pieces);
  // Tells the other side that this was all, unless the connection is broken.
  void say_goodbye();

 private:
  struct Free {
    void operator()(ssl_st* connection) const;
  };
  ssize_t explain(int answer);

  std::unique_ptr<ssl_st, Free> ssl_;
  bool has_more_ = false;
  bool is_up_ = false;  // hands were shaken, and nothing went wrong since
  std::string problem_;
};

}  // namespace larder::server::net
