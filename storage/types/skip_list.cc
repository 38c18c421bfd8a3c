#include "storage/types/skip_list.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "storage/ensure.h"
#include "storage/memory.h"

namespace larder::storage {

SkipList::Node* SkipList::Node::make(std::string_view name, double score, unsigned levels) {
  void* memory = allocate(head_bytes(levels) + name.size());
  Node* node = new (memory) Node;
  node->score_ = score;
  node->name_bytes_ = name.size() & (~std::uint64_t{0} >> 8);
  node->levels_ = levels & 0xff;
  for (unsigned level = 1; level < levels; ++level) node->link(level, nullptr, 0);
  if (!name.empty()) {
    std::memcpy(static_cast<char*>(memory) + head_bytes(levels), name.data(), name.size());
  }
  return node;
}

void SkipList::Node::destroy(Node* node) {
  release(node);
}

SkipList::SkipList(std::uint64_t seed) : head_(Node::make({}, 0, kMostLevels)), chance_(seed | 1) {}

SkipList::~SkipList() {
  Node::destroy(head_);
}

std::size_t SkipList::weight_bytes() const {
  return footprint(head_->size_bytes());
}

unsigned SkipList::draw_levels() {
  chance_ ^= chance_ << 13;
  chance_ ^= chance_ >> 7;
  chance_ ^= chance_ << 17;
  // Two zeros in a row are one in four. The upper half: a xorshift's best bits.
  const auto zeros = static_cast<unsigned>(std::countr_zero((chance_ >> 20) | 1ull << 43));
  return std::min(1 + zeros / 2, kMostLevels);
}

void SkipList::insert(Node* node) {
  Path path = path_to(node->score_, node->name());
  for (; levels_ < node->levels(); ++levels_) {
    path.nodes[levels_] = head_;
    path.ranks[levels_] = 0;
    head_->link(levels_, nullptr, size_);
  }
  const std::size_t rank = path.ranks[0];
  for (unsigned level = 0; level < levels_; ++level) {
    Node* before = path.nodes[level];
    if (level >= node->levels()) {
      before->widen(level, 1);
      continue;
    }
    const std::size_t passed = rank - path.ranks[level];
    node->link(level, before->to(level), before->width(level) - passed);
    before->link(level, node, passed + 1);
  }
  node->before_ = path.nodes[0] == head_ ? nullptr : path.nodes[0];
  (node->first_link_ == nullptr ? last_ : node->first_link_->before_) = node;
  ++size_;
}

void SkipList::unlink(Path& path, Node* node) {
  for (unsigned level = 0; level < levels_; ++level) {
    Node* before = path.nodes[level];
    if (before->to(level) == node) {
      const std::size_t width = before->width(level) + node->width(level) - 1;
      before->link(level, node->to(level), width);
    } else {
      before->widen(level, -1);
    }
  }
  (node->first_link_ == nullptr ? last_ : node->first_link_->before_) = node->before_;
  while (levels_ > 1 && head_->to(levels_ - 1) == nullptr) --levels_;
  --size_;
}

void SkipList::remove(Node* node) {
  Path path = path_to(node->score_, node->name());
  ensure_hot(path.nodes[0]->to(0) == node, "a node lies where its score and name say");
  unlink(path, node);
}

void SkipList::rescore(Node* node, double score) {
  const Node* before = node->before_;
  const Node* after = node->first_link_;
  const bool stays = (before == nullptr || before->lies_before(score, node->name())) &&
                     (after == nullptr || !after->lies_before(score, node->name()));
  if (stays) {
    node->score_ = score;
    return;
  }
  remove(node);
  node->score_ = score;
  insert(node);
}

const SkipList::Node* SkipList::at(std::size_t rank) const {
  const Path path = path_by([rank](std::size_t passed, const Node&) { return passed < rank; });
  return path.nodes[0]->to(0);
}

std::size_t SkipList::rank_of(const Node& node) const {
  return path_to(node.score_, node.name()).ranks[0];
}

}  // namespace larder::storage
