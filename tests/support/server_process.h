// A server under test as a process of its own: redis-server or larder on a free loopback port.
//
// The port is found by binding port 0 and letting it go again; when somebody takes it in between,
// the server does not become ready and another port is tried. The process is ended by its id when
// the object goes. A server that crashed, or ended with an error (a sanitizer's report included),
// ends the test program with its log.
//
// Thread: one owner.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/transcript.h"

namespace larder::test {

class ServerProcess {
 public:
  // Starts `binary` and returns when it accepts connections; throws std::runtime_error with the
  // reason when it does not.
  ServerProcess(Flavor flavor, const std::string& binary, const std::vector<std::string>& flags);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  pid_t process_id() const { return process_; }
  bool running();

 private:
  bool start(const std::vector<std::string>& command);
  bool wait_until_ready();
  void stop();
  [[noreturn]] void give_up() const;

  pid_t process_ = -1;
  int status_ = 0;  // as waitpid gives it
  std::uint16_t port_ = 0;
  std::string directory_;
};

}  // namespace larder::test
