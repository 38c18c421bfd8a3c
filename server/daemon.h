// Going to the background, and the file that says under which process id.
#pragma once

#include <string>

namespace larder::server {

// Returns in the child, with no terminal and standard streams on /dev/null; the parent ends with
// status 0.
// Throws std::runtime_error when the system refuses.
void daemonize();

// Writes the process id; removes the file when it goes. An empty path means none, but for a daemon.
class PidFile {
 public:
  PidFile(const std::string& path, bool is_daemon);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

}  // namespace larder::server
