// Fetch-ahead: keys that will be visited in a known order are on their way to the cache.
//
// All buckets are asked for at the start. When a key is visited, the entry of the one kEntriesAhead
// behind it is asked for, whose bucket has arrived by then; and where several loops share the
// shards, the lock of the one kShardsAhead behind it:
//
//     visit ->  k0 .. k4 ............ k16 ................. last
//               now   its shard       its entry             its bucket
//
// So a few fetches are always under way, none is waited for, and what has come is used before it
// is pushed out again. An entry is fetched with the line behind it: 56 bytes (a key of 16, a value
// of 32) begin and end on different lines seven times in eight, and waiting for the second one was
// half of a GET in a table of a million keys (330 ns with it, 150 without). The line of a lock is
// asked for to be written, late: asked for early, another loop has taken it back by then.
// Must hold: only a hint. A key that is not visited makes the distance wrong, nothing else. No more
// than some hundred keys at once: with 50 clients that pipeline 100 those are 5000 buckets and
// entries, on as many pages, and most were gone from cache and TLB before their visit: a pipelined
// GET took 1.4 times as long.
// Cost: some 110 instructions a key, the fetches included. Thread: any one.
// Distances of 8, 16, 32 and 48 for entries, with buckets twice as far, lay within 5 % of each
// other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "storage/keyspace.h"
#include "storage/store.h"

namespace larder::storage {

// How far ahead of a visit its entry is asked for.
inline constexpr std::size_t kEntriesAhead = 16;

// The keys of many requests, collected while they are parsed.
class FetchAhead {
 public:
  // is_shared: other threads visit the store too.
  FetchAhead(const Store& store, bool is_shared) : store_(store), is_shared_(is_shared) {}

  void clear() {
    keys_.clear();
    entries_ = 0;
  }
  void add(const Store::Fetch& key) { keys_.push_back(key); }
  std::size_t size() const { return keys_.size(); }
  // All are known, and their visits begin. From here on inside the turnstile.
  void start() {
    for (const Store::Fetch& key : keys_) store_.prefetch_bucket(key);
  }
  // Key number `index` is visited next.
  void reach(std::size_t index) {
    const std::size_t count = keys_.size();
    const std::size_t entries = std::min(count, index + kEntriesAhead);
    for (; entries_ < entries; ++entries_) store_.prefetch_entry(keys_[entries_]);
    if (is_shared_ && index + kShardsAhead < count) {
      store_.prefetch_shard(keys_[index + kShardsAhead]);
    }
  }

 private:
  static constexpr std::size_t kShardsAhead = 4;

  const Store& store_;
  std::vector<Store::Fetch> keys_;
  std::size_t entries_ = 0;  // those before it are asked for
  bool is_shared_;
};

// The keys of one command, of any number: buckets too are asked for only some way ahead. The span
// must outlive this.
class KeysAhead {
 public:
  KeysAhead(Keyspace& keyspace, std::span<const Key> keys)
      : store_(keyspace.store()), keys_(keys), db_(keyspace.db()) {}

  // keys[index] is visited next.
  void reach(std::size_t index) {
    const std::size_t buckets = std::min(keys_.size(), index + kBucketsAhead);
    while (buckets_ < buckets) store_.prefetch_bucket({db_, keys_[buckets_++].hash});
    const std::size_t entries = std::min(keys_.size(), index + kEntriesAhead);
    while (entries_ < entries) store_.prefetch_entry({db_, keys_[entries_++].hash});
    // The shards of a command's keys are held already.
  }

 private:
  static constexpr std::size_t kBucketsAhead = 48;

  const Store& store_;
  std::span<const Key> keys_;
  std::size_t buckets_ = 0;  // those before it are asked for
  std::size_t entries_ = 0;
  std::uint32_t db_;
};

}  // namespace larder::storage
