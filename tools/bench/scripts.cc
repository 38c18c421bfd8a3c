// bench_scripts: what a script costs, and what a second thread brings, with no socket in the way.
//
// Threads do what loops do to one Engine: enter the turnstile, run a batch of requests through the
// dispatcher, leave. A request is the release of a lock as clients write it (compare, delete), by
// EVALSHA, on a lock that a SET before it has taken; the SET is in the figures.
//
//     narrow    as it is: the shards of its keys are held, and the other thread goes on
//     own       the same, an Engine a thread: what the machine gives to two threads that share
//     nothing alone     the same script behind a loop that does nothing: every other thread is held
//     off SET       no script, for what is left when the script is taken away
//
// One thread, then two, and again, --rounds times; medians are printed. --batches N runs one thread
// for so many batches and prints nothing: for callgrind, twice with different N.
// Thread: the main one starts, waits and prints.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "server/engine/engine.h"
#include "server/engine/server_control.h"
#include "server/log.h"
#include "server/options.h"
#include "server/scripting/sha1.h"
#include "storage/clock.h"

namespace larder::bench {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kKeys = 4096;  // a thread's own

constexpr std::string_view kRelease =
    "local token = redis.call('get', KEYS[1]) "
    "if not token or token ~= ARGV[1] then return 0 end "
    "redis.call('del', KEYS[1]) return 1";

enum class Verb { none, narrow, alone };

struct Work {
  std::string_view name;
  Verb verb;
  bool own_engines;
  double bar;  // 0: none
};
constexpr std::array<Work, 4> kWorks{{
    {"SET and narrow release", Verb::narrow, false, 1.7},
    {"the same, own engines", Verb::narrow, true, 0},
    {"SET and release alone", Verb::alone, false, 0},
    {"SET", Verb::none, false, 0},
}};

struct Setup {
  int rounds = 5;
  double seconds = 0.5;
  int threads = 2;
  std::uint64_t batches = 0;
};

struct Control final : server::ServerControl {
  void shut_down(const std::string&) override {}
};

// An engine, and what it refers to.
struct House {
  explicit House(std::size_t lanes) : log(server::LogLevel::nothing, "") {
    engine = std::make_unique<server::Engine>(options, clock, control, log, lanes, 20261123);
  }
  storage::RealClock clock;
  server::Options options;
  server::Log log;
  Control control;
  std::unique_ptr<server::Engine> engine;
};

std::string script_of(Verb verb) {
  return (verb == Verb::alone ? "for i = 1, 0 do end " : "") + std::string(kRelease);
}

// One client on one lane.
class Worker {
 public:
  Worker(House& house, std::size_t lane, Verb verb)
      : engine_(*house.engine),
        lane_(engine_.lane(lane)),
        client_(engine_.clients().next_id(), nullptr, house.clock.wall_ms()),
        verb_(verb),
        sha_(server::scripting::view(server::scripting::sha1(script_of(verb)))) {
    client_.authenticated = true;
    for (std::size_t i = 0; i < kKeys; ++i) {
      keys_.push_back(fmt::format("lock:{}:{}", lane, i));
    }
    const server::LaneVisit visit(engine_.services(), lane_);
    const std::string script = script_of(verb);
    say(std::array<std::string_view, 3>{"SCRIPT", "LOAD", script});
    output_.consume(output_.size_bytes());
  }

  void batch() {
    {
      const server::LaneVisit visit(engine_.services(), lane_);
      for (std::size_t i = 0; i < kBatch; ++i) {
        const std::string_view key = keys_[next_++ % kKeys];
        say(std::array<std::string_view, 3>{"SET", key, "token"});
        if (verb_ == Verb::none) continue;
        say(std::array<std::string_view, 5>{"EVALSHA", sha_, "1", key, "token"});
      }
    }
    // What a loop would send.
    output_.consume(output_.size_bytes());
    done_ += kBatch;
  }
  std::uint64_t done() const { return done_; }
  std::uint64_t errors() const { return writer_.errors(); }

 private:
  template <std::size_t N>
  void say(const std::array<std::string_view, N>& words) {
    engine_.dispatcher().execute(lane_, client_, words, writer_);
  }

  server::Engine& engine_;
  server::Lane& lane_;
  server::Client client_;
  Verb verb_;
  std::string sha_;
  std::vector<std::string> keys_;
  protocol::BlockPool blocks_;
  protocol::OutputBuffer output_{blocks_};
  protocol::RespWriter writer_{output_};
  std::size_t next_ = 0;
  std::uint64_t done_ = 0;
};

void bind_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

// Requests (with their SET) a second, of all threads together.
double measure(const Setup& setup, const Work& work, int threads) {
  const auto lanes = static_cast<std::size_t>(setup.threads);
  std::vector<std::unique_ptr<House>> houses;
  for (std::size_t i = 0; i < (work.own_engines ? lanes : 1); ++i) {
    houses.push_back(std::make_unique<House>(lanes));
  }
  std::atomic<bool> is_over{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> errors{0};
  std::barrier<> start(threads + 1);
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      bind_to_core(i);
      const auto mine = static_cast<std::size_t>(i);
      Worker worker(*houses[work.own_engines ? mine : 0], mine, work.verb);
      start.arrive_and_wait();
      // Relaxed, all three: the join publishes what was counted.
      while (!is_over.load(std::memory_order_relaxed)) worker.batch();
      done.fetch_add(worker.done(), std::memory_order_relaxed);
      errors.fetch_add(worker.errors(), std::memory_order_relaxed);
    });
  }
  start.arrive_and_wait();
  const auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(setup.seconds));
  is_over.store(true, std::memory_order_relaxed);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  for (std::thread& thread : running) thread.join();
  if (errors.load() != 0) throw std::runtime_error("a script answered an error");
  return static_cast<double>(done.load()) / took.count();
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

void run(const Setup& setup) {
  fmt::print("{:<26} {:>10} {:>10} {:>8}\n", "work, threads", "k/s, 1",
             fmt::format("{}", setup.threads), "scaling");
  for (const Work& work : kWorks) {
    std::vector<double> one;
    std::vector<double> all;
    for (int round = 0; round < setup.rounds; ++round) {
      one.push_back(measure(setup, work, 1));
      all.push_back(measure(setup, work, setup.threads));
    }
    const double scaling = median(all) / median(one);
    fmt::print("{:<26} {:>10.1f} {:>10.1f} {:>8.2f}", work.name, median(one) / 1000,
               median(all) / 1000, scaling);
    if (work.bar > 0 && setup.threads == 2) {
      fmt::print("  >={:.1f} {}", work.bar, scaling >= work.bar ? "ok" : "UNDER");
    }
    fmt::print("\n");
  }
}

void run_batches(std::uint64_t batches) {
  House house(2);
  Worker worker(house, 0, Verb::narrow);
  for (std::uint64_t i = 0; i < batches; ++i) worker.batch();
  if (worker.errors() != 0) throw std::runtime_error("a script answered an error");
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  CLI::App app("Scripts on one thread and on several, in process.");
  larder::bench::Setup setup;
  app.add_option("--rounds", setup.rounds)->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--seconds", setup.seconds, "of each measurement")->capture_default_str();
  app.add_option("--threads", setup.threads, "beside one")
      ->capture_default_str()
      ->check(CLI::Range(2, 256));
  app.add_option("--batches", setup.batches, "only so many, on one thread, and nothing printed");
  CLI11_PARSE(app, argc, argv);
  try {
    if (setup.batches != 0) {
      larder::bench::run_batches(setup.batches);
    } else {
      larder::bench::run(setup);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_scripts: {}\n", error.what());
    return 1;
  }
}
