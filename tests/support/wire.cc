#include "tests/support/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace larder::test {

namespace {

using Clock = std::chrono::steady_clock;

long long header_number(std::string_view line) {
  long long number = -1;
  std::from_chars(line.data() + 1, line.data() + line.size(), number);
  return number;
}

bool is_blob(char type) {
  return type == '$' || type == '=' || type == '!';
}

// How many values follow the header of an aggregate; 0 for every other type.
long long children(std::string_view line) {
  if (line.empty()) return 0;
  const char type = line.front();
  if (type == '*' || type == '~' || type == '>') return std::max(0LL, header_number(line));
  if (type == '%') return std::max(0LL, 2 * header_number(line));
  if (type == '|') return std::max(0LL, 2 * header_number(line)) + 1;  // and the value it annotates
  return 0;
}

}  // namespace

std::string encode_command(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

std::size_t value_length(std::string_view bytes) {
  std::size_t at = 0;
  long long wanted = 1;
  while (wanted > 0) {
    const std::size_t end = bytes.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    const std::string_view line = bytes.substr(at, end - at);
    at = end + 2;
    if (!line.empty() && is_blob(line.front())) {
      const long long size = header_number(line);
      if (size >= 0) at += static_cast<std::size_t>(size) + 2;
      if (at > bytes.size()) return 0;
    }
    wanted += children(line) - 1;
  }
  return at;
}

std::vector<std::string> reply_lines(std::string_view bytes) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t end = bytes.find("\r\n", at);
    if (end == std::string_view::npos) {
      lines.emplace_back(bytes.substr(at));
      break;
    }
    const std::string_view line = bytes.substr(at, end - at);
    lines.emplace_back(line);
    at = end + 2;
    if (line.empty() || !is_blob(line.front()) || header_number(line) < 0) continue;
    const auto size = static_cast<std::size_t>(header_number(line));
    lines.emplace_back(bytes.substr(std::min(at, bytes.size()), size));
    at += size + 2;
  }
  return lines;
}

WireClient::WireClient(std::uint16_t port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) throw std::runtime_error("no socket: " + std::string(std::strerror(errno)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = std::strerror(errno);
    ::close(socket_);
    throw std::runtime_error("cannot connect to port " + std::to_string(port) + ": " + why);
  }
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

WireClient::~WireClient() {
  if (socket_ >= 0) ::close(socket_);
}

WireClient::WireClient(WireClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      closed_(other.closed_),
      received_(std::move(other.received_)) {}

WireClient& WireClient::operator=(WireClient&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(closed_, other.closed_);
  std::swap(received_, other.received_);
  return *this;
}

bool WireClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void WireClient::never_block() {
  const timeval soon{.tv_sec = 0, .tv_usec = 300000};
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
}

bool WireClient::receive(std::chrono::milliseconds patience) {
  if (closed_) return false;
  pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return false;
  std::array<char, 65536> chunk;
  const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (got <= 0) {
    closed_ = true;
    return false;
  }
  received_.append(chunk.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> WireClient::read_value(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (true) {
    if (const std::size_t length = value_length(received_); length > 0) {
      std::string value = received_.substr(0, length);
      received_.erase(0, length);
      return value;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || !receive(left)) return std::nullopt;
  }
}

bool WireClient::read_close(std::chrono::milliseconds patience) {
  if (!received_.empty()) return false;
  return !receive(patience) && closed_;
}

std::string WireClient::ask(const std::vector<std::string>& words) {
  if (!send(encode_command(words))) return "";
  return read_value().value_or("");
}

}  // namespace larder::test
