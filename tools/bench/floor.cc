// bench_floor: what Larder would cost if its store and its commands cost nothing.
//
// The same turn as server/net/loop.cc, on the same poller, reader, writer and buffers: of the
// connections that are ready a group is read and parsed, then all of it is answered, then each gets
// one gathered write. The replies are fixed:
//
//     GET       a bulk of --value-bytes (pinned, not copied, where Larder would pin it)
//     MGET n    n of them             EVAL      one of them
//     INCR      :1                    PING      +PONG
//     SET, and everything else        +OK       CONFIG    an empty pair, for redis-benchmark
//
// What is between this and Larder is what the engine can be blamed for: hash, prefetch, lock,
// table, entry, gates, counters.
// Must hold: no shortcut that Larder could not take too, or the bar is unfair; when loop.cc or
// session.cc change how they turn, this changes with them.
// Thread: one.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/request.h"
#include "protocol/resp_reader.h"
#include "protocol/resp_writer.h"
#include "server/net/asio.h"
#include "server/net/poller.h"
#include "server/net/session.h"
#include "storage/blob.h"

namespace larder::bench {
namespace {

using protocol::OutputBuffer;
using protocol::RespReader;
using server::net::Poller;

// As in session.cc and loop.h, where they are private.
constexpr std::size_t kMostPieces = 64;
constexpr int kTurnsPerWakeUp = 16;
constexpr std::size_t kGroupRequests = 128;

struct Connection {
  Connection(int accepted, protocol::BlockPool& pool)
      : socket(accepted), input(pool), output(pool), writer(output) {}
  ~Connection() { close(socket); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket;
  protocol::InputBuffer input;
  OutputBuffer output;
  RespReader reader;
  protocol::RespWriter writer;
  protocol::RequestBatch batch;
  std::size_t consumed = 0;
  bool may_have_more = false;
  bool is_held = false;  // it does not read its replies: it is not read either
  bool is_done = false;
  Poller::Interest interest;
};

// The commands that load the floor differ in their first letters.
enum class Verb { get, mget, incr, ping, eval, config, other };

Verb verb_of(std::string_view word) {
  const auto letter = [&](std::size_t i) { return i < word.size() ? word[i] | 0x20 : 0; };
  switch (letter(0)) {
    case 'g': return letter(3) == 0 ? Verb::get : Verb::other;
    case 'm': return letter(1) == 'g' ? Verb::mget : Verb::other;
    case 'i': return Verb::incr;
    case 'p': return Verb::ping;
    case 'e': return letter(1) == 'v' ? Verb::eval : Verb::other;
    case 'c': return letter(3) == 'f' ? Verb::config : Verb::other;
    default: return Verb::other;
  }
}

class Floor {
 public:
  Floor(std::uint16_t port, std::size_t value_bytes)
      : value_(value_bytes, 'v'),
        acceptor_(context_, {asio::ip::make_address("127.0.0.1"), port}),
        readiness_(context_, ::dup(poller_.handle())) {}

  void run() {
    accept();
    wait();
    context_.run();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](asio::error_code error, asio::ip::tcp::socket socket) {
      if (!error) {
        const int on = 1;
        const int handle = socket.release();
        setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        auto* made = connections_.emplace_back(std::make_unique<Connection>(handle, blocks_)).get();
        poller_.add(handle, made, {});
      }
      accept();
    });
  }

