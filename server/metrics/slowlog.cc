#include "server/metrics/slowlog.h"

#include <fmt/format.h>

#include <algorithm>

namespace larder::server {
namespace {

std::string kept(std::string_view word) {
  if (word.size() <= kSlowLogWordBytes) return std::string(word);
  return fmt::format("{}... ({} more bytes)", word.substr(0, kSlowLogWordBytes),
                     word.size() - kSlowLogWordBytes);
}

// A long command keeps its first words; the last one kept says how many are missing.
std::vector<std::string> kept(protocol::Words words) {
  const bool fits = words.size() <= kSlowLogWords;
  const std::size_t whole = fits ? words.size() : kSlowLogWords - 1;
  std::vector<std::string> result;
  result.reserve(whole + 1);
  for (std::size_t i = 0; i < whole; ++i) result.push_back(kept(words[i]));
  if (!fits) result.push_back(fmt::format("... ({} more arguments)", words.size() - whole));
  return result;
}

}  // namespace

void SlowLog::add(std::int64_t at_seconds, std::uint64_t microseconds, protocol::Words words,
                  const std::string& address, const std::string& client_name,
                  std::size_t max_length) {
  std::vector<std::string> copied = kept(words);
  const storage::MutexLock lock(mutex_);
  entries_.push_front(SlowLogEntry{.id = next_id_++,
                                   .at_seconds = at_seconds,
                                   .microseconds = microseconds,
                                   .words = std::move(copied),
                                   .address = address,
                                   .client_name = client_name});
  while (entries_.size() > max_length) entries_.pop_back();
}

std::vector<SlowLogEntry> SlowLog::newest(std::size_t count) const {
  const storage::MutexLock lock(mutex_);
  const std::size_t n = std::min(count, entries_.size());
  return {entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(n)};
}

std::size_t SlowLog::length() const {
  const storage::MutexLock lock(mutex_);
  return entries_.size();
}

void SlowLog::reset() {
  const storage::MutexLock lock(mutex_);
  entries_.clear();
}

}  // namespace larder::server
