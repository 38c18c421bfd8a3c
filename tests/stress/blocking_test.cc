// Clients on several lanes that push, wait, move, give up, are unblocked and go, all at once: each
// element is had exactly once, and what one client pushed and another popped came in order.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/resp_writer.h"
#include "server/engine/blocking.h"
#include "server/engine/client.h"
#include "server/engine/engine.h"
#include "storage/clock.h"
#include "tests/support/many_lanes.h"
#include "tests/support/reply_text.h"

using namespace larder;

namespace {

constexpr std::size_t kThreads = 3;
constexpr std::size_t kWaiters = 6;  // of each thread
constexpr int kSteps = 2500;
constexpr std::uint64_t kQueues = 5;
// Lists that elements are moved between: they keep no order.
constexpr std::uint64_t kMoved = 4;

// A client of one lane that may sleep.
class Guest final : public server::Link {
 public:
  Guest(testing::ManyLanes& house, std::size_t lane)
      : engine_(*house.engine),
        lane_(engine_.lane(lane)),
        client_(engine_.clients().next_id(), this, house.clock.wall_ms()),
        writer_(output_) {
    client_.authenticated = true;
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.clients().add(client_);
  }
  ~Guest() override {
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.clients().remove(client_);
  }

  void cut_off() override {}
  void resume() override { is_woken_.store(true, std::memory_order_release); }
  void push(std::string) override {}

  std::uint64_t id() const { return client_.id; }
  bool is_asleep() const { return sleeps_; }
  bool is_woken() const { return is_woken_.load(std::memory_order_acquire); }

  // Nothing when it goes to sleep.
  std::string say(const std::vector<std::string>& words) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    is_woken_.store(false, std::memory_order_relaxed);
    const server::LaneVisit visit(engine_.services(), lane_);
    const server::Next next = engine_.dispatcher().execute(lane_, client_, views, writer_);
    sleeps_ = next == server::Next::sleep;
    return sleeps_ ? "" : take();
  }
  // Nothing when it sleeps on.
  std::string go_on() {
    const server::LaneVisit visit(engine_.services(), lane_);
    sleeps_ = engine_.dispatcher().resume(lane_, client_, writer_) == server::Next::sleep;
    return sleeps_ ? "" : take();
  }
  // Its connection ends. What it was given before that is the answer.
  std::string leave() {
    if (!sleeps_) return "";
    client_.work->sleeper()->abandon();
    return go_on();
  }
  void keep_up() {
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.upkeep().tick(lane_);
  }

 private:
  std::string take() {
    const std::string bytes = testing::take_bytes(output_);
    std::string_view rest = bytes;
    return protocol::to_text(testing::take_reply(rest));
  }

  server::Engine& engine_;
  server::Lane& lane_;
  protocol::BlockPool blocks_;
  protocol::OutputBuffer output_{blocks_};
  server::Client client_;
  protocol::RespWriter writer_;
  std::atomic<bool> is_woken_{false};
  bool sleeps_ = false;
};

// What was popped, by all threads.
class Ledger {
 public:
  void had(const std::string& element) {
    const std::lock_guard lock(mutex_);
    ++times_[element];
  }
  const std::map<std::string, int>& times() const { return times_; }

 private:
  std::mutex mutex_;
  std::map<std::string, int> times_;
};

// One thread: a client that pushes, and some that wait.
class Household {
 public:
  Household(testing::ManyLanes& house, std::size_t number, Ledger& ledger,
            std::atomic<bool>& is_wrong)
      : house_(house),
        number_(number),
        ledger_(ledger),
        is_wrong_(is_wrong),
        random_(number + 1),
        pusher_(std::make_unique<Guest>(house, number)),
        waiters_(kWaiters),
        last_(kWaiters) {}

  void run() {
    for (int step = 0; step < kSteps; ++step) {
      for (std::size_t i = 0; i < kWaiters; ++i) look_after(i);
      push();
      if (random_() % 16 == 0) house_.clock.advance(std::chrono::milliseconds(1));
      if (random_() % 8 == 0) pusher_->keep_up();
      if (random_() % 32 == 0) {
        pusher_->say({"CLIENT", "UNBLOCK", std::to_string(random_() % 60),
                      random_() % 2 == 0 ? "TIMEOUT" : "ERROR"});
      }
    }
    for (std::size_t i = 0; i < kWaiters; ++i) {
      if (waiters_[i]) note(i, waiters_[i]->leave());
      waiters_[i].reset();
    }
  }
  std::uint64_t pushed() const { return pushed_; }

