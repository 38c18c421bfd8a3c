// Glob patterns as KEYS, SCAN MATCH and CONFIG GET use them: * ? [abc] [^abc] [a-z] \x.
//
// Two pointers and one point to come back to: a mismatch after a star only ever lets that last star
// swallow one byte more, so the cost is at most length times length, never exponential, and there
// is no recursion (other servers' matchers recursed per star: CVE-2022-36021, CVE-2024-31228).
#pragma once

#include <string_view>

namespace larder::storage {

enum class Case { exact, folded };

bool glob_matches(std::string_view pattern, std::string_view text, Case letters = Case::exact);
// True for the pattern that matches everything, so that callers can skip the matching.
inline bool is_match_all(std::string_view pattern) {
  return pattern == "*";
}

}  // namespace larder::storage
