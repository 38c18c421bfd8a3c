#include "storage/memory.h"

#include <doctest/doctest.h>
#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

using namespace larder::storage;

TEST_CASE("a footprint is what the allocator takes, from 1 byte to a page") {
  for (std::size_t size = 1; size < 4096; ++size) {
    void* memory = allocate(size);
    // glibc leaves a rest too small to be a block of its own (16 bytes) with the block.
    REQUIRE(malloc_usable_size(memory) >= usable(size));
    REQUIRE(malloc_usable_size(memory) <= usable(size) + 16);
    REQUIRE(reinterpret_cast<std::uintptr_t>(memory) % 16 == 0);
    release(memory);
  }
}

TEST_CASE("all of usable() can be written") {
  for (const std::size_t size : {0u, 1u, 23u, 24u, 25u, 40u, 41u, 1000u, 20'000u}) {
    CHECK(usable(size) >= size);
    CHECK(usable(size) + 8 == footprint(size));
    void* memory = allocate(size);
    std::memset(memory, 0xff, usable(size));
    release(memory);
  }
}
