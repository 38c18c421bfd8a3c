// Streams of requests to replay: which key was asked for, in order, and how large its value is.
//
// A file is "LTR1", three 32-bit numbers (requests, distinct keys, flags), the sizes of the keys'
// values if flag 1 is set, and the requests: numbers of keys, by first appearance. Little-endian;
// a name that ends in .zst is read through the zstd program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace larder::bench {

struct Trace {
  std::string name;
  std::vector<std::uint32_t> requests;
  std::vector<std::uint32_t> value_bytes;  // by key; empty: the stream has no sizes
  std::uint32_t keys = 0;
  // Limits to try, in keys; empty: the shares the command line asks for.
  std::vector<std::size_t> limits;
};

// Throws std::runtime_error with a sentence.
Trace read_trace(const std::string& path);

// Made streams, each a habit that is hard on some policy: skew at rest and drifting, loops a little
// and far too long, scans through a popular set, keys seen once, strong recency, short bursts,
// sessions, and changes of phase. The same at every run.
std::vector<Trace> made_traces();

// A size for a key of a stream without sizes, drawn from a table of lines "lower_bound weight": the
// same for the same key.
class Sizes {
 public:
  explicit Sizes(std::uint32_t fixed) : fixed_(fixed) {}
  explicit Sizes(const std::string& path);
  std::uint32_t operator()(std::uint32_t key) const;

 private:
  std::uint32_t fixed_ = 0;
  std::vector<std::uint32_t> bounds_;
  std::vector<double> sums_;  // of weights, up to and with each
};

// splitmix64: neighbouring numbers become unlike ones.
std::uint64_t scatter(std::uint64_t n);

}  // namespace larder::bench
