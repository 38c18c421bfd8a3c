// A session: one connection, from bytes to replies and back. It lives and dies on one loop.
//
//   receive()   socket -> InputBuffer -> whole requests, up to a batch, each prepared
//   run()       the batch in order, replies into the OutputBuffer; stops when the client must wait
//   flush()     one gathered write
//
// The loop calls the three in this order, each for a group of ready sessions before the next, so
// that the keys of all their requests are fetched ahead together (loop.cc).
//
// Backpressure: a client that does not read its replies is not read either. Above kPauseOutputBytes
// unsent, what is left of its batch waits until half of that has gone out; so a pipeline of any
// depth costs bounded memory.
// Must hold: views in the batch point into input_, which is not touched before the batch is run to
// its end.
// Messages of channels wait in the client's inbox (engine/pubsub.h). The loop is asked for them
// when the first one comes, and looks before each command of the client: so what was published
// before is read before what the command answers. Behind half a reply (a long work) they wait for
// the rest. Thread: loop. cut_off(), resume(), push() and fetch_mail() may come from any thread:
// they only post, and cut_off() ends the connection first.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/request.h"
#include "protocol/resp_reader.h"
#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "server/engine/dispatch.h"
#include "server/net/poller.h"
#include "storage/fetch_ahead.h"

namespace larder::server {
struct ConnectionLimits;  // options.h
struct OutputLimit;       // the same
}  // namespace larder::server

namespace larder::server::net {

class Loop;
class Tls;  // tls.h

// A connection as the listener or the doorway hands it over.
struct Newcomer {
  int socket = -1;
  std::string address;
  std::string local_address;
  bool is_unix = false;
  std::unique_ptr<Tls> tls;           // null: it speaks plainly
  std::shared_ptr<const void> place;  // among those of its address (sources.h), until it is gone

  Newcomer();
  Newcomer(Newcomer&& other) noexcept;
  Newcomer& operator=(Newcomer&& other) noexcept;
  ~Newcomer();
};

// Who has not signed in, or not shaken hands, after this long is closed.
inline constexpr std::int64_t kHandshakeMs = 10'000;
// Unsent bytes above which a client's further commands wait.
inline constexpr std::size_t kPauseOutputBytes = std::size_t{1} << 20;
// Unsent bytes above which a batch stops to write before it goes on.
inline constexpr std::size_t kFlushOutputBytes = std::size_t{64} << 10;
// What one flush sends at most, so that a turn with many large replies is over soon: copying them
// to the kernel is what it takes. The socket is writable still, so the rest has the next turn.
inline constexpr std::size_t kMostFlushBytes = std::size_t{128} << 10;
// What a client may leave unread before it has signed in.
inline constexpr std::size_t kUnauthenticatedOutputBytes = std::size_t{64} << 10;
// Requests parsed ahead of running them, and so answered by one write at most: a pipeline of a
// hundred is one batch, and what is kept of it stays within the nearest caches.
inline constexpr std::size_t kMostBatch = 128;
// One read of a socket.
inline constexpr std::size_t kReadBytes = std::size_t{16} << 10;
// The most that one read of a socket may bring while a large value is coming.
inline constexpr std::size_t kMostReadBytes = std::size_t{1} << 20;

// What a session works at while it has requests. Desks are their loop's and go from session to
// session, like the blocks of its buffers: so they are in the nearest cache, and who waits has
// none.
struct Desk {
  protocol::RequestBatch batch;
  std::vector<Prepared> prepared;
};

class Session final : public Link {
 public:
  Session(Loop& loop, Newcomer newcomer, std::uint64_t id);
  ~Session() override;

  Client& client() { return client_; }
  int socket() const { return socket_; }
  std::uint64_t id() const { return client_.id; }

  // Reads what is there and prepares a batch. Appends the keys to prefetch.
  void receive(storage::FetchAhead& ahead);
  // Parses more of what was read already.
  void parse(storage::FetchAhead& ahead);
  // Runs what is prepared. Inside the turnstile, unless `busy`.
  void run(bool busy);
  // Writes what it can, `most` bytes or a little; waits for the socket with the rest.
  void flush(std::size_t most = kMostFlushBytes);
  // Goes on after a wait: one step of a long work, or the command a pause held back. Inside the
  // turnstile.
  void go_on();

  bool is_closed() const { return socket_ < 0; }
  // Its command waits for others (engine/blocking.h), and the end of the connection ends that.
  bool is_asleep() const { return sleeps_; }
  // A prepared batch is not done.
  bool has_batch() const { return desk_ && next_ < desk_->batch.size(); }
  // There may be whole requests in what was read already.
  bool may_have_more() const { return may_have_more_ && !is_held() && !closing_; }
  // There may be bytes that the poller does not know of.
  bool has_more_to_read() const { return tls_ && may_read_more(); }
  // A batch that was held back can go on: nobody else will say so.
  bool can_go_on() const { return has_batch() && !is_held() && !is_closed() && !closing_; }
  void close();

  // Once a second or so: timeouts, memory of idle buffers, numbers for CLIENT LIST. Inside the
  // turnstile.
  void tend(std::int64_t now_ms);

  // Link; any thread.
  void cut_off() override;
  void resume() override;
  void push(std::string bytes) override;
  void fetch_mail() override;

  // What the loop does with them, on its own thread.
  void close_when_sent();
  void write_pushed(std::string_view bytes);
  void take_mail();

 private:
  bool may_read_more() const;
  bool is_held() const { return waits_ || output_.size_bytes() > kPauseOutputBytes; }
  bool read_socket();
  const ConnectionLimits& limits() const;
  void apply_limits();
  void run_one(bool busy);
  void fail_protocol();
  void finish_batch();
  void want(Poller::Interest interest);
  void settle_interest();
  bool listens() const;
  const OutputLimit& output_limit() const;
  bool output_is_over_limit() const;
  bool output_stays_over_limit(std::int64_t now_ms);
  void close_slow_reader();
  ssize_t send_pieces(std::span<const iovec> pieces);
  std::size_t held_bytes() const;
  void count_bytes();

  static constexpr std::int64_t kNever = -1;

  Loop& loop_;
  int socket_;
  std::unique_ptr<Tls> tls_;  // null: plain
  std::shared_ptr<const void> place_;
  Client client_;
  protocol::InputBuffer input_;
  protocol::OutputBuffer output_;
  protocol::RespReader reader_;
  protocol::RespWriter writer_;
  std::unique_ptr<Desk> desk_;  // from parse() until the batch is done
  std::size_t next_fetch_ = 0;  // of the loop's FetchAhead: the next request that has a key
  std::size_t next_ = 0;        // of the batch
  std::size_t consumed_ = 0;    // bytes of input_ the batch stands on
  std::string problem_;         // a protocol error to say after the batch
  Poller::Interest interest_;
  std::int64_t over_soft_limit_since_ms_ = kNever;  // of unsent bytes
  std::size_t counted_bytes_ = 0;                   // of its buffers, in the lane's sum
  bool may_have_more_ = false;
  bool waits_ = false;         // for a pause to end or a work to be done
  bool sleeps_ = false;        // and the work for somebody to wake it
  bool skips_ = false;         // the command that waits is not answered (CLIENT REPLY SKIP)
  bool closing_ = false;       // nothing more is read; closes when everything is sent
  bool peer_is_done_ = false;  // it has closed its side; what it sent is still answered
};

}  // namespace larder::server::net
