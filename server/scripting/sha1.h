// SHA1 of scripts, by OpenSSL.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string_view>

namespace larder::server::scripting {

// A SHA1 as 40 lower-case hexadecimal digits.
using Sha = std::array<char, 40>;

inline std::string_view view(const Sha& sha) {
  return {sha.data(), sha.size()};
}
struct ShaHash {
  std::size_t operator()(const Sha& sha) const { return std::hash<std::string_view>{}(view(sha)); }
};

Sha sha1(std::string_view bytes);
// 40 digits in either case; false when the word is none.
bool parse_sha(std::string_view word, Sha& out);

}  // namespace larder::server::scripting
