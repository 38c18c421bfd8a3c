// A dictionary: nodes by name, for collections that have outgrown the compact encodings: the fields
// of a hash, the members of a set, the members of a sorted set by name.
//
// Linear hashing: the buckets grow one at a time, the one whose turn it is being split in two, and
// shrink the same way. So no step is larger than a chain, and there are never two tables. Buckets
// lie in segments of kSegmentBuckets, which never move; only the first, while there is no more than
// one, is made anew as it doubles.
//
//   buckets 0..count-1; a name's bucket is its hash modulo the next power of two, or half of that
//   where that bucket is not there yet
//
// Nodes are their owner's own shape: one allocation with the name in it, linked by `next`. A Node
// has: Node* next; std::string_view name() const; std::size_t size_bytes() const (of the
// allocation); static void destroy(Node*).
//
// Cost: a lookup is a hash and a chain of one and a half on average; memory beside the nodes is
// eight bytes each.
// Thread: whoever holds the shard.
// Source: W. Litwin, Linear hashing: a new tool for file and table addressing, VLDB 1980.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/hash.h"
#include "storage/memory.h"

namespace larder::storage {

template <class Node>
class Dictionary {
 public:
  // The seed keeps strangers from choosing names that collide.
  explicit Dictionary(std::uint64_t seed) : seed_(seed) { grow_first_segment(); }
  ~Dictionary() {
    for (std::size_t bucket = 0; bucket < buckets_; ++bucket) {
      for (Node* node = at(bucket); node != nullptr;)
        Node::destroy(std::exchange(node, node->next));
    }
  }
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  std::size_t size() const { return size_; }
  // Nodes and buckets, as the process is charged for them.
  std::size_t weight_bytes() const { return node_bytes_ + bucket_bytes_; }

  // Null when there is none of that name.
  Node* find(std::string_view name) const {
    Node* node = at(bucket_of(hash_bytes(name, seed_)));
    while (node != nullptr && node->name() != name) node = node->next;
    return node;
  }
  // Its name must not be there yet. The node is the dictionary's from here on.
  void insert(Node* node) { hang(at(bucket_of(hash_bytes(node->name(), seed_))), node); }
  // The node of that name, and whether it is new: then made by make(), which answers a node of that
  // name. The name is hashed once.
  template <class Make>
  std::pair<Node*, bool> find_or_insert(std::string_view name, Make&& make) {
    Node*& head = at(bucket_of(hash_bytes(name, seed_)));
    for (Node* node = head; node != nullptr; node = node->next) {
      if (node->name() == name) return {node, false};
    }
    Node* const node = make();
    hang(head, node);
    return {node, true};
  }
  // A node of the same name in the place of one that is there, which is destroyed.
  void replace(Node* older, Node* newer) {
    Node** link = &at(bucket_of(hash_bytes(older->name(), seed_)));
    while (*link != older) link = &(*link)->next;
    newer->next = older->next;
    *link = newer;
    node_bytes_ += footprint(newer->size_bytes()) - footprint(older->size_bytes());
    Node::destroy(older);
  }
  // Out of the dictionary, and the caller's; null when there is none of that name.
  Node* take(std::string_view name) {
    Node** link = &at(bucket_of(hash_bytes(name, seed_)));
    while (*link != nullptr && (*link)->name() != name) link = &(*link)->next;
    Node* node = *link;
    if (node == nullptr) return nullptr;
    *link = node->next;
    node_bytes_ -= footprint(node->size_bytes());
    --size_;
    for (std::size_t i = 0; i < kShrinkShare && is_roomy(); ++i) merge();
    return node;
  }
  bool erase(std::string_view name) {
    Node* node = take(name);
    if (node == nullptr) return false;
    Node::destroy(node);
    return true;
  }

