// What a new key costs in a store that is full: batches of them as a pipeline brings them, each of
// which makes room first. Beside it the same in a store without a limit. Items are keys.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/eviction.h"
#include "storage/fetch_ahead.h"
#include "storage/keyspace.h"
#include "storage/store.h"
#include "tools/bench/micro/entries.h"

namespace larder::bench {
namespace {

using storage::Keyspace;
using storage::Policy;
using storage::Slot;
using storage::Store;

constexpr std::size_t kBatch = 16;
constexpr std::uint64_t kKeys = 4'000'000;  // in the store when it is full

class Writer {
 public:
  Writer() : store_({.seed = kSeed}), ahead_(store_, true) {
    value_.fill('v');
    texts_.reserve(kBatch);  // keys_ are views of them
  }

  Store& store() { return store_; }

  // The next keys, none of which has been there.
  void write_batch() {
    texts_.clear();
    keys_.clear();
    ahead_.clear();
    for (std::size_t i = 0; i < kBatch; ++i) {
      texts_.emplace_back(written_++);
      keys_.push_back(store_.key(texts_.back().view()));
      ahead_.add({0, keys_.back().hash});
    }
    Keyspace keyspace(store_, 0, kStartMs + static_cast<std::int64_t>(written_ / 1000));
    ahead_.start();
    for (std::size_t i = 0; i < kBatch; ++i) {
      ahead_.reach(i);
      store_.make_room(keyspace.now_ms());
      keyspace.update(keys_[i], [&](Slot& slot) {
        slot.set_bytes({value_.data(), value_.size()}, storage::Deadline::never());
      });
    }
  }
  void fill() {
    while (written_ < kKeys) write_batch();
  }

 private:
  static constexpr std::int64_t kStartMs = 1'700'000'000'000;

  Store store_;
  storage::FetchAhead ahead_;
  std::vector<KeyText> texts_;
  std::vector<storage::Key> keys_;
  std::array<char, 32> value_{};
  std::uint64_t written_ = 0;
};

void measure(benchmark::State& state, Writer& writer) {
  for (auto _ : state) writer.write_batch();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

void set_new(benchmark::State& state) {
  Writer writer;
  writer.fill();
  measure(state, writer);
}

void set_evicting(benchmark::State& state, Policy policy) {
  Writer writer;
  writer.fill();
  writer.store().set_limit(writer.store().used_bytes(), {.policy = policy});
  for (std::uint64_t i = 0; i < kKeys; i += kBatch) writer.write_batch();
  measure(state, writer);
}

BENCHMARK(set_new);
BENCHMARK_CAPTURE(set_evicting, allkeys_auto, Policy::allkeys_auto);
BENCHMARK_CAPTURE(set_evicting, allkeys_lru, Policy::allkeys_lru);
BENCHMARK_CAPTURE(set_evicting, allkeys_random, Policy::allkeys_random);

}  // namespace
}  // namespace larder::bench
