// The log: lines of time, process, level and what happened, to standard output or a file.
//
// Thread: any; a line is one write(), so lines of several threads do not mix.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larder::server {

enum class LogLevel : std::uint8_t { debug, verbose, notice, warning, nothing };

// As redis.conf names them.
std::optional<LogLevel> log_level_named(std::string_view name);

class Log {
 public:
  // path empty: standard output. Throws std::runtime_error with a sentence when the file cannot be
  // opened.
  Log(LogLevel level, const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Writes to the file of that name from now on, after it has been moved away: false with errno,
  // and the old one stays, when it can't be opened. Any thread.
  bool reopen();

  void level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  bool shows(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }

  // Line ends in `text` are written as spaces: nobody forges a line.
  void say(LogLevel level, std::string_view text);
  void debug(std::string_view text) { say(LogLevel::debug, text); }
  void verbose(std::string_view text) { say(LogLevel::verbose, text); }
  void notice(std::string_view text) { say(LogLevel::notice, text); }
  void warning(std::string_view text) { say(LogLevel::warning, text); }

 private:
  std::atomic<LogLevel> level_;  // relaxed: a line more or less at the moment of change
  const std::string path_;
  int file_ = 1;  // reopen() lets the same number stand for another file
};

}  // namespace larder::server