  // Every node, in no order. visit(Node&): must not change the dictionary.
  template <class Visitor>
  void each(Visitor&& visit) const {
    for (std::size_t bucket = 0; bucket < buckets_; ++bucket) {
      for (Node* node = at(bucket); node != nullptr; node = node->next) visit(*node);
    }
  }
  // The nodes of one bucket; answers the cursor of the next, 0 at the end. A node that is there
  // from the first call to the last is visited at least once, however the dictionary grows and
  // shrinks in between: cursors count in the order of the bits reversed, so that the two halves of
  // a bucket that is split come one behind the other.
  template <class Visitor>
  std::uint64_t scan_bucket(std::uint64_t cursor, Visitor&& visit) const {
    const std::uint64_t index = bucket_of(cursor);
    for (Node* node = at(index); node != nullptr; node = node->next) visit(*node);
    // The bits that all hashes of this bucket share.
    const std::uint64_t wide = std::bit_ceil(std::uint64_t{buckets_});
    const bool is_split = index + wide / 2 < buckets_ || index >= wide / 2;
    const std::uint64_t mask = (is_split ? wide : wide / 2) - 1;
    return reverse_bits(reverse_bits(cursor | ~mask) + 1);
  }
  // One of them; each is as likely as the others, but for a little less in the tallest of chains.
  // draw(): 64 random bits. Not empty.
  template <class Draw>
  Node& random(Draw&& draw) const {
    // A bucket is taken as often as it has nodes: only one in two hundred has more than this, where
    // buckets are fullest.
    constexpr std::size_t kTall = 6;
    for (;;) {
      Node* const head = at(draw() % buckets_);
      std::size_t length = 0;
      for (Node* node = head; node != nullptr; node = node->next) ++length;
      if (length == 0 || draw() % kTall >= length) continue;
      Node* pick = head;
      for (std::size_t skipped = draw() % length; skipped > 0; --skipped) pick = pick->next;
      return *pick;
    }
  }

 private:
  static constexpr std::size_t kSegmentBuckets = 512;
  static constexpr std::size_t kFewestBuckets = 16;
  static constexpr std::size_t kShrinkShare = 4;  // merges when fewer than this share is full
  using Segment = std::unique_ptr<Node*[]>;

  // Merged as fast as nodes go, so that a dictionary that is emptied has few buckets in the end.
  bool is_roomy() const { return size_ * kShrinkShare < buckets_ && buckets_ > kFewestBuckets; }
  Node*& at(std::size_t bucket) const {
    return segments_[bucket / kSegmentBuckets][bucket % kSegmentBuckets];
  }
  void hang(Node*& head, Node* node) {
    node->next = std::exchange(head, node);
    node_bytes_ += footprint(node->size_bytes());
    ++size_;
    if (size_ > buckets_) split();
  }
  std::size_t bucket_of(std::uint64_t hash) const {
    const std::uint64_t wide = std::bit_ceil(std::uint64_t{buckets_});
    const std::uint64_t bucket = hash & (wide - 1);
    return bucket < buckets_ ? bucket : bucket - wide / 2;
  }

  // Room for twice the buckets while they fit into one segment.
  void grow_first_segment() {
    const std::size_t room = std::max(first_room_ * 2, kFewestBuckets);
    auto larger = std::make_unique<Node*[]>(room);
    if (!segments_.empty()) std::copy_n(segments_[0].get(), buckets_, larger.get());
    if (segments_.empty()) segments_.emplace_back();
    segments_[0] = std::move(larger);
    first_room_ = room;
    weigh_buckets();
  }
  void add_bucket_room() {
    if (buckets_ < kSegmentBuckets) {
      if (buckets_ == first_room_) grow_first_segment();
    } else if (buckets_ / kSegmentBuckets == segments_.size()) {
      segments_.push_back(std::make_unique<Node*[]>(kSegmentBuckets));
      weigh_buckets();
    }
  }
  // One bucket more: it takes its share of the one whose names it was reached by before.
  void split() {
    add_bucket_room();
    const std::size_t added = buckets_++;
    const std::size_t older = added - std::bit_ceil(std::uint64_t{buckets_}) / 2;
    at(added) = nullptr;
    for (Node** link = &at(older); *link != nullptr;) {
      Node* node = *link;
      if (bucket_of(hash_bytes(node->name(), seed_)) == older) {
        link = &node->next;
        continue;
      }
      *link = node->next;
      node->next = std::exchange(at(added), node);
    }
  }
  void merge() {
    const std::size_t last = buckets_ - 1;
    const std::size_t older = last - std::bit_ceil(std::uint64_t{buckets_}) / 2;
    Node** end = &at(older);
    while (*end != nullptr) end = &(*end)->next;
    *end = std::exchange(at(last), nullptr);
    --buckets_;
    if (buckets_ % kSegmentBuckets == 0 && segments_.size() > 1) {
      segments_.pop_back();
      weigh_buckets();
    }
  }
  void weigh_buckets() {
    bucket_bytes_ = footprint(first_room_ * sizeof(Node*)) +
                    (segments_.size() - 1) * footprint(kSegmentBuckets * sizeof(Node*)) +
                    footprint(segments_.capacity() * sizeof(Segment));
  }

  std::uint64_t seed_;
  std::vector<Segment> segments_;
  std::size_t first_room_ = 0;  // buckets the first segment has room for
  std::size_t buckets_ = kFewestBuckets;
  std::size_t size_ = 0;
  std::size_t node_bytes_ = 0;
  std::size_t bucket_bytes_ = 0;
};

}  // namespace larder::storage
