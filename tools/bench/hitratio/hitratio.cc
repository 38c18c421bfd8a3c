// bench_hitratio: what a policy keeps. Replays streams of requests through a Store in this process,
// as an application uses a cache: it asks for a key, and sets it when it is not there.
//
// Limits are numbers of keys (then every policy and reference holds as many, and what an entry
// costs does not count), shares of a stream's distinct keys (1%), or bytes (64mb: the Store's own
// account, what it would evict at). Misses include a key's first request. The first rows are
// references: an exact LRU, in percent of the requests, and the optimum of who knows the future
// (not for bytes: it is not known how to find it). All others are multiples of the exact LRU's
// misses. In bytes the reference's entries cost what the Store's do: its own account over its keys,
// when all keys of the stream are in it.
//
// The clock that policies see is turned so that a stream takes --seconds: LRU and LFU count time.
// Thread: one.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace.h"
#include "storage/store.h"
#include "tools/bench/hitratio/reference.h"
#include "tools/bench/hitratio/trace.h"

namespace larder::bench {
namespace {

using storage::EvictionRules;
using storage::Keyspace;
using storage::Store;

constexpr std::int64_t kStartMs = 1'700'000'000'000;
// A value when keys are counted: all cost the same.
constexpr std::size_t kEqualBytes = 256;

struct Setup {
  std::vector<std::string> files;
  std::vector<std::string> policies{"allkeys-auto", "allkeys-lru", "allkeys-lfu", "allkeys-random"};
  std::vector<std::string> limits{"1%", "10%", "25%"};
  std::string sizes = "256";
  bool made = false;
  std::size_t shards = 16;
  std::size_t samples = 10;
  double seconds = 600;
  std::uint64_t seed = 1;
};

struct Limit {
  std::size_t amount = 0;
  bool is_bytes = false;
};

Limit limit_named(const std::string& text, const Trace& trace) {
  std::size_t end = 0;
  const double number = std::stod(text, &end);
  const std::string unit = text.substr(end);
  if (unit == "%") return {static_cast<std::size_t>(number / 100 * trace.keys), false};
  if (unit.empty()) return {static_cast<std::size_t>(number), false};
  if (unit == "kb") return {static_cast<std::size_t>(number * 1024), true};
  if (unit == "mb") return {static_cast<std::size_t>(number * 1024 * 1024), true};
  throw std::runtime_error(text + ": a limit is 1000, 10%, 512kb or 64mb");
}

// One stream, replayed through one Store.
class Replay {
 public:
  Replay(const Setup& setup, const Trace& trace, const Sizes& sizes)
      : setup_(setup), trace_(trace), sizes_(sizes) {}

  std::uint64_t misses(const std::string& policy, Limit limit) {
    Store store({.shards = setup_.shards, .databases = 1, .seed = setup_.seed});
    prepare(store, policy, limit.is_bytes ? limit.amount : 0);
    const double ms = setup_.seconds * 1000 / static_cast<double>(trace_.requests.size());
    std::uint64_t missed = 0;
    std::size_t held = 0;
    for (std::size_t i = 0; i < trace_.requests.size(); ++i) {
      const std::int64_t now_ms = kStartMs + static_cast<std::int64_t>(static_cast<double>(i) * ms);
      Keyspace keys(store, 0, now_ms);
      const std::string name = name_of(trace_.requests[i]);
      const storage::Key key = keys.key(name);
      if (keys.read(key, [](const storage::Value* value) { return value != nullptr; })) continue;
      ++missed;
      if (limit.is_bytes) {
        store.make_room(now_ms);
      } else if (held == limit.amount) {
        if (!store.evict_key(now_ms)) throw std::runtime_error(policy + " evicts nothing");
        --held;
      }
      set(keys, key, limit.is_bytes ? value_bytes(trace_.requests[i]) : kEqualBytes);
      ++held;
    }
    return missed;
  }

  // Of all the stream's keys: what each costs beside its value.
  double bytes_beside_value() {
    Store store({.shards = setup_.shards, .databases = 1, .seed = setup_.seed});
    prepare(store, "noeviction", 0);
    Keyspace keys(store, 0, kStartMs);
    double values = 0;
    for (std::uint32_t key = 0; key < trace_.keys; ++key) {
      const std::string name = name_of(key);
      set(keys, keys.key(name), value_bytes(key));
      values += value_bytes(key);
    }
    const auto used = static_cast<double>(store.statistics().used_bytes);
    return (used - values) / static_cast<double>(trace_.keys);
  }
  std::uint32_t value_bytes(std::uint32_t key) const {
    return trace_.value_bytes.empty() ? sizes_(key) : trace_.value_bytes[key];
  }

