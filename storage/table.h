// The hash table of one database within one shard: from hashes to entries, growing one bucket at a
// time.
//
// A bucket is one cache line: ten slots and a link. A slot is a 16-bit tag of the hash and a 32-bit
// name of the entry's cell (Heap::Ref), so that a probe reads one line, compares ten tags in a few
// instructions, and nearly always reads only the right entry. Half a pointer is what makes ten of
// seven.
//
//   tags   10 x 16 bits    hash bits 12..27
//   refs   10 x 32 bits    0: empty
//   link   32 bits         number of an overflow bucket, 0: none
//
// Linear hashing: with n buckets, and m the power of two at or above n, a hash lives in bucket h
// mod m, or h mod m/2 if that bucket is not there yet. To grow, bucket n - m/2 is split: the
// entries whose next bit is set go to the new bucket n. So growth costs one bucket per few inserts
// and never a pause, and no second table exists. From 4096 buckets on the tag tells which half an
// entry belongs to, so a split touches no entry. A table that shrinks keeps its overflow buckets
// together too, so that both give memory back.
//
// A scan walks buckets in the order of the reversed bits of the hash: a bucket and the two it
// splits into cover the same stretch of that order, so a cursor stays right while the table grows
// or shrinks: every key that is there from the first call to the last is seen. (Redis walks its
// doubling table in the same order.)
//
// Must hold: size() entries reachable; an overflow chain hangs only below its own bucket and has no
// empty tail.
// Cost: find one line (+ one per overflow bucket) and one entry. Bytes per key: 64 / load and the
// overflow buckets, between 9 and 10 at any load from 7 to 10, since buckets that wait for their
// split hold twice what the split ones do; storage/README.md has the measurement.
// Thread: whoever holds the shard. prefetch_*() may be called by anyone: it reads slots that
// another thread may be writing, and uses what it reads only as an address to fetch, never to
// follow. While the table lives nobody else gets the memory of its buckets (Lines), so what it
// reads was a slot's at some time.
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
#include "storage/heap.h"
#include "storage/lines.h"

// Under the thread sanitizer slots are compared one by one, as the atomics they are to those who
// prefetch.
#if defined(__SSE2__)
#if defined(__has_feature)
#if !__has_feature(thread_sanitizer)
#define LARDER_SSE2
#endif
#elif !defined(__SANITIZE_THREAD__)
#define LARDER_SSE2
#endif
#endif

#ifdef LARDER_SSE2
#include <emmintrin.h>
#endif

namespace larder::storage {

class alignas(64) Table {
 public:
  static constexpr std::size_t kSlots = 10;
  struct alignas(64) Bucket {
    std::array<std::uint16_t, kSlots> tags;
    std::array<Heap::Ref, kSlots> refs;
    std::uint32_t link;
  };
  static_assert(sizeof(Bucket) == 64, "a bucket is one cache line");

  // most_bytes: a bound on the buckets (beyond it only chains get longer). The seed makes hashes of
  // entries again where tags do not tell enough. The entries lie in `heap`, the buckets in its
  // arena.
  Table(const Heap& heap, std::size_t most_bytes, std::uint64_t seed);
  // The entries are not destroyed: their owner has taken them out, or takes them along.
  ~Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  std::size_t size() const { return size_; }
  // The memory of buckets and overflow buckets.
  std::size_t used_bytes() const {
    return buckets_.used_bytes() + overflow_.used_bytes() +
           free_links_.capacity() * sizeof(std::uint64_t);
  }
  // What of it lies in slabs of the arena.
  std::size_t slab_bytes() const { return buckets_.slab_bytes() + overflow_.slab_bytes(); }
  // For a table whose entries are all forgotten: gives back at most so many slabs of buckets. True:
  // there are none left.
  bool give_back(std::size_t budget_slabs) {
    return buckets_.give_back(budget_slabs) && overflow_.give_back(budget_slabs);
  }

