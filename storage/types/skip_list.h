// A skip list that counts: the members of a large sorted set in the order of (score, name), where
// the nth, and how many lie before a place, are found in logarithmic time.
//
//   head ------------------------4-------------------> c ----> end     level 1, with widths
//   head -1-> a -1-> b -1-> c ...                                      level 0: each is one wide
//
// A link of a level above 0 knows its width: how many nodes it leads past, its target included; of
// one that leads to the end, how many there are behind it. A node has a level more with a chance of
// one in four. It is one allocation, and also the node of a Dictionary that finds it by name:
//
//   [next in the dictionary][score][before][name length, levels][link 0][link, width]...[the name]
//
// So a member costs 40 bytes beside its name, and 16 more each fourth time (5.3 on average).
//
// Must hold: names are unique (the dictionary sees to that); no score is NaN. Nodes belong to the
// dictionary: the list links them and never frees one.
// Cost: everything but first, last and neighbours is O(log n) on average.
// Thread: whoever holds the shard.
// Source: W. Pugh, A skip list cookbook, University of Maryland CS-TR-2286.1, 1989.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace larder::storage {

class SkipList {
 public:
  // One in 4^20 nodes would have more.
  static constexpr unsigned kMostLevels = 20;

  class Node {
   public:
    // In no list and no dictionary yet.
    static Node* make(std::string_view name, double score, unsigned levels);
    static void destroy(Node* node);

    std::string_view name() const { return {name_begin(), name_bytes_}; }
    double score() const { return score_; }
    // Null at the ends.
    const Node* after() const { return first_link_; }
    const Node* before() const { return before_; }
    std::size_t size_bytes() const { return head_bytes(levels()) + name_bytes_; }

    Node* next = nullptr;  // the dictionary's

   private:
    friend class SkipList;
    struct Link {
      Node* to;
      std::size_t width;
    };

    Node() = default;
    unsigned levels() const { return static_cast<unsigned>(levels_); }
    static std::size_t head_bytes(unsigned levels) {
      return sizeof(Node) + (levels - 1) * sizeof(Link);
    }
    const char* name_begin() const {
      return reinterpret_cast<const char*>(this) + head_bytes(levels());
    }
    Link& high_link(unsigned level) { return reinterpret_cast<Link*>(this + 1)[level - 1]; }
    Node*& to(unsigned level) { return level == 0 ? first_link_ : high_link(level).to; }
    std::size_t width(unsigned level) { return level == 0 ? 1 : high_link(level).width; }
    void link(unsigned level, Node* target, std::size_t width) {
      to(level) = target;
      if (level != 0) high_link(level).width = width;
    }
    void widen(unsigned level, std::ptrdiff_t by) {
      if (level != 0) high_link(level).width += static_cast<std::size_t>(by);
    }
    bool lies_before(double score, std::string_view name) const {
      return score_ < score || (score_ == score && this->name() < name);
    }

    double score_ = 0;
    Node* before_ = nullptr;
    std::uint64_t name_bytes_ : 56 = 0;
    std::uint64_t levels_ : 8 = 1;
    Node* first_link_ = nullptr;
  };
  static_assert(sizeof(Node) == 40, "a member costs so much beside its name");

  explicit SkipList(std::uint64_t seed);
  ~SkipList();
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  std::size_t size() const { return size_; }
  // Of the list's own, which is not much: nodes are weighed by who owns them.
  std::size_t weight_bytes() const;

  // How many levels the next node is to have.
  unsigned draw_levels();
  // Nodes that are in no list yet, in it, and the other way round.
  void insert(Node* node);
  void remove(Node* node);
  // Another score for one that is in the list.
  void rescore(Node* node, double score);
  // Takes `count` nodes out, from that rank on: taken(Node*) may free them.
  template <class Taken>
  void remove_ranks(std::size_t first, std::size_t count, Taken&& taken) {
    Path path = path_by([first](std::size_t rank, const Node&) { return rank < first; });
    for (; count > 0; --count) {
      Node* node = path.nodes[0]->to(0);
      unlink(path, node);
      taken(node);
    }
  }

  // Null when there are none, or not so many.
  const Node* first() const { return head_->to(0); }
  const Node* last() const { return last_; }
  const Node* at(std::size_t rank) const;
  // How many lie before it.
  std::size_t rank_of(const Node& node) const;
  // How many nodes there are before the first for which is_before(const Node&) is false; it must be
  // false for all behind that one.
  template <class IsBefore>
  std::size_t count_before(IsBefore&& is_before) const {
    return path_by([&](std::size_t, const Node& node) { return is_before(node); }).ranks[0];
  }

 private:
  // The last node before a place on every level, and how many nodes there are up to it.
  struct Path {
    std::array<Node*, kMostLevels> nodes;
    std::array<std::size_t, kMostLevels> ranks;
  };

  // is_before(rank, node), as count_before.
  template <class IsBefore>
  Path path_by(IsBefore&& is_before) const {
    Path path;
    Node* node = head_;
    std::size_t passed = 0;
    for (unsigned level = levels_; level-- > 0;) {
      for (Node* ahead = node->to(level); ahead != nullptr; ahead = node->to(level)) {
        const std::size_t width = node->width(level);
        if (!is_before(passed + width - 1, *ahead)) break;
        passed += width;
        node = ahead;
      }
      path.nodes[level] = node;
      path.ranks[level] = passed;
    }
    return path;
  }
  Path path_to(double score, std::string_view name) const {
    return path_by([&](std::size_t, const Node& node) { return node.lies_before(score, name); });
  }
  void unlink(Path& path, Node* node);

  Node* head_;  // of kMostLevels, without a name
  Node* last_ = nullptr;
  std::size_t size_ = 0;
  unsigned levels_ = 1;  // that are in use
  std::uint64_t chance_;
};

}  // namespace larder::storage
