#include "storage/glob.h"

#include <cstddef>

namespace larder::storage {
namespace {

char fold(char c, Case letters) {
  return letters == Case::folded && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Matches one byte against the element of the pattern at `at` (not a star). Answers the position
// after the element, or 0 for a mismatch (an element is at least one byte long, so 0 is free). An
// unclosed class ends with the pattern.
std::size_t match_element(std::string_view pattern, std::size_t at, char c, Case letters) {
  const char wanted = pattern[at];
  if (wanted == '?') return at + 1;
  if (wanted == '\\' && at + 1 < pattern.size()) {
    return fold(pattern[at + 1], letters) == fold(c, letters) ? at + 2 : 0;
  }
  if (wanted != '[') return fold(wanted, letters) == fold(c, letters) ? at + 1 : 0;

  std::size_t i = at + 1;
  const bool is_negated = i < pattern.size() && pattern[i] == '^';
  if (is_negated) ++i;
  const auto folded = static_cast<unsigned char>(fold(c, letters));
  bool is_in = false;
  for (; i < pattern.size() && pattern[i] != ']'; ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      if (pattern[i] == c) is_in = true;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      auto low = static_cast<unsigned char>(fold(pattern[i], letters));
      auto high = static_cast<unsigned char>(fold(pattern[i + 2], letters));
      if (low > high) {
        const auto lower = high;
        high = low;
        low = lower;
      }
      if (folded >= low && folded <= high) is_in = true;
      i += 2;
    } else if (static_cast<unsigned char>(fold(pattern[i], letters)) == folded) {
      is_in = true;
    }
  }
  if (is_in == is_negated) return 0;
  return i < pattern.size() ? i + 1 : i;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, Case letters) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t after_star = std::string_view::npos;  // where to go on when the last star takes one
                                                    // byte more
  std::size_t star_took_to = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      while (p < pattern.size() && pattern[p] == '*') ++p;
      if (p == pattern.size()) return true;
      after_star = p;
      star_took_to = t;
      continue;
    }
    const std::size_t next = p < pattern.size() ? match_element(pattern, p, text[t], letters) : 0;
    if (next != 0) {
      p = next;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++star_took_to;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace larder::storage
