#include "server/engine/monitors.h"

#include <fmt/format.h>

#include <iterator>

#include "server/engine/redact.h"

namespace larder::server {
namespace {

// A word in quotes, with everything that does not print as an escape, so that a line stays a line.
void append_quoted(std::string& line, std::string_view word) {
  line += '"';
  for (const char c : word) {
    switch (c) {
      case '"':
      case '\\':
        line += '\\';
        line += c;
        break;
      case '\n': line += "\\n"; break;
      case '\r': line += "\\r"; break;
      case '\t': line += "\\t"; break;
      case '\a': line += "\\a"; break;
      case '\b': line += "\\b"; break;
      default:
        if (c >= ' ' && c <= '~') {
          line += c;
        } else {
          fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  line += '"';
}

std::string origin_of(const Client& client, bool from_script) {
  if (from_script) return "lua";
  return client.is_unix ? "unix:" + client.local_address : client.address;
}

}  // namespace

void Monitors::add(Client& client) {
  if (client.link == nullptr) return;
  const storage::MutexLock lock(mutex_);
  if (monitors_.emplace(client.id, client.link).second) {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  client.monitors = true;
}

void Monitors::remove(Client& client) {
  const storage::MutexLock lock(mutex_);
  if (monitors_.erase(client.id) != 0) count_.fetch_sub(1, std::memory_order_relaxed);
  client.monitors = false;
}

void Monitors::show(std::int64_t wall_us, const Client& client, protocol::Words words,
                    bool hide_arguments, bool from_script) {
  constexpr std::int64_t kMicroseconds = 1'000'000;
  std::vector<std::string_view> hidden;
  if (hide_arguments) {
    hidden = redacted(words);
    words = hidden;
  }
  std::string line = fmt::format("+{}.{:06} [{} {}]", wall_us / kMicroseconds,
                                 wall_us % kMicroseconds, client.db,
                                 origin_of(client, from_script));
  for (const std::string_view word : words) {
    line += ' ';
    append_quoted(line, word);
  }
  line += "\r\n";

  const storage::MutexLock lock(mutex_);
  for (const auto& [id, link] : monitors_) link->push(line);
}

}  // namespace larder::server
