// MONITOR: see every command of every connection.
#include "protocol/errors.h"
#include "server/engine/families.h"
#include "server/engine/monitors.h"

namespace larder::server {
namespace {

using enum Flag;

// The first line comes after the OK: lines are posted to this connection's loop, which is here.
void monitor(Call& call) {
  if (call.in_exec || call.in_script) {
    return call.reply.error(protocol::errors::monitor_in_multi);
  }
  call.services.monitors.add(call.client);
  call.reply.ok();
}

constexpr Command table[] = {
    {.name = "MONITOR",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = admin | no_script | loading | stale,
     .run = monitor,
     .summary = "See every command as it is run",
     .since = "1.0.0"},
};

}  // namespace

const Family monitor_commands{"server", table};

}  // namespace larder::server