  void wait() {
    readiness_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this](asio::error_code error) {
                            if (error) return;
                            serve_ready();
                            wait();
                          });
  }

  void serve_ready() {
    for (int turn = 0; turn < kTurnsPerWakeUp; ++turn) {
      if (!collect_ready()) return;
      serve(ready_);
    }
    if (!backlog_.empty()) {
      asio::post(context_, [this] { serve_ready(); });
    }
  }

  void serve(std::span<Connection* const> left) {
    while (!left.empty()) {
      std::size_t count = 0;
      std::size_t requests = 0;
      while (count < left.size() && requests < kGroupRequests) {
        receive(*left[count]);
        requests += left[count++]->batch.size();
      }
      const std::span<Connection* const> group = left.first(count);
      left = left.subspan(count);
      for (Connection* connection : group) answer(*connection);
      for (Connection* connection : group) flush(*connection);
      for (Connection* connection : group) settle(*connection);
    }
  }

  bool collect_ready() {
    ready_ = std::exchange(backlog_, {});
    for (const epoll_event& event : poller_.ready()) {
      auto* connection = static_cast<Connection*>(event.data.ptr);
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0) connection->is_done = true;
      if (std::find(ready_.begin(), ready_.end(), connection) == ready_.end()) {
        ready_.push_back(connection);
      }
    }
    return !ready_.empty();
  }

  void receive(Connection& it) {
    if (it.is_done || it.is_held) return;
    if (!it.may_have_more && !read_socket(it)) return;
    const RespReader::Result result =
        it.reader.read(it.input.unread(), it.batch, server::net::kMostBatch);
    it.consumed = result.consumed;
    it.may_have_more = result.status == RespReader::Status::batch_full;
    if (result.status == RespReader::Status::problem) it.is_done = true;
  }

  bool read_socket(Connection& it) {
    const std::size_t wanted =
        std::clamp(it.reader.wanted_bytes(), server::net::kReadBytes, server::net::kMostReadBytes);
    const std::span<char> room = it.input.writable(wanted);
    const ssize_t got = recv(it.socket, room.data(), room.size(), MSG_DONTWAIT);
    if (got > 0) {
      it.input.wrote(static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) it.is_done = true;
    return false;
  }

  void answer(Connection& it) {
    for (std::size_t i = 0; i < it.batch.size(); ++i) {
      answer(it.batch[i], it.writer);
      if (it.output.size_bytes() > server::net::kFlushOutputBytes) flush(it);
    }
    it.batch.clear();
    it.input.consume(it.consumed);
    it.input.rest();
    it.consumed = 0;
  }

  void answer(protocol::Words words, protocol::RespWriter& writer) {
    switch (verb_of(words[0])) {
      case Verb::get:
      case Verb::eval: return say_value(writer);
      case Verb::mget:
        writer.array(words.size() - 1);
        for (std::size_t i = 1; i < words.size(); ++i) say_value(writer);
        return;
      case Verb::incr: return writer.integer(1);
      case Verb::ping: return writer.simple("PONG");
      case Verb::config:
        writer.array(2);
        writer.bulk(words.back());
        return writer.bulk("");
      case Verb::other: return writer.ok();
    }
  }

  void say_value(protocol::RespWriter& writer) {
    if (value_.size() < storage::kPinnedBytes) return writer.bulk(value_);
    writer.pinned(protocol::Pin(value_, nullptr, [](void*) {}));
  }

  void flush(Connection& it) {
    std::array<OutputBuffer::Piece, kMostPieces> pieces;
    std::array<iovec, kMostPieces> vectors;
    while (!it.output.empty()) {
      const std::size_t count = it.output.gather(pieces);
      for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<char*>(pieces[i].data), pieces[i].size};
      }
      ssize_t sent = 0;
      if (count == 1) {
        sent = send(it.socket, pieces[0].data, pieces[0].size, MSG_DONTWAIT | MSG_NOSIGNAL);
      } else {
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = count;
        sent = sendmsg(it.socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      }
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) it.is_done = true;
        return;
      }
      it.output.consume(static_cast<std::size_t>(sent));
    }
    it.output.rest();
  }

  // After a turn: goes, goes on, or waits for its socket.
  void settle(Connection& it) {
    if (it.is_done) {
      poller_.remove(it.socket);
      std::erase_if(connections_, [&](const auto& owned) { return owned.get() == &it; });
      return;
    }
    it.is_held = it.output.size_bytes() > server::net::kPauseOutputBytes;
    const Poller::Interest interest{.read = !it.is_held, .write = !it.output.empty()};
    if (interest != it.interest) poller_.change(it.socket, &it, interest);
    it.interest = interest;
    if (it.may_have_more && !it.is_held) backlog_.push_back(&it);
  }

  const std::string value_;
  asio::io_context context_{1};
  asio::ip::tcp::acceptor acceptor_;
  Poller poller_;
  asio::posix::stream_descriptor readiness_;  // of the poller's own handle
  protocol::BlockPool blocks_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> ready_;
  std::vector<Connection*> backlog_;  // have more whole requests in their buffers
};

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  CLI::App app("Answers fixed replies with Larder's loop, reader and writer, and no store.");
  std::uint16_t port = 6379;
  std::size_t value_bytes = 32;
  app.add_option("--port", port, "loopback port to listen on")->capture_default_str();
  app.add_option("--value-bytes", value_bytes, "size of every value")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    larder::bench::Floor(port, value_bytes).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_floor: {}\n", error.what());
    return 1;
  }
  return 0;
}
