// What becomes of refusals: ACL LOG, which tells operators who was refused what; and the guard
// against guessing, which makes an address wait that has failed to sign in too often.
//
// The guard counts failures by source: an IPv4 address, or the first half of an IPv6 one, which is
// what one site can make addresses of. Clients of a unix socket have none and never wait. From the
// limit on (auth-failure-limit) each failure makes the source wait twice as long as the one before,
// and until then its passwords are not looked at, right or wrong. Waiting costs the server nothing:
// it answers at once. Who is signed in is not concerned. A success clears nothing, or a guesser
// with one account would sign in to it between two guesses at another; time does.
//
// Bounds: so many sources are known at a time (kMostSources); the one that failed longest ago makes
// room. ACL LOG has acllog-max-len entries, of so many bytes (kMostObjectBytes).
// Thread: any (guarded). Time: the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/security/acl.h"
#include "storage/mutex.h"

namespace larder::server::security {

enum class Context : std::uint8_t { toplevel, multi, lua };

struct Refusal {
  Denial denial;
  Context context;
  std::string object;  // the command, key or channel; where it was a password: the command
  std::string user;
  std::string client;  // its line of CLIENT LIST

  bool is_like(const Refusal& other) const {
    return denial == other.denial && context == other.context && object == other.object &&
           user == other.user;
  }
};

class AclLog {
 public:
  struct Entry {
    Refusal refusal;
    std::uint64_t id;
    std::uint64_t count;
    std::int64_t first_ms;  // wall time
    std::int64_t last_ms;
  };

  void limit(std::size_t entries);
  void add(Refusal refusal, std::int64_t wall_ms);
  // The latest first.
  std::vector<Entry> latest(std::size_t most) const;
  void clear();
  // Since start, or the last reset of statistics.
  std::uint64_t count(Denial denial) const;
  void reset_counts();

 private:
  mutable storage::Mutex mutex_;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);  // the latest first
  std::size_t limit_ GUARDED_BY(mutex_) = 128;
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 0;
  std::uint64_t counts_[5] GUARDED_BY(mutex_) = {};
};

class GuessGuard {
 public:
  static constexpr std::size_t kMostSources = 4096;
  static constexpr std::int64_t kFirstWaitMs = 1'000;
  static constexpr std::int64_t kLongestWaitMs = 300'000;
  static constexpr std::int64_t kForgetMs = 600'000;  // since the last failure, behind the wait

  // Failures that cost nothing yet; 0: none ever does.
  void limit(std::uint64_t failures);
  // How long the source of that address ("1.2.3.4:5678", "[::1]:5678") must wait; 0: it may try.
  std::int64_t wait_ms(std::string_view address, std::int64_t now_ms);
  // Notes a failure, and answers how many there were.
  std::uint64_t note_failure(std::string_view address, std::int64_t now_ms);
  std::size_t sources() const;

 private:
  struct Source {
    std::uint64_t failures = 0;
    std::int64_t last_ms = 0;
    std::int64_t until_ms = 0;
  };
  using Sources = std::unordered_map<std::string, Source>;

  Sources::iterator find(const std::string& source, std::int64_t now_ms) REQUIRES(mutex_);
  void make_room() REQUIRES(mutex_);

  mutable storage::Mutex mutex_;
  Sources sources_ GUARDED_BY(mutex_);
  std::uint64_t limit_ GUARDED_BY(mutex_) = 5;
};

// Of an address with a port, what counts as one; empty: nothing does.
std::string source_of(std::string_view address);

}  // namespace larder::server::security
