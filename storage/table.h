// The hash table of one database within one shard: from hashes to entries, growing one bucket at a
// time.
//
// A bucket is one cache line: seven slots and a link. A slot packs 45 bits of pointer (entries are
// 8-aligned, addresses have 48 bits) and a 19-bit tag of the hash, so that a probe reads one line
// and nearly always only the right entry.
//
//   slot   63 ........ 19 | 18 ... 0        0: empty
//          pointer >> 3   | hash bits 8..26
//   link   index + 1 of an overflow bucket, 0: none
//
// Linear hashing: with n buckets, and m the power of two at or above n, a hash lives in bucket h
// mod m, or h mod m/2 if that bucket is not there yet. To grow, bucket n - m/2 is split: the
// entries whose next bit is set go to the new bucket n. So growth costs one bucket per few inserts
// and never a pause, and no second table exists. From 256 buckets on the tag tells which half an
// entry belongs to, so a split touches no entry.
//
// A scan walks buckets in the order of the reversed bits of the hash: a bucket and the two it
// splits into cover the same stretch of that order, so a cursor stays right while the table grows
// or shrinks: every key that is there from the first call to the last is seen. (Redis walks its
// doubling table in the same order.)
//
// Must hold: n() entries reachable; an overflow chain hangs only below its own bucket and has no
// empty tail.
// Cost: find one line (+ one per overflow bucket) and one entry; 64 / (7 * load) bytes per key,
// load 0.8 aimed at.
// Thread: whoever holds the shard. prefetch_*() may be called by anyone: it reads slots that
// another thread may be writing, therefore slots are relaxed atomics (plain loads and stores on
// this machine), and uses what it reads only as an address to fetch, never to follow.
// Sources: Litwin, "Linear hashing" (VLDB 1980); Larson, "Dynamic hash tables" (CACM 1988).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "storage/entry.h"
#include "storage/region.h"

namespace larder::storage {

class Table {
 public:
  static constexpr std::size_t kSlots = 7;
  struct alignas(64) Bucket {
    std::array<std::atomic<std::uint64_t>, kSlots> slots;
    std::atomic<std::uint64_t> link;
  };
  static_assert(sizeof(Bucket) == 64, "a bucket is one cache line");

  // reserve_bytes: address space for the buckets, a bound on growth (beyond it only chains get
  // longer). The seed makes hashes of entries again where tags do not tell enough.
  Table(std::size_t reserve_bytes, std::uint64_t seed);
  ~Table();  // the entries are not destroyed: their owner has taken them out, or takes them along
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::size_t size() const { return size_; }
  // Buckets and overflow buckets, in bytes.
  std::size_t used_bytes() const;

  Entry* find(std::uint64_t hash, std::string_view key) const;
  // The key must not be there yet.
  void insert(std::uint64_t hash, Entry* entry);
  // `older` must be there; it is not destroyed.
  void replace(std::uint64_t hash, const Entry* older, Entry* newer);
  void erase(std::uint64_t hash, const Entry* entry);

  // Every entry whose tag and bucket fit the low 32 bits of a hash. visit(Entry*): must not change
  // the table.
  template <class Visitor>
  void each_named(std::uint32_t name, Visitor&& visit) const {
    const std::uint64_t tag = tag_of(name);
    for (const Bucket* bucket = &main_bucket(name); bucket != nullptr; bucket = next(*bucket)) {
      for (const auto& slot : bucket->slots) {
        const std::uint64_t word = slot.load(std::memory_order_relaxed);
        if (word != 0 && (word & kTagMask) == tag) visit(entry_of(word));
      }
    }
  }

  // Visits the entries of one bucket and answers the cursor of the next, 0 at the end. Expired
  // entries too.
  template <class Visitor>
  std::uint64_t scan_bucket(std::uint64_t cursor, Visitor&& visit) const {
    const std::uint64_t buckets = bucket_count();
    const std::uint64_t index = index_of(cursor, buckets);
    visit_chain(buckets_[index], visit);
    // The bits that are the same for every hash of this bucket: those of m, or of m/2 where it is
    // not split yet.
    const std::uint64_t full = std::bit_ceil(buckets);
    const bool is_narrow = index >= full / 2 || index + full / 2 < buckets;
    return next_cursor(cursor, is_narrow ? full - 1 : full / 2 - 1);
  }

  std::size_t bucket_count() const { return bucket_count_.load(std::memory_order_relaxed); }
  // visit(Entry*) for bucket number i, chains included.
  template <class Visitor>
  void each_in_bucket(std::size_t i, Visitor&& visit) const {
    visit_chain(buckets_[i], visit);
  }

  // For any thread: bring the bucket of a hash, then (a little later) its likely entry, into the
  // cache.
  void prefetch_bucket(std::uint64_t hash) const {
    __builtin_prefetch(&buckets_[index_of(hash, bucket_count())]);
  }
  void prefetch_entry(std::uint64_t hash) const {
    const std::uint64_t tag = tag_of(hash);
    for (const auto& slot : buckets_[index_of(hash, bucket_count())].slots) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      if ((word & kTagMask) == tag) __builtin_prefetch(entry_of(word));
    }
  }

 private:
  static constexpr int kTagShift = 8;
  static constexpr int kTagBits = 19;
  static constexpr std::uint64_t kTagMask = (1ull << kTagBits) - 1;

  static std::uint64_t tag_of(std::uint64_t hash) { return (hash >> kTagShift) & kTagMask; }
  static std::uint64_t word_of(std::uint64_t tag, const Entry* entry) {
    return reinterpret_cast<std::uint64_t>(entry) >> 3 << kTagBits | tag;
  }
  static Entry* entry_of(std::uint64_t word) {
    return reinterpret_cast<Entry*>(word >> kTagBits << 3);
  }
  static std::uint64_t index_of(std::uint64_t hash, std::uint64_t buckets) {
    const std::uint64_t full = std::bit_ceil(buckets);
    const std::uint64_t index = hash & (full - 1);
    return index < buckets ? index : index & (full / 2 - 1);
  }
  static std::uint64_t next_cursor(std::uint64_t cursor, std::uint64_t mask);

  Bucket& main_bucket(std::uint64_t hash) const { return buckets_[index_of(hash, bucket_count())]; }
  Bucket* next(const Bucket& bucket) const {
    const std::uint64_t link = bucket.link.load(std::memory_order_relaxed);
    return link == 0 ? nullptr : overflow_[link - 1];
  }
  template <class Visitor>
  void visit_chain(const Bucket& first, Visitor&& visit) const {
    for (const Bucket* bucket = &first; bucket != nullptr; bucket = next(*bucket)) {
      for (const auto& slot : bucket->slots) {
        const std::uint64_t word = slot.load(std::memory_order_relaxed);
        if (word != 0) visit(entry_of(word));
      }
    }
  }

  std::atomic<std::uint64_t>* find_slot(std::uint64_t hash, const Entry* entry) const;
  void place(Bucket& first, std::uint64_t word);
  void drop_tail(Bucket& first);
  void grow();
  void shrink();
  bool belongs_above(std::uint64_t word, int bit) const;
  Bucket* make_overflow(Bucket& before);
  void free_overflow(Bucket& before);

  Bucket* buckets_;                          // the region's start; never moves
  std::atomic<std::uint64_t> bucket_count_;  // relaxed: readers without the shard only prefetch
  std::size_t size_ = 0;
  std::uint64_t seed_;
  Region region_;
  std::vector<Bucket*> overflow_;             // by link - 1; null where free
  std::vector<std::uint64_t> free_overflow_;  // links free for use again
};

}  // namespace larder::storage
