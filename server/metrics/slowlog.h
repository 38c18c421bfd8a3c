// The slow log: the last commands that took longer than slowlog-log-slower-than, newest first.
//
// Thread: any; guarded by mutex_. Only slow commands take the lock.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "protocol/request.h"
#include "storage/mutex.h"

namespace larder::server {

// As Redis cuts what it keeps of a long command.
inline constexpr std::size_t kSlowLogWords = 32;
inline constexpr std::size_t kSlowLogWordBytes = 128;

struct SlowLogEntry {
  std::uint64_t id;
  std::int64_t at_seconds;
  std::uint64_t microseconds;
  std::vector<std::string> words;
  std::string address;
  std::string client_name;
};

class SlowLog {
 public:
  void add(std::int64_t at_seconds, std::uint64_t microseconds, protocol::Words words,
           const std::string& address, const std::string& client_name, std::size_t max_length);
  std::vector<SlowLogEntry> newest(std::size_t count) const;
  std::size_t length() const;
  void reset();

 private:
  mutable storage::Mutex mutex_;
  std::deque<SlowLogEntry> entries_ GUARDED_BY(mutex_);
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 0;
};

}  // namespace larder::server
