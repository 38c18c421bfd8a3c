#include "storage/lines.h"

#include <algorithm>
#include <cstring>

namespace larder::storage {

Lines::Lines(Arena& arena, std::size_t most_bytes)
    : directory_(&only_piece_),
      arena_(arena),
      most_lines_(most_bytes / kLineBytes),
      small_(kPieceBytes + (most_lines_ / kPerPiece + 1) * sizeof(char*)) {
  only_piece_.store(small_.data(), std::memory_order_relaxed);
}

Lines::~Lines() {
  give_back(slabs_);
}

bool Lines::give_back(std::size_t budget_slabs) {
  for (; slabs_ != 0 && budget_slabs != 0; --budget_slabs) {
    --slabs_;
    if (slabs_ * kPerPiece >= reached_) arena_.recall();
    arena_.give(full_directory()[slabs_].load(std::memory_order_relaxed));
  }
  return slabs_ == 0;
}

// Of few lines a page after the other, then a slab after the other.
bool Lines::reach_further(std::size_t count) {
  if (count > most_lines_) return false;
  if (count <= kPerPiece && slabs_ == 0) {
    if (!small_.commit(count * kLineBytes)) return false;
    reached_ = std::min(most_lines_, (count + kPerPage - 1) / kPerPage * kPerPage);
    return true;
  }
  const std::size_t pieces = (count + kPerPiece - 1) / kPerPiece;
  if (!small_.commit(kPieceBytes + pieces * sizeof(char*))) return false;
  if (slabs_ == 0) move_to_slab();
  while (reached_ < count) {
    const std::size_t piece = reached_ / kPerPiece;
    if (piece == slabs_) {
      char* slab = arena_.take(0);
      std::memset(slab, 0, kPieceBytes);
      // Release: cleared before it can be found.
      full_directory()[slabs_++].store(slab, std::memory_order_release);
    } else {
      arena_.recall();
    }
    reached_ = std::min(most_lines_, (piece + 1) * kPerPiece);
  }
  return true;
}

void Lines::move_to_slab() {
  char* slab = arena_.take(0);
  std::memcpy(slab, small_.data(), kPieceBytes);
  full_directory()[slabs_++].store(slab, std::memory_order_release);
  directory_.store(full_directory(), std::memory_order_release);
  small_.forget(0, kPieceBytes);
  reached_ = kPerPiece;
}

// Slabs that are not needed stay ours without their pages; the next is kept with them.
void Lines::let_go(std::size_t count) {
  if (slabs_ == 0) return;
  const std::size_t kept = count / kPerPiece + 1;
  for (std::size_t piece = (reached_ + kPerPiece - 1) / kPerPiece; piece > kept; --piece) {
    arena_.forget(full_directory()[piece - 1].load(std::memory_order_relaxed));
  }
  reached_ = kept * kPerPiece;
}

}  // namespace larder::storage
