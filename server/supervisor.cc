#include "server/supervisor.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace larder::server {
namespace {

// So that one late answer is forgiven.
constexpr int kAsksPerDeadline = 4;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::int64_t number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc{} && end == text.data() + text.size() ? number : 0;
}

// The watchdog may be meant for another process of the service.
std::chrono::microseconds watchdog_deadline() {
  const std::string_view process = environment("WATCHDOG_PID");
  if (!process.empty() && number_in(process) != getpid()) return {};
  return std::chrono::microseconds(
      std::max<std::int64_t>(0, number_in(environment("WATCHDOG_USEC"))));
}

}  // namespace

Supervisor::Supervisor(std::string_view wanted) {
  if (wanted != "systemd" && wanted != "auto") return;
  socket_ = environment("NOTIFY_SOCKET");
  if (is_told()) deadline_ = watchdog_deadline();
}

Supervisor::~Supervisor() {
  stopping();
}

void Supervisor::ready(std::size_t loops, std::function<void(std::size_t)> ask) {
  if (!is_told()) return;
  tell(fmt::format("READY=1\nMAINPID={}\nSTATUS=Ready to accept connections\n", getpid()));
  if (deadline_.count() == 0) return;
  for (std::size_t i = 0; i < loops; ++i) {
    signed_.push_back(std::make_unique<std::atomic<bool>>(false));
  }
  watcher_ =
      std::thread([this, ask = std::move(ask)] { watch(deadline_ / kAsksPerDeadline, ask); });
}

void Supervisor::sign(std::size_t loop) {
  signed_[loop]->store(true, std::memory_order_relaxed);
}

void Supervisor::watch(std::chrono::microseconds pause,
                       const std::function<void(std::size_t)>& ask) {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    for (std::size_t i = 0; i < signed_.size(); ++i) ask(i);
    if (ended_.wait_for(lock, pause, [this] { return is_ending_; })) return;
    if (all_signed()) tell("WATCHDOG=1\n");
  }
}

bool Supervisor::all_signed() {
  const std::uint64_t beats = beats_.load(std::memory_order_relaxed);
  const bool a_script_runs = std::exchange(seen_beats_, beats) != beats;
  bool all = true;
  for (auto& sign : signed_) all &= sign->exchange(false, std::memory_order_relaxed);
  return all || a_script_runs;
}

void Supervisor::stopping() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_ending_, true)) return;
  }
  ended_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  if (is_told()) tell("STOPPING=1\n");
}

void Supervisor::tell(const std::string& message) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof(address.sun_path)) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const int handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return;
  // Who asked to be told and is not there any more misses nothing.
  [[maybe_unused]] const auto sent = sendto(handle, message.data(), message.size(), MSG_NOSIGNAL,
                                            reinterpret_cast<const sockaddr*>(&address), length);
  close(handle);
}

}  // namespace larder::server
