// The doorway: where TLS connections shake hands before they get a loop.
//
//     listener --> doorway (a thread of its own) --> the loop with the fewest connections
//
// A handshake costs a thousand times what a GET costs: a millisecond of arithmetic with an RSA key.
// On a loop, the clients it serves would wait for it, and in a storm of newcomers for one after the
// other. Here the system's scheduler sees to it: the doorway is nice, so a loop that has something
// to do takes the core from it in the middle of a handshake, and a storm has what is left over.
// No loop has a line of code for handshakes.
//
// Bounds: who has not shaken hands within kHandshakeMs of being accepted is let go, however busily
// it sends; of more than kMostGuests the one that has been here longest goes (a storm of half-open
// handshakes pushes out its own first). Guests count for maxclients.
//
// A new certificate is used for who comes from then on; who is here, or with a loop, keeps the one
// it was met with.
// Tried in thought: so many handshakes a turn of each loop. It bounds what one turn costs but not
// that every turn costs it, and one handshake is already longer than p99.9 of an idle server.
//
// Thread: all of it on the doorway's own, but for start, stop, join, admit, use and size.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/net/asio.h"
#include "server/net/loop.h"
#include "server/net/tls.h"

namespace larder::server::net {

class Doorway {
 public:
  Doorway(Engine& engine, std::vector<std::unique_ptr<Loop>>& loops,
          std::shared_ptr<const TlsContext> context);
  ~Doorway();
  Doorway(const Doorway&) = delete;
  Doorway& operator=(const Doorway&) = delete;

  void start();
  // Lets go of all guests. Any thread.
  void stop();
  void join();

  // Any thread: a connection that was accepted on the TLS port.
  void admit(Newcomer newcomer);
  // Any thread: whoever comes from now on is met with this.
  void use(std::shared_ptr<const TlsContext> context);
  // Connections in the middle of a handshake; any thread.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  // A full backlog of each of a few loops; a handshake under way takes some 60 KiB.
  static constexpr std::size_t kMostGuests = 512;
  static constexpr int kNiceness = 10;

  struct Guest {
    Guest(asio::io_context& context, int socket) : wire(context, socket) {}
    asio::posix::stream_descriptor wire;
    std::unique_ptr<Tls> tls;
    Newcomer newcomer;  // but for the socket, which is wire's
    std::chrono::steady_clock::time_point until;
    bool is_gone = false;
  };
  using Guests = std::list<std::shared_ptr<Guest>>;  // in the order they came, so of `until`

  void receive(Newcomer newcomer);
  void go_on(Guests::iterator at);
  void wait_for(Guests::iterator at, asio::posix::stream_descriptor::wait_type what);
  void let_in(Guests::iterator at);
  void turn_away(Guests::iterator at, const std::string& why);
  void leave(Guests::iterator at);
  void watch_the_clock();

  Engine& engine_;
  std::vector<std::unique_ptr<Loop>>& loops_;
  std::shared_ptr<const TlsContext> tls_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  asio::steady_timer clock_;
  Guests guests_;
  std::thread thread_;
  std::atomic<std::size_t> size_{0};  // relaxed: with who is posted and not received yet
  bool is_watching_ = false;
  bool is_stopping_ = false;
};

}  // namespace larder::server::net