 private:
  std::string queue() { return "q" + std::to_string(random_() % kQueues); }
  std::string moved() { return "m" + std::to_string(random_() % kMoved); }
  std::string timeout() { return random_() % 3 == 0 ? "0.002" : "0"; }

  void look_after(std::size_t i) {
    std::unique_ptr<Guest>& guest = waiters_[i];
    if (!guest) {
      guest = std::make_unique<Guest>(house_, number_);
      last_[i].clear();
    }
    if (!guest->is_asleep()) return note(i, guest->say(request()));
    if (guest->is_woken()) return note(i, guest->go_on());
    if (random_() % 64 != 0) return;
    note(i, guest->leave());
    guest.reset();
  }

  std::vector<std::string> request() {
    switch (random_() % 6) {
      case 0: return {"BLMOVE", moved(), moved(), "LEFT", "RIGHT", timeout()};
      case 1: return {"BLMPOP", timeout(), "2", moved(), moved(), "RIGHT", "COUNT", "2"};
      case 2: return {"BLPOP", moved(), queue(), timeout()};
      default: return {"BLPOP", queue(), queue(), queue(), timeout()};
    }
  }

  void push() {
    const std::string one = next();
    switch (random_() % 6) {
      case 0: {
        const std::string key = queue();
        const std::string two = next();
        pusher_->say({"MULTI"});
        pusher_->say({"RPUSH", key, one});
        pusher_->say({"RPUSH", key, two});
        pusher_->say({"EXEC"});
        return;
      }
      case 1:
        pusher_->say({"EVAL", "return redis.call('RPUSH', KEYS[1], ARGV[1])", "1", queue(), one});
        return;
      case 2:
      case 3: pusher_->say({"RPUSH", moved(), one}); return;
      default: pusher_->say({"RPUSH", queue(), one});
    }
  }
  std::string next() { return "e" + std::to_string(number_) + "-" + std::to_string(pushed_++); }

  // [key, element], [key, [element, element]], an element that was moved, nothing, or an error.
  void note(std::size_t i, const std::string& reply) {
    const bool popped = reply.starts_with("[");
    std::size_t at = 0;
    while (popped && (at = reply.find('e', at)) != std::string::npos) {
      const std::size_t end = reply.find_first_of(",]", at);
      const std::string element = reply.substr(at, end - at);
      ledger_.had(element);
      if (reply.starts_with("[q")) check_order(i, reply.substr(1, 2), element);
      at = end;
    }
  }
  void check_order(std::size_t i, const std::string& key, const std::string& element) {
    const std::size_t dash = element.find('-');
    const long long number = std::stoll(element.substr(dash + 1));
    const auto [last, is_first] = last_[i].try_emplace(key + element.substr(0, dash), -1);
    if (number <= last->second) is_wrong_.store(true, std::memory_order_relaxed);
    last->second = number;
  }

  testing::ManyLanes& house_;
  std::size_t number_;
  Ledger& ledger_;
  std::atomic<bool>& is_wrong_;
  std::mt19937_64 random_;
  std::unique_ptr<Guest> pusher_;
  std::vector<std::unique_ptr<Guest>> waiters_;
  // Of each waiter: what it had last of a key and a pusher.
  std::vector<std::map<std::string, long long>> last_;
  std::uint64_t pushed_ = 0;
};

}  // namespace

TEST_CASE("clients that wait on several lanes have every element once, and in order") {
  testing::ManyLanes house(kThreads, 78);
  Ledger ledger;
  std::atomic<bool> is_wrong{false};
  std::atomic<std::uint64_t> pushed{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Household household(house, i, ledger, is_wrong);
      household.run();
      pushed.fetch_add(household.pushed(), std::memory_order_relaxed);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Guest last(house, 0);
  for (const char prefix : {'q', 'm'}) {
    for (std::uint64_t i = 0; i < std::max(kQueues, kMoved); ++i) {
      const std::string key = prefix + std::to_string(i);
      for (std::string element = last.say({"LPOP", key}); element != "(nil)";
           element = last.say({"LPOP", key})) {
        ledger.had(element);
      }
    }
  }
  CHECK_FALSE(is_wrong.load());
  CHECK(ledger.times().size() == pushed.load());
  std::size_t had_twice = 0;
  for (const auto& [element, times] : ledger.times()) had_twice += times != 1;
  CHECK(had_twice == 0);
  CHECK(house.engine->store().waited_keys() == 0);
  for (std::size_t i = 0; i < kThreads; ++i) {
    CHECK(house.engine->lane(i).counters.blocked.value() == 0);
    CHECK(house.engine->lane(i).alarms.empty());
  }
}
