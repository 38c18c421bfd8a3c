// The RESP writer into an output buffer, the buffer's emptying included, since that is part of
// every reply. Items are replies.
#include "protocol/resp_writer.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>

#include "protocol/buffer.h"

namespace larder::bench {
namespace {

using protocol::OutputBuffer;
using protocol::RespWriter;

constexpr std::size_t kMostPieces = 64;  // as session.cc

// What a gathered write does to the buffer, but for the system call.
void send_all(OutputBuffer& out) {
  std::array<OutputBuffer::Piece, kMostPieces> pieces;
  while (!out.empty()) {
    const std::size_t count = out.gather(pieces);
    std::size_t sent = 0;
    for (std::size_t i = 0; i < count; ++i) sent += pieces[i].size;
    benchmark::DoNotOptimize(sent);
    out.consume(sent);
  }
}

// A batch of so many replies, then its sending.
template <class Say>
void write_all(benchmark::State& state, Say&& say) {
  protocol::BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  // Commands see the writer as a Reply, by its table.
  protocol::Reply* reply = &writer;
  benchmark::DoNotOptimize(reply);
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0); ++i) say(*reply);
    send_all(out);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void writer_bulk(benchmark::State& state) {
  const std::string value(32, 'v');
  write_all(state, [&](protocol::Reply& reply) { reply.bulk(value); });
}

void writer_bulk_1k(benchmark::State& state) {
  const std::string value(1024, 'v');
  write_all(state, [&](protocol::Reply& reply) { reply.bulk(value); });
}

void writer_pin_64k(benchmark::State& state) {
  const std::string value(65536, 'v');
  write_all(state, [&](protocol::Reply& reply) {
    reply.pinned(protocol::Pin(value, nullptr, [](void*) {}));
  });
}

void writer_ok(benchmark::State& state) {
  write_all(state, [](protocol::Reply& reply) { reply.ok(); });
}

void writer_null(benchmark::State& state) {
  write_all(state, [](protocol::Reply& reply) { reply.null(); });
}

void writer_integer(benchmark::State& state) {
  std::int64_t n = 0;
  write_all(state, [&](protocol::Reply& reply) { reply.integer(n += 12345); });
}

void writer_array(benchmark::State& state) {
  const std::string value(32, 'v');
  write_all(state, [&](protocol::Reply& reply) {
    reply.array(100);
    for (int i = 0; i < 100; ++i) reply.bulk(value);
  });
}

BENCHMARK(writer_bulk)->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(writer_bulk_1k)->Arg(16);
BENCHMARK(writer_pin_64k)->Arg(1)->Arg(16);
BENCHMARK(writer_ok)->Arg(1)->Arg(16)->Arg(100);
BENCHMARK(writer_null)->Arg(16);
BENCHMARK(writer_integer)->Arg(16);
BENCHMARK(writer_array)->Arg(1);

}  // namespace
}  // namespace larder::bench
