#include "protocol/buffer.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace larder::protocol;

namespace {

void fill(InputBuffer& input, std::string_view bytes) {
  std::memcpy(input.writable(bytes.size()).data(), bytes.data(), bytes.size());
  input.wrote(bytes.size());
}

// Everything unsent, as one text.
std::string unsent(const OutputBuffer& out) {
  std::vector<OutputBuffer::Piece> pieces(10'000);
  std::string text;
  const std::size_t count = out.gather(pieces);
  for (std::size_t i = 0; i < count; ++i) text.append(pieces[i].data, pieces[i].size);
  return text;
}

Pin counted(std::string_view bytes, int& releases) {
  return Pin(bytes, &releases, [](void* owner) { ++*static_cast<int*>(owner); });
}

}  // namespace

TEST_CASE("InputBuffer keeps what is unread when it makes room") {
  BlockPool pool;
  InputBuffer input(pool);
  fill(input, "abcdef");
  input.consume(2);
  CHECK(input.unread() == "cdef");
  fill(input, std::string(InputBuffer::kFirstBytes - 5, 'x'));
  CHECK(input.unread() == "cdef" + std::string(InputBuffer::kFirstBytes - 5, 'x'));
  CHECK(input.capacity_bytes() == InputBuffer::kFirstBytes);
  fill(input, "grown");
  CHECK(input.unread().ends_with("xgrown"));
  CHECK(input.capacity_bytes() == InputBuffer::kFirstBytes * 2);
}

TEST_CASE("InputBuffer leaves consumed bytes in place until it is written to") {
  BlockPool pool;
  InputBuffer input(pool);
  fill(input, "abc");
  const std::string_view seen = input.unread();
  input.consume(3);
  CHECK(seen == "abc");
  CHECK(input.unread().empty());
}

TEST_CASE("InputBuffer gives back a big block once it is read") {
  BlockPool pool;
  InputBuffer input(pool);
  fill(input, std::string(InputBuffer::kKeptInputBytes * 4, 'x'));
  CHECK(input.capacity_bytes() >= InputBuffer::kKeptInputBytes * 4);
  input.consume(input.unread().size());
  fill(input, "next");
  CHECK(input.capacity_bytes() == InputBuffer::kFirstBytes);
  CHECK(input.unread() == "next");
}

TEST_CASE("InputBuffer trims only when nothing is unread") {
  BlockPool pool;
  InputBuffer input(pool);
  fill(input, "abc");
  input.trim();
  CHECK(input.unread() == "abc");
  input.consume(3);
  input.trim();
  CHECK(input.capacity_bytes() == 0);
  fill(input, "again");
  CHECK(input.unread() == "again");
}

TEST_CASE("InputBuffer agrees with a string on random use") {
  std::mt19937 chance(11);
  BlockPool pool;
  InputBuffer input(pool);
  std::string model;
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes(chance() % 5000, static_cast<char>('a' + i % 26));
    fill(input, bytes);
    model += bytes;
    const std::size_t done = chance() % 3 == 0 ? model.size() : chance() % (model.size() + 1);
    input.consume(done);
    model.erase(0, done);
    REQUIRE(input.unread() == model);
  }
}

TEST_CASE("OutputBuffer says in order what was appended") {
  BlockPool pool;
  OutputBuffer out(pool);
  CHECK(out.empty());
  out.append("hello ");
  std::string_view("world").copy(out.reserve(10), 5);
  out.commit(5);
  CHECK(unsent(out) == "hello world");
  CHECK(out.size_bytes() == 11);
  CHECK(out.copied_bytes() == 11);
  out.consume(6);
  CHECK(unsent(out) == "world");
  out.consume(5);
  CHECK(out.empty());
}

TEST_CASE("OutputBuffer links pins where they were said and releases each once") {
  int releases = 0;
  const std::string big(5000, 'B');
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("<");
  out.pin(counted(big, releases));
  out.append(">");
  CHECK(unsent(out) == "<" + big + ">");
  CHECK(out.size_bytes() == 5002);
  CHECK(out.copied_bytes() == 2);
  out.consume(1 + 4999);
  CHECK(releases == 0);
  CHECK(unsent(out) == "B>");
  CHECK(out.copied_bytes() == 1);
  out.consume(1);
  CHECK(releases == 1);
  CHECK(unsent(out) == ">");
}

TEST_CASE("OutputBuffer releases pins that are never sent") {
  int releases = 0;
  {
    BlockPool pool;
    OutputBuffer out(pool);
    out.pin(counted("never sent", releases));
    out.pin(counted("", releases));
    CHECK(releases == 1);
  }
  CHECK(releases == 2);
}

TEST_CASE("a moved pin releases once") {
  int releases = 0;
  {
    Pin first = counted("a", releases);
    Pin second = std::move(first);
    Pin third = counted("b", releases);
    third = std::move(second);
    CHECK(third.bytes() == "a");
  }
  CHECK(releases == 2);
}

