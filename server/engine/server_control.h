// What only the process can do, asked for by commands and signals.
#pragma once

#include <string>

namespace larder::server {

class ServerControl {
 public:
  virtual ~ServerControl() = default;
  // Stop serving and end the process with status 0, after replies under way are sent. Any thread.
  virtual void shut_down(const std::string& reason) = 0;
};

}  // namespace larder::server
