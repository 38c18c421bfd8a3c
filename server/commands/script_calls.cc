#include "server/commands/script_calls.h"

#include <cstddef>
#include <cstdint>
#include <memory>

#include "protocol/errors.h"
#include "server/engine/client.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "storage/timeline.h"

namespace larder::server {

namespace errors = protocol::errors;
using scripting::Interpreter;
using scripting::Scripts;

Interpreter& interpreter_of(Call& call) {
  if (!call.lane.interpreter) {
    call.lane.interpreter = std::make_unique<Interpreter>(call.services, call.lane);
  }
  return *call.lane.interpreter;
}

void show_to_monitors(Call& call) {
  if (!call.services.monitors.any()) return;
  call.services.monitors.show(call.services.timeline.wall_us(call.lane.now_us), call.client,
                              call.words, false, false);
}

ScriptInput read_script_input(const Call& call, bool read_only, std::string_view not_an_integer) {
  Args args = call.args_from(2);
  const std::int64_t keys = args.integer();
  if (args.failed()) return {not_an_integer, {}};
  const Words rest = args.rest();
  if (keys > static_cast<std::int64_t>(rest.size())) return {errors::numkeys_too_big, {}};
  if (keys < 0) return {errors::numkeys_negative, {}};
  const auto count = static_cast<std::size_t>(keys);
  return {{}, {rest.first(count), rest.subspan(count), read_only}};
}

void kill_running(Call& call, Scripts::Kind kind, std::string_view other_kind) {
  switch (call.services.scripts.request_kill(kind)) {
    case Scripts::Killed::yes: return call.reply.ok();
    case Scripts::Killed::not_running: return call.reply.error(errors::not_busy);
    case Scripts::Killed::has_written: return call.reply.error(errors::unkillable);
    case Scripts::Killed::other_kind: return call.reply.error(other_kind);
  }
}

}  // namespace larder::server
