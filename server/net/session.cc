#include "server/net/session.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/blocking.h"
#include "server/engine/client_registry.h"
#include "server/engine/engine.h"
#include "server/engine/pubsub.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"
#include "server/log.h"
#include "server/net/loop.h"
#include "server/net/tls.h"
#include "server/options.h"
#include "storage/timeline.h"

namespace larder::server::net {
namespace {

// Pieces of one gathered write.
constexpr std::size_t kMostPieces = 64;
// Buffers of a connection that was silent this long are given back.
constexpr std::int64_t kIdleBufferMs = 2'000;

}  // namespace

Newcomer::Newcomer() = default;
Newcomer::Newcomer(Newcomer&& other) noexcept = default;
Newcomer& Newcomer::operator=(Newcomer&& other) noexcept = default;
Newcomer::~Newcomer() = default;

Session::Session(Loop& loop, Newcomer newcomer, std::uint64_t id)
    : loop_(loop),
      socket_(newcomer.socket),
      tls_(std::move(newcomer.tls)),
      place_(std::move(newcomer.place)),
      client_(id, this, loop.engine().services().timeline.now_ms()),
      input_(loop.blocks()),
      output_(loop.blocks()),
      writer_(output_) {
  client_.socket = socket_;
  client_.address = std::move(newcomer.address);
  client_.local_address = std::move(newcomer.local_address);
  client_.is_unix = newcomer.is_unix;
  client_.authenticated = loop.engine().services().users.lets_all_in();
  apply_limits();
}

Session::~Session() {
  close();
}

const ConnectionLimits& Session::limits() const {
  return loop_.engine().services().options.limits;
}

void Session::apply_limits() {
  reader_.limits().max_bulk_bytes = limits().request_word_bytes.load(std::memory_order_relaxed);
  reader_.limits().authenticated = client_.authenticated;
}

// False: nothing came, and the session may be closed.
bool Session::read_socket() {
  const std::size_t wanted = std::clamp(reader_.wanted_bytes(), kReadBytes, kMostReadBytes);
  const std::span<char> room = input_.writable(wanted);
  const ssize_t got = tls_ ? tls_->read(room)
                           : recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) close();
    return false;
  }
  if (got == 0) {
    peer_is_done_ = true;
    close_when_sent();
    return false;
  }
  input_.wrote(static_cast<std::size_t>(got));
  if (input_.unread().size() > limits().unread_request_bytes.load(std::memory_order_relaxed)) {
    loop_.engine().services().log.warning(
        fmt::format("Client {} closed: {} bytes of one request passed client-query-buffer-limit",
                    client_.address, input_.unread().size()));
    loop_.lane().counters.query_limit_closes.add();
    close();
    return false;
  }
  loop_.lane().counters.input_bytes.add(static_cast<std::uint64_t>(got));
  return true;
}

void Session::receive(storage::FetchAhead& ahead) {
  if (is_closed() || closing_ || is_held() || has_batch()) return;
  if (read_socket()) parse(ahead);
}

void Session::parse(storage::FetchAhead& ahead) {
  if (is_closed() || closing_ || is_held() || has_batch()) return;
  apply_limits();
  if (!desk_) desk_ = loop_.take_desk();
  protocol::RequestBatch& batch = desk_->batch;
  const protocol::RespReader::Result result = reader_.read(input_.unread(), batch, kMostBatch);
  consumed_ = result.consumed;
  may_have_more_ = result.status == protocol::RespReader::Status::batch_full;
  if (result.status == protocol::RespReader::Status::problem) problem_ = reader_.problem();
  Dispatcher& dispatcher = loop_.engine().dispatcher();
  next_fetch_ = ahead.size();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Prepared& prepared = desk_->prepared.emplace_back(dispatcher.prepare(batch[i]));
    if (prepared.has_key) ahead.add({client_.db, prepared.hash});
  }
  if (batch.empty() && problem_.empty()) finish_batch();
}

void Session::run(bool busy) {
  // Whoever was killed has no further say, whatever it had sent before its loop heard of it.
  if (client_.close_after_reply && !closing_) close_when_sent();
  while (has_batch() && !is_closed() && !closing_ && !is_held()) {
    run_one(busy);
    if (output_.size_bytes() > kFlushOutputBytes) {
      flush();
      restart_clock(loop_.lane());
    }
  }
  if (client_.inbox.has_mail()) [[unlikely]]
    take_mail();
  // Who closes has said its last reply: the rest of the batch is not run.
  if (closing_ && desk_) next_ = desk_->batch.size();
  if (!has_batch()) finish_batch();
}

