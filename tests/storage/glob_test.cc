#include "storage/glob.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>

using namespace larder::storage;

namespace {

// One element against one byte, by the letter of the rules; answers how long the element is, 0 when
// it does not match.
std::size_t element(std::string_view p, char c) {
  if (p[0] == '?') return 1;
  if (p[0] == '\\' && p.size() > 1) return p[1] == c ? 2 : 0;
  if (p[0] != '[') return p[0] == c ? 1 : 0;
  std::size_t i = 1;
  const bool negated = p.size() > 1 && p[1] == '^';
  if (negated) i = 2;
  bool in = false;
  while (i < p.size() && p[i] != ']') {
    if (p[i] == '\\' && i + 1 < p.size()) {
      in = in || p[i + 1] == c;
      i += 2;
    } else if (i + 2 < p.size() && p[i + 1] == '-') {
      const auto [low, high] = std::minmax(p[i], p[i + 2]);
      in = in || (c >= low && c <= high);
      i += 3;
    } else {
      in = in || p[i] == c;
      ++i;
    }
  }
  if (in == negated) return 0;
  return i < p.size() ? i + 1 : i;
}

// The obvious matcher: tries every length for every star.
bool model(std::string_view p, std::string_view t) {
  if (p.empty()) return t.empty();
  if (p[0] == '*') return model(p.substr(1), t) || (!t.empty() && model(p, t.substr(1)));
  if (t.empty()) return false;
  const std::size_t size = element(p, t[0]);
  return size != 0 && model(p.substr(size), t.substr(1));
}

}  // namespace

TEST_CASE("patterns match as users know them") {
  struct Row {
    std::string_view pattern;
    std::string_view text;
    bool matches;
  };
  constexpr Row kRows[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "anything", true},
      {"**", "", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ab", false},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"h*llo", "hllo", true},
      {"h*llo", "heeeello", true},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-b]llo", "hbllo", true},
      {"h[a-b]llo", "hcllo", false},
      {"h[b-a]llo", "hallo", true},
      {"[a-]", "]", true},  // a range from a down to ], unclosed
      {"[]", "a", false},
      {"[]a]", "a]", false},
      {"[^]", "a", true},
      {"[abc", "b", true},
      {"[abc", "bx", false},
      {"[^abc", "d", true},
      {"[", "[", false},
      {"[^", "x", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\", "\\", true},
      {"a\\", "a\\", true},
      {"[\\]]", "]", true},
      {"[\\-x]", "-", true},
      {"user:*:name", "user:1:name", true},
      {"user:*:name", "user:1:2:name", true},
      {"user:*:name", "user::nam", false},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
      {"a*a", "a", false},
      {"Tea", "tea", false},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(glob_matches(row.pattern, row.text) == row.matches);
  }
}

TEST_CASE("letters fold only where asked, and only letters") {
  CHECK(glob_matches("MAX*", "maxmemory", Case::folded));
  CHECK(glob_matches("[A-C]x", "bX", Case::folded));
  CHECK_FALSE(glob_matches("[^A-C]x", "bX", Case::folded));
  CHECK_FALSE(glob_matches("MAX*", "maxmemory"));
  CHECK_FALSE(glob_matches("@", "`", Case::folded));
}

TEST_CASE("bytes are bytes: NUL and the upper half") {
  using namespace std::string_view_literals;
  CHECK(glob_matches("a\0b"sv, "a\0b"sv));
  CHECK_FALSE(glob_matches("a\0b"sv, "a\0c"sv));
  CHECK(glob_matches("[\x80-\xff]"sv, "\xc3"sv));
  CHECK_FALSE(glob_matches("[\x80-\xff]"sv, "a"sv));
  CHECK(glob_matches("?", "\0"sv));
}

TEST_CASE("short random patterns match as the obvious matcher says") {
  std::mt19937 random(5);
  const auto draw = [&](std::string_view letters, unsigned longest) {
    std::string text(random() % (longest + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  for (int i = 0; i < 100'000; ++i) {
    const std::string pattern = draw("ab*?[]^-\\c", 8);
    const std::string text = draw("abc-]", 7);
    CAPTURE(pattern);
    CAPTURE(text);
    REQUIRE(glob_matches(pattern, text) == model(pattern, text));
  }
}

TEST_CASE("a pattern of 64 KiB full of stars ends") {
  std::string pattern;
  while (pattern.size() < 65'536) pattern += "a*";
  pattern += 'b';
  const std::string text(100'000, 'a');
  CHECK_FALSE(glob_matches(pattern, text));
  CHECK(glob_matches(pattern, text + 'b'));
}