 private:
  static std::string name_of(std::uint32_t key) { return fmt::format("{:016x}", scatter(key)); }
  void prepare(Store& store, const std::string& policy, std::size_t limit_bytes) const {
    const std::optional<storage::Policy> known = storage::policy_named(policy);
    if (!known) throw std::runtime_error(policy + ": no such policy");
    EvictionRules rules;
    rules.policy = *known;
    rules.samples = setup_.samples;
    store.set_limit(limit_bytes, rules);
  }
  void set(Keyspace& keys, const storage::Key& key, std::size_t bytes) {
    if (bytes > value_.size()) value_.assign(bytes, 'v');
    keys.update(key, [&](storage::Slot& slot) {
      slot.set_bytes(std::string_view(value_).substr(0, bytes), storage::Deadline::never());
    });
  }

  const Setup& setup_;
  const Trace& trace_;
  const Sizes& sizes_;
  std::string value_;
};

class Table {
 public:
  explicit Table(const Setup& setup) : setup_(setup), sums_(setup.policies.size()) {}

  void head() const {
    fmt::print("{:<14} {:>10} {:>8} {:>8}", "stream", "limit", "lru %", "optimum");
    for (const std::string& policy : setup_.policies) fmt::print(" {:>15}", policy);
    fmt::print("\n");
  }
  void row(const Trace& trace, const Limit& limit, const Sizes& sizes) {
    Replay replay(setup_, trace, sizes);
    const double beside = limit.is_bytes ? replay.bytes_beside_value() : 0;
    const std::uint64_t lru = exact_lru(trace, limit.amount, [&](std::uint32_t key) {
      return limit.is_bytes ? static_cast<std::size_t>(beside) + replay.value_bytes(key) : 1;
    });
    const auto times_lru = [&](std::uint64_t misses) {
      return static_cast<double>(misses) / static_cast<double>(lru);
    };
    const double percent = 100 * static_cast<double>(lru) /
                           static_cast<double>(trace.requests.size());
    fmt::print(
        "{:<14} {:>10} {:>8.2f} {:>8}", trace.name, limit.amount, percent,
        limit.is_bytes ? "-" : fmt::format("{:.3f}", times_lru(optimum(trace, limit.amount))));
    for (std::size_t i = 0; i < setup_.policies.size(); ++i) {
      const double times = times_lru(replay.misses(setup_.policies[i], limit));
      sums_[i].total += times;
      sums_[i].worst = std::max(sums_[i].worst, times);
      fmt::print(" {:>15.3f}", times);
      std::fflush(stdout);
    }
    fmt::print("\n");
    ++rows_;
  }
  void foot() const {
    fmt::print("{:<14} {:>10} {:>8} {:>8}", "mean", "", "", "");
    for (const Sum& sum : sums_) fmt::print(" {:>15.3f}", sum.total / static_cast<double>(rows_));
    fmt::print("\n{:<14} {:>10} {:>8} {:>8}", "worst", "", "", "");
    for (const Sum& sum : sums_) fmt::print(" {:>15.3f}", sum.worst);
    fmt::print("\n");
  }

 private:
  struct Sum {
    double total = 0;
    double worst = 0;
  };
  const Setup& setup_;
  std::vector<Sum> sums_;
  std::size_t rows_ = 0;
};

void run(const Setup& setup) {
  const bool is_number = setup.sizes.find_first_not_of("0123456789") == std::string::npos;
  const Sizes sizes = is_number ? Sizes(static_cast<std::uint32_t>(std::stoul(setup.sizes)))
                                : Sizes(setup.sizes);
  Table table(setup);
  table.head();
  const auto rows = [&](const Trace& trace) {
    for (const std::size_t limit : trace.limits) table.row(trace, {limit, false}, sizes);
    if (!trace.limits.empty()) return;
    for (const std::string& limit : setup.limits)
      table.row(trace, limit_named(limit, trace), sizes);
  };
  for (const std::string& file : setup.files) rows(read_trace(file));
  if (setup.made) {
    for (const Trace& trace : made_traces()) rows(trace);
  }
  table.foot();
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  larder::bench::Setup setup;
  CLI::App app{"What eviction policies keep, beside an exact LRU and the optimum"};
  app.add_option("trace", setup.files, "files of requests (.ltr, .ltr.zst)");
  app.add_flag("--made", setup.made, "made streams too, each with limits of its own");
  app.add_option("--policy", setup.policies, "policies by their names");
  app.add_option("--limit", setup.limits, "numbers of keys, shares of them (1%), or bytes (64mb)");
  app.add_option(
      "--sizes", setup.sizes,
      "bytes of a value, or a table of lines 'lower_bound weight'; used with bytes only");
  app.add_option("--shards", setup.shards, "shards of the store, a power of two");
  app.add_option("--samples", setup.samples, "maxmemory-samples");
  app.add_option("--seconds", setup.seconds, "how long a stream takes by the policies' clock");
  app.add_option("--seed", setup.seed, "of the store");
  CLI11_PARSE(app, argc, argv);
  if (setup.files.empty() && !setup.made) {
    fmt::print(stderr, "bench_hitratio: no streams; name trace files, or say --made\n");
    return 2;
  }
  try {
    larder::bench::run(setup);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "bench_hitratio: {}\n", problem.what());
    return 1;
  }
  return 0;
}
