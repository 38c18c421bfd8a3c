// Guests: clients of an engine with many lanes, each on a thread of its own, and where those
// threads put what they found wrong.
#pragma once

#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "server/engine/dispatch.h"
#include "tests/support/many_lanes.h"
#include "tests/support/reply_text.h"

namespace larder::testing {

// What a thread found wrong; doctest's own checks are not for hot loops of several threads.
class Complaints {
 public:
  void expect(bool is_right, const char* sentence) {
    const char* none = nullptr;
    // Relaxed: read after the threads are joined.
    if (!is_right) first_.compare_exchange_strong(none, sentence, std::memory_order_relaxed);
  }
  const char* first() const { return first_.load(std::memory_order_relaxed); }

 private:
  std::atomic<const char*> first_{nullptr};
};

// work(0), work(1)… at once.
template <class Work>
void on_threads(std::size_t count, Work&& work) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

// One client on one lane.
class Guest {
 public:
  Guest(ManyLanes& house, std::size_t lane)
      : engine_(*house.engine),
        lane_(engine_.lane(lane)),
        client_(engine_.clients().next_id(), nullptr, house.clock.wall_ms()),
        writer_(output_) {
    client_.authenticated = true;
    client_.address = "127.0.0.1:1";
    client_.local_address = "127.0.0.1:2";
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.clients().add(client_);
  }
  ~Guest() {
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.clients().remove(client_);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  std::string say(const std::vector<std::string>& words) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    server::Next next = server::Next::go_on;
    {
      const server::LaneVisit visit(engine_.services(), lane_);
      next = engine_.dispatcher().execute(lane_, client_, views, writer_);
    }
    while (next == server::Next::wait && client_.work) {
      const server::LaneVisit visit(engine_.services(), lane_);
      next = engine_.dispatcher().resume(lane_, client_, writer_);
    }
    return take();
  }
  void keep_up() {
    const server::LaneVisit visit(engine_.services(), lane_);
    engine_.upkeep().tick(lane_);
  }

 private:
  std::string take() {
    const std::string bytes = take_bytes(output_);
    std::string_view rest = bytes;
    const std::string text = protocol::to_text(take_reply(rest));
    if (!rest.empty()) throw std::runtime_error("one command, two replies: " + bytes);
    return text;
  }

  server::Engine& engine_;
  server::Lane& lane_;
  server::Client client_;
  protocol::BlockPool blocks_;
  protocol::OutputBuffer output_{blocks_};
  protocol::RespWriter writer_;
};

}  // namespace larder::testing
