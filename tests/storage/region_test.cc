#include "storage/region.h"

#include <doctest/doctest.h>

#include <utility>

using larder::storage::Region;

TEST_CASE("a region grows in place, fresh memory is zero, and what was written stays") {
  Region region(1 << 20);
  CHECK(region.committed_bytes() == 0);
  REQUIRE(region.commit(1));
  char* const start = region.data();
  start[0] = 'a';
  for (std::size_t bytes = 1; bytes <= region.reserved_bytes(); bytes *= 2) {
    REQUIRE(region.commit(bytes));
    REQUIRE(region.committed_bytes() >= bytes);
    REQUIRE(region.data() == start);
    REQUIRE(start[0] == 'a');
    if (bytes > 1) REQUIRE(start[bytes - 1] == 0);
  }
}

TEST_CASE("a region refuses more than it has reserved, and is none the worse for it") {
  Region region(8192);
  REQUIRE(region.commit(8192));
  CHECK_FALSE(region.commit(8193));
  CHECK(region.committed_bytes() == 8192);
  region.data()[8191] = 'z';
}

TEST_CASE("a commit of less than there is changes nothing") {
  Region region(1 << 20);
  REQUIRE(region.commit(100'000));
  const std::size_t before = region.committed_bytes();
  REQUIRE(region.commit(1));
  CHECK(region.committed_bytes() == before);
}

TEST_CASE("a moved region takes its memory along") {
  Region first(8192);
  REQUIRE(first.commit(1));
  first.data()[0] = 'm';
  Region second(std::move(first));
  CHECK(second.data()[0] == 'm');
  Region third(4096);
  third = std::move(second);
  CHECK(third.data()[0] == 'm');
  CHECK(third.reserved_bytes() == 8192);
}
