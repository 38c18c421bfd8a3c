// Narrow scripts on several lanes at once, beside plain commands, transactions, scripts that hold
// everything, and functions: no step of one comes between the steps of another.

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/support/guests.h"

using namespace larder;
using testing::Complaints;
using testing::Guest;

namespace {

constexpr std::size_t kThreads = 3;
constexpr int kSteps = 1500;
constexpr int kLocks = 4;

// Takes from one and gives to the other: in between the sum is wrong.
const std::string kMove =
    "local amount = tonumber(ARGV[1]) "
    "redis.call('DECRBY', KEYS[1], amount) redis.call('INCRBY', KEYS[2], amount) "
    "return redis.call('GET', KEYS[1]) + redis.call('GET', KEYS[2])";
// The same, not narrow.
const std::string kMoveAlone = "for i = 1, 1 do end " + kMove;
const std::string kRelease =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) "
    "else return 0 end";
// Reads, and writes what it has read and one more; needs all of it to be one step.
const std::string kCount =
    "local now = tonumber(redis.call('get', KEYS[1])) or 0 "
    "redis.call('set', KEYS[1], now + 1) return now + 1";

class Worker {
 public:
  Worker(Guest& guest, std::size_t number, Complaints& complaints)
      : guest_(guest),
        complaints_(complaints),
        name_(std::to_string(number)),
        random_(number + 1) {}

  void step() {
    switch (random_() % 10) {
      case 0:
      case 1: return move(kMove);
      case 2: return random_() % 8 == 0 ? move(kMoveAlone) : move(kMove);
      case 3:
      case 4: return lock_and_release();
      case 5: return look();
      case 6: return call_function();
      default: return count();
    }
  }
  std::int64_t counted() const { return counted_; }

 private:
  void move(const std::string& script) {
    const bool is_left_first = random_() % 2 == 0;
    const std::string amount = std::to_string(random_() % 100);
    const std::string sum = guest_.say({"EVAL", script, "2", is_left_first ? "left" : "right",
                                        is_left_first ? "right" : "left", amount});
    complaints_.expect(sum == "2000", "a script saw another in the middle");
  }
  void look() {
    guest_.say({"MULTI"});
    guest_.say({"GET", "left"});
    guest_.say({"GET", "right"});
    const std::string both = guest_.say({"EXEC"});
    const std::size_t comma = both.find(", ");
    const std::int64_t sum = std::stoll(both.substr(1)) + std::stoll(both.substr(comma + 2));
    complaints_.expect(sum == 2000, "a transaction saw a script in the middle");
  }
  void count() {
    static const std::string kKeys[] = {"one", "two", "three"};
    const std::string& key = kKeys[random_() % 3];
    if (random_() % 2 == 0) {
      guest_.say({"INCR", key});
    } else {
      guest_.say({"EVAL", kCount, "1", key});
    }
    ++counted_;
  }
  // Only who holds a lock takes it away; nobody else may have it meanwhile.
  void lock_and_release() {
    const std::string lock = "lock:" + std::to_string(random_() % kLocks);
    const bool is_mine = guest_.say({"SET", lock, name_, "NX"}) == "OK";
    const std::string released = guest_.say({"EVAL", kRelease, "1", lock, name_});
    complaints_.expect(released == (is_mine ? "1" : "0"), "a lock was released by another");
  }
  void call_function() {
    if (random_() % 4 != 0) return;
    guest_.say({"FCALL", "count", "1", "one"});
    ++counted_;
  }

  Guest& guest_;
  Complaints& complaints_;
  std::string name_;
  std::mt19937_64 random_;
  std::int64_t counted_ = 0;
};

}  // namespace

TEST_CASE("narrow scripts, commands, transactions and other scripts are each one step") {
  testing::ManyLanes house(kThreads, 91);
  Complaints complaints;
  std::atomic<std::int64_t> counted{0};
  {
    Guest first(house, 0);
    first.say({"MSET", "left", "1000", "right", "1000"});
    first.say({"FUNCTION", "LOAD",
               "#!lua name=counts\nredis.register_function('count', function(keys) return "
               "redis.call('INCR', keys[1]) end)"});
  }
  testing::on_threads(kThreads, [&](std::size_t i) {
    Guest guest(house, i);
    Worker worker(guest, i, complaints);
    for (int step = 0; step < kSteps; ++step) {
      worker.step();
      if (step % 100 == 50) guest.keep_up();
      if (i == 0 && step % 400 == 200) guest.say({"SCRIPT", "FLUSH"});
    }
    // Relaxed: read after the threads are joined.
    counted.fetch_add(worker.counted(), std::memory_order_relaxed);
  });
  const std::string complaint = complaints.first() == nullptr ? "" : complaints.first();
  CHECK(complaint == "");
  Guest last(house, 0);
  std::int64_t sum = 0;
  for (const char* key : {"one", "two", "three"}) sum += std::stoll(last.say({"GET", key}));
  CHECK(sum == counted.load());
  for (int i = 0; i < kLocks; ++i) {
    CHECK(last.say({"EXISTS", "lock:" + std::to_string(i)}) == "0");
  }
}

TEST_CASE("a transaction that watches a key knows what a narrow script has done to it") {
  testing::ManyLanes house(2, 92);
  Guest guest(house, 0);
  Guest other(house, 1);
  const std::string script =
      "redis.call('LPUSH', KEYS[1], 'a') redis.call('LPUSH', KEYS[1], 'b') return 1";
  for (int i = 0; i < 3; ++i) {
    other.say({"WATCH", "list"});
    CHECK(guest.say({"EVAL", script, "1", "list"}) == "1");
    other.say({"MULTI"});
    other.say({"LLEN", "list"});
    CHECK(other.say({"EXEC"}) == "(nil)");
    CHECK(guest.say({"LRANGE", "list", "0", "0"}) == "[b]");
  }
}