  // Inlined whatever its size, as all of a read's way to its entry: the calls were a tenth of a
  // GET.
  [[gnu::always_inline]] Entry* find(std::uint64_t hash, std::string_view key) const {
    const Bucket& first = main_bucket(hash);
    const std::uint16_t tag = tag_of(hash);
    if (Entry* entry = find_in(first, tag, key)) [[likely]]
      return entry;
    return first.link == 0 ? nullptr : find_behind(first, tag, key);
  }
  // The key must not be there yet.
  void insert(std::uint64_t hash, Entry* entry);
  // `older` must be there; it is not destroyed.
  void replace(std::uint64_t hash, const Entry* older, const Entry* newer) {
    replace(hash, ref_of(older), newer);
  }
  // The same by the older one's name, when it is gone already.
  void replace(std::uint64_t hash, Heap::Ref older, const Entry* newer);
  void erase(std::uint64_t hash, const Entry* entry);

  // Every entry whose tag and bucket fit the low 32 bits of a hash. visit(Entry*): must not change
  // the table.
  template <class Visitor>
  void each_named(std::uint32_t name, Visitor&& visit) const {
    const std::uint16_t tag = tag_of(name);
    for (const Bucket* bucket = &main_bucket(name); bucket != nullptr; bucket = next(*bucket)) {
      for (unsigned hits = matches(*bucket, tag); hits != 0; hits &= hits - 1) {
        const Heap::Ref ref = bucket->refs[static_cast<unsigned>(std::countr_zero(hits))];
        if (ref != 0) visit(entry_at(ref));
      }
    }
  }

  // Visits the entries of one bucket and answers the cursor of the next, 0 at the end. Expired
  // entries too.
  template <class Visitor>
  std::uint64_t scan_bucket(std::uint64_t cursor, Visitor&& visit) const {
    const std::uint64_t buckets = bucket_count();
    const std::uint64_t index = index_of(cursor);
    visit_chain(bucket_at(index), visit);
    // The bits that are the same for every hash of this bucket: those of m, or of m/2 where it is
    // not split yet.
    const std::uint64_t full = std::bit_ceil(buckets);
    const bool is_narrow = index >= full / 2 || index + full / 2 < buckets;
    return next_cursor(cursor, is_narrow ? full - 1 : full / 2 - 1);
  }

  std::size_t bucket_count() const { return bucket_count_.load(std::memory_order_acquire); }
  // visit(Entry*) for bucket number i, chains included.
  template <class Visitor>
  void each_in_bucket(std::size_t i, Visitor&& visit) const {
    visit_chain(bucket_at(i), visit);
  }

  // For any thread: bring the bucket of a hash, then (a little later) its likely entry, into the
  // cache.
  void prefetch_bucket(std::uint64_t hash) const { __builtin_prefetch(&main_bucket(hash)); }
  void prefetch_bucket_number(std::size_t i) const { __builtin_prefetch(&bucket_at(i)); }
  // False: it seems to be absent.
  bool prefetch_entry(std::uint64_t hash) const {
    const Bucket& bucket = main_bucket(hash);
    unsigned hits = matches(bucket, tag_of(hash));
    if (hits == 0) {
      const std::uint32_t link = peek(bucket.link);
      if (link != 0) __builtin_prefetch(&overflow_at(link));
      return link != 0;
    }
    for (; hits != 0; hits &= hits - 1) {
      entries_.prefetch(peek(bucket.refs[static_cast<unsigned>(std::countr_zero(hits))]));
    }
    return true;
  }

 private:
  static constexpr int kTagShift = 12;
  static constexpr int kTagBits = 16;

  static std::uint16_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint16_t>(hash >> kTagShift);
  }
  // A thread that prefetches may see a count and a mask that do not belong together: it then
  // fetches another bucket that is there.
  std::uint64_t index_of(std::uint64_t hash) const {
    const std::uint64_t mask = mask_.load(std::memory_order_relaxed);
    const std::uint64_t index = hash & mask;
    return index < bucket_count() ? index : index & mask >> 1;
  }
  void set_bucket_count(std::uint64_t buckets) {
    bucket_count_.store(buckets, std::memory_order_release);
    mask_.store(std::bit_ceil(buckets) - 1, std::memory_order_relaxed);
  }
  static std::uint64_t next_cursor(std::uint64_t cursor, std::uint64_t mask);
  // A bit for each slot whose tag is this one, empty slots too.
  static unsigned matches(const Bucket& bucket, std::uint16_t tag);
  [[gnu::always_inline]] Entry* find_in(const Bucket& bucket, std::uint16_t tag,
                                        std::string_view key) const {
    for (unsigned hits = matches(bucket, tag); hits != 0; hits &= hits - 1) {
      const Heap::Ref ref = bucket.refs[static_cast<unsigned>(std::countr_zero(hits))];
      if (ref == 0) continue;
      Entry* entry = entry_at(ref);
      if (entry->is_called(key)) return entry;
    }
    return nullptr;
  }
  Entry* find_behind(const Bucket& first, std::uint16_t tag, std::string_view key) const;

