#include "storage/types/packed.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace larder::storage {
namespace {

std::string packed_of(const std::vector<std::string>& elements) {
  std::string value(Packed::kNone);
  for (const std::string& element : elements) Packed::append(value, std::string_view(element));
  Packed::store_count(value.data(), elements.size());
  return value;
}

std::vector<std::string> elements_of(const std::string& value) {
  const Packed packed(value);
  std::vector<std::string> elements;
  for (std::size_t at = packed.begin(); at < packed.end(); at = packed.next(at)) {
    elements.push_back(packed.at(at).to_string());
  }
  return elements;
}

// Text and numbers around every change of spelling.
std::vector<std::string> boundary_elements() {
  std::vector<std::string> elements;
  for (const std::size_t size :
       {0, 1, 62, 63, 64, 125, 126, 127, 4094, 4095, 4096, 16'380, 16'382, 16'383, 16'384}) {
    elements.emplace_back(size, 'x');
  }
  for (int bits = 6; bits < 63; ++bits) {
    const std::int64_t edge = std::int64_t{1} << bits;
    for (const std::int64_t near : {edge - 1, edge, edge + 1}) {
      elements.push_back(std::to_string(near));
      elements.push_back(std::to_string(-near));
    }
  }
  for (const char* odd : {"-0", "+1", "01", " 1", "1 ", "0", "-1", "9223372036854775807",
                          "-9223372036854775808", "9223372036854775808"}) {
    elements.emplace_back(odd);
  }
  return elements;
}

TEST_CASE("elements of every spelling are read forwards and backwards as they were written") {
  const std::vector<std::string> elements = boundary_elements();
  const std::string value = packed_of(elements);
  CHECK(elements_of(value) == elements);
  const Packed packed(value);
  CHECK(packed.count() == elements.size());
  std::size_t at = packed.end();
  for (std::size_t i = elements.size(); i-- > 0;) {
    at = packed.before(at);
    CHECK(packed.at(at).to_string() == elements[i]);
  }
  CHECK(at == packed.begin());
}

TEST_CASE("the spelling is that of the public specification") {
  const auto spelt = [](std::string_view text) {
    std::string bytes;
    Packed::append(bytes, text);
    return bytes;
  };
  using namespace std::string_literals;
  CHECK(spelt("1") == "\x01\x01"s);
  CHECK(spelt("127") == "\x7f\x01"s);
  CHECK(spelt("128") == "\xc0\x80\x02"s);
  CHECK(spelt("-1") == "\xdf\xff\x02"s);
  CHECK(spelt("4096") == "\xf1\x00\x10\x03"s);
  CHECK(spelt("-32769") == "\xf2\xff\x7f\xff\x04"s);
  CHECK(spelt("hello") == "\x85hello\x06"s);
  CHECK(spelt(std::string(64, 'x')) == "\xe0\x40"s + std::string(64, 'x') + "\x42"s);
  CHECK(spelt(std::string(200, 'x')) == "\xe0\xc8"s + std::string(200, 'x') + "\x01\xca"s);
}

// The elements of a listpack, if it is one.
std::optional<std::vector<std::string>> listpack_elements(std::string_view listpack) {
  std::vector<std::string> elements;
  const bool is_sound = Packed::each_of_listpack(
      listpack, [&](const Bytes& element) { elements.push_back(element.to_string()); });
  return is_sound ? std::optional(elements) : std::nullopt;
}

TEST_CASE("a listpack is read, and nothing that is none") {
  using namespace std::string_view_literals;
  // As redis-server dumps a list of a, b, c, a, 2, ccc.
  const std::string_view theirs =
      "\x1a\x00\x00\x00\x06\x00\x81"
      "a\x02\x81"
      "b\x02\x81"
      "c\x02\x81"
      "a\x02\x02\x01\x83"
      "ccc\x04\xff"sv;
  CHECK(listpack_elements(theirs) == std::vector<std::string>{"a", "b", "c", "a", "2", "ccc"});

  std::vector<std::string> elements = boundary_elements();
  std::erase_if(elements, [](const std::string& element) { return element.size() > 4096; });
  const std::string value = packed_of(elements);
  std::string listpack;
  const std::size_t size = value.size() - Packed::kHeadBytes + 7;
  for (int i = 0; i < 4; ++i) listpack += static_cast<char>(size >> (8 * i));
  listpack += value + "\xff";
  CHECK(listpack_elements(listpack) == elements);
  // Cut anywhere it is refused; with any bytes changed too, or is a sound one of other elements.
  for (std::size_t bytes = 0; bytes < listpack.size(); ++bytes) {
    CHECK_FALSE(listpack_elements(std::string_view(listpack).substr(0, bytes)));
  }
  std::mt19937_64 chance(9);
  for (int i = 0; i < 20'000; ++i) {
    std::string broken = listpack;
    for (std::uint64_t times = chance() % 3 + 1; times > 0; --times) {
      broken[chance() % broken.size()] = static_cast<char>(chance());
    }
    listpack_elements(broken);
  }
}

TEST_CASE("the nth element is found from either end") {
  const std::vector<std::string> elements = {"a", "2", "ccc", "-40000", ""};
  const std::string value = packed_of(elements);
  const Packed packed(value);
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(packed.at(packed.nth(i)).to_string() == elements[static_cast<std::size_t>(i)]);
    CHECK(packed.nth(i - 5) == packed.nth(i));
  }
  CHECK(packed.nth(5) == packed.end());
  CHECK(packed.nth(-6) == packed.end());
}

TEST_CASE("find compares text with text and numbers with numbers, at every step") {
  const std::string value = packed_of({"f", "1", "1", "f", "01", "x"});
  const Packed packed(value);
  CHECK(packed.find("f", packed.begin(), 2) == packed.nth(0));
  CHECK(packed.find("1", packed.begin(), 2) == packed.nth(2));
  CHECK(packed.find("01", packed.begin(), 2) == packed.nth(4));
  CHECK(packed.find("x", packed.begin(), 2) == packed.end());
  CHECK(packed.find("x", packed.begin(), 1) == packed.nth(5));
  const std::string none(Packed::kNone);
  CHECK(Packed(none).find("f", Packed::kHeadBytes, 1) == Packed(none).end());
}

}  // namespace
}  // namespace larder::storage
