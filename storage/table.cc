#include "storage/table.h"

#include "storage/ensure.h"
#include "storage/hash.h"

namespace larder::storage {
namespace {

// Entries per bucket that growing and shrinking aim at.
constexpr std::size_t kGrowAboveTenths = 82;
constexpr std::size_t kShrinkBelowTenths = 26;
constexpr std::uint64_t kFewestBuckets = 8;
// Overflow buckets for each bucket that a table may have: when it may not grow, chains do.
constexpr std::size_t kOverflowShare = 8;

std::uint64_t reverse_bits(std::uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555ull) | ((v & 0x5555555555555555ull) << 1);
  v = ((v >> 2) & 0x3333333333333333ull) | ((v & 0x3333333333333333ull) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0full) | ((v & 0x0f0f0f0f0f0f0f0full) << 4);
  return __builtin_bswap64(v);
}

}  // namespace

Table::Table(const Heap& heap, std::size_t reserve_bytes, std::uint64_t seed)
    : heap_(heap),
      buckets_(reserve_bytes),
      bucket_count_(kFewestBuckets),
      mask_(kFewestBuckets - 1),
      seed_(seed),
      overflow_(reserve_bytes * kOverflowShare) {
  // Fresh pages are zero, which is what empty buckets are.
  ensure(buckets_.commit(kFewestBuckets * sizeof(Bucket)),
         "a table needs room for its first buckets");
}

Entry* Table::find_behind(const Bucket& first, std::uint16_t tag, std::string_view key) const {
  for (const Bucket* bucket = next(first); bucket != nullptr; bucket = next(*bucket)) {
    if (Entry* entry = find_in(*bucket, tag, key)) return entry;
  }
  return nullptr;
}

void Table::insert(std::uint64_t hash, Entry* entry) {
  place(main_bucket(hash), {tag_of(hash), heap_.ref_of(entry)});
  ++size_;
  if (size_ * 10 > bucket_count() * kGrowAboveTenths) grow();
}

Heap::Ref* Table::find_slot(std::uint64_t hash, Heap::Ref wanted) const {
  for (Bucket* bucket = &main_bucket(hash); bucket != nullptr; bucket = next(*bucket)) {
    for (Heap::Ref& ref : bucket->refs) {
      if (ref == wanted) return &ref;
    }
  }
  ensure(false, "an entry that is changed must be in the table");
  return nullptr;
}

void Table::replace(std::uint64_t hash, Heap::Ref older, const Entry* newer) {
  put(*find_slot(hash, older), heap_.ref_of(newer));
}

void Table::erase(std::uint64_t hash, const Entry* entry) {
  put(*find_slot(hash, heap_.ref_of(entry)), Heap::Ref{0});
  --size_;
  Bucket& first = main_bucket(hash);
  if (first.link != 0) drop_tail(first);
  if (bucket_count() > kFewestBuckets && size_ * 10 < bucket_count() * kShrinkBelowTenths) shrink();
}

// Empties a slot and answers what was in it.
Table::Slot Table::take(Bucket& bucket, std::size_t i) {
  const Slot slot{bucket.tags[i], bucket.refs[i]};
  put(bucket.refs[i], Heap::Ref{0});
  return slot;
}

// Into the first free slot of a chain, which gets longer when there is none.
void Table::place(Bucket& first, const Slot& slot) {
  for (Bucket* bucket = &first;;) {
    for (std::size_t i = 0; i < kSlots; ++i) {
      if (bucket->refs[i] != 0) continue;
      put(bucket->tags[i], slot.tag);
      return put(bucket->refs[i], slot.ref);
    }
    Bucket* after = next(*bucket);
    bucket = after != nullptr ? after : make_overflow(*bucket);
  }
}

Table::Bucket* Table::make_overflow(Bucket& before) {
  std::uint32_t link = overflow_count_ + 1;
  if (free_overflow_.empty()) {
    ensure(overflow_.commit(link * sizeof(Bucket)),
           "a shard has outgrown the addresses reserved for it");
    ++overflow_count_;
  } else {
    link = free_overflow_.back();
    free_overflow_.pop_back();
  }
  put(before.link, link);
  return &overflow_at(link);
}

// Cuts off the bucket behind `before`, which must be empty and the last of its chain.
void Table::free_overflow(Bucket& before) {
  free_overflow_.push_back(before.link);
  put(before.link, std::uint32_t{0});
}

// Moves the last slot of the chain into a hole, so that a chain is never longer than its entries
// need.
void Table::drop_tail(Bucket& first) {
  Bucket* before_last = nullptr;
  Bucket* last = &first;
  while (Bucket* after = next(*last)) {
    before_last = last;
    last = after;
  }
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (last->refs[i] == 0) continue;
    place(first, take(*last, i));  // may be the same slot again: then there was no hole before it
    break;
  }
  for (const Heap::Ref ref : last->refs) {
    if (ref != 0) return;
  }
  free_overflow(*before_last);
}

// Frees the overflow buckets of a chain, all of them empty.
void Table::cut_chain(Bucket& first) {
  while (next(first) != nullptr) {
    Bucket* before_last = &first;
    while (next(*next(*before_last)) != nullptr) before_last = next(*before_last);
    free_overflow(*before_last);
  }
}

bool Table::belongs_above(const Slot& slot, int bit) const {
  if (bit >= kTagShift && bit < kTagShift + kTagBits) {
    return (slot.tag >> (bit - kTagShift) & 1) != 0;
  }
  return (hash_bytes(entry_at(slot.ref)->key(), seed_) >> bit & 1) != 0;
}

void Table::grow() {
  const std::uint64_t n = bucket_count();
  if (!buckets_.commit((n + 1) * sizeof(Bucket))) return;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  const int bit = std::countr_zero(half);
  Bucket& lower = bucket_at(n - half);
  Bucket& upper = bucket_at(n);

  std::vector<Slot> spilled;  // slots of the lower chain's tail, placed again below
  for (Bucket* bucket = &lower; bucket != nullptr; bucket = next(*bucket)) {
    for (std::size_t i = 0; i < kSlots; ++i) {
      if (bucket->refs[i] == 0) continue;
      if (belongs_above({bucket->tags[i], bucket->refs[i]}, bit)) {
        place(upper, take(*bucket, i));
      } else if (bucket != &lower) {
        spilled.push_back(take(*bucket, i));
      }
    }
  }
  cut_chain(lower);
  for (const Slot& slot : spilled) place(lower, slot);
  set_bucket_count(n + 1);
}

void Table::shrink() {
  const std::uint64_t n = bucket_count() - 1;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  Bucket& lower = bucket_at(n - half);
  Bucket& upper = bucket_at(n);
  set_bucket_count(n);
  for (Bucket* bucket = &upper; bucket != nullptr; bucket = next(*bucket)) {
    for (std::size_t i = 0; i < kSlots; ++i) {
      if (bucket->refs[i] != 0) place(lower, take(*bucket, i));
    }
  }
  cut_chain(upper);
}

std::uint64_t Table::next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  cursor |= ~mask;
  return reverse_bits(reverse_bits(cursor) + 1);
}

}  // namespace larder::storage
