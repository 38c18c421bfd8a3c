// The RESP reader: a read's worth of requests that lie in the buffer whole. Items are requests.
#include "protocol/resp_reader.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace larder::bench {
namespace {

using protocol::RequestBatch;
using protocol::RespReader;

constexpr std::size_t kMostBatch = 64;  // as net/session.h
constexpr std::string_view kKey = "key:000000123456";

std::string request_of(std::initializer_list<std::string_view> words) {
  std::string text = fmt::format("*{}\r\n", words.size());
  for (const std::string_view word : words) text += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return text;
}

std::string repeated(const std::string& text, std::int64_t times) {
  std::string all;
  for (std::int64_t i = 0; i < times; ++i) all += text;
  return all;
}

// The whole input, in batches, again and again.
void read_all(benchmark::State& state, const std::string& input, std::int64_t requests) {
  RespReader reader;
  RequestBatch batch;
  for (auto _ : state) {
    std::string_view rest = input;
    while (!rest.empty()) {
      const RespReader::Result result = reader.read(rest, batch, kMostBatch);
      benchmark::DoNotOptimize(batch.size());
      batch.clear();
      rest.remove_prefix(result.consumed);
    }
  }
  state.SetItemsProcessed(state.iterations() * requests);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}

void reader_get(benchmark::State& state) {
  read_all(state, repeated(request_of({"GET", kKey}), state.range(0)), state.range(0));
}

void reader_set(benchmark::State& state) {
  const std::string value(32, 'v');
  read_all(state, repeated(request_of({"SET", kKey, value}), state.range(0)), state.range(0));
}

void reader_set_ex(benchmark::State& state) {
  const std::string value(32, 'v');
  const std::string request = request_of({"SET", kKey, value, "EX", "3600"});
  read_all(state, repeated(request, state.range(0)), state.range(0));
}

void reader_set_value(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  read_all(state, request_of({"SET", kKey, value}), 1);
}

void reader_mget(benchmark::State& state) {
  std::string request = fmt::format("*{}\r\n$4\r\nMGET\r\n", state.range(0) + 1);
  for (std::int64_t i = 0; i < state.range(0); ++i) request += fmt::format("$16\r\n{}\r\n", kKey);
  read_all(state, request, 1);
}

// Every read brings so many bytes of a pipeline: requests are cut wherever that falls.
void reader_cut(benchmark::State& state) {
  constexpr std::int64_t requests = 16;
  const std::string input = repeated(request_of({"GET", kKey}), requests);
  const auto step = static_cast<std::size_t>(state.range(0));
  RespReader reader;
  RequestBatch batch;
  for (auto _ : state) {
    std::size_t consumed = 0;
    for (std::size_t come = step; consumed < input.size(); come += step) {
      const std::string_view unread = std::string_view(input).substr(0, come).substr(consumed);
      consumed += reader.read(unread, batch, kMostBatch).consumed;
      batch.clear();
    }
  }
  state.SetItemsProcessed(state.iterations() * requests);
}

BENCHMARK(reader_get)->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(reader_set)->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(reader_set_ex)->Arg(1)->Arg(16);
BENCHMARK(reader_set_value)->Arg(1024)->Arg(65536);
BENCHMARK(reader_mget)->Arg(100);
BENCHMARK(reader_cut)->Arg(7)->Arg(50);

}  // namespace
}  // namespace larder::bench
