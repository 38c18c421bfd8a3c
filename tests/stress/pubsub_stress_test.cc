// Many threads that publish, listen, stop and go away on one pub/sub service, against what must
// hold of the order of messages.
//
// Each thread stands for a loop with clients of its own. Small enough to be quick under tsan.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/engine/client.h"
#include "server/engine/pubsub.h"
#include "server/engine/transaction.h"

using namespace larder::server;

namespace {

constexpr std::size_t kThreads = 3;
constexpr int kSteps = 4'000;
constexpr std::uint64_t kAnyNumber = UINT64_MAX;

// The loop behind it is the thread that owns the client: it looks at the flag between two steps.
struct LoopLink final : Link {
  std::atomic<int> posts{0};
  void cut_off() override {}
  void resume() override {}
  void push(std::string) override {}
  void fetch_mail() override { posts.fetch_add(1, std::memory_order_release); }
};

struct Person {
  explicit Person(std::uint64_t id) : client(id, &link, 0) {}
  LoopLink link;
  Client client;
};

// "2:317": the publisher and its number.
struct Said {
  std::size_t thread = 0;
  int number = 0;

  static Said of(std::string_view payload) {
    Said said;
    const std::size_t colon = payload.find(':');
    std::from_chars(payload.data(), payload.data() + colon, said.thread);
    std::from_chars(payload.data() + colon + 1, payload.data() + payload.size(), said.number);
    return said;
  }
};

class Worker {
 public:
  Worker(Pubsub& pubsub, std::size_t number, std::atomic<bool>& is_wrong)
      : pubsub_(pubsub),
        number_(number),
        is_wrong_(is_wrong),
        always_(number),
        often_(10 + number) {
    expect(pubsub_.subscribe(always_.client, TopicKind::channel, "all", kAnyNumber));
  }
  ~Worker() {
    pubsub_.forget(always_.client);
    pubsub_.forget(often_.client);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void step(int step) {
    pubsub_.publish("all", std::to_string(number_) + ":" + std::to_string(step));
    read_all();
    switch (step % 7) {
      case 0: expect(pubsub_.subscribe(often_.client, TopicKind::pattern, "a*", kAnyNumber)); break;
      case 2:
        expect(pubsub_.subscribe(often_.client, TopicKind::channel, "all", kAnyNumber));
        break;
      case 3: stop(TopicKind::pattern, "a*"); break;
      case 4: stop(TopicKind::channel, "all"); break;
      case 5: pubsub_.channels(TopicKind::channel, "*"); break;
      case 6:
        if (step % 5 == 0) pubsub_.forget(often_.client);
        break;
      default: break;
    }
  }
  // After everybody has stopped to publish.
  void finish() { read_all(); }
  const std::vector<std::string>& heard() const { return heard_; }

 private:
  void expect(bool is_right) {
    if (!is_right) is_wrong_.store(true, std::memory_order_relaxed);
  }

  // Each publisher's own in its order; and the whole of it, to be compared with what others heard.
  void read_all() {
    for (const SharedMessage& message : pubsub_.fetch(always_.client).messages) {
      const Said said = Said::of(message->word(1));
      expect(said.number == last_[said.thread] + 1);
      last_[said.thread] = said.number;
      heard_.emplace_back(message->word(1));
    }
  }

  // What was published before comes along; nothing comes after it.
  void stop(TopicKind kind, std::string_view name) {
    pubsub_.unsubscribe(often_.client, kind, name);
    pubsub_.fetch(often_.client);
    if (often_.client.subscriber && often_.client.subscriber->count() != 0) return;
    pubsub_.publish("all-but-them", "x");
    expect(pubsub_.fetch(often_.client).messages.empty());
  }

  Pubsub& pubsub_;
  std::size_t number_;
  std::atomic<bool>& is_wrong_;
  Person always_;
  Person often_;
  std::array<int, kThreads> last_{-1, -1, -1};
  std::vector<std::string> heard_;
};

}  // namespace

TEST_CASE("all who listen hear the same in one order, however many publish, come and go") {
  Pubsub pubsub(5);
  std::atomic<bool> is_wrong{false};
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::size_t i = 0; i < kThreads; ++i) {
    workers.push_back(std::make_unique<Worker>(pubsub, i, is_wrong));
  }
  std::vector<std::thread> threads;
  for (auto& worker : workers) {
    threads.emplace_back([&worker] {
      for (int step = 0; step < kSteps; ++step) worker->step(step);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& worker : workers) worker->finish();
  CHECK_FALSE(is_wrong);
  CHECK(workers[0]->heard().size() == kThreads * kSteps);
  for (auto& worker : workers) CHECK(worker->heard() == workers[0]->heard());
  workers.clear();
  CHECK(pubsub.is_idle());
  CHECK(pubsub.clients() == 0);
}
