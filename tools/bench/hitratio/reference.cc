#include "tools/bench/hitratio/reference.h"

#include <limits>
#include <queue>
#include <utility>

namespace larder::bench {
namespace {

// Keys in the order of their use, as a ring through a node that is no key.
class Order {
 public:
  explicit Order(std::uint32_t keys) : before_(keys + 1), after_(keys + 1), head_(keys) {
    before_[head_] = after_[head_] = head_;
  }
  void remove(std::uint32_t key) {
    after_[before_[key]] = after_[key];
    before_[after_[key]] = before_[key];
  }
  void put_first(std::uint32_t key) {
    after_[key] = after_[head_];
    before_[key] = head_;
    before_[after_[head_]] = key;
    after_[head_] = key;
  }
  std::uint32_t last() const { return before_[head_]; }

 private:
  std::vector<std::uint32_t> before_;
  std::vector<std::uint32_t> after_;
  std::uint32_t head_;
};

}  // namespace

std::uint64_t exact_lru(const Trace& trace, std::size_t limit,
                        const std::function<std::size_t(std::uint32_t)>& weight) {
  Order order(trace.keys);
  std::vector<bool> is_in(trace.keys, false);
  std::size_t used = 0;
  std::uint64_t misses = 0;
  for (const std::uint32_t key : trace.requests) {
    if (is_in[key]) {
      order.remove(key);
      order.put_first(key);
      continue;
    }
    ++misses;
    const std::size_t needed = weight(key);
    if (needed > limit) continue;
    while (used + needed > limit) {
      const std::uint32_t oldest = order.last();
      order.remove(oldest);
      is_in[oldest] = false;
      used -= weight(oldest);
    }
    order.put_first(key);
    is_in[key] = true;
    used += needed;
  }
  return misses;
}

std::uint64_t optimum(const Trace& trace, std::size_t limit) {
  constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
  const std::size_t requests = trace.requests.size();
  std::vector<std::uint32_t> next(requests);
  std::vector<std::uint32_t> soonest(trace.keys, kNever);
  for (std::size_t i = requests; i-- != 0;) {
    next[i] = soonest[trace.requests[i]];
    soonest[trace.requests[i]] = static_cast<std::uint32_t>(i);
  }
  std::vector<bool> is_in(trace.keys, false);
  std::vector<std::uint32_t> next_use(trace.keys);
  std::priority_queue<std::pair<std::uint32_t, std::uint32_t>> farthest;  // some are out of date
  std::size_t held = 0;
  std::uint64_t misses = 0;
  for (std::size_t i = 0; i < requests; ++i) {
    const std::uint32_t key = trace.requests[i];
    if (!is_in[key]) {
      ++misses;
      while (held == limit) {
        const auto [use, victim] = farthest.top();
        farthest.pop();
        if (!is_in[victim] || next_use[victim] != use) continue;
        is_in[victim] = false;
        --held;
      }
      is_in[key] = true;
      ++held;
    }
    next_use[key] = next[i];
    farthest.emplace(next[i], key);
  }
  return misses;
}

}  // namespace larder::bench