TEST_CASE("OutputBuffer gives a reservation beyond a chunk its own") {
  BlockPool pool;
  OutputBuffer out(pool);
  out.append("a");
  std::memset(out.reserve(100'000), 'b', 100'000);
  out.commit(100'000);
  out.append("c");
  CHECK(unsent(out) == "a" + std::string(100'000, 'b') + "c");
  out.consume(out.size_bytes());
  CHECK(out.empty());
  CHECK(out.capacity_bytes() <= 100'000 + OutputBuffer::kChunkBytes * 2);
}

TEST_CASE("OutputBuffer gives back the chunks that were sent") {
  BlockPool pool;
  OutputBuffer out(pool);
  const std::string bytes(1000, 'x');
  for (int i = 0; i < 1000; ++i) {
    out.reserve(bytes.size());
    out.append(bytes);
  }
  CHECK(out.capacity_bytes() >= 1'000'000);
  out.consume(out.size_bytes());
  CHECK(out.capacity_bytes() <= OutputBuffer::kChunkBytes);
  out.trim();
  CHECK(out.capacity_bytes() == 0);
  out.append("again");
  CHECK(unsent(out) == "again");
}

TEST_CASE("OutputBuffer of a client that reads everything stays one chunk") {
  BlockPool pool;
  OutputBuffer out(pool);
  for (int i = 0; i < 1000; ++i) {
    out.append(std::string(100, 'x'));
    out.consume(out.size_bytes());
  }
  CHECK(out.capacity_bytes() == OutputBuffer::kChunkBytes);
}

TEST_CASE("OutputBuffer gathers no more pieces than it is asked for") {
  int releases = 0;
  BlockPool pool;
  OutputBuffer out(pool);
  for (int i = 0; i < 5; ++i) {
    out.append("a");
    out.pin(counted("pin", releases));
  }
  OutputBuffer::Piece pieces[3];
  CHECK(out.gather(pieces) == 3);
  CHECK(out.gather({}) == 0);
}

TEST_CASE("OutputBuffer agrees with a string on random use, and every pin is released") {
  std::mt19937 chance(7);
  int pins = 0;
  int releases = 0;
  const std::string big(40'000, 'P');
  {
    BlockPool pool;
    OutputBuffer out(pool);
    std::string model;
    for (int i = 0; i < 5000; ++i) {
      const std::string bytes(chance() % 900, static_cast<char>('a' + i % 26));
      switch (chance() % 4) {
        case 0: out.append(bytes), model += bytes; break;
        case 1: {
          std::memcpy(out.reserve(1000), bytes.data(), bytes.size());
          out.commit(bytes.size()), model += bytes;
          break;
        }
        case 2: {
          const std::string_view pinned = std::string_view(big).substr(0, 1 + chance() % 3000);
          out.pin(counted(pinned, releases)), model += pinned, ++pins;
          break;
        }
        default: {
          const std::size_t sent = chance() % (model.size() + 1);
          out.consume(sent), model.erase(0, sent);
        }
      }
      REQUIRE(out.size_bytes() == model.size());
      if (i % 50 == 0) REQUIRE(unsent(out) == model);
    }
  }
  CHECK(releases == pins);
}

TEST_CASE("buffers that rest lend their blocks to each other") {
  BlockPool pool;
  InputBuffer input(pool);
  OutputBuffer out(pool);
  fill(input, "request");
  const char* const block = input.unread().data();
  input.rest();
  CHECK(input.unread() == "request");
  input.consume(7);
  input.rest();
  CHECK(input.capacity_bytes() == 0);
  out.append("reply");
  CHECK(unsent(out) == "reply");
  CHECK(out.reserve(1) == block + 5);
  out.consume(3);
  out.rest();
  CHECK(unsent(out) == "ly");
  out.consume(2);
  out.rest();
  CHECK(out.capacity_bytes() == 0);
  fill(input, "next");
  CHECK(input.unread().data() == block);
}

TEST_CASE("a pool lends no block that was made larger, and keeps a bounded number") {
  BlockPool pool;
  {
    InputBuffer input(pool);
    fill(input, std::string(InputBuffer::kFirstBytes * 2, 'x'));
    input.consume(input.unread().size());
    input.rest();
    CHECK(input.capacity_bytes() >= InputBuffer::kFirstBytes * 2);
    OutputBuffer out(pool);
    out.append(std::string(OutputBuffer::kChunkBytes + 1, 'x'));
    out.consume(out.size_bytes());
    out.rest();
    CHECK(out.capacity_bytes() == 0);
  }
  std::vector<BlockPool::Block> blocks;
  for (std::size_t i = 0; i < 2 * BlockPool::kKeptBlocks; ++i) blocks.push_back(pool.take());
  for (BlockPool::Block& block : blocks) pool.give(std::move(block));
  CHECK(pool.size() == BlockPool::kKeptBlocks);
}