void Session::run_one(bool busy) {
  if (client_.inbox.has_mail()) [[unlikely]] {
    take_mail();
    if (is_closed()) return;
  }
  Dispatcher& dispatcher = loop_.engine().dispatcher();
  const std::size_t i = next_++;
  const protocol::Words words = desk_->batch[i];
  const Prepared& prepared = desk_->prepared[i];
  const bool skips = client_.reply_mode == ReplyMode::skip_next;
  if (skips) {
    client_.reply_mode = ReplyMode::on;
    writer_.mute(true);
  }
  if (!busy && prepared.has_key) loop_.fetch_ahead().reach(next_fetch_++);
  const Next next = busy ? dispatcher.execute_while_busy(loop_.lane(), client_, words, writer_)
                         : dispatcher.execute(loop_.lane(), client_, words, prepared, writer_);
  const bool is_done = next == Next::go_on || next == Next::close;
  if (skips && is_done) writer_.mute(client_.reply_mode == ReplyMode::off);
  if (!skips && client_.reply_mode != ReplyMode::skip_next) {
    writer_.mute(client_.reply_mode == ReplyMode::off);
  }
  if (next == Next::close) return close_when_sent();
  if (next == Next::go_on) return;
  waits_ = true;
  sleeps_ = next == Next::sleep;
  skips_ = skips;
  if (!client_.work) {
    next_ = i;  // a pause: the same command is tried again
  } else if (!sleeps_) {
    loop_.has_work(*this);
  }
}

// The batch is done: its bytes may go.
void Session::finish_batch() {
  if (desk_) {
    desk_->batch.clear();
    desk_->prepared.clear();
    loop_.give_desk(std::move(desk_));
  }
  next_ = 0;
  input_.consume(consumed_);
  consumed_ = 0;
  input_.rest();
  if (!problem_.empty() && !closing_) fail_protocol();
}

void Session::fail_protocol() {
  writer_.error(problem_);
  loop_.lane().counters.protocol_errors.add();
  loop_.lane().count_error(writer_.last_error_code());
  loop_.engine().services().log.verbose(
      fmt::format("Protocol error from client {}: {}", client_.address, problem_));
  problem_.clear();
  close_when_sent();
}

bool Session::listens() const {
  return is_listening(client_);
}

const OutputLimit& Session::output_limit() const {
  return listens() ? limits().listener_output : limits().normal_output;
}

// Messages are shared by all who wait for them, and count for each; a value that a reply has pinned
// is the store's.
bool Session::output_is_over_limit() const {
  const std::size_t unsent = output_.size_bytes();
  if (!client_.authenticated) return unsent > kUnauthenticatedOutputBytes;
  const std::uint64_t limit = output_limit().hard_bytes.load(std::memory_order_relaxed);
  return limit != 0 && (listens() ? unsent : output_.copied_bytes()) > limit;
}

// The soft limit was passed, and for so long that it counts.
bool Session::output_stays_over_limit(std::int64_t now_ms) {
  const OutputLimit& limit = output_limit();
  const std::uint64_t soft_bytes = limit.soft_bytes.load(std::memory_order_relaxed);
  const std::size_t unsent = listens() ? output_.size_bytes() : output_.copied_bytes();
  if (soft_bytes == 0 || unsent <= soft_bytes) {
    over_soft_limit_since_ms_ = kNever;
    return false;
  }
  if (over_soft_limit_since_ms_ == kNever) over_soft_limit_since_ms_ = now_ms;
  const std::int64_t most_ms = limit.soft_s.load(std::memory_order_relaxed) * 1000;
  return now_ms - over_soft_limit_since_ms_ > most_ms;
}

void Session::close_slow_reader() {
  loop_.engine().services().log.warning(
      fmt::format("Client {} closed: it left {} bytes of {} unread", client_.address,
                  output_.size_bytes(), listens() ? "messages" : "replies"));
  loop_.lane().counters.output_limit_closes.add();
  close();
}

