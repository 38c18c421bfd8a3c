// The names that a walk over the keys has found, kept until their number is known and they can be
// said, some at a time.
//
// Packed into blocks, each name behind its length. The first block is small, for a SCAN of a few
// keys; the others are mappings of their own, given back one by one as they are said. From the
// heap, 100 MB of names went back to the system in one go with the last of them: 21 ms. Cost: a
// name's bytes are copied in and out once. Thread: loop.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string_view>

namespace larder::protocol {
class Reply;
}

namespace larder::server {

class Harvest {
 public:
  void add(std::string_view name);
  std::size_t count() const { return count_; }
  // Of names and lengths, said ones included.
  std::size_t bytes() const { return bytes_; }
  // Up to `most` names that are not said yet. True when all are said.
  bool say(protocol::Reply& reply, std::size_t most);

 private:
  struct GiveBack {
    std::size_t mapped_bytes = 0;  // 0: from the heap
    void operator()(char* bytes) const;
  };
  struct Block {
    std::unique_ptr<char[], GiveBack> bytes;
    std::size_t capacity;
    std::size_t size = 0;
  };
  static Block make_block(std::size_t at_least, bool is_first);

  std::deque<Block> blocks_;
  std::size_t said_bytes_ = 0;  // of the first block
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace larder::server
