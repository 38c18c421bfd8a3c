// bench_threads: what a second thread brings, with no socket in the way.
//
// Threads do what loops do to one Store: hash a batch of 64 keys, enter the turnstile, visit each
// through a Keyspace with the others fetched ahead, leave. Work is chosen beforehand (a long list
// of key numbers per thread, uniform or Zipf), so that drawing numbers is not what is measured.
//
//     one thread, then two, and again, --rounds times; medians are printed
//
// An operation's time is a thread's: wall time, which is what scaling is made of, and time on the
// core, which says what a busy machine does to the wall's.
//
// Every work is done twice: on one Store that all threads share, and on a Store per thread ("own
// stores"), where nothing of ours is shared. What the second falls short of 2 is the machine's
// doing (two hardware threads of one core, shared caches, memory, other guests), and no design can
// be held to more. Each thread is bound to a core of its own.
// Thread: the main one starts, waits and prints.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "storage/clock.h"
#include "storage/fetch_ahead.h"
#include "storage/keyspace.h"
#include "storage/store.h"
#include "storage/turnstile.h"

namespace larder::bench {
namespace {

using storage::Key;
using storage::Store;
using storage::Turnstile;

constexpr std::size_t kBatch = 64;   // as net/session.h
constexpr std::size_t kShards = 32;  // as engine/engine.cc for two loops
constexpr std::size_t kValueBytes = 32;
constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kPlanned = std::size_t{1} << 22;  // key numbers a thread has to draw from
constexpr double kZipf = 0.99;

struct Setup {
  std::size_t keys = 1'000'000;
  int rounds = 5;
  double seconds = 0.5;
  int threads = 2;
};

// Of all threads together.
struct Pace {
  double per_second;
  double core_ns;  // of an operation
};

enum class Verb { get, set };

struct Work {
  std::string_view name;
  Verb verb;
  bool is_zipf;
  bool own_stores;
  double bar;  // 0: none
};

constexpr std::array<Work, 6> kWorks{{
    {"GET, uniform", Verb::get, false, false, 1.9},
    {"GET, uniform, own stores", Verb::get, false, true, 0},
    {"SET, uniform", Verb::set, false, false, 1.9},
    {"SET, uniform, own stores", Verb::set, false, true, 0},
    {"GET, Zipf 0.99", Verb::get, true, false, 1.7},
    {"GET, Zipf 0.99, own stores", Verb::get, true, true, 0},
}};

// Key numbers as 16 bytes: two stores, so that spelling a key costs next to nothing.
struct KeyText {
  std::array<char, kKeyBytes> bytes;
  explicit KeyText(std::uint64_t number) {
    const std::uint64_t other = ~number;
    std::memcpy(bytes.data(), &number, sizeof number);
    std::memcpy(bytes.data() + sizeof number, &other, sizeof other);
  }
  std::string_view view() const { return {bytes.data(), bytes.size()}; }
};

struct Plan {
  std::vector<std::uint32_t> numbers;
};

Plan uniform_plan(std::size_t keys, std::uint64_t seed) {
  std::mt19937_64 chance(seed);
  std::uniform_int_distribution<std::uint32_t> draw(0, static_cast<std::uint32_t>(keys - 1));
  Plan plan;
  plan.numbers.resize(kPlanned);
  for (auto& number : plan.numbers) number = draw(chance);
  return plan;
}

// The sums of 1 / rank^0.99, by which ranks are drawn.
std::vector<double> zipf_sums(std::size_t keys) {
  std::vector<double> sums(keys);
  double sum = 0;
  for (std::size_t rank = 0; rank < keys; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -kZipf);
    sums[rank] = sum;
  }
  return sums;
}

Plan zipf_plan(const std::vector<double>& sums, std::uint64_t seed) {
  std::mt19937_64 chance(seed);
  std::uniform_real_distribution<double> draw(0, sums.back());
  Plan plan;
  plan.numbers.resize(kPlanned);
  for (auto& number : plan.numbers) {
    const auto found = std::lower_bound(sums.begin(), sums.end(), draw(chance));
    number = static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(
        found - sums.begin(), static_cast<std::ptrdiff_t>(sums.size()) - 1));
  }
  return plan;
}

