#include "server/log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace larder::server {
namespace {

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevels{{
    {"debug", LogLevel::debug},
    {"verbose", LogLevel::verbose},
    {"notice", LogLevel::notice},
    {"warning", LogLevel::warning},
    {"nothing", LogLevel::nothing},
}};
// The marks redis-server puts before its lines, which log readers know.
constexpr std::string_view kMarks = ".-*# ";

int open_to_append(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

}  // namespace

std::optional<LogLevel> log_level_named(std::string_view name) {
  for (const auto& [known, level] : kLevels) {
    if (known == name) return level;
  }
  return std::nullopt;
}

Log::Log(LogLevel level, const std::string& path) : level_(level), path_(path) {
  if (path.empty()) return;
  file_ = open_to_append(path);
  if (file_ < 0) {
    throw std::runtime_error(
        fmt::format("Can't open the log file '{}': {}", path, std::strerror(errno)));
  }
}

bool Log::reopen() {
  if (path_.empty()) return true;
  const int fresh = open_to_append(path_);
  if (fresh < 0) return false;
  const bool good = dup3(fresh, file_, O_CLOEXEC) >= 0;
  close(fresh);
  return good;
}

Log::~Log() {
  if (file_ > 2) close(file_);
}

void Log::say(LogLevel level, std::string_view text) {
  if (!shows(level)) return;
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::string line = fmt::format("{}:M {:%d %b %Y %H:%M:%S}.{:03} {} {}", getpid(),
                                 fmt::localtime(std::chrono::system_clock::to_time_t(now)), ms,
                                 kMarks[static_cast<std::size_t>(level)], text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  line += '\n';
  // A log that cannot be written must not stop the cache.
  [[maybe_unused]] const auto written = write(file_, line.data(), line.size());
}

}  // namespace larder::server
