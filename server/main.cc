// larder: reads options, builds the server, runs it, and says in one line why it could not.

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "server/daemon.h"
#include "server/log.h"
#include "server/options.h"
#include "server/server.h"

int main(int argc, char** argv) {
  using namespace larder::server;
  std::signal(SIGPIPE, SIG_IGN);
  try {
    Options options;
    if (const std::optional<int> done = read_command_line(options, argc, argv, environ))
      return *done;
    const Settings& settings = options.settings;
    Log log(*log_level_named(settings.loglevel), settings.logfile);
    for (const std::string& warning : options.warnings) log.warning(warning);
    Server server(options, log);
    // What can go wrong has gone wrong by now, in sight of whoever started us; threads come later.
    if (settings.daemonize) daemonize();
    const PidFile pidfile(settings.pidfile, settings.daemonize);
    server.run();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder: {}\n", error.what());
    return 1;
  }
}