// One thread's batches on one store.
class Batches {
 public:
  Batches(Store& store, Turnstile& turnstile, Turnstile::Seat& seat, const Plan& plan)
      : store_(store), turnstile_(turnstile), seat_(seat), plan_(plan), ahead_(store, true) {
    value_.fill('v');
    texts_.reserve(kBatch);
    keys_.reserve(kBatch);
  }

  void run(Verb verb) {
    texts_.clear();
    keys_.clear();
    ahead_.clear();
    for (std::size_t i = 0; i < kBatch; ++i) {
      texts_.emplace_back(plan_.numbers[next_]);
      next_ = (next_ + 1) & (kPlanned - 1);
      keys_.push_back(store_.key(texts_.back().view()));
      ahead_.add({0, keys_.back().hash});
    }
    turnstile_.enter(seat_);
    storage::Keyspace keyspace(store_, 0, clock_.wall_ms());
    ahead_.start();
    for (std::size_t i = 0; i < kBatch; ++i) {
      ahead_.reach(i);
      visit(keyspace, keys_[i], verb);
    }
    turnstile_.leave(seat_);
    done_ += kBatch;
  }

  std::uint64_t done() const { return done_; }
  std::uint64_t found() const { return found_; }

 private:
  void visit(storage::Keyspace& keyspace, const Key& key, Verb verb) {
    if (verb == Verb::set) {
      keyspace.update(key, [&](storage::Slot& slot) {
        slot.set_bytes({value_.data(), value_.size()}, storage::Deadline::never());
      });
      return;
    }
    keyspace.read(key, [&](const storage::Value* value) {
      if (value == nullptr) return;
      // Copied as a reply would copy it, under the lock.
      storage::Bytes::Digits digits;
      const std::string_view bytes = value->bytes().text(digits);
      std::memcpy(value_.data(), bytes.data(), std::min(bytes.size(), value_.size()));
      ++found_;
    });
  }

  Store& store_;
  Turnstile& turnstile_;
  Turnstile::Seat& seat_;
  const Plan& plan_;
  storage::FetchAhead ahead_;
  storage::RealClock clock_;
  std::vector<KeyText> texts_;
  std::vector<Key> keys_;
  std::array<char, kValueBytes> value_{};
  std::size_t next_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t found_ = 0;
};

double seconds_on_core() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void bind_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
}

std::unique_ptr<Store> filled_store(std::size_t keys) {
  auto store =
      std::make_unique<Store>(Store::Settings{.shards = kShards, .databases = 1, .seed = 0x1a4de4});
  storage::Keyspace keyspace(*store, 0, storage::RealClock().wall_ms());
  const std::string value(kValueBytes, 'v');
  for (std::size_t n = 0; n < keys; ++n) {
    const KeyText text(n);
    keyspace.update(store->key(text.view()), [&](storage::Slot& slot) {
      slot.set_bytes(value, storage::Deadline::never());
    });
  }
  return store;
}

class Bench {
 public:
  explicit Bench(const Setup& setup) : setup_(setup) {
    const std::vector<double> sums = zipf_sums(setup.keys);
    for (int i = 0; i < setup.threads; ++i) {
      const auto seed = static_cast<std::uint64_t>(i) + 1;
      stores_.push_back(filled_store(setup.keys));
      seats_.push_back(&turnstile_.take_seat());
      uniform_.push_back(uniform_plan(setup.keys, seed));
      zipf_.push_back(zipf_plan(sums, seed));
    }
  }

