#include "server/commands/harvest.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "protocol/reply.h"
#include "storage/ensure.h"

namespace larder::server {
namespace {

// A batch of SCAN's default COUNT, and of ten times as many.
constexpr std::size_t kFirstBlockBytes = 4096;
// Given back in 20 microseconds.
constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;

using Length = std::uint32_t;

}  // namespace

void Harvest::GiveBack::operator()(char* bytes) const {
  if (mapped_bytes == 0) {
    delete[] bytes;
  } else {
    munmap(bytes, mapped_bytes);
  }
}

Harvest::Block Harvest::make_block(std::size_t at_least, bool is_first) {
  if (is_first && at_least <= kFirstBlockBytes) {
    return {{new char[kFirstBlockBytes], GiveBack{}}, kFirstBlockBytes};
  }
  const std::size_t size = std::max(at_least, kBlockBytes);
  void* const mapped =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ensure(mapped != MAP_FAILED, "the machine has no memory left for the names of keys");
  return {{static_cast<char*>(mapped), GiveBack{size}}, size};
}

void Harvest::add(std::string_view name) {
  const std::size_t needed = sizeof(Length) + name.size();
  if (blocks_.empty() || blocks_.back().capacity - blocks_.back().size < needed) {
    blocks_.push_back(make_block(needed, blocks_.empty()));
  }
  Block& block = blocks_.back();
  const auto length = static_cast<Length>(name.size());
  char* const at = block.bytes.get() + block.size;
  std::memcpy(at, &length, sizeof(length));
  std::memcpy(at + sizeof(length), name.data(), name.size());
  block.size += needed;
  bytes_ += needed;
  ++count_;
}

bool Harvest::say(protocol::Reply& reply, std::size_t most) {
  for (; !blocks_.empty() && most > 0; --most) {
    const Block& block = blocks_.front();
    const char* const at = block.bytes.get() + said_bytes_;
    Length length = 0;
    std::memcpy(&length, at, sizeof(length));
    reply.bulk({at + sizeof(length), length});
    said_bytes_ += sizeof(length) + length;
    if (said_bytes_ == block.size) {
      blocks_.pop_front();
      said_bytes_ = 0;
    }
  }
  return blocks_.empty();
}

}  // namespace larder::server
