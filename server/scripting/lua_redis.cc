#include "server/scripting/lua_redis.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/engine/dispatch.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "server/engine/registry.h"
#include "server/log.h"
#include "server/scripting/lua_machine.h"
#include "server/scripting/scripts.h"
#include "server/scripting/sha1.h"
#include "server/security/users.h"
#include "server/version.h"
#include "storage/timeline.h"

namespace larder::server::scripting {
namespace {

namespace errors = protocol::errors;

// Longest number as an argument: sign, 17 digits, point, "e-308".
constexpr std::size_t kNumberChars = 32;

// Ends a function with {err = text}: raised, or answered.
int fail(lua_State* lua, std::string_view text, bool raises = true) {
  lua_createtable(lua, 0, 1);
  lua_pushlstring(lua, text.data(), text.size());
  lua_setfield(lua, -2, "err");
  return raises ? lua_error(lua) : 1;
}

// --- redis.call

std::string_view write_number(char* out, double number) {
  char* end = nullptr;
  if (std::fabs(number) < 1e17 && std::trunc(number) == number &&
      !(number == 0 && std::signbit(number))) {
    end = protocol::write_integer(out, static_cast<std::int64_t>(number));
  } else {
    end = std::to_chars(out, out + kNumberChars, number, std::chars_format::general, 17).ptr;
  }
  return {out, static_cast<std::size_t>(end - out)};
}

// The arguments as words. False: one is neither a string nor a number.
bool read_words(lua_State* lua, Machine& machine) {
  const int count = lua_gettop(lua);
  const auto number_bytes = static_cast<std::size_t>(count) * kNumberChars;
  machine.words.clear();
  std::size_t numbers = 0;
  for (int i = 1; i <= count; ++i) {
    const int type = lua_type(lua, i);
    if (type == LUA_TSTRING) {
      std::size_t size = 0;
      const char* bytes = lua_tolstring(lua, i, &size);
      machine.words.emplace_back(bytes, size);
    } else if (type == LUA_TNUMBER) {
      // Grown before the first of this call's words points into it.
      if (numbers == 0 && machine.numbers.size() < number_bytes) {
        machine.numbers.resize(number_bytes);
      }
      char* out = machine.numbers.data() + numbers++ * kNumberChars;
      machine.words.push_back(write_number(out, lua_tonumber(lua, i)));
    } else {
      return false;
    }
  }
  return true;
}

bool has_memory(Machine& machine, const Command& row) {
  Run& run = *machine.run;
  if (!run.checks_memory || run.has_written || !(row.flags & Flag::may_grow)) return true;
  if (!run.knows_memory) {
    run.out_of_memory = machine.services.dispatcher.is_out_of_memory(run.call.now_ms);
    run.knows_memory = true;
  }
  return !run.out_of_memory;
}

// Why the user who runs the script may not run these words; empty: it may.
std::string_view not_permitted(Machine& machine, const Command& row, std::size_t number) {
  Services& services = machine.services;
  Client& client = machine.run->call.client;
  const security::Verdict verdict = services.users.judge(client, row, number, machine.words);
  if (verdict.passes()) return {};
  security::note_refusal(services, machine.lane, client, row, machine.words, verdict,
                         security::Context::lua);
  switch (verdict.denial) {
    case security::Denial::key: return errors::script_no_permission_keys;
    case security::Denial::channel: return errors::script_no_permission_channels;
    default: return errors::script_no_permission_command;
  }
}

// Why a script may not run these words; empty: it may.
std::string_view refusal(Machine& machine, const Command* row, std::size_t number) {
  if (row == nullptr) return errors::script_unknown_command;
  if (!row->arity.admits(machine.words.size()) || row->run == nullptr) {
    return errors::script_wrong_arity;
  }
  if (row->flags & Flag::no_script) return errors::script_not_allowed;
  if (const std::string_view forbidden = not_permitted(machine, *row, number); !forbidden.empty()) {
    return forbidden;
  }
  if (!machine.run->may_write && row->flags & (Flag::writes | Flag::may_replicate)) {
    return errors::script_read_only;
  }
  if (!has_memory(machine, *row)) return errors::oom;
  return {};
}

void show_to_monitors(Machine& machine, const Command& row) {
  if (!machine.services.monitors.any() || row.flags & (Flag::skip_monitor | Flag::admin)) return;
  machine.services.monitors.show(machine.services.timeline.wall_us(machine.lane.now_us),
                                 machine.run->call.client, machine.words,
                                 row.flags & Flag::touches_arguments, true);
}

// What a narrow script touches was read off its text (narrow.h); here it is looked at once more,
// since a shard that is not held would be locked out of order. False: not all keys are held.
bool holds_keys(Machine& machine, const Command& row, std::uint64_t& first_hash) {
  const Keys& keys = row.keys;
  if (keys.numkeys != 0 || !keys.behind.empty()) return false;
  if (keys.first == 0) return true;
  const auto words = static_cast<int>(machine.words.size());
  const int last = keys.last < 0 ? words + keys.last : keys.last;
  for (int i = keys.first; i <= last && i < words; i += keys.step) {
    const Key key = machine.services.store.key(machine.words[static_cast<std::size_t>(i)]);
    if (!machine.run->held->has(machine.services.store.shard_of(key))) return false;
    if (i == keys.first) first_hash = key.hash;
  }
  return true;
}

void run_row(Machine& machine, const Registry::Match& match, const std::uint64_t* first_hash) {
  const Call& call = machine.run->call;
  machine.recorder.clear();
  show_to_monitors(machine, *match.row);
  // What a command says may depend on it; the caller's is put back when the script ends.
  call.client.protocol = machine.run->resp;
  machine.services.dispatcher.run_inner(machine.lane, call.client, *match.row, machine.words,
                                        machine.recorder,
                                        {.number = match.number,
                                         .held = machine.run->held,
                                         .first_hash = first_hash,
                                         .now_ms = call.now_ms,
                                         .in_script = true,
                                         .in_exec = call.in_exec});
  if (machine.recorder.is_error()) machine.lane.commands[match.number].failed.add();
}

int call_row(lua_State* lua, bool raises) {
  Machine& machine = machine_of(lua);
  if (machine.run == nullptr) return fail(lua, "ERR redis.call outside of a script");
  if (lua_gettop(lua) == 0) return fail(lua, errors::script_no_command, raises);
  if (!read_words(lua, machine)) return fail(lua, errors::script_bad_arguments, raises);

  const Registry::Match match = machine.services.registry.match(machine.words);
  const std::string_view problem = refusal(machine, match.row, match.number);
  if (!problem.empty()) {
    if (match.row != nullptr) machine.lane.commands[match.number].rejected.add();
    push_error(lua, problem);
    return raises ? lua_error(lua) : 1;
  }
  if (match.row->flags & Flag::writes && !machine.run->has_written) {
    // A narrow script is never told to die.
    if (machine.run->held == nullptr && !machine.services.scripts.begin_write()) {
      machine.is_dying = true;
      return die(lua);
    }
    machine.run->has_written = true;
  }
  std::uint64_t first_hash = 0;
  const bool has_hash = machine.run->held != nullptr && match.row->keys.first != 0;
  if (machine.run->held != nullptr && !holds_keys(machine, *match.row, first_hash)) {
    return fail(lua, errors::script_undeclared_key);
  }
  run_row(machine, match, has_hash ? &first_hash : nullptr);
  const bool is_error = machine.recorder.is_error();
  machine.recorder.push_value(lua, machine.run->resp);
  return is_error && raises ? lua_error(lua) : 1;
}

int call(lua_State* lua) {
  return call_row(lua, true);
}

int pcall(lua_State* lua) {
  return call_row(lua, false);
}

// --- making replies

std::string_view c_string_at(lua_State* lua, int index) {
  return lua_tostring(lua, index);
}

bool has_one_string(lua_State* lua) {
  return lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING;
}

std::string_view trim_line_ends(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == '\r' || text.front() == '\n')) text.remove_prefix(1);
  return text;
}

