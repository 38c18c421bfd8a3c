#include "storage/table.h"

#include <algorithm>

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
// Of the overflow buckets of a table that shrinks, so many may lie free among those in use.
constexpr std::uint32_t kFreeShare = 4;
constexpr std::uint32_t kFreeLinks = 64;
constexpr std::size_t kLinksPerWord = 64;

}  // namespace

Table::Table(const Heap& heap, std::size_t most_bytes, std::uint64_t seed)
    : entries_(heap),
      bucket_count_(kFewestBuckets),
      mask_(kFewestBuckets - 1),
      buckets_(heap.arena(), most_bytes),
      seed_(seed),
      overflow_(heap.arena(), most_bytes * kOverflowShare) {
  static_assert(sizeof(Bucket) == Lines::kLineBytes);
  // Fresh lines are zero, which is what empty buckets are.
  ensure(buckets_.reach(kFewestBuckets), "a table needs room for its first buckets");
}

Entry* Table::find_behind(const Bucket& first, std::uint16_t tag, std::string_view key) const {
  for (const Bucket* bucket = next(first); bucket != nullptr; bucket = next(*bucket)) {
    if (Entry* entry = find_in(*bucket, tag, key)) return entry;
  }
  return nullptr;
}

void Table::insert(std::uint64_t hash, Entry* entry) {
  place(main_bucket(hash), {tag_of(hash), ref_of(entry)});
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
  put(*find_slot(hash, older), ref_of(newer));
}

void Table::erase(std::uint64_t hash, const Entry* entry) {
  put(*find_slot(hash, ref_of(entry)), Heap::Ref{0});
  --size_;
  Bucket& first = main_bucket(hash);
  if (first.link != 0) drop_tail(first);
  if (bucket_count() > kFewestBuckets && size_ * 10 < bucket_count() * kShrinkBelowTenths) shrink();
  if (free_count_ > overflow_count_ / kFreeShare + kFreeLinks) settle_overflow();
}

// Empties a slot and answers what was in it.
Table::Slot Table::take(Bucket& bucket, std::size_t i) {
  const Slot slot{bucket.tags[i], bucket.refs[i]};
  put(bucket.refs[i], Heap::Ref{0});
  return slot;
}

// Into the first free slot of a chain, which gets longer when there is none. Overflow buckets may
// move then (Lines): who goes along a chain meanwhile remembers links.
void Table::place(Bucket& first, const Slot& slot) {
  for (std::uint32_t link = 0;;) {
    Bucket& bucket = chained(first, link);
    for (std::size_t i = 0; i < kSlots; ++i) {
      if (bucket.refs[i] != 0) continue;
      put(bucket.tags[i], slot.tag);
      return put(bucket.refs[i], slot.ref);
    }
    link = bucket.link != 0 ? bucket.link : make_overflow(first, link);
  }
}

std::uint32_t Table::make_overflow(Bucket& first, std::uint32_t last) {
  const std::uint32_t link = take_link();
  put(chained(first, last).link, link);
  return link;
}

// Cuts off the bucket behind `before`, which must be empty and the last of its chain.
void Table::free_overflow(Bucket& before) {
  const std::uint32_t link = before.link;
  put(before.link, std::uint32_t{0});
  give_link(link);
}

// The lowest that is free, so that the highest become so.
std::uint32_t Table::take_link() {
  if (free_count_ == 0) {
    ensure(overflow_.reach(overflow_count_ + std::size_t{1}),
           "a shard has outgrown the addresses reserved for it");
    return ++overflow_count_;
  }
  while (free_links_[free_from_] == 0) ++free_from_;
  std::uint64_t& word = free_links_[free_from_];
  const auto bit = static_cast<std::size_t>(std::countr_zero(word));
  word &= word - 1;
  --free_count_;
  return static_cast<std::uint32_t>(free_from_ * kLinksPerWord + bit + 1);
}

