#include "storage/table.h"

#include <new>

#include "storage/ensure.h"
#include "storage/hash.h"
#include "storage/memory.h"

namespace larder::storage {
namespace {

// Entries per bucket that growing and shrinking aim at. At 5.6 of 7 about one bucket in eight has a
// second line.
constexpr std::size_t kGrowAboveTenths = 56;
constexpr std::size_t kShrinkBelowTenths = 18;
constexpr std::uint64_t kFewestBuckets = 8;

std::uint64_t reverse_bits(std::uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555ull) | ((v & 0x5555555555555555ull) << 1);
  v = ((v >> 2) & 0x3333333333333333ull) | ((v & 0x3333333333333333ull) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0full) | ((v & 0x0f0f0f0f0f0f0f0full) << 4);
  return __builtin_bswap64(v);
}

}  // namespace

Table::Table(std::size_t reserve_bytes, std::uint64_t seed)
    : buckets_(nullptr), bucket_count_(kFewestBuckets), seed_(seed), region_(reserve_bytes) {
  ensure(region_.commit(kFewestBuckets * sizeof(Bucket)),
         "a table needs room for its first buckets");
  // Fresh pages are zero, which is what empty buckets are.
  buckets_ = reinterpret_cast<Bucket*>(region_.data());
}

Table::~Table() {
  for (Bucket* bucket : overflow_) {
    if (bucket != nullptr) operator delete (bucket, std::align_val_t{64});
  }
}

std::size_t Table::used_bytes() const {
  return region_.committed_bytes() +
         (overflow_.size() - free_overflow_.size()) * footprint(sizeof(Bucket) + 64) +
         overflow_.capacity() * sizeof(Bucket*);
}

Entry* Table::find(std::uint64_t hash, std::string_view key) const {
  const std::uint64_t tag = tag_of(hash);
  for (const Bucket* bucket = &main_bucket(hash); bucket != nullptr; bucket = next(*bucket)) {
    for (const auto& slot : bucket->slots) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      if ((word & kTagMask) != tag || word == 0) continue;
      Entry* entry = entry_of(word);
      if (entry->key() == key) return entry;
    }
  }
  return nullptr;
}

void Table::insert(std::uint64_t hash, Entry* entry) {
  place(main_bucket(hash), word_of(tag_of(hash), entry));
  ++size_;
  if (size_ * 10 > bucket_count() * kGrowAboveTenths) grow();
}

std::atomic<std::uint64_t>* Table::find_slot(std::uint64_t hash, const Entry* entry) const {
  const std::uint64_t wanted = word_of(tag_of(hash), entry);
  for (Bucket* bucket = &main_bucket(hash); bucket != nullptr; bucket = next(*bucket)) {
    for (auto& slot : bucket->slots) {
      if (slot.load(std::memory_order_relaxed) == wanted) return &slot;
    }
  }
  ensure(false, "an entry that is changed must be in the table");
  return nullptr;
}

void Table::replace(std::uint64_t hash, const Entry* older, Entry* newer) {
  find_slot(hash, older)->store(word_of(tag_of(hash), newer), std::memory_order_relaxed);
}

void Table::erase(std::uint64_t hash, const Entry* entry) {
  find_slot(hash, entry)->store(0, std::memory_order_relaxed);
  --size_;
  Bucket& first = main_bucket(hash);
  if (first.link.load(std::memory_order_relaxed) != 0) drop_tail(first);
  if (bucket_count() > kFewestBuckets && size_ * 10 < bucket_count() * kShrinkBelowTenths) shrink();
}

// Puts a word into the first free slot of a chain, which gets longer when there is none.
void Table::place(Bucket& first, std::uint64_t word) {
  for (Bucket* bucket = &first;;) {
    for (auto& slot : bucket->slots) {
      if (slot.load(std::memory_order_relaxed) == 0) {
        return slot.store(word, std::memory_order_relaxed);
      }
    }
    Bucket* after = next(*bucket);
    bucket = after != nullptr ? after : make_overflow(*bucket);
  }
}

