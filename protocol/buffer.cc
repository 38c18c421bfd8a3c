#include "protocol/buffer.h"

#include <algorithm>
#include <new>

namespace larder::protocol {

BlockPool::Block BlockPool::make(std::size_t bytes) {
  Block block(static_cast<char*>(std::malloc(bytes)));
  if (!block) throw std::bad_alloc();
  return block;
}

InputBuffer::~InputBuffer() {
  std::free(block_);
}

std::span<char> InputBuffer::writable(std::size_t at_least) {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (capacity_ > kKeptInputBytes && at_least <= kKeptInputBytes) trim();
  }
  if (capacity_ - end_ < at_least) make_room(at_least);
  return {block_ + end_, capacity_ - end_};
}

// malloc and not new: realloc moves a big block by remapping its pages, so reading a large value
// copies nothing.
void InputBuffer::make_room(std::size_t at_least) {
  if (block_ == nullptr && at_least <= kFirstBytes) {
    block_ = pool_.take().release();
    capacity_ = kFirstBytes;
    return;
  }
  const std::size_t unread_bytes = end_ - begin_;
  if (begin_ > 0 && unread_bytes > 0) std::memmove(block_, block_ + begin_, unread_bytes);
  begin_ = 0;
  end_ = unread_bytes;
  if (capacity_ - end_ >= at_least) return;
  const std::size_t wanted = std::max({kFirstBytes, capacity_ * 2, end_ + at_least});
  void* larger = std::realloc(block_, wanted);
  if (larger == nullptr) throw std::bad_alloc();
  block_ = static_cast<char*>(larger);
  capacity_ = wanted;
}

void InputBuffer::trim() {
  if (begin_ != end_) return;
  BlockPool::Block block(block_);
  if (capacity_ == kFirstBytes) pool_.give(std::move(block));
  block_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

void OutputBuffer::append(std::string_view bytes) {
  const std::size_t fits = std::min(bytes.size(), static_cast<std::size_t>(limit_ - tail_));
  if (fits > 0) std::memcpy(tail_, bytes.data(), fits);
  tail_ += fits;
  bytes.remove_prefix(fits);
  if (bytes.empty()) return;
  open_chunk(bytes.size());
  std::memcpy(tail_, bytes.data(), bytes.size());
  tail_ += bytes.size();
}

void OutputBuffer::pin(Pin&& pin) {
  Pin taken = std::move(pin);
  const std::string_view bytes = taken.bytes();
  if (bytes.empty()) return;
  close_piece(false);
  pieces_.push_back({bytes.data(), bytes.size(), std::move(taken), {}});
  closed_bytes_ += bytes.size();
  pinned_bytes_ += bytes.size();
}

std::size_t OutputBuffer::gather(std::span<Piece> out) const {
  std::size_t count = 0;
  for (std::size_t i = first_; i < pieces_.size() && count < out.size(); ++i) {
    if (pieces_[i].size > 0) out[count++] = {pieces_[i].data, pieces_[i].size};
  }
  if (open_bytes() > 0 && count < out.size()) out[count++] = {open_, open_bytes()};
  return count;
}

void OutputBuffer::consume(std::size_t count) {
  while (first_ < pieces_.size() && pieces_[first_].size <= count) {
    count -= pieces_[first_].size;
    drop_first();
  }
  if (first_ < pieces_.size()) {
    Closed& piece = pieces_[first_];
    piece.data += count;
    piece.size -= count;
    closed_bytes_ -= count;
    if (piece.pin) pinned_bytes_ -= count;
    return;
  }
  pieces_.clear();
  first_ = 0;
  open_ += count;
  if (open_ == tail_) open_ = tail_ = current_.bytes.get();
}

void OutputBuffer::trim() {
  if (!empty()) return;
  std::vector<Closed>().swap(pieces_);
  first_ = 0;
  give_open_chunk();
}

void OutputBuffer::give_open_chunk() {
  retire(std::exchange(current_, {}));
  open_ = tail_ = limit_ = nullptr;
}

void OutputBuffer::open_chunk(std::size_t at_least) {
  if (current_.bytes) close_piece(true);
  const std::size_t size = std::max(at_least, kChunkBytes);
  current_ = {size == kChunkBytes ? pool_.take() : BlockPool::make(size), size};
  chunk_bytes_ += size;
  open_ = tail_ = current_.bytes.get();
  limit_ = tail_ + current_.size;
}

// The open piece takes its place in the chain. When its chunk is full it takes the chunk along,
// even if it is itself empty: pieces before it may lie in that chunk.
void OutputBuffer::close_piece(bool chunk_is_full) {
  const std::size_t size = open_bytes();
  if (size == 0 && !chunk_is_full) return;
  pieces_.push_back({open_, size, std::nullopt, chunk_is_full ? std::move(current_) : Chunk{}});
  closed_bytes_ += size;
  open_ = tail_;
}

void OutputBuffer::drop_first() {
  Closed& piece = pieces_[first_];
  closed_bytes_ -= piece.size;
  if (piece.pin) pinned_bytes_ -= piece.size;
  piece.pin.reset();
  if (piece.chunk.bytes) retire(std::move(piece.chunk));
  ++first_;
  // A peer that reads a little at a time must not let the passed pieces pile up.
  if (first_ < kPassedPieces || first_ < pieces_.size() / 2) return;
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

void OutputBuffer::retire(Chunk chunk) {
  chunk_bytes_ -= chunk.size;
  if (chunk.size == kChunkBytes) pool_.give(std::move(chunk.bytes));
}

}  // namespace larder::protocol
