// A lane: what one event loop keeps for the commands it runs, so that loops share nothing they
// write.
//
// Counters are written by their own lane only and summed by whoever asks (INFO): a plain load, add,
// store on an atomic, never a locked instruction, and never a cache line that two loops write.
// Thread: the lane's own loop writes; any thread may read the counters.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/metrics/latency.h"
#include "storage/turnstile.h"
#include "storage/waiting.h"

namespace larder::server {
class Sleeper;
namespace scripting {
class Interpreter;  // scripting/lua.h: this lane's Lua, made at the first script
}

// A number one thread adds to and others read. Relaxed: sums are snapshots, order between counters
// means nothing.
class Counter {
 public:
  void add(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - by, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Per command, as INFO commandstats and latencystats say it. Indexed by the registry's number of
// the row.
struct CommandCounters {
  Counter calls;
  Counter ticks;                              // engine/ticks.h turns them into time
  Counter rejected;                           // refused by a gate
  Counter failed;                             // ran and answered an error
  std::unique_ptr<LatencyHistogram> latency;  // from the first call on; read only while the lanes
                                              // stand still

  void count_call(std::uint64_t took_ticks) {
    calls.add();
    ticks.add(took_ticks);
    if (!latency) [[unlikely]]
      latency = std::make_unique<LatencyHistogram>();
    latency->add(took_ticks);
  }
  void reset() {
    for (Counter* counter : {&calls, &ticks, &rejected, &failed}) counter->reset();
    latency.reset();
  }
};

struct LaneCounters {
  Counter commands;
  Counter connections;  // accepted since start
  Counter rejected_connections;
  Counter failed_handshakes;    // of TLS
  Counter query_limit_closes;   // who passed client-query-buffer-limit
  Counter output_limit_closes;  // who passed client-output-buffer-limit
  Counter evicted_clients;      // by maxmemory-clients
  Counter clients;              // open now
  Counter client_bytes;         // of their buffers, now
  Counter input_bytes;
  Counter output_bytes;
  Counter error_replies;
  Counter unexpected_errors;
  Counter protocol_errors;
  Counter auth_failures;
  Counter blocked;  // clients that wait now, in a blocking command
};

class alignas(64) Lane {
 public:
  Lane(std::size_t index, storage::Turnstile::Seat& seat, std::size_t commands, std::uint64_t seed);
  ~Lane();

  const std::size_t index;
  storage::Turnstile::Seat& seat;
  LaneCounters counters;
  std::vector<CommandCounters> commands;
  std::mt19937_64 chance;
  std::unique_ptr<scripting::Interpreter> interpreter;
  // The timeline's time of the batch that runs, in both units: every command asks for milliseconds.
  std::int64_t now_us = 0;
  std::int64_t now_ms = 0;
  void set_now(std::int64_t us) {
    now_us = us;
    now_ms = us / 1000;
  }
  std::uint64_t ticks = 0;       // when the last command was done; the next one's time begins here
  std::uint64_t slow_ticks = 0;  // who takes less is no matter for the slow log
  bool is_inside = false;        // this lane has entered the turnstile
  bool is_alone = false;         // this lane has closed the turnstile

  // Keys that its commands have changed and that somebody waits for: served before the next command
  // (blocking.h).
  storage::ReadyKeys ready;
  // Its own sleepers that wait no longer than to that moment, soonest first.
  std::set<std::pair<std::int64_t, Sleeper*>> alarms;

  // Upkeep's: when it last ticked, whether it left work over, and whose turn it is.
  std::uint64_t tended_ticks = 0;
  bool is_behind = false;
  std::size_t next_shard = 0;
  bool follows_wall = false;  // the wall clock was set, and deadlines of its shards are being moved

  // Error replies by code word ("ERR", "WRONGTYPE"), for INFO errorstats. Read only while the lanes
  // stand still.
  std::unordered_map<std::string, std::uint64_t> errors_by_code;
  void count_error(std::string_view code);
};

class Lanes {
 public:
  Lane& add(storage::Turnstile& turnstile, std::size_t commands, std::uint64_t seed);
  std::size_t size() const { return lanes_.size(); }
  Lane& operator[](std::size_t i) { return *lanes_[i]; }

  template <class Pick>
  std::uint64_t sum(Pick&& pick) const {
    std::uint64_t total = 0;
    for (const auto& lane : lanes_) total += pick(*lane).value();
    return total;
  }

 private:
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace larder::server
