#include "server/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace larder::server {
namespace {

// Redis's default place for a daemon that was not told one.
constexpr const char* kDaemonPidFile = "/var/run/larder.pid";

}  // namespace

void daemonize() {
  const pid_t child = fork();
  if (child < 0) {
    throw std::runtime_error(fmt::format("Can't go to the background: {}", std::strerror(errno)));
  }
  if (child > 0) std::_Exit(0);
  setsid();
  const int null = open("/dev/null", O_RDWR);
  if (null < 0) return;
  for (const int stream : {0, 1, 2}) dup2(null, stream);
  if (null > 2) close(null);
}

PidFile::PidFile(const std::string& path, bool is_daemon)
    : path_(path.empty() && is_daemon ? kDaemonPidFile : path) {
  if (path_.empty()) return;
  std::ofstream file(path_);
  file << getpid() << '\n';
  // A server that can't leave its number behind still serves (as redis-server does).
  if (!file) path_.clear();
}

PidFile::~PidFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace larder::server
