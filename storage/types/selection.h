// A selection: so many of a number that come one after the other, each selection as likely as any
// other.
//
// Source: Knuth, The Art of Computer Programming 3.4.2, algorithm S. Thread: its owner's.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "storage/types/dictionary.h"

namespace larder::storage {

template <class Draw>
class Selection {
 public:
  // draw(): 64 random bits.
  Selection(std::size_t count, std::size_t of, Draw& draw)
      : wanted_(count), left_(of), draw_(draw) {}

  // Asked once for each of them.
  bool takes_next() {
    if (draw_() % left_-- >= wanted_) return false;
    --wanted_;
    return true;
  }

 private:
  std::size_t wanted_;
  std::size_t left_;
  Draw& draw_;
};

// visit(const Node&) of `count` different nodes of a dictionary that has so many or more. A few of
// many are drawn until there are enough; for a third or more of them it is walked, since drawing
// would meet the same ones all the time.
template <class Node, class Draw, class Visit>
void sample(const Dictionary<Node>& dictionary, std::size_t count, Draw& draw, Visit&& visit) {
  constexpr std::size_t kWalkedShare = 3;
  if (count >= dictionary.size() / kWalkedShare) {
    Selection selection(count, dictionary.size(), draw);
    return dictionary.each([&](const Node& node) {
      if (selection.takes_next()) visit(node);
    });
  }
  std::unordered_set<const Node*> seen;
  while (seen.size() < count) {
    const Node& node = dictionary.random(draw);
    if (seen.insert(&node).second) visit(node);
  }
}

}  // namespace larder::storage