  Pace measure(const Work& work, int threads) {
    std::atomic<bool> is_over{false};
    std::barrier<> start(threads + 1);
    std::vector<std::uint64_t> done(static_cast<std::size_t>(threads));
    std::vector<double> on_core(static_cast<std::size_t>(threads));
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
      running.emplace_back([&, i] {
        bind_to_core(i);
        const auto mine = static_cast<std::size_t>(i);
        Store& store = *stores_[work.own_stores ? mine : 0];
        Batches batches(store, turnstile_, *seats_[mine], (work.is_zipf ? zipf_ : uniform_)[mine]);
        start.arrive_and_wait();
        const double before = seconds_on_core();
        // Relaxed: only says when; the join publishes what was counted.
        while (!is_over.load(std::memory_order_relaxed)) batches.run(work.verb);
        on_core[mine] = seconds_on_core() - before;
        done[mine] = batches.done();
        if (work.verb == Verb::get && batches.found() != batches.done()) lost_ = true;
      });
    }
    start.arrive_and_wait();
    const auto began = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(setup_.seconds));
    is_over.store(true, std::memory_order_relaxed);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    for (std::thread& thread : running) thread.join();
    const auto total = static_cast<double>(std::accumulate(done.begin(), done.end(), 0ull));
    const double core_seconds = std::accumulate(on_core.begin(), on_core.end(), 0.0);
    return {.per_second = total / took.count(), .core_ns = core_seconds / total * 1e9};
  }

  bool has_lost_keys() const { return lost_; }

 private:
  const Setup& setup_;
  Turnstile turnstile_;
  std::vector<Turnstile::Seat*> seats_;
  std::vector<std::unique_ptr<Store>> stores_;
  std::vector<Plan> uniform_;
  std::vector<Plan> zipf_;
  std::atomic<bool> lost_{false};
};

Pace median(std::vector<Pace> paces) {
  const auto middle = paces.begin() + static_cast<std::ptrdiff_t>(paces.size() / 2);
  const auto slower = [](const Pace& a, const Pace& b) { return a.per_second < b.per_second; };
  std::nth_element(paces.begin(), middle, paces.end(), slower);
  return *middle;
}

void print_row(const Work& work, const Pace& one, const Pace& all, int threads) {
  const double scaling = all.per_second / one.per_second;
  fmt::print("{:<28} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>8.2f}", work.name,
             1e9 / one.per_second, 1e9 * threads / all.per_second, one.core_ns, all.core_ns,
             scaling);
  if (work.bar > 0 && threads == 2) {
    fmt::print("  >={:.1f} {}", work.bar, scaling >= work.bar ? "ok" : "UNDER");
  }
  fmt::print("\n");
}

int run(const Setup& setup) {
  Bench bench(setup);
  fmt::print("{:<28} {:>10} {:>10} {:>10} {:>10} {:>8}\n", "work, threads", "ns/op, 1",
             fmt::format("{}", setup.threads), "core ns, 1", fmt::format("{}", setup.threads),
             "scaling");
  for (const Work& work : kWorks) {
    std::vector<Pace> one;
    std::vector<Pace> all;
    for (int round = 0; round < setup.rounds; ++round) {
      one.push_back(bench.measure(work, 1));
      all.push_back(bench.measure(work, setup.threads));
    }
    print_row(work, median(one), median(all), setup.threads);
  }
  if (!bench.has_lost_keys()) return 0;
  fmt::print(stderr, "bench_threads: keys that were put in were not found\n");
  return 1;
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  CLI::App app("One thread beside several on one storage::Store, in process.");
  larder::bench::Setup setup;
  app.add_option("--keys", setup.keys)->capture_default_str()->check(CLI::Range(1u, 1u << 31));
  app.add_option("--rounds", setup.rounds)->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--seconds", setup.seconds, "of each measurement")->capture_default_str();
  app.add_option("--threads", setup.threads, "beside one")
      ->capture_default_str()
      ->check(CLI::Range(2, 256));
  CLI11_PARSE(app, argc, argv);
  try {
    return larder::bench::run(setup);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_threads: {}\n", error.what());
    return 1;
  }
}
