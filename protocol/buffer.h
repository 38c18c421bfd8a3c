// What a connection has read and not yet understood, and what it has said and not yet sent.
//
// InputBuffer is one contiguous block, since requests are views into it:
//
//     | consumed | unread ............ | writable |
//     0        begin_                end_      capacity_
//
// consume() only moves begin_, so views stay good while the commands of a batch run. writable()
// makes room: it moves the unread bytes to the front when that is enough, and otherwise grows by
// doubling. A block above kKeptInputBytes is given back by the next writable() that finds nothing
// unread, so one big request does not fatten a connection for life.
//
// OutputBuffer is a chain of pieces in the order they were said. Small data is copied into 16 KiB
// chunks; pins are linked between and never copied:
//
//     chunk A: | $5 hello $900000 | <pin> | CRLF $3 foo ... |   chunk B: | ... tail_ -> limit_ |
//     pieces_    \______ 1 ______/   \2/   \______ 3 _______/             the open piece
//
// The piece being written is open: it is not in pieces_, and committing to it moves one pointer. It
// is closed when a pin comes or its chunk is full. A chunk goes with the last piece that lies in
// it.
//
// BlockPool: what a thread's buffers lie in while there is something in them. A buffer that is
// empty lends its block back, and who comes next gets the block that was used last, which is still
// in the nearest cache: fifty connections that take turns use two or three blocks between them, not
// a hundred, and one that waits has none.
//
// Must hold: gather() and consume() see the same pieces in the same order; a pin is released once,
// in consume() when its last byte is passed, or when the buffer dies. Who reads unread() does so
// to the end (until the reader needs more) before writable() is called again: then moving unread
// bytes costs each byte at most one move.
// Cost: reserve() and commit() are a compare and an add. gather() is O(pieces asked for).
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/reply.h"

namespace larder::protocol {

// Outlives the buffers that use it.
class BlockPool {
 public:
  static constexpr std::size_t kBlockBytes = std::size_t{16} * 1024;
  // Blocks that nobody uses and that are kept all the same: 1 MiB.
  static constexpr std::size_t kKeptBlocks = 64;

  // malloc's, since a buffer may have a block made larger.
  struct Free {
    void operator()(char* block) const { std::free(block); }
  };
  using Block = std::unique_ptr<char[], Free>;
  static Block make(std::size_t bytes);

  Block take() {
    if (free_.empty()) return make(kBlockBytes);
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  void give(Block block) {
    if (free_.size() < kKeptBlocks) free_.push_back(std::move(block));
  }
  // Blocks that nobody uses.
  std::size_t size() const { return free_.size(); }

 private:
  std::vector<Block> free_;
};

class InputBuffer {
 public:
  // The first block: one read of a busy pipeline fits.
  static constexpr std::size_t kFirstBytes = BlockPool::kBlockBytes;
  static constexpr std::size_t kKeptInputBytes = std::size_t{64} * 1024;

  explicit InputBuffer(BlockPool& pool) : pool_(pool) {}
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;
  ~InputBuffer();

  // All free space, at least `at_least` bytes. Invalidates unread() and every view into it.
  std::span<char> writable(std::size_t at_least);
  // The first `count` bytes of the last writable() were filled.
  void wrote(std::size_t count) { end_ += count; }

  std::string_view unread() const { return {block_ + begin_, end_ - begin_}; }
  // The first `count` unread bytes are done with. Their bytes stay where they are until the next
  // writable() or trim().
  void consume(std::size_t count) { begin_ += count; }

  // Gives the whole block back if nothing is unread: for connections that wait. Invalidates as
  // writable().
  void trim();
  // The same if it is a block of the pool's: as soon as nothing is unread.
  void rest() {
    if (begin_ == end_ && capacity_ == kFirstBytes) trim();
  }

  std::size_t capacity_bytes() const { return capacity_; }

 private:
  void make_room(std::size_t at_least);

  BlockPool& pool_;
  char* block_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class OutputBuffer {
 public:
  static constexpr std::size_t kChunkBytes = BlockPool::kBlockBytes;

  // Sent pieces that may stay in the list before it is moved up.
  static constexpr std::size_t kPassedPieces = 64;

  struct Piece {
    const char* data;
    std::size_t size;
  };

  explicit OutputBuffer(BlockPool& pool) : pool_(pool) {}
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  // At least `count` bytes to write to, contiguous; commit() says how many of them were written.
  // Nothing else may be called between the two.
  char* reserve(std::size_t count) {
    if (static_cast<std::size_t>(limit_ - tail_) < count) [[unlikely]]
      open_chunk(count);
    return tail_;
  }
  void commit(std::size_t count) { tail_ += count; }
  // As commit(), told by the first byte that was not written.
  void commit_until(char* end) { tail_ = end; }

  void append(std::string_view bytes);
  void pin(Pin&& pin);

  bool empty() const { return size_bytes() == 0; }
  // Bytes not sent yet.
  std::size_t size_bytes() const { return closed_bytes_ + open_bytes(); }
  // Those of them that this buffer holds itself; the rest is pinned.
  std::size_t copied_bytes() const { return size_bytes() - pinned_bytes_; }
  // Memory of chunks.
  std::size_t capacity_bytes() const { return chunk_bytes_; }

  // The unsent bytes, in order, as many pieces as `out` has room for. Good until the buffer is
  // touched again.
  std::size_t gather(std::span<Piece> out) const;
  // The first `count` bytes were sent. Releases the pins and chunks that are passed.
  void consume(std::size_t count);

  // Gives the open chunk back if nothing is unsent, and all else: for connections that wait.
  void trim();
  // Lends the open chunk back as soon as nothing is unsent.
  void rest() {
    if (tail_ == open_ && current_.bytes && empty()) give_open_chunk();
  }

 private:
  struct Chunk {
    BlockPool::Block bytes;
    std::size_t size = 0;
  };
  // A closed piece: its bytes, and what dies with it.
  struct Closed {
    const char* data;
    std::size_t size;
    std::optional<Pin> pin;  // set: the bytes are pinned
    Chunk chunk;             // set: this was the last piece of that chunk
  };

  std::size_t open_bytes() const { return static_cast<std::size_t>(tail_ - open_); }
  void open_chunk(std::size_t at_least);
  void close_piece(bool chunk_is_full);
  void retire(Chunk chunk);
  void drop_first();
  void give_open_chunk();

  BlockPool& pool_;
  char* tail_ = nullptr;        // next byte to write
  char* limit_ = nullptr;       // end of the open chunk
  char* open_ = nullptr;        // first unsent byte of the open piece
  Chunk current_;               // the open chunk
  std::vector<Closed> pieces_;  // those before first_ have been sent
  std::size_t first_ = 0;
  std::size_t closed_bytes_ = 0;
  std::size_t pinned_bytes_ = 0;
  std::size_t chunk_bytes_ = 0;
};

}  // namespace larder::protocol
