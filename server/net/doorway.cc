#include "server/net/doorway.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iterator>
#include <utility>

#include "server/log.h"

namespace larder::server::net {

using Wait = asio::posix::stream_descriptor;

Doorway::Doorway(Engine& engine, std::vector<std::unique_ptr<Loop>>& loops,
                 std::shared_ptr<const TlsContext> context)
    : engine_(engine),
      loops_(loops),
      tls_(std::move(context)),
      guard_(asio::make_work_guard(context_)),
      clock_(context_) {}

Doorway::~Doorway() {
  stop();
  join();
}

void Doorway::start() {
  thread_ = std::thread([this] {
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
    context_.run();
  });
}

void Doorway::stop() {
  asio::post(context_, [this] {
    if (std::exchange(is_stopping_, true)) return;
    while (!guests_.empty()) leave(guests_.begin());
    clock_.cancel();
    guard_.reset();
    context_.stop();
  });
}

void Doorway::join() {
  if (thread_.joinable()) thread_.join();
}

void Doorway::admit(Newcomer newcomer) {
  size_.fetch_add(1, std::memory_order_relaxed);
  asio::post(context_,
             [this, newcomer = std::move(newcomer)]() mutable { receive(std::move(newcomer)); });
}

void Doorway::use(std::shared_ptr<const TlsContext> context) {
  asio::post(context_, [this, context = std::move(context)] { tls_ = context; });
}

void Doorway::receive(Newcomer newcomer) {
  const int socket = std::exchange(newcomer.socket, -1);
  auto guest = std::make_shared<Guest>(context_, socket);
  guest->newcomer = std::move(newcomer);
  guest->until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kHandshakeMs);
  guests_.push_back(std::move(guest));
  const auto at = std::prev(guests_.end());
  if (is_stopping_) return leave(at);
  asio::error_code error;
  (*at)->wire.native_non_blocking(true, error);
  if (!error) (*at)->tls = tls_->meet(socket);
  if ((*at)->tls == nullptr) return turn_away(at, "no memory");
  if (guests_.size() > kMostGuests) turn_away(guests_.begin(), "too many at a time");
  if (!is_watching_) watch_the_clock();
  // Not before it has said something: most of the time a client's first words are on their way.
  wait_for(at, Wait::wait_read);
}

void Doorway::wait_for(Guests::iterator at, Wait::wait_type what) {
  (*at)->wire.async_wait(what, [this, at, guest = *at](asio::error_code) {
    if (!guest->is_gone) go_on(at);
  });
}

void Doorway::go_on(Guests::iterator at) {
  switch ((*at)->tls->shake_hands()) {
    case Tls::Handshake::wants_read: return wait_for(at, Wait::wait_read);
    case Tls::Handshake::wants_write: return wait_for(at, Wait::wait_write);
    case Tls::Handshake::done: return let_in(at);
    case Tls::Handshake::failed: return turn_away(at, (*at)->tls->problem());
  }
}

void Doorway::let_in(Guests::iterator at) {
  Newcomer newcomer = std::move((*at)->newcomer);
  newcomer.socket = (*at)->wire.release();
  newcomer.tls = std::move((*at)->tls);
  give_to_idlest(loops_, std::move(newcomer));
  leave(at);
}

void Doorway::turn_away(Guests::iterator at, const std::string& why) {
  engine_.services().log.verbose(
      fmt::format("TLS handshake with {} failed: {}", (*at)->newcomer.address, why));
  // Counters of a lane are its own loop's to write.
  Loop& first = *loops_.front();
  asio::post(first.context(), [&first] { first.lane().counters.failed_handshakes.add(); });
  leave(at);
}

void Doorway::leave(Guests::iterator at) {
  (*at)->is_gone = true;
  (*at)->tls = nullptr;
  asio::error_code ignored;
  (*at)->wire.close(ignored);
  guests_.erase(at);
  size_.fetch_sub(1, std::memory_order_relaxed);
}

void Doorway::watch_the_clock() {
  is_watching_ = !guests_.empty() && !is_stopping_;
  if (!is_watching_) return;
  clock_.expires_at(guests_.front()->until);
  clock_.async_wait([this](asio::error_code) {
    const auto now = std::chrono::steady_clock::now();
    while (!guests_.empty() && guests_.front()->until <= now) {
      turn_away(guests_.begin(), "it took too long");
    }
    watch_the_clock();
  });
}

}  // namespace larder::server::net