Table::Bucket* Table::make_overflow(Bucket& before) {
  auto* bucket = new (std::align_val_t{64}) Bucket{};
  std::uint64_t link = overflow_.size() + 1;
  if (free_overflow_.empty()) {
    overflow_.push_back(bucket);
  } else {
    link = free_overflow_.back();
    free_overflow_.pop_back();
    overflow_[link - 1] = bucket;
  }
  before.link.store(link, std::memory_order_relaxed);
  return bucket;
}

// Cuts off the bucket behind `before`, which must be the last of its chain.
void Table::free_overflow(Bucket& before) {
  const std::uint64_t link = before.link.load(std::memory_order_relaxed);
  before.link.store(0, std::memory_order_relaxed);
  operator delete (overflow_[link - 1], std::align_val_t{64});
  overflow_[link - 1] = nullptr;
  free_overflow_.push_back(link);
}

// Moves the last word of the chain into a hole, so that a chain is never longer than its entries
// need.
void Table::drop_tail(Bucket& first) {
  Bucket* before_last = nullptr;
  Bucket* last = &first;
  while (Bucket* after = next(*last)) {
    before_last = last;
    last = after;
  }
  for (auto& tail : last->slots) {
    const std::uint64_t word = tail.load(std::memory_order_relaxed);
    if (word == 0) continue;
    tail.store(0, std::memory_order_relaxed);
    place(first, word);  // may be the same slot again: then there was no hole before it
    break;
  }
  for (const auto& tail : last->slots) {
    if (tail.load(std::memory_order_relaxed) != 0) return;
  }
  free_overflow(*before_last);
}

bool Table::belongs_above(std::uint64_t word, int bit) const {
  if (bit >= kTagShift && bit < kTagShift + kTagBits) return (word >> (bit - kTagShift) & 1) != 0;
  return (hash_bytes(entry_of(word)->key(), seed_) >> bit & 1) != 0;
}

void Table::grow() {
  const std::uint64_t n = bucket_count();
  if (!region_.commit((n + 1) * sizeof(Bucket))) return;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  const int bit = std::countr_zero(half);
  Bucket& lower = buckets_[n - half];
  Bucket& upper = buckets_[n];

  std::vector<std::uint64_t> spilled;  // words of the lower chain's tail, placed again below
  for (Bucket* bucket = &lower; bucket != nullptr; bucket = next(*bucket)) {
    for (auto& slot : bucket->slots) {
      const std::uint64_t word = slot.load(std::memory_order_relaxed);
      if (word == 0) continue;
      if (belongs_above(word, bit)) {
        slot.store(0, std::memory_order_relaxed);
        place(upper, word);
      } else if (bucket != &lower) {
        slot.store(0, std::memory_order_relaxed);
        spilled.push_back(word);
      }
    }
  }
  while (next(lower) != nullptr) {
    Bucket* before_last = &lower;
    while (next(*next(*before_last)) != nullptr) before_last = next(*before_last);
    free_overflow(*before_last);
  }
  for (const std::uint64_t word : spilled) place(lower, word);
  bucket_count_.store(n + 1, std::memory_order_relaxed);
}

void Table::shrink() {
  const std::uint64_t n = bucket_count() - 1;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  Bucket& lower = buckets_[n - half];
  Bucket& upper = buckets_[n];
  bucket_count_.store(n, std::memory_order_relaxed);
  for (Bucket* bucket = &upper; bucket != nullptr; bucket = next(*bucket)) {
    for (auto& slot : bucket->slots) {
      const std::uint64_t word = slot.exchange(0, std::memory_order_relaxed);
      if (word != 0) place(lower, word);
    }
  }
  while (next(upper) != nullptr) {
    Bucket* before_last = &upper;
    while (next(*next(*before_last)) != nullptr) before_last = next(*before_last);
    free_overflow(*before_last);
  }
}

std::uint64_t Table::next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  cursor |= ~mask;
  return reverse_bits(reverse_bits(cursor) + 1);
}

}  // namespace larder::storage
