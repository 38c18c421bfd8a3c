// Entries alone: making and replacing them is the allocator and a copy. Items are entries.
#include "storage/entry.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "tools/bench/micro/entries.h"

namespace larder::bench {
namespace {

using storage::Encoding;
using storage::Entry;

// One after the other, each gone before the next: the allocator at its best.
void entry_make_destroy(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  std::uint64_t n = 0;
  for (auto _ : state) {
    Entry* entry = make_entry(KeyText(++n).view(), value);
    benchmark::DoNotOptimize(entry);
    entry->destroy(heap());
  }
  state.SetItemsProcessed(state.iterations());
}

// A key among so many gets a value of another size, chosen at random: the allocator at work.
void entry_replace(benchmark::State& state) {
  Entries entries(static_cast<std::size_t>(state.range(0)));
  Draw draw(entries.size());
  const std::string value(200, 'v');
  for (auto _ : state) {
    const std::uint64_t n = draw.next();
    const std::size_t size_bytes = 8 + (mix(n + draw.next()) & 127);
    Entry* newer = make_entry(KeyText(n).view(), std::string_view(value).substr(0, size_bytes));
    newer->inherit(*entries[n]);
    entries[n]->destroy(heap());
    entries[n] = newer;
  }
  state.SetItemsProcessed(state.iterations());
}

// The same size again: written where the old value was.
void entry_rewrite(benchmark::State& state) {
  Entries entries(static_cast<std::size_t>(state.range(0)));
  Draw draw(entries.size());
  const std::string value(32, 'w');
  for (auto _ : state) {
    benchmark::DoNotOptimize(entries[draw.next()]->rewrite_inline(value, Encoding::embstr));
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(entry_make_destroy)->Arg(8)->Arg(32)->Arg(200)->Arg(4096);
BENCHMARK(entry_replace)->Arg(kSmall)->Arg(kMiddle)->Arg(kLarge);
BENCHMARK(entry_rewrite)->Arg(kSmall)->Arg(kMiddle)->Arg(kLarge);

}  // namespace
}  // namespace larder::bench