// A text of one word gets ERR for its code; a '-' before it is dropped.
int error_reply(lua_State* lua) {
  if (!has_one_string(lua)) return fail(lua, "ERR wrong number or type of arguments", false);
  std::string_view text = c_string_at(lua, 1);
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t space = text.find(' ');
  const bool has_code = space != std::string_view::npos;
  const std::string_view code = has_code ? text.substr(0, space) : "ERR";
  const std::string_view message = trim_line_ends(has_code ? text.substr(space + 1) : text);
  lua_createtable(lua, 0, 1);
  lua_pushlstring(lua, code.data(), code.size());
  lua_pushliteral(lua, " ");
  lua_pushlstring(lua, message.data(), message.size());
  lua_concat(lua, 3);
  lua_setfield(lua, -2, "err");
  return 1;
}

int status_reply(lua_State* lua) {
  if (!has_one_string(lua)) return fail(lua, "ERR wrong number or type of arguments", false);
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "ok");
  return 1;
}

int sha1hex(lua_State* lua) {
  if (lua_gettop(lua) != 1) return fail(lua, errors::script_one_argument);
  std::size_t size = 0;
  const char* bytes = lua_tolstring(lua, 1, &size);
  const Sha sha = sha1({bytes, bytes == nullptr ? 0 : size});
  lua_pushlstring(lua, sha.data(), sha.size());
  return 1;
}

// --- the rest

