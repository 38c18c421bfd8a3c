// The made streams of trace.h. Each is a few hundred thousand requests; sizes and lengths are
// chosen so that the limits beside them fall below, at and above what the habit needs.
#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <utility>

#include "tools/bench/hitratio/trace.h"

namespace larder::bench {
namespace {

using Step = std::function<std::uint32_t(std::size_t)>;

class Chance {
 public:
  std::uint64_t operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((*this)() % n); }
  double unit() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }
  std::size_t exponential(double mean) {
    return static_cast<std::size_t>(-std::log(1 - unit()) * mean);
  }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15ull;
};

class Zipf {
 public:
  Zipf(std::size_t keys, double skew) : sums_(keys) {
    double sum = 0;
    for (std::size_t i = 0; i < keys; ++i) {
      sums_[i] = sum += std::pow(static_cast<double>(i + 1), -skew);
    }
  }
  std::uint32_t operator()(Chance& chance) const {
    const double drawn = chance.unit() * sums_.back();
    return static_cast<std::uint32_t>(std::lower_bound(sums_.begin(), sums_.end(), drawn) -
                                      sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

Trace make(std::string name, std::size_t requests, std::vector<std::size_t> limits,
           const Step& step) {
  Trace trace;
  trace.name = std::move(name);
  trace.limits = std::move(limits);
  trace.requests.reserve(requests);
  std::vector<std::uint32_t> number;  // by first appearance
  for (std::size_t i = 0; i < requests; ++i) {
    const std::uint32_t key = step(i);
    if (key >= number.size()) number.resize(key + 1, UINT32_MAX);
    if (number[key] == UINT32_MAX) number[key] = trace.keys++;
    trace.requests.push_back(number[key]);
  }
  return trace;
}

constexpr std::uint32_t kElsewhere = 100'000;  // beyond the keys of any popular set below

void add_skewed(std::vector<Trace>& traces, Chance& chance) {
  for (const int tenths : {7, 9, 11}) {
    const Zipf zipf(50'000, tenths / 10.0);
    traces.push_back(make("zipf-" + std::to_string(tenths), 600'000, {500, 5'000, 12'500},
                          [&](std::size_t) { return zipf(chance); }));
  }
  const Zipf zipf(50'000, 0.9);
  traces.push_back(make("moving", 800'000, {500, 5'000}, [&](std::size_t i) {
    return zipf(chance) + static_cast<std::uint32_t>(i / 8);
  }));
  std::vector<std::uint32_t> order(50'000);
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  traces.push_back(make("reordered", 800'000, {500, 5'000}, [&](std::size_t i) {
    if (i % 4 == 0) std::swap(order[chance.below(50'000)], order[chance.below(50'000)]);
    return order[zipf(chance)];
  }));
}

void add_loops(std::vector<Trace>& traces, Chance& chance) {
  traces.push_back(make("loop", 500'000, {1'000, 5'000, 9'000, 9'900},
                        [](std::size_t i) { return static_cast<std::uint32_t>(i % 10'000); }));
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t c = 0;
  traces.push_back(make("three loops", 600'000, {1'000, 3'000, 8'000}, [&](std::size_t) {
    const double drawn = chance.unit();
    if (drawn < 0.6) return a++ % 2'000;
    if (drawn < 0.9) return kElsewhere + b++ % 6'000;
    return 2 * kElsewhere + c++ % 20'000;
  }));
}

void add_polluted(std::vector<Trace>& traces, Chance& chance) {
  std::uint32_t fresh = kElsewhere;
  const Zipf flat(20'000, 0.8);
  const Zipf steep(20'000, 0.9);
  traces.push_back(make("scans", 750'000, {500, 2'000, 5'000}, [&](std::size_t i) {
    return i % 25'000 < 20'000 ? flat(chance) : fresh++;
  }));
  traces.push_back(make("once only", 600'000, {500, 2'000, 5'000}, [&](std::size_t) {
    return chance.unit() < 0.3 ? fresh++ : steep(chance);
  }));
  using Due = std::pair<std::size_t, std::uint32_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  traces.push_back(make("bursts", 600'000, {500, 2'000, 5'000}, [&](std::size_t i) {
    if (!due.empty() && due.top().first <= i) {
      const std::uint32_t key = due.top().second;
      due.pop();
      return key;
    }
    if (chance.unit() >= 0.3) return flat(chance);
    due.emplace(i + 1 + chance.below(400), fresh);
    if (chance.below(2) == 0) due.emplace(i + 1 + chance.below(800), fresh);
    return fresh++;
  }));
}

// The next request is for the key that was used so many keys ago, by a law of powers.
Trace recency(std::string name, double exponent, double scale, Chance& chance) {
  constexpr std::size_t kDeepest = 30'000;
  std::vector<std::uint32_t> stack;  // the last is the youngest
  std::uint32_t fresh = 0;
  return make(std::move(name), 400'000, {300, 1'500, 6'000}, [&](std::size_t) {
    const double drawn = (std::pow(1 - chance.unit(), -1 / exponent) - 1) * scale;
    std::uint32_t key = fresh;
    if (drawn < static_cast<double>(std::min(stack.size(), kDeepest))) {
      const auto at = stack.end() - 1 - static_cast<std::ptrdiff_t>(drawn);
      key = *at;
      stack.erase(at);
    } else {
      ++fresh;
    }
    stack.push_back(key);
    return key;
  });
}

void add_recent(std::vector<Trace>& traces, Chance& chance) {
  traces.push_back(recency("recency", 0.6, 3, chance));
  traces.push_back(recency("steep recency", 1.2, 20, chance));
  using Due = std::pair<std::size_t, std::uint32_t>;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  std::vector<std::uint32_t> left;
  traces.push_back(make("sessions", 600'000, {300, 1'000, 3'000}, [&](std::size_t i) {
    auto key = static_cast<std::uint32_t>(left.size());
    if (!due.empty() && due.top().first <= i) {
      key = due.top().second;
      due.pop();
      --left[key];
    } else {
      left.push_back(3 + chance.below(12));
    }
    if (left[key] != 0) due.emplace(i + 1 + chance.exponential(4'000), key);
    return key;
  }));
}

// A loop, a popular set that moves on, and a scan that looks back: one after the other.
Trace phases(Chance& chance) {
  const Zipf zipf(15'000, 0.9);
  return make("phases", 700'000, {500, 2'000, 5'000}, [&, moved = 0u](std::size_t i) mutable {
    const std::size_t phase = i / 35'000;
    const auto at = static_cast<std::uint32_t>(i % 35'000);
    if (phase % 3 == 0) return 5 * kElsewhere + at % 4'000;
    if (phase % 3 == 1) {
      if (at == 0) moved += 5'000;
      return moved + zipf(chance);
    }
    const std::uint32_t newest = 6 * kElsewhere + static_cast<std::uint32_t>(phase) * 20'000;
    return newest + at / 3 - chance.below(50) * chance.below(20);
  });
}

}  // namespace

std::vector<Trace> made_traces() {
  std::vector<Trace> traces;
  Chance chance;
  add_skewed(traces, chance);
  add_loops(traces, chance);
  add_polluted(traces, chance);
  add_recent(traces, chance);
  traces.push_back(phases(chance));
  return traces;
}

}  // namespace larder::bench
