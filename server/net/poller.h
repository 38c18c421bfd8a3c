// The poller: which of a loop's connections can be read or written, all of them in one answer.
//
// A level-triggered epoll set of a loop's sockets, itself watched by the loop's io_context. Asio's
// own sockets cost a system call per request that brings nothing: a read that finds no bytes (to
// arm the edge), or an epoll_ctl. A level-triggered set needs neither, and it hands out every
// ready connection of a wake-up at once, so that the commands of all of them can be prefetched
// together (DESIGN.md: cache misses are the engine).
//
// Not io_uring: a bare loop of fixed replies with one submission a wake-up (multishot receives into
// provided buffers, sends together, SINGLE_ISSUER and DEFER_TASKRUN, Linux 6.18) took per request
// 11.0 and 10.6 us of CPU without a pipeline where the same over epoll took 11.5 and 10.6, and at a
// pipeline of 16 677 and 803 ns where epoll took 677 and 727. The time is TCP's, not the calls'.
//
// Thread: loop.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace larder::server::net {

class Poller {
 public:
  // Connections that one wake-up serves before the loop looks at its other work.
  static constexpr int kMostReady = 128;

  struct Interest {
    bool read = true;
    bool write = false;
    bool end = true;  // the other side has closed its direction
    bool operator==(const Interest&) const = default;
  };

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  int handle() const { return handle_; }
  // `subject` comes back with every event of that socket. False: the kernel has no room for more.
  bool add(int socket, void* subject, Interest interest);
  void change(int socket, void* subject, Interest interest);
  void remove(int socket);

  // What is ready now, without waiting. Good until the next call.
  std::span<const epoll_event> ready();

 private:
  int handle_;
  std::array<epoll_event, kMostReady> events_;
};

}  // namespace larder::server::net
