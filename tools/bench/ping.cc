// bench_ping: a client that asks little, and sees how long the server lets it wait.
//
// Sends PING and GET in turn, 1000 a second, on one connection (or as its flags say), and measures
// each from its sending to its reply. It does not wait for a reply before the next is sent: a
// server that stands still for 100 ms is met by a hundred requests, not by one, so the percentiles
// tell how much of the time was bad.
//
// Says "ready" when it has begun; ends when its standard input ends; waits then for what is still
// owed, and prints: how many, p50, p99.9 and the longest in microseconds.
// It asks for a real-time place on its core, so that the load beside it does not look like the
// server's delay; without the right to it, it goes on and shares the core.
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/wire.h"

namespace larder::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Moment = SteadyClock::time_point;

// A server that has not answered by then is taken for dead.
constexpr std::chrono::seconds kPatience{120};

// Counts whole replies in a stream of statuses, errors, integers and one-line bulks.
class ReplyCounter {
 public:
  std::size_t add(std::string_view bytes) {
    std::size_t replies = 0;
    for (const char byte : bytes) {
      if (at_line_start_ && !in_bulk_) kind_ = byte;
      if (at_line_start_) is_null_ = false;
      if (kind_ == '$' && !in_bulk_ && byte == '-') is_null_ = true;
      at_line_start_ = byte == '\n';
      if (!at_line_start_) continue;
      const bool body_follows = kind_ == '$' && !in_bulk_ && !is_null_;
      if (!body_follows) ++replies;
      in_bulk_ = body_follows;
    }
    return replies;
  }

 private:
  char kind_ = 0;
  bool at_line_start_ = true;
  bool is_null_ = false;
  bool in_bulk_ = false;
};

struct Pace {
  int per_second = 1000;
  int at_once = 1;
  bool only_get = false;
};

class Pinger {
 public:
  Pinger(std::uint16_t port, const std::string& key, const Pace& pace)
      : wire_(port),
        get_(fmt::format("*2\r\n$3\r\nGET\r\n${}\r\n{}\r\n", key.size(), key)),
        step_(std::chrono::nanoseconds(1'000'000'000 / pace.per_second)),
        at_once_(static_cast<std::size_t>(pace.at_once)),
        only_get_(pace.only_get) {}

  void run() {
    fmt::print("ready\n");
    std::fflush(stdout);
    Moment due = SteadyClock::now();
    while (!is_over_) {
      Moment now = SteadyClock::now();
      // Sends that this process itself came too late for are left out, not sent in a burst.
      if (now >= due) {
        send(now);
        while (due <= now) due += step_;
      }
      wait_until(due);
    }
    const Moment end = SteadyClock::now() + kPatience;
    while (!sent_.empty()) {
      if (SteadyClock::now() > end) throw std::runtime_error("The server owes replies");
      wait_until(SteadyClock::now() + std::chrono::milliseconds(100));
    }
  }

  void print() {
    if (waits_.empty()) throw std::runtime_error("Nothing was measured");
    std::sort(waits_.begin(), waits_.end());
    const auto at = [&](double share) {
      const auto last = static_cast<double>(waits_.size() - 1);
      const std::chrono::duration<double, std::micro> wait =
          waits_[static_cast<std::size_t>(last * share + 0.5)];
      return wait.count();
    };
    fmt::print("{} {:.1f} {:.1f} {:.1f}\n", waits_.size(), at(0.5), at(0.999), at(1));
  }

 private:
  void send(Moment now) {
    constexpr std::string_view ping = "*1\r\n$4\r\nPING\r\n";
    requests_.clear();
    for (std::size_t i = 0; i < at_once_; ++i) {
      requests_ += asks_get_ ? std::string_view(get_) : ping;
      asks_get_ = only_get_ || !asks_get_;
    }
    const ssize_t count =
        ::send(wire_.socket(), requests_.data(), requests_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count != static_cast<ssize_t>(requests_.size())) {
      throw std::runtime_error("The server takes no more requests");
    }
    sent_.insert(sent_.end(), at_once_, now);
  }

  void wait_until(Moment due) {
    std::array<pollfd, 2> watched{{{wire_.socket(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    const auto left = std::max(due - SteadyClock::now(), SteadyClock::duration::zero());
    const auto left_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const timespec timeout{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    if (ppoll(watched.data(), is_over_ ? 1 : 2, &timeout, nullptr) <= 0) return;
    if (watched[0].revents != 0) receive();
    if (!is_over_ && watched[1].revents != 0) is_over_ = true;
  }

  void receive() {
    std::array<char, 65536> bytes;
    const ssize_t got = recv(wire_.socket(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0) throw std::runtime_error("The server closed the connection");
    if (got < 0) return;
    const Moment now = SteadyClock::now();
    std::size_t replies = replies_.add({bytes.data(), static_cast<std::size_t>(got)});
    for (; replies > 0; --replies) {
      if (sent_.empty()) throw std::runtime_error("The server said more than it was asked");
      waits_.push_back(now - sent_.front());
      sent_.pop_front();
    }
  }

  Wire wire_;
  const std::string get_;
  const std::chrono::nanoseconds step_;
  const std::size_t at_once_;
  const bool only_get_;
  std::string requests_;
  ReplyCounter replies_;
  std::deque<Moment> sent_;
  std::vector<SteadyClock::duration> waits_;
  bool asks_get_ = false;
  bool is_over_ = false;
};

void ask_for_a_prompt_core() {
  prctl(PR_SET_TIMERSLACK, 1);
  const sched_param lowest{.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &lowest);
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  CLI::App app("Sends PING and GET at a steady pace and prints how long the replies took.");
  std::uint16_t port = 6379;
  std::string key = "pinger";
  larder::bench::Pace pace;
  app.add_option("--port", port)->required();
  app.add_option("--key", key, "what GET asks for; a value of one line")->capture_default_str();
  app.add_option("--per-second", pace.per_second)
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  app.add_option("--at-once", pace.at_once, "requests in one send")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_flag("--only-get", pace.only_get, "no PING");
  CLI11_PARSE(app, argc, argv);
  try {
    larder::bench::ask_for_a_prompt_core();
    larder::bench::Pinger pinger(port, key, pace);
    pinger.run();
    pinger.print();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_ping: {}\n", error.what());
    return 1;
  }
  return 0;
}
