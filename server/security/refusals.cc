#include "server/security/refusals.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace larder::server::security {
namespace {

// As in Redis: the same refusal within a minute of the last is counted, if it is not far down.
constexpr std::size_t kComparedEntries = 10;
constexpr std::int64_t kSameWithinMs = 60'000;
// A key or channel may be as long as a client likes.
constexpr std::size_t kMostObjectBytes = 1024;

constexpr std::size_t kSiteBytes = 8;  // of an IPv6 address

}  // namespace

// --- ACL LOG

void AclLog::limit(std::size_t entries) {
  const storage::MutexLock lock(mutex_);
  limit_ = entries;
  if (entries_.size() > limit_) entries_.resize(limit_);
}

void AclLog::add(Refusal refusal, std::int64_t wall_ms) {
  refusal.object.resize(std::min(refusal.object.size(), kMostObjectBytes));
  const storage::MutexLock lock(mutex_);
  ++counts_[static_cast<std::size_t>(refusal.denial)];
  const auto end = entries_.begin() +
                   static_cast<std::ptrdiff_t>(std::min(entries_.size(), kComparedEntries));
  const auto known = std::find_if(entries_.begin(), end, [&](const Entry& entry) {
    return entry.refusal.is_like(refusal) && wall_ms - entry.last_ms <= kSameWithinMs;
  });
  if (known != end) {
    known->refusal.client = std::move(refusal.client);
    known->last_ms = wall_ms;
    ++known->count;
    std::rotate(entries_.begin(), known, known + 1);
    return;
  }
  entries_.push_front({std::move(refusal), next_id_++, 1, wall_ms, wall_ms});
  if (entries_.size() > limit_) entries_.pop_back();
}

std::vector<AclLog::Entry> AclLog::latest(std::size_t most) const {
  const storage::MutexLock lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, entries_.size()));
  return {entries_.begin(), entries_.begin() + count};
}

void AclLog::clear() {
  const storage::MutexLock lock(mutex_);
  entries_.clear();
}

std::uint64_t AclLog::count(Denial denial) const {
  const storage::MutexLock lock(mutex_);
  return counts_[static_cast<std::size_t>(denial)];
}

void AclLog::reset_counts() {
  const storage::MutexLock lock(mutex_);
  std::fill(std::begin(counts_), std::end(counts_), 0);
}

// --- the guard

std::string source_of(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || address.starts_with('/')) return {};
  const std::string host(address.substr(0, colon));
  if (!host.starts_with('[')) return host;
  std::array<unsigned char, 16> bytes{};
  const std::string bare = host.substr(1, host.find_first_of("%]") - 1);
  if (inet_pton(AF_INET6, bare.c_str(), bytes.data()) != 1) return host;
  return {bytes.begin(), bytes.begin() + kSiteBytes};
}

void GuessGuard::limit(std::uint64_t failures) {
  const storage::MutexLock lock(mutex_);
  limit_ = failures;
  if (limit_ == 0) sources_.clear();
}

// What is long ago is forgotten.
GuessGuard::Sources::iterator GuessGuard::find(const std::string& source, std::int64_t now_ms) {
  const auto found = sources_.find(source);
  if (found == sources_.end()) return found;
  const std::int64_t since_ms = std::max(found->second.last_ms, found->second.until_ms);
  if (now_ms - since_ms <= kForgetMs) return found;
  sources_.erase(found);
  return sources_.end();
}

std::int64_t GuessGuard::wait_ms(std::string_view address, std::int64_t now_ms) {
  const std::string source = source_of(address);
  const storage::MutexLock lock(mutex_);
  if (source.empty() || sources_.empty()) return 0;
  const auto found = find(source, now_ms);
  return found == sources_.end() ? 0 : std::max<std::int64_t>(0, found->second.until_ms - now_ms);
}

std::uint64_t GuessGuard::note_failure(std::string_view address, std::int64_t now_ms) {
  const std::string source = source_of(address);
  const storage::MutexLock lock(mutex_);
  if (source.empty() || limit_ == 0) return 1;
  auto found = find(source, now_ms);
  if (found == sources_.end()) {
    if (sources_.size() >= kMostSources) make_room();
    found = sources_.emplace(source, Source{}).first;
  }
  Source& one = found->second;
  ++one.failures;
  one.last_ms = now_ms;
  if (one.failures >= limit_) {
    constexpr std::uint64_t kMostDoublings = 20;
    const std::uint64_t doublings = std::min(one.failures - limit_, kMostDoublings);
    one.until_ms = now_ms + std::min(kFirstWaitMs << doublings, kLongestWaitMs);
  }
  return one.failures;
}

void GuessGuard::make_room() {
  const auto oldest = std::min_element(
      sources_.begin(), sources_.end(),
      [](const auto& a, const auto& b) { return a.second.last_ms < b.second.last_ms; });
  sources_.erase(oldest);
}

std::size_t GuessGuard::sources() const {
  const storage::MutexLock lock(mutex_);
  return sources_.size();
}

}  // namespace larder::server::security