  // Slots as those see them who do not hold the shard, and as they are written for these.
  template <class Word>
  static Word peek(const Word& word) {
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_relaxed);
  }
  template <class Word>
  static void put(Word& word, Word value) {
    std::atomic_ref<Word>(word).store(value, std::memory_order_relaxed);
  }

  Heap::Ref ref_of(const Entry* entry) const { return entries_.heap().ref_of(entry); }
  Entry* entry_at(Heap::Ref ref) const { return static_cast<Entry*>(entries_.at(ref)); }
  Bucket& bucket_at(std::uint64_t i) const { return *reinterpret_cast<Bucket*>(buckets_.at(i)); }
  Bucket& main_bucket(std::uint64_t hash) const { return bucket_at(index_of(hash)); }
  Bucket& overflow_at(std::uint32_t link) const {
    return *reinterpret_cast<Bucket*>(overflow_.at(link - 1));
  }
  // Of the chain that begins with `first`: the bucket of this link, 0 for the first one.
  Bucket& chained(Bucket& first, std::uint32_t link) const {
    return link == 0 ? first : overflow_at(link);
  }
  Bucket* next(const Bucket& bucket) const {
    return bucket.link == 0 ? nullptr : &overflow_at(bucket.link);
  }
  template <class Visitor>
  void visit_chain(const Bucket& first, Visitor&& visit) const {
    for (const Bucket* bucket = &first; bucket != nullptr; bucket = next(*bucket)) {
      for (const Heap::Ref ref : bucket->refs) {
        if (ref != 0) visit(entry_at(ref));
      }
    }
  }

  struct Slot {
    std::uint16_t tag;
    Heap::Ref ref;
  };
  static Slot take(Bucket& bucket, std::size_t i);
  Heap::Ref* find_slot(std::uint64_t hash, Heap::Ref ref) const;
  void place(Bucket& first, const Slot& slot);
  void drop_tail(Bucket& first);
  void cut_chain(Bucket& first);
  void grow();
  void shrink();
  bool belongs_above(const Slot& slot, int bit) const;
  std::uint32_t make_overflow(Bucket& first, std::uint32_t last);
  void free_overflow(Bucket& before);
  std::uint32_t take_link();
  void give_link(std::uint32_t link);
  void settle_overflow();
  Bucket* before_link(std::uint32_t link) const;

  // What a probe reads comes first, on one line.
  Heap::Finder entries_;
  // Who does not hold the shard finds the buckets that the count says there are.
  std::atomic<std::uint64_t> bucket_count_;
  std::atomic<std::uint64_t> mask_;  // the next power of two, less one
  Lines buckets_;
  std::size_t size_ = 0;
  std::uint64_t seed_;
  Lines overflow_;                         // overflow buckets by link - 1
  std::uint32_t overflow_count_ = 0;       // the last of them is in use
  std::uint32_t free_count_ = 0;           // of those before it
  std::size_t free_from_ = 0;              // no word of free_links_ before it has one
  std::vector<std::uint64_t> free_links_;  // a bit for each that is free, by link - 1
};

inline unsigned Table::matches(const Bucket& bucket, std::uint16_t tag) {
#ifdef LARDER_SSE2
  // Tags 0..7, and 2..9 for the last two of them.
  const char* tags = reinterpret_cast<const char*>(bucket.tags.data());
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
  const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags + 4));
  const auto bits = static_cast<unsigned>(_mm_movemask_epi8(
      _mm_packs_epi16(_mm_cmpeq_epi16(low, wanted), _mm_cmpeq_epi16(high, wanted))));
  return (bits & 0xff) | (bits >> 14 << 8);
#else
  unsigned hits = 0;
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (peek(bucket.tags[i]) == tag) hits |= 1u << i;
  }
  return hits;
#endif
}

}  // namespace larder::storage
