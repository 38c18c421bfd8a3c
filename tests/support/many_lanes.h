// An engine with several lanes and no sockets, for tests with a thread on each lane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "server/engine/engine.h"
#include "server/engine/server_control.h"
#include "server/log.h"
#include "server/options.h"
#include "storage/clock.h"

namespace larder::testing {

struct ManyLanes {
  ManyLanes(std::size_t lanes, std::uint64_t seed) : log(server::LogLevel::nothing, "") {
    options.settings.maxmemory = 0;
    engine = std::make_unique<server::Engine>(options, clock, control, log, lanes, seed);
  }

  struct Control final : server::ServerControl {
    void shut_down(const std::string&) override {}
  };

  storage::ManualClock clock;
  server::Options options;
  server::Log log;
  Control control;
  std::unique_ptr<server::Engine> engine;
};

}  // namespace larder::testing
