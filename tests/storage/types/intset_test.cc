#include "storage/types/intset.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>

namespace larder::storage {
namespace {

std::string bytes_of(const std::set<std::int64_t>& integers, std::size_t width) {
  std::string bytes(1, static_cast<char>(width));
  for (const std::int64_t integer : integers) Intset::append(bytes, integer, width);
  return bytes;
}

TEST_CASE("an integer takes the fewest bytes that hold it") {
  CHECK(Intset::width_of(0) == 1);
  CHECK(Intset::width_of(-1) == 1);
  CHECK(Intset::width_of(std::numeric_limits<std::int64_t>::max()) == 8);
  CHECK(Intset::width_of(std::numeric_limits<std::int64_t>::min()) == 8);
  for (std::size_t width = 1; width < 8; ++width) {
    const auto first_beyond = std::int64_t{1} << (8 * width - 1);
    CHECK(Intset::width_of(first_beyond - 1) == width);
    CHECK(Intset::width_of(first_beyond) == width + 1);
    CHECK(Intset::width_of(-first_beyond) == width);
    CHECK(Intset::width_of(-first_beyond - 1) == width + 1);
  }
}

TEST_CASE("an intset finds what it has, at the place where it is, in every width") {
  std::mt19937_64 chance(3);
  for (std::size_t width = 1; width <= 8; ++width) {
    const auto unused = static_cast<int>(64 - 8 * width);
    std::set<std::int64_t> model;
    for (std::size_t i = 0; i < 200; ++i) {
      const std::string bytes = bytes_of(model, width);
      const Intset set(bytes);
      REQUIRE(set.width() == width);
      REQUIRE(set.size() == model.size());
      std::size_t index = 0;
      for (const std::int64_t integer : model) {
        REQUIRE(set.at(index) == integer);
        REQUIRE(set.lower_bound(integer) == index);
        REQUIRE(set.has(integer));
        ++index;
      }
      const auto any = static_cast<std::int64_t>(chance() << unused) >> unused;
      CHECK(set.has(any) == model.contains(any));
      CHECK(set.lower_bound(any) ==
            static_cast<std::size_t>(std::distance(model.begin(), model.lower_bound(any))));
      model.insert(any);
    }
  }
  CHECK(Intset(Intset::kNone).size() == 0);
  CHECK_FALSE(Intset(Intset::kNone).has(0));
}

TEST_CASE("an integer that is too wide makes all of them wider, and is the first or the last") {
  const std::set<std::int64_t> narrow = {-3, 0, 7};
  for (const std::int64_t wide :
       {std::int64_t{70'000}, std::int64_t{-70'000}, std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()}) {
    std::set<std::int64_t> all = narrow;
    all.insert(wide);
    const std::string bytes = bytes_of(narrow, 1);
    CHECK(Intset(bytes).widened_with(wide) == bytes_of(all, Intset::width_of(wide)));
  }
}

}  // namespace
}  // namespace larder::storage
