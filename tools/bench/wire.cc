#include "tools/bench/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace larder::bench {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

Wire::Wire(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)), buffer_(kBufferBytes) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    fail("Can't connect");
  }
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Wire::~Wire() {
  close(socket_);
}

void Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail("Can't send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Wire::read_more() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size() && begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) throw std::runtime_error("A line of a reply has no end");
  for (;;) {
    const ssize_t got = recv(socket_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("Can't receive");
    if (got == 0) throw std::runtime_error("The server closed the connection");
    end_ += static_cast<std::size_t>(got);
    return;
  }
}

std::string_view Wire::take_line() {
  std::size_t scanned = begin_;
  for (;;) {
    const char* from = buffer_.data() + scanned;
    const auto* found = static_cast<const char*>(std::memchr(from, '\n', end_ - scanned));
    if (found != nullptr) {
      const char* line = buffer_.data() + begin_;
      begin_ = static_cast<std::size_t>(found - buffer_.data()) + 1;
      const std::string_view text(line, static_cast<std::size_t>(found - line - 1));
      if (text.starts_with('-')) throw std::runtime_error("The server said " + std::string(text));
      return text;
    }
    const std::size_t in_line = end_ - begin_;
    read_more();
    scanned = begin_ + in_line;
  }
}

void Wire::expect_lines(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) take_line();
}

std::string_view Wire::expect_reply() {
  const std::string_view line = take_line();
  if (line.empty()) throw std::runtime_error("A reply begins with nothing");
  const long long count = std::atoll(line.data() + 1);
  if (line[0] == '*') {
    for (long long i = 0; i < count; ++i) expect_reply();
    return {};
  }
  if (line[0] != '$' || count < 0) return line;
  bulk_.clear();
  auto left = static_cast<std::size_t>(count) + 2;
  while (left > 0) {
    if (begin_ == end_) read_more();
    const std::size_t here = std::min(left, end_ - begin_);
    bulk_.append(buffer_.data() + begin_, here);
    begin_ += here;
    left -= here;
  }
  bulk_.resize(bulk_.size() - 2);
  return bulk_;
}

}  // namespace larder::bench
