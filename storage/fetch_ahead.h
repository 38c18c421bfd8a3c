// Fetch-ahead: keys that will be visited in a known order are on their way to the cache.
//
// When one is visited, the bucket of the key kBucketsAhead behind it is asked for, the entry of the
// key kEntriesAhead behind it, whose bucket has arrived by then, and the lock of the shard of the
// key kShardsAhead behind it:
//
//     visit ->  k0 .. k4 ............ k16 ................. k48 ....
//               now   its shard       its entry             its bucket
//
// So a few fetches are always under way, none is waited for, and what has come is used before it
// is pushed out again. An entry is fetched with the line behind it: 56 bytes (a key of 16, a value
// of 32) begin and end on different lines seven times in eight, and waiting for the second one was
// half of a GET in a table of a million keys (330 ns with it, 150 without). The line of a lock is
// asked for to be written, late: asked for early, another loop has taken it back by then.
// Must hold: only a hint. A key that is not visited makes the distance wrong, nothing else.
// Cost: some 20 instructions a key, the fetches included. Thread: any one.
// Not all keys at once, phase by phase: with 50 clients that pipeline 100 those are 5000 buckets
// and entries, on as many pages, and most were gone from cache and TLB before their visit: a
// pipelined GET took 1.4 times as long. Distances: 8/16, 16/32, 32/64 and 48/96 lie within 5 % of
// each other; 12/40 was first by a nose, so far buckets and near entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "storage/keyspace.h"
#include "storage/store.h"

namespace larder::storage {

// How far the fetches of one run of keys have come.
class FetchWindow {
 public:
  explicit FetchWindow(const Store& store) : store_(&store) {}

  // Key number `index` of `count` is visited next; at(i) is key number i, a Store::Fetch.
  template <class At>
  void reach(std::size_t index, std::size_t count, At&& at) {
    const std::size_t buckets = std::min(count, index + kBucketsAhead);
    while (buckets_ < buckets) store_->prefetch_bucket(at(buckets_++));
    const std::size_t entries = std::min(count, index + kEntriesAhead);
    while (entries_ < entries) store_->prefetch_entry(at(entries_++));
    if (const std::size_t shard = index + kShardsAhead; shard < count) {
      store_->prefetch_shard(at(shard));
    }
  }
  void restart() { buckets_ = entries_ = 0; }

 private:
  static constexpr std::size_t kShardsAhead = 4;
  static constexpr std::size_t kEntriesAhead = 16;
  static constexpr std::size_t kBucketsAhead = 48;

  const Store* store_;
  std::size_t buckets_ = 0;  // those before it are asked for
  std::size_t entries_ = 0;
};

// The keys of many requests, collected while they are parsed.
class FetchAhead {
 public:
  explicit FetchAhead(const Store& store) : window_(store) {}

  void clear() {
    keys_.clear();
    window_.restart();
  }
  void add(const Store::Fetch& key) { keys_.push_back(key); }
  std::size_t size() const { return keys_.size(); }
  // Key number `index` is visited next.
  void reach(std::size_t index) {
    window_.reach(index, keys_.size(), [this](std::size_t i) { return keys_[i]; });
  }

 private:
  FetchWindow window_;
  std::vector<Store::Fetch> keys_;
};

// The keys of one command. The span must outlive this.
class KeysAhead {
 public:
  KeysAhead(Keyspace& keyspace, std::span<const Key> keys)
      : window_(keyspace.store()), keys_(keys), db_(keyspace.db()) {}

  // keys[index] is visited next.
  void reach(std::size_t index) {
    window_.reach(index, keys_.size(), [this](std::size_t i) {
      return Store::Fetch{db_, keys_[i].hash};
    });
  }

 private:
  FetchWindow window_;
  std::span<const Key> keys_;
  std::uint32_t db_;
};

}  // namespace larder::storage