void Table::give_link(std::uint32_t link) {
  const std::size_t word = (link - 1) / kLinksPerWord;
  if (word >= free_links_.size()) free_links_.resize(word + 1);
  free_links_[word] |= std::uint64_t{1} << (link - 1) % kLinksPerWord;
  free_from_ = free_count_ == 0 ? word : std::min(free_from_, word);
  ++free_count_;
  // The free ones at the end are forgotten.
  while (overflow_count_ != 0) {
    const std::size_t last = overflow_count_ - std::size_t{1};
    if (last / kLinksPerWord >= free_links_.size()) break;
    const std::uint64_t bit = std::uint64_t{1} << last % kLinksPerWord;
    if ((free_links_[last / kLinksPerWord] & bit) == 0) break;
    free_links_[last / kLinksPerWord] &= ~bit;
    --free_count_;
    --overflow_count_;
  }
  overflow_.leave(overflow_count_);
}

// The bucket whose link this is: on the chain of whichever entry lies behind the link.
Table::Bucket* Table::before_link(std::uint32_t link) const {
  for (const Heap::Ref ref : overflow_at(link).refs) {
    if (ref == 0) continue;
    Bucket* bucket = &main_bucket(hash_bytes(entry_at(ref)->key(), seed_));
    while (bucket != nullptr && bucket->link != link) bucket = next(*bucket);
    return bucket;
  }
  return nullptr;
}

// The last overflow bucket moves to the first free place.
void Table::settle_overflow() {
  const std::uint32_t last = overflow_count_;
  Bucket* before = before_link(last);
  ensure(before != nullptr, "an overflow bucket hangs below the bucket of its entries");
  Bucket& from = overflow_at(last);
  const std::uint32_t link = take_link();
  Bucket& to = overflow_at(link);
  for (std::size_t i = 0; i < kSlots; ++i) {
    put(to.tags[i], from.tags[i]);
    put(to.refs[i], from.refs[i]);
  }
  put(to.link, from.link);
  put(before->link, link);
  for (Heap::Ref& ref : from.refs) put(ref, Heap::Ref{0});
  put(from.link, std::uint32_t{0});
  give_link(last);
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
  if (!buckets_.reach(n + 1)) return;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  const int bit = std::countr_zero(half);
  Bucket& lower = bucket_at(n - half);
  Bucket& upper = bucket_at(n);

  std::vector<Slot> spilled;  // slots of the lower chain's tail, placed again below
  std::uint32_t link = 0;
  do {
    for (std::size_t i = 0; i < kSlots; ++i) {
      Bucket& bucket = chained(lower, link);
      if (bucket.refs[i] == 0) continue;
      if (belongs_above({bucket.tags[i], bucket.refs[i]}, bit)) {
        place(upper, take(bucket, i));
      } else if (link != 0) {
        spilled.push_back(take(bucket, i));
      }
    }
    link = chained(lower, link).link;
  } while (link != 0);
  cut_chain(lower);
  for (const Slot& slot : spilled) place(lower, slot);
  set_bucket_count(n + 1);

  // The next split comes in some eight inserts, the one behind it in sixteen. Where it has to ask
  // the entries, waiting for them was half of what an insert cost.
  const auto split_at = [](std::uint64_t count) { return count - std::bit_ceil(count + 1) / 2; };
  __builtin_prefetch(&bucket_at(split_at(n + 2)));
  const int next_bit = std::countr_zero(std::bit_ceil(n + 2) / 2);
  if (next_bit >= kTagShift && next_bit < kTagShift + kTagBits) return;
  for (const Heap::Ref ref : bucket_at(split_at(n + 1)).refs) entries_.prefetch(ref);
}

void Table::shrink() {
  const std::uint64_t n = bucket_count() - 1;
  const std::uint64_t half = std::bit_ceil(n + 1) / 2;
  Bucket& lower = bucket_at(n - half);
  Bucket& upper = bucket_at(n);
  set_bucket_count(n);
  std::uint32_t link = 0;
  do {
    for (std::size_t i = 0; i < kSlots; ++i) {
      Bucket& bucket = chained(upper, link);
      if (bucket.refs[i] != 0) place(lower, take(bucket, i));
    }
    link = chained(upper, link).link;
  } while (link != 0);
  cut_chain(upper);
  buckets_.leave(n);
}

std::uint64_t Table::next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  cursor |= ~mask;
  return reverse_bits(reverse_bits(cursor) + 1);
}

}  // namespace larder::storage
