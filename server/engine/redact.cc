#include "server/engine/redact.h"

#include <algorithm>

#include "protocol/args.h"

namespace larder::server {

std::vector<std::string_view> redacted(protocol::Words words) {
  constexpr std::string_view kInstead = "(redacted)";
  std::vector<std::string_view> shown(words.begin(), words.end());
  if (!shown.empty() && protocol::same_word(shown.front(), "AUTH")) {
    std::fill(shown.begin() + 1, shown.end(), kInstead);
    return shown;
  }
  if (shown.size() > 2 && protocol::same_word(shown[0], "ACL")) {
    std::fill(shown.begin() + 2, shown.end(), kInstead);
    return shown;
  }
  if (shown.size() > 2 && protocol::same_word(shown[0], "CONFIG")) {
    for (std::size_t i = 3; i < shown.size(); i += 2) {
      if (protocol::same_word(shown[i - 1], "REQUIREPASS")) shown[i] = kInstead;
    }
    return shown;
  }
  for (std::size_t i = 1; i < shown.size(); ++i) {
    if (!protocol::same_word(shown[i], "AUTH")) continue;
    for (std::size_t j = i + 1; j < std::min(i + 3, shown.size()); ++j) shown[j] = kInstead;
    i += 2;
  }
  return shown;
}

}  // namespace larder::server
