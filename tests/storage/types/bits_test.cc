#include "storage/types/bits.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace larder::storage;

namespace {

using Model = std::vector<bool>;

Model model_of(std::string_view bytes) {
  Model bits;
  for (const char byte : bytes) {
    for (int i = 7; i >= 0; --i) bits.push_back((static_cast<unsigned char>(byte) >> i & 1) != 0);
  }
  return bits;
}

// Long stretches of one value and noise, as bitmaps have both.
std::string some_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) {
    const std::size_t run = 1 + random() % 30;
    const auto kind = random() % 3;
    for (std::size_t i = 0; i < run && bytes.size() < size; ++i) {
      bytes.push_back(kind == 0 ? '\0' : kind == 1 ? '\xff' : static_cast<char>(random()));
    }
  }
  return bytes;
}

std::uint64_t ones_in(const Model& bits, std::uint64_t first, std::uint64_t last) {
  std::uint64_t ones = 0;
  for (std::uint64_t i = first; i <= last; ++i) ones += bits[i] ? 1 : 0;
  return ones;
}

std::optional<std::uint64_t> found_in(const Model& bits, bool wanted, std::uint64_t first,
                                      std::uint64_t last) {
  for (std::uint64_t i = first; i <= last; ++i) {
    if (bits[i] == wanted) return i;
  }
  return std::nullopt;
}

bool combined(bool a, bool b, BitOperation operation) {
  switch (operation) {
    case BitOperation::all: return a && b;
    case BitOperation::any: return a || b;
    default: return a != b;
  }
}

}  // namespace

TEST_CASE("bits are numbered from the highest of the first byte, and none is behind the end") {
  const std::string bytes = "\x80\x01";
  CHECK(bit_at(bytes, 0));
  CHECK(!bit_at(bytes, 1));
  CHECK(!bit_at(bytes, 14));
  CHECK(bit_at(bytes, 15));
  CHECK(!bit_at(bytes, 16));
  CHECK(!bit_at("", 0));
}

TEST_CASE("stored bits are those of a vector of bool") {
  std::mt19937_64 random(1);
  std::string bytes = some_bytes(random, 40);
  Model model = model_of(bytes);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t bit = random() % model.size();
    const bool on = random() % 2 == 0;
    store_bit(bytes, bit, on);
    model[bit] = on;
    REQUIRE(model_of(bytes) == model);
  }
}

TEST_CASE("ones are counted and bits are found in any part of a string") {
  std::mt19937_64 random(2);
  for (int i = 0; i < 4000; ++i) {
    const std::string bytes = some_bytes(random, 1 + random() % 90);
    const Model model = model_of(bytes);
    const std::uint64_t a = random() % model.size();
    const std::uint64_t b = random() % model.size();
    const std::uint64_t first = std::min(a, b);
    const std::uint64_t last = std::max(a, b);
    REQUIRE(count_ones(bytes) == ones_in(model, 0, model.size() - 1));
    REQUIRE(count_ones(bytes, first, last) == ones_in(model, first, last));
    REQUIRE(find_bit(bytes, true, first, last) == found_in(model, true, first, last));
    REQUIRE(find_bit(bytes, false, first, last) == found_in(model, false, first, last));
  }
  CHECK(count_ones("") == 0);
}

TEST_CASE("strings are combined bit by bit, the shorter one followed by zeros") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = some_bytes(random, random() % 40);
    const std::string b = some_bytes(random, random() % 40);
    for (const BitOperation operation : {BitOperation::all, BitOperation::any, BitOperation::odd}) {
      std::string into = a;
      combine(into, b, operation);
      REQUIRE(into.size() == std::max(a.size(), b.size()));
      for (std::size_t bit = 0; bit < into.size() * 8; ++bit) {
        REQUIRE(bit_at(into, bit) == combined(bit_at(a, bit), bit_at(b, bit), operation));
      }
    }
    std::string inverted = a;
    invert(inverted);
    for (std::size_t bit = 0; bit < a.size() * 8; ++bit) {
      REQUIRE(bit_at(inverted, bit) != bit_at(a, bit));
    }
  }
}