int log(lua_State* lua) {
  const int arguments = lua_gettop(lua);
  if (arguments < 2) return fail(lua, errors::script_log_arguments);
  if (lua_isnumber(lua, 1) == 0) {
    return fail(lua, "ERR First argument must be a number (log level).");
  }
  const lua_Number level = lua_tonumber(lua, 1);
  if (!(level >= 0 && level <= 3)) return fail(lua, "ERR Invalid debug level.");
  const auto log_level = static_cast<LogLevel>(static_cast<int>(level));
  Log& to = machine_of(lua).services.log;
  if (!to.shows(log_level)) return 0;
  std::string line;
  for (int i = 2; i <= arguments; ++i) {
    std::size_t size = 0;
    const char* bytes = lua_tolstring(lua, i, &size);
    if (bytes == nullptr) continue;
    if (!line.empty()) line += ' ';
    line.append(bytes, size);
  }
  to.say(log_level, line);
  return 0;
}

int set_resp(lua_State* lua) {
  if (lua_gettop(lua) != 1) return fail(lua, "ERR redis.setresp() requires one argument.");
  const lua_Number version = std::trunc(lua_tonumber(lua, 1));
  if (version != 2 && version != 3) return fail(lua, errors::script_bad_resp);
  Machine& machine = machine_of(lua);
  if (machine.run != nullptr) machine.run->resp = static_cast<int>(version);
  return 0;
}

// Scripts are replicated by their effects, which is what this asks for.
int replicate_commands(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}

// There are no replicas and no append-only file that a command could be kept from.
int set_repl(lua_State* lua) {
  if (lua_gettop(lua) != 1) return fail(lua, "ERR redis.set_repl() requires two arguments.");
  const lua_Number targets = lua_tonumber(lua, 1);
  if (!(targets >= 0 && targets < 4)) {
    return fail(lua,
                "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                "REPL_NONE.");
  }
  return 0;
}

// Whether there is a debugger to stop in; there never is.
int breakpoint(lua_State* lua) {
  lua_pushboolean(lua, 0);
  return 1;
}

// Speaks to the debugger.
int debug(lua_State*) {
  return 0;
}

// Whether the user who runs the script may run that.
int acl_check_cmd(lua_State* lua) {
  Machine& machine = machine_of(lua);
  if (lua_gettop(lua) == 0) return fail(lua, errors::script_no_command);
  if (!read_words(lua, machine)) return fail(lua, errors::script_bad_arguments);
  const Registry::Match match = machine.services.registry.match(machine.words);
  if (match.row == nullptr) {
    return fail(lua, "ERR Invalid command passed to redis.acl_check_cmd()");
  }
  const bool passes = machine.run == nullptr ||
                      machine.services.users
                          .judge(machine.run->call.client, *match.row, match.number, machine.words)
                          .passes();
  lua_pushboolean(lua, passes ? 1 : 0);
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"call", call},
    {"pcall", pcall},
    {"error_reply", error_reply},
    {"status_reply", status_reply},
    {"sha1hex", sha1hex},
    {"log", log},
    {"setresp", set_resp},
    {"replicate_commands", replicate_commands},
    {"set_repl", set_repl},
    {"breakpoint", breakpoint},
    {"debug", debug},
    {"acl_check_cmd", acl_check_cmd},
    {nullptr, nullptr},
};

struct Constant {
  const char* name;
  int value;
};
constexpr Constant kConstants[] = {
    {"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1},  {"LOG_NOTICE", 2}, {"LOG_WARNING", 3}, {"REPL_NONE", 0},
    {"REPL_AOF", 1},  {"REPL_REPLICA", 2}, {"REPL_SLAVE", 2}, {"REPL_ALL", 3},
};

constexpr std::size_t kLogLevels = 4;  // the first of them

// 7.4.0 -> 0x00070400
int version_number(std::string_view version) {
  int number = 0;
  int part = 0;
  for (const char c : version) {
    if (c == '.') {
      number = (number | part) << 8;
      part = 0;
    } else {
      part = part * 10 + (c - '0');
    }
  }
  return number | part;
}

void set_constants(lua_State* lua, std::span<const Constant> constants) {
  for (const Constant& constant : constants) {
    lua_pushinteger(lua, constant.value);
    lua_setfield(lua, -2, constant.name);
  }
  lua_pushlstring(lua, kRedisVersion.data(), kRedisVersion.size());
  lua_setfield(lua, -2, "REDIS_VERSION");
  lua_pushinteger(lua, version_number(kRedisVersion));
  lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}

}  // namespace

int raise(lua_State* lua, std::string_view text) {
  return fail(lua, text);
}

void open_redis(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
  set_constants(lua, kConstants);
}

void open_redis_of_libraries(lua_State* lua) {
  lua_newtable(lua);
  lua_pushcfunction(lua, log);
  lua_setfield(lua, -2, "log");
  set_constants(lua, std::span(kConstants).first(kLogLevels));
}

}  // namespace larder::server::scripting