// As sendmsg() answers.
ssize_t Session::send_pieces(std::span<const iovec> pieces) {
  if (tls_) return tls_->write(pieces);
  if (pieces.size() == 1) {
    return send(socket_, pieces[0].iov_base, pieces[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool Session::may_read_more() const {
  return tls_->has_more() && !is_held() && !closing_ && !is_closed();
}

// Memory that is there for this client alone: what it has sent and not finished, or queued for
// EXEC, and what it has not read.
std::size_t Session::held_bytes() const {
  return input_.capacity_bytes() + output_.capacity_bytes() + reader_.capacity_bytes() +
         (client_.transaction ? client_.transaction->queued_bytes() : 0);
}

// What its buffers take is known to all: to whoever decides which client goes.
void Session::count_bytes() {
  const std::size_t bytes = held_bytes();
  Counter& sum = loop_.lane().counters.client_bytes;
  sum.add(bytes - counted_bytes_);
  counted_bytes_ = bytes;
  client_.buffer_bytes.store(bytes, std::memory_order_relaxed);
  client_.pinned_bytes.store(output_.size_bytes() - output_.copied_bytes(),
                             std::memory_order_relaxed);
}

void Session::flush(std::size_t most) {
  if (is_closed()) return;
  std::array<protocol::OutputBuffer::Piece, kMostPieces> pieces;
  std::array<iovec, kMostPieces> vectors;
  while (!output_.empty() && most != 0) {
    const std::size_t gathered = output_.gather(pieces);
    std::size_t count = 0;
    for (std::size_t room = most; count < gathered && room != 0; ++count) {
      const std::size_t size = std::min(pieces[count].size, room);
      vectors[count] = {const_cast<char*>(pieces[count].data), size};
      room -= size;
    }
    const ssize_t sent = send_pieces(std::span(vectors).first(count));
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return close();
      break;
    }
    output_.consume(static_cast<std::size_t>(sent));
    most -= static_cast<std::size_t>(sent);
    loop_.lane().counters.output_bytes.add(static_cast<std::uint64_t>(sent));
  }
  output_.rest();
  if (client_.inbox.has_mail()) [[unlikely]] {
    take_mail();
    if (is_closed()) return;
  }
  if (output_.empty() && closing_ && !waits_) return close();
  if (output_is_over_limit()) return close_slow_reader();
  if (held_bytes() != counted_bytes_) [[unlikely]]
    count_bytes();
  settle_interest();
}

// Reads while there is room for replies and nothing is waited for; asks to write only when
// something is left.
void Session::settle_interest() {
  const bool reads = !closing_ && !is_held();
  want({.read = reads, .write = !output_.empty(), .end = reads || sleeps_});
}

void Session::want(Poller::Interest interest) {
  if (is_closed() || interest == interest_) return;
  interest_ = interest;
  loop_.poller().change(socket_, this, interest);
}

void Session::go_on() {
  if (is_closed() || !waits_) return;
  if (client_.work) {
    const Next next = loop_.engine().dispatcher().resume(loop_.lane(), client_, writer_);
    if (next == Next::sleep) return;
    if (next == Next::wait) return loop_.has_work(*this);
    if (std::exchange(skips_, false)) writer_.mute(client_.reply_mode == ReplyMode::off);
    waits_ = sleeps_ = false;
    if (next == Next::close) close_when_sent();
    take_mail();
  }
  waits_ = sleeps_ = false;
  may_have_more_ = true;  // what came meanwhile is in the buffer
  run(false);
}

void Session::close() {
  if (is_closed()) return;
  if (sleeps_) client_.work->sleeper()->abandon();
  Engine& engine = loop_.engine();
  // First: whoever looks at all clients sees none that is half gone.
  engine.clients().remove(client_);
  engine.services().monitors.remove(client_);
  engine.services().pubsub.forget(client_);
  engine.services().tracking.forget(client_);
  engine.services().pause.forget(client_);
  loop_.lane().counters.clients.subtract();
  loop_.lane().counters.client_bytes.subtract(counted_bytes_);
  if (tls_) tls_->say_goodbye();
  loop_.poller().remove(socket_);
  ::close(socket_);
  socket_ = -1;
  loop_.bury(*this);
}

void Session::close_when_sent() {
  closing_ = true;
  if (output_.empty() && !has_batch() && !is_closed()) close();
}

void Session::tend(std::int64_t now_ms) {
  client_.input_bytes = input_.unread().size();
  client_.input_free_bytes = input_.capacity_bytes() - input_.unread().size();
  client_.output_bytes = output_.size_bytes();
  client_.memory_bytes = sizeof(Session) + (tls_ ? sizeof(Tls) + Tls::kIdleBytes : 0) +
                         held_bytes();
  if (now_ms - client_.active_ms > kIdleBufferMs && !has_batch()) {
    if (input_.unread().empty()) input_.trim();
    if (output_.empty()) output_.trim();
  }
  count_bytes();
  if (!client_.authenticated && now_ms - client_.created_ms > kHandshakeMs) return close();
  if (output_stays_over_limit(now_ms)) return close_slow_reader();
  const std::int64_t idle_s = limits().idle_s.load(std::memory_order_relaxed);
  const bool may_time_out = idle_s > 0 && !waits_ && !client_.monitors && !listens();
  if (may_time_out && now_ms - client_.active_ms > idle_s * 1000) close();
}

// client_.socket is the connection still: close() leaves the registry, under whose lock we are,
// before it closes.
void Session::cut_off() {
  ::shutdown(client_.socket, SHUT_RDWR);
  loop_.post_to(id(), [](Session& session) { session.close(); });
}

void Session::resume() {
  loop_.wake(id());
}

void Session::push(std::string bytes) {
  loop_.post_to(id(),
                [bytes = std::move(bytes)](Session& session) { session.write_pushed(bytes); });
}

void Session::fetch_mail() {
  loop_.post_to(id(), [](Session& session) {
    session.take_mail();
    session.flush();
  });
}

// The messages that wait, as far as they may be said now.
void Session::take_mail() {
  if (is_closed() || closing_ || client_.work) return;
  // Unsent messages count as output of who listens. Who only keeps copies of keys may be in the
  // middle of a large reply, which has no such limit: its mail waits where it has one.
  if (!listens() && output_.size_bytes() > kPauseOutputBytes) return;
  const Mail mail = loop_.engine().services().pubsub.fetch(client_);
  if (mail.is_over_limit) return close_slow_reader();
  say_mail(writer_, client_, mail);
}

void Session::write_pushed(std::string_view bytes) {
  output_.append(bytes);
  flush();
}

}  // namespace larder::server::net
