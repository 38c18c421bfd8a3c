#include "server/scripting/lua_machine.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "protocol/errors.h"
#include "server/engine/lane.h"
#include "server/options.h"
#include "server/scripting/loaded_libraries.h"
#include "server/scripting/lua_redis.h"
#include "server/scripting/scripts.h"
#include "storage/clock.h"

namespace larder::server::scripting {
namespace {

void release(SmallBlocks& small, void* block, std::size_t bytes) {
  if (small.owns(block)) {
    small.give(block, bytes);
  } else {
    std::free(block);
  }
}

// As realloc(), which it is for everything large. Null: no memory; the old block stays.
void* resize(SmallBlocks& small, void* block, std::size_t old_bytes, std::size_t new_bytes) {
  const bool is_ours = block != nullptr && small.owns(block);
  if (is_ours && SmallBlocks::are_alike(old_bytes, new_bytes)) return block;
  if (!is_ours && (block != nullptr || new_bytes > SmallBlocks::kLargest)) {
    return std::realloc(block, new_bytes);
  }
  void* moved = new_bytes <= SmallBlocks::kLargest ? small.take(new_bytes) : nullptr;
  if (moved == nullptr) moved = std::malloc(new_bytes);
  if (moved == nullptr || block == nullptr) return moved;
  std::memcpy(moved, block, std::min(old_bytes, new_bytes));
  small.give(block, old_bytes);
  return moved;
}

// Who asks what runs is told the words of its command.
void tell_running(Machine& machine, Run& run) {
  run.is_told = true;
  machine.services.scripts.tell_running(
      {std::string(run.name), {run.call.words.begin(), run.call.words.end()}, run.started_us});
}

}  // namespace

void* allocate(void* memory, void* block, std::size_t old_bytes, std::size_t new_bytes) {
  Memory& account = *static_cast<Memory*>(memory);
  if (block == nullptr) old_bytes = 0;
  if (new_bytes == 0) {
    if (block != nullptr) release(account.small, block, old_bytes);
    account.used_bytes -= old_bytes;
    return nullptr;
  }
  const std::size_t used_bytes = account.used_bytes - old_bytes + new_bytes;
  if (account.is_limited && new_bytes > old_bytes) {
    if (used_bytes > account.limit_bytes) return nullptr;
    if (used_bytes > account.nudge_bytes) {
      account.nudge_bytes = used_bytes + account.limit_bytes / 16;
      // Only sets the mark at which Lua next looks, which any allocation may do.
      lua_gc(account.lua, LUA_GCRESTART, 0);
    }
  }
  void* moved = resize(account.small, block, old_bytes, new_bytes);
  if (moved != nullptr) account.used_bytes = used_bytes;
  return moved;
}

int die(lua_State* lua) {
  // From now on every instruction asks again, so that no pcall and no coroutine goes on.
  Machine& machine = machine_of(lua);
  lua_sethook(machine.lua, look, LUA_MASKCOUNT, 1);
  lua_sethook(lua, look, LUA_MASKCOUNT, 1);
  lua_createtable(lua, 0, 1);
  const std::string_view text = protocol::errors::script_killed;
  lua_pushlstring(lua, text.data(), text.size());
  lua_setfield(lua, -2, "err");
  return lua_error(lua);
}

void look(lua_State* lua, lua_Debug*) {
  Machine& machine = machine_of(lua);
  // Narrow scripts are too short to be asked.
  if (machine.run == nullptr || machine.run->held != nullptr) return;
  if (!machine.is_dying) {
    Run& run = *machine.run;
    const std::int64_t now_us = machine.services.clock.steady().count();
    if (run.started_us == 0) run.started_us = now_us;
    if (run.is_loading) {
      if (now_us - run.started_us <= kLoadMs * 1000) return;
      raise(lua, "ERR FUNCTION LOAD timeout");
    }
    const std::int64_t threshold_ms = machine.services.options.settings.busy_reply_threshold_ms;
    const bool is_slow = threshold_ms > 0 && now_us - run.started_us > threshold_ms * 1000;
    if (is_slow && !run.is_told) tell_running(machine, run);
    // Time stands still in a script, also when the loop has served others meanwhile.
    const std::int64_t script_now_us = machine.lane.now_us;
    const Scripts::Order order = machine.services.scripts.next_order(machine.lane, is_slow);
    machine.lane.set_now(script_now_us);
    machine.is_dying = order == Scripts::Order::die;
  }
  if (machine.is_dying) die(lua);
}

}  // namespace larder::server::scripting
