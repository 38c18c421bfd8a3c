// Fetch-ahead: keys of requests that are parsed but not run yet are on their way to the cache.
//
// The keys of a group of requests stand in the order in which they will be run. When one is run,
// the bucket of the key kBucketsAhead behind it is asked for, and the entry of the key
// kEntriesAhead behind it, whose bucket has arrived by then:
//
//     run ->  k0 k1 k2 ........ k16 ................. k48 ....
//             now               its entry            its bucket
//
// So a few fetches are always under way, none is waited for, and what has come is used before it
// is pushed out again.
// Must hold: only a hint. A request that is not run (its client waits) makes the distance wrong
// until the next session's first key sets it right.
// Cost: some 20 instructions a key, the two fetches included. Thread: loop.
// Not all keys of a turn at once, phase by phase: with 50 clients that pipeline 100 those are 5000
// buckets and entries, on as many pages, and most were gone from cache and TLB before their visit:
// a pipelined GET took 1.4 times as long. Distances: 8/16, 16/32, 32/64 and 48/96 lie within 5 % of
// each other; 12/40 was first by a nose, so far buckets and near entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "storage/store.h"

namespace larder::server::net {

class FetchAhead {
 public:
  explicit FetchAhead(const storage::Store& store) : store_(store) {}

  void clear() {
    keys_.clear();
    buckets_ = entries_ = 0;
  }
  void add(const storage::Store::Fetch& key) { keys_.push_back(key); }
  std::size_t size() const { return keys_.size(); }

  // Key number `index` is visited next.
  void reach(std::size_t index) {
    const std::size_t buckets = std::min(keys_.size(), index + kBucketsAhead);
    while (buckets_ < buckets) store_.prefetch_bucket(keys_[buckets_++]);
    const std::size_t entries = std::min(keys_.size(), index + kEntriesAhead);
    while (entries_ < entries) store_.prefetch_entry(keys_[entries_++]);
  }

 private:
  static constexpr std::size_t kEntriesAhead = 16;
  static constexpr std::size_t kBucketsAhead = 48;

  const storage::Store& store_;
  std::vector<storage::Store::Fetch> keys_;
  std::size_t buckets_ = 0;  // those before it are asked for
  std::size_t entries_ = 0;
};

}  // namespace larder::server::net
