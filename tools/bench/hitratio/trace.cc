#include "tools/bench/hitratio/trace.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace larder::bench {
namespace {

constexpr std::uint32_t kHasSizes = 1;
constexpr std::size_t kMostRequests = std::size_t{1} << 31;

struct Input {
  explicit Input(const std::string& path) : is_pipe_(path.ends_with(".zst")) {
    if (is_pipe_ && path.find('\'') != std::string::npos) {
      throw std::runtime_error(path + ": a quote in the name of a compressed file");
    }
    file_ = is_pipe_ ? popen(("zstd -dcq '" + path + "'").c_str(), "r")
                     : std::fopen(path.c_str(), "rb");
    if (file_ == nullptr) throw std::runtime_error(path + ": cannot be opened");
  }
  ~Input() { is_pipe_ ? pclose(file_) : std::fclose(file_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  template <class T>
  void read(T* into, std::size_t count) {
    if (std::fread(into, sizeof(T), count, file_) == count) return;
    throw std::runtime_error("a trace that ends too early, or no trace");
  }
  std::string text() {
    std::string text;
    std::array<char, 4096> part;
    while (const std::size_t n = std::fread(part.data(), 1, part.size(), file_)) {
      text.append(part.data(), n);
    }
    return text;
  }

 private:
  bool is_pipe_;
  std::FILE* file_;
};

std::string name_of(const std::string& path) {
  const std::string file = path.substr(path.find_last_of('/') + 1);
  return file.substr(0, file.find('.'));
}

}  // namespace

std::uint64_t scatter(std::uint64_t n) {
  n += 0x9e3779b97f4a7c15ull;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebull;
  return n ^ (n >> 31);
}

Trace read_trace(const std::string& path) {
  Input input(path);
  std::array<char, 4> mark;
  std::array<std::uint32_t, 3> head;
  input.read(mark.data(), mark.size());
  input.read(head.data(), head.size());
  const auto [requests, keys, flags] = head;
  if (std::memcmp(mark.data(), "LTR1", 4) != 0 || requests > kMostRequests || keys > requests) {
    throw std::runtime_error(path + ": not a trace");
  }
  Trace trace;
  trace.name = name_of(path);
  trace.keys = keys;
  if ((flags & kHasSizes) != 0) {
    trace.value_bytes.resize(keys);
    input.read(trace.value_bytes.data(), keys);
  }
  trace.requests.resize(requests);
  input.read(trace.requests.data(), requests);
  for (const std::uint32_t key : trace.requests) {
    if (key >= keys) throw std::runtime_error(path + ": a key beyond the number of keys");
  }
  return trace;
}

Sizes::Sizes(const std::string& path) {
  const std::string text = Input(path).text();
  const char* at = text.c_str();
  double sum = 0;
  unsigned bound = 0;
  double weight = 0;
  int length = 0;
  while (std::sscanf(at, "%u %lf%n", &bound, &weight, &length) == 2) {
    bounds_.push_back(bound);
    sums_.push_back(sum += weight);
    at += length;
  }
  if (bounds_.empty() || sum <= 0) throw std::runtime_error(path + ": no table of sizes");
}

std::uint32_t Sizes::operator()(std::uint32_t key) const {
  if (bounds_.empty()) return fixed_;
  const std::uint64_t drawn = scatter(key + 0x5bd1e995u);
  const double unit = static_cast<double>(drawn >> 11) * 0x1p-53;
  const auto it = std::upper_bound(sums_.begin(), sums_.end(), unit * sums_.back());
  const auto i = std::min(static_cast<std::size_t>(it - sums_.begin()), bounds_.size() - 1);
  if (i + 1 == bounds_.size()) return bounds_[i];
  const std::uint32_t width = std::max<std::uint32_t>(1, bounds_[i + 1] - bounds_[i]);
  return bounds_[i] + static_cast<std::uint32_t>(scatter(drawn) % width);
}

}  // namespace larder::bench
