// The hash table alone: no locks, no shards, one table of so many entries. Items are keys.
#include "storage/table.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "storage/hash.h"
#include "tools/bench/micro/entries.h"

namespace larder::bench {
namespace {

using storage::Table;

constexpr std::size_t kReserveBytes = std::size_t{1} << 31;
constexpr std::size_t kBatch = 64;  // as net/session.h

// A table and what is in it. The last size asked for is kept: benchmarks of one size run one after
// the other.
class Filled {
 public:
  explicit Filled(std::size_t count) : entries_(count), table_(heap(), kReserveBytes, kSeed) {
    for (std::size_t n = 0; n < count; ++n) table_.insert(KeyText(n).hash(), entries_[n]);
  }
  static Filled& of(const benchmark::State& state) {
    static std::unique_ptr<Filled> kept;
    const auto count = static_cast<std::size_t>(state.range(0));
    if (!kept || kept->entries_.size() != count) {
      kept.reset();
      kept = std::make_unique<Filled>(count);
    }
    return *kept;
  }

  Entries& entries() { return entries_; }
  Table& table() { return table_; }

 private:
  Entries entries_;
  Table table_;
};

void table_find(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  Draw draw(filled.entries().size());
  for (auto _ : state) {
    const KeyText key(draw.next());
    benchmark::DoNotOptimize(filled.table().find(key.hash(), key.view()));
  }
  state.SetItemsProcessed(state.iterations());
}

void table_find_absent(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  Draw draw(filled.entries().size());
  for (auto _ : state) {
    const KeyText key(filled.entries().size() + draw.next());
    benchmark::DoNotOptimize(filled.table().find(key.hash(), key.view()));
  }
  state.SetItemsProcessed(state.iterations());
}

// As the engine does it: the buckets of a batch, then its entries, then the visits.
void table_find_prefetched(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  const Table& table = filled.table();
  Draw draw(filled.entries().size());
  std::vector<KeyText> keys(kBatch, KeyText(0));
  std::array<std::uint64_t, kBatch> hashes{};
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      keys[i] = KeyText(draw.next());
      hashes[i] = keys[i].hash();
    }
    for (const std::uint64_t hash : hashes) table.prefetch_bucket(hash);
    for (const std::uint64_t hash : hashes) table.prefetch_entry(hash);
    for (std::size_t i = 0; i < kBatch; ++i) {
      benchmark::DoNotOptimize(table.find(hashes[i], keys[i].view()));
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}

// Another entry for the same key, as an overwrite of another size does it.
void table_replace(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  Draw draw(filled.entries().size());
  for (auto _ : state) {
    const std::uint64_t n = draw.next();
    storage::Entry* entry = filled.entries()[n];
    filled.table().replace(KeyText(n).hash(), entry, entry);
  }
  state.SetItemsProcessed(state.iterations());
}

void table_scan(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  std::int64_t seen = 0;
  std::uint64_t cursor = 0;
  for (auto _ : state) {
    cursor = filled.table().scan_bucket(cursor, [&](storage::Entry* entry) {
      benchmark::DoNotOptimize(entry);
      ++seen;
    });
  }
  state.SetItemsProcessed(seen);
}

// From nothing to full, growth and all.
void table_insert(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  for (auto _ : state) {
    Table table(heap(), kReserveBytes, kSeed);
    for (std::size_t n = 0; n < filled.entries().size(); ++n) {
      table.insert(KeyText(n).hash(), filled.entries()[n]);
    }
    benchmark::DoNotOptimize(table.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// A key goes and comes back, in a table that keeps its size.
void table_erase_insert(benchmark::State& state) {
  Filled& filled = Filled::of(state);
  Draw draw(filled.entries().size());
  for (auto _ : state) {
    const std::uint64_t n = draw.next();
    const std::uint64_t hash = KeyText(n).hash();
    filled.table().erase(hash, filled.entries()[n]);
    filled.table().insert(hash, filled.entries()[n]);
  }
  state.SetItemsProcessed(state.iterations());
}

// All benchmarks of one size stand together, so that each size is filled once.
[[maybe_unused]] const bool kRegistered = [] {
  for (const std::int64_t count : {kSmall, kMiddle, kLarge}) {
    benchmark::RegisterBenchmark("table_find", table_find)->Arg(count);
    benchmark::RegisterBenchmark("table_find_absent", table_find_absent)->Arg(count);
    benchmark::RegisterBenchmark("table_find_prefetched", table_find_prefetched)->Arg(count);
    benchmark::RegisterBenchmark("table_replace", table_replace)->Arg(count);
    benchmark::RegisterBenchmark("table_scan", table_scan)->Arg(count);
    benchmark::RegisterBenchmark("table_erase_insert", table_erase_insert)->Arg(count);
    benchmark::RegisterBenchmark("table_insert", table_insert)
        ->Arg(count)
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace larder::bench
