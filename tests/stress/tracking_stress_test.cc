// Clients on several lanes that keep copies of what they read, while others change it: when all
// that was told has been heard, each copy is what the store has.

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "server/engine/engine.h"
#include "storage/clock.h"
#include "tests/support/many_lanes.h"
#include "tests/support/reply_text.h"

using namespace larder;
using namespace larder::server;

namespace {

constexpr std::size_t kThreads = 3;
constexpr int kSteps = 4000;
constexpr std::uint64_t kKeys = 40;

enum class Way { usual, noloop, bcast, small_table };

// A client of one lane, and the copies it keeps.
class Keeper {
 public:
  Keeper(testing::ManyLanes& house, std::size_t lane, Way way)
      : engine_(*house.engine),
        lane_(engine_.lane(lane)),
        client_(engine_.clients().next_id(), nullptr, house.clock.wall_ms()),
        writer_(output_),
        keeps_own_(way == Way::noloop) {
    client_.authenticated = true;
    {
      const LaneVisit visit(engine_.services(), lane_);
      engine_.clients().add(client_);
    }
    begin(way);
  }
  ~Keeper() {
    engine_.clients().remove(client_);
    engine_.services().tracking.forget(client_);
  }

  void begin(Way way) {
    say({"CLIENT", "TRACKING", "OFF"});
    copies_.clear();
    if (way == Way::bcast) {
      say({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k1", "PREFIX", "k2", "PREFIX", "k3"});
    } else if (way == Way::noloop) {
      say({"CLIENT", "TRACKING", "ON", "NOLOOP"});
    } else {
      say({"CLIENT", "TRACKING", "ON"});
    }
    is_bcast_ = way == Way::bcast;
  }

  // As a session does: what was told before comes first, then the reply.
  std::string say(const std::vector<std::string>& words) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    hear();
    const LaneVisit visit(engine_.services(), lane_);
    engine_.dispatcher().execute(lane_, client_, views, writer_);
    const std::string bytes = testing::take_bytes(output_);
    std::string_view rest = bytes;
    return protocol::to_text(testing::take_reply(rest));
  }
  void read(const std::string& key) {
    const std::string value = say({"GET", key});
    if (is_bcast_ && (key[1] < '1' || key[1] > '3')) return;  // of no prefix
    copies_[key] = value;
  }
  void read_in_transaction(const std::string& a, const std::string& b) {
    say({"MULTI"});
    say({"GET", a});
    say({"GET", b});
    say({"EXEC"});
  }
  // With NOLOOP the copy is the writer's own affair: it goes.
  void change(const std::vector<std::string>& words) {
    if (keeps_own_) copies_.clear();
    say(words);
  }
  void hear() {
    for (const SharedMessage& message : engine_.services().pubsub.fetch(client_).messages) {
      if (message->kind == Message::Kind::all_changed) copies_.clear();
      for (std::size_t i = 0; i < message->size(); ++i)
        copies_.erase(std::string(message->word(i)));
    }
  }
  void keep_up() {
    const LaneVisit visit(engine_.services(), lane_);
    engine_.upkeep().tick(lane_);
  }
  const std::map<std::string, std::string>& copies() const { return copies_; }

 private:
  Engine& engine_;
  Lane& lane_;
  protocol::BlockPool blocks_;
  protocol::OutputBuffer output_{blocks_};
  Client client_;
  protocol::RespWriter writer_;
  std::map<std::string, std::string> copies_;
  bool keeps_own_;
  bool is_bcast_ = false;
};

class Household {
 public:
  Household(testing::ManyLanes& house, std::size_t number, Way way)
      : house_(house), number_(number), way_(way), random_(number + 1) {
    for (int i = 0; i < 2; ++i) keepers_.push_back(std::make_unique<Keeper>(house, number, way));
  }

  void live() {
    for (int i = 0; i < kSteps; ++i) step(*keepers_[random_() % keepers_.size()], i);
  }
  std::vector<std::unique_ptr<Keeper>>& keepers() { return keepers_; }

 private:
  std::string key() { return "k" + std::to_string(random_() % kKeys); }

  void step(Keeper& keeper, int i) {
    const std::string value = std::to_string(number_) + ":" + std::to_string(i);
    switch (random_() % 64) {
      case 0: return keeper.change({random_() % 2 == 0 ? "FLUSHALL" : "FLUSHDB"});
      case 1: return keeper.begin(way_);
      case 2: return leave_and_come();
      case 3: return keeper.read_in_transaction(key(), key());
      case 4: return keeper.keep_up();
      case 5: return house_.clock.advance(std::chrono::milliseconds(3));
      case 6:
        return keeper.change({"EVAL", "redis.call('set', KEYS[1], ARGV[1])", "1", key(), value});
      case 7: return keeper.change({"RENAME", key(), key()});
      case 8:
      case 9: return keeper.change({"SET", key(), value, "PX", "5"});
      case 10:
      case 11: return keeper.change({"DEL", key(), key()});
      case 12:
      case 13: return keeper.change({"MSET", key(), value, key(), value});
      default: break;
    }
    if (random_() % 4 == 0) return keeper.change({"SET", key(), value});
    keeper.read(key());
  }
  void leave_and_come() {
    keepers_.pop_back();
    keepers_.push_back(std::make_unique<Keeper>(house_, number_, way_));
  }

  testing::ManyLanes& house_;
  const std::size_t number_;
  const Way way_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Keeper>> keepers_;
};

}  // namespace

TEST_CASE("when all was heard, copies are what the store has") {
  for (const Way way : {Way::usual, Way::noloop, Way::bcast, Way::small_table}) {
    CAPTURE(static_cast<int>(way));
    testing::ManyLanes house(kThreads, 7);
    if (way == Way::small_table) house.engine->services().tracking.limit_keys(10);
    std::vector<std::unique_ptr<Household>> households;
    for (std::size_t i = 0; i < kThreads; ++i) {
      households.push_back(std::make_unique<Household>(house, i, way));
    }
    std::vector<std::thread> threads;
    for (auto& household : households) threads.emplace_back([&household] { household->live(); });
    for (std::thread& thread : threads) thread.join();

    // What has died is told as it is dropped.
    house.clock.advance(std::chrono::seconds(1));
    for (auto& household : households) {
      for (int i = 0; i < 20; ++i) household->keepers().front()->keep_up();
    }
    Keeper reader(house, 0, Way::usual);
    reader.say({"SET", "k1", "to the end"});
    std::size_t keepers = 0;
    for (auto& household : households) {
      for (auto& keeper : household->keepers()) {
        keeper->read("k1");
        ++keepers;
      }
    }
    std::size_t kept = 0;
    for (auto& household : households) {
      for (auto& keeper : household->keepers()) {
        keeper->hear();
        for (const auto& [key, value] : keeper->copies()) {
          CHECK(reader.say({"GET", key}) == value);
          ++kept;
        }
      }
    }
    // Not everything was told of, either.
    CHECK(kept >= keepers);
    if (way == Way::small_table) CHECK(house.engine->services().tracking.keys() <= 10);
  }
}
