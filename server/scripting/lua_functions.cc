#include "server/scripting/lua_functions.h"

#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "server/scripting/lua_libraries.h"
#include "server/scripting/lua_machine.h"
#include "server/scripting/lua_sandbox.h"
#include "server/scripting/scripts.h"

namespace larder::server::scripting {
namespace {

// Runs the function of Lua's own that a guard stands before, in the guard's own frame.
int call_original(lua_State* lua) {
  const auto function = reinterpret_cast<lua_CFunction>(lua_touserdata(lua, lua_upvalueindex(1)));
  return function(lua);
}

// --- loading

// What lua_load reads: perhaps a space, then the text. The space stands before what would be taken
// for bytecode, which the parser then refuses as it refuses any other nonsense.
struct Source {
  std::string_view text;
  bool needs_space;
};

const char* read_source(lua_State*, void* opaque, std::size_t* size) {
  Source& source = *static_cast<Source*>(opaque);
  if (source.needs_space) {
    source.needs_space = false;
    *size = 1;
    return " ";
  }
  const std::string_view text = source.text;
  source.text = {};
  *size = text.size();
  return text.empty() ? nullptr : text.data();
}

// What load and loadstring answer.
int answer_load(lua_State* lua, int status) {
  if (status == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

int load_string(lua_State* lua) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, 1, &size);
  const char* chunk_name = luaL_optstring(lua, 2, text);
  return answer_load(lua, load_text(lua, {text, size}, chunk_name));
}

// Calls the reader until it has no more, and adds up what it says. False: it failed; its message is
// on top.
bool gather(lua_State* lua, luaL_Buffer& pieces) {
  luaL_buffinit(lua, &pieces);
  for (;;) {
    lua_pushvalue(lua, 1);
    if (lua_pcall(lua, 0, 1, 0) != 0) return false;
    if (lua_isnil(lua, -1)) break;
    if (lua_isstring(lua, -1) == 0) {
      lua_pushliteral(lua, "reader function must return a string");
      return false;
    }
    if (lua_objlen(lua, -1) == 0) break;
    luaL_addvalue(&pieces);
  }
  lua_pop(lua, 1);
  luaL_pushresult(&pieces);
  return true;
}

int load_pieces(lua_State* lua) {
  const char* chunk_name = luaL_optstring(lua, 2, "=(load)");
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  lua_settop(lua, 3);
  luaL_Buffer pieces;
  if (!gather(lua, pieces)) return answer_load(lua, LUA_ERRRUN);
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, -1, &size);
  return answer_load(lua, load_text(lua, {text, size}, chunk_name));
}

// --- calls that catch

int protected_call(lua_State* lua) {
  luaL_checkany(lua, 1);
  const int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
  if (status != 0 && lua_istable(lua, -1)) {
    lua_pushliteral(lua, "err");
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == LUA_TSTRING) lua_replace(lua, 1);
    lua_settop(lua, 1);
  }
  lua_pushboolean(lua, status == 0 ? 1 : 0);
  lua_insert(lua, 1);
  return lua_gettop(lua);
}

// The handler of an xpcall; upvalue 1 is the script's own. That of a killed script is not asked: it
// would run where the instruction hook cannot reach it.
int ask_handler(lua_State* lua) {
  lua_settop(lua, 1);
  if (machine_of(lua).is_dying) return 1;
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, 1, 1);
  return 1;
}

int protected_call_with_handler(lua_State* lua) {
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  lua_pushcclosure(lua, ask_handler, 1);
  lua_insert(lua, 1);
  const int status = lua_pcall(lua, 0, LUA_MULTRET, 1);
  lua_pushboolean(lua, status == 0 ? 1 : 0);
  lua_replace(lua, 1);
  return lua_gettop(lua);
}

// --- unpack

// A number as an index; what no table can hold ends at the largest that one can.
std::int64_t index_from(lua_Number number) {
  constexpr double kLargest = 0x1p53;
  if (!(number > -kLargest)) return -(std::int64_t{1} << 53);
  if (number > kLargest) return std::int64_t{1} << 53;
  return static_cast<std::int64_t>(number);
}

int unpack(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const std::int64_t first = index_from(luaL_optnumber(lua, 2, 1));
  const auto length = static_cast<lua_Number>(lua_objlen(lua, 1));
  const std::int64_t last = index_from(luaL_optnumber(lua, 3, length));
  if (first > last) return 0;
  const std::int64_t count = last - first + 1;
  if (count >= INT_MAX || lua_checkstack(lua, static_cast<int>(count)) == 0) {
    return luaL_error(lua, "too many results to unpack");
  }
  for (std::int64_t i = first; i <= last; ++i) {
    if (i >= INT_MIN && i <= INT_MAX) {
      lua_rawgeti(lua, 1, static_cast<int>(i));
    } else {
      lua_pushnumber(lua, static_cast<lua_Number>(i));
      lua_rawget(lua, 1);
    }
  }
  return static_cast<int>(count);
}

// --- collector

int collect_garbage(lua_State* lua) {
  static const char* const kOptions[] = {"stop", "restart",  "collect",    "count",
                                         "step", "setpause", "setstepmul", nullptr};
  constexpr int kWhat[] = {LUA_GCSTOP, LUA_GCRESTART,  LUA_GCCOLLECT,   LUA_GCCOUNT,
                           LUA_GCSTEP, LUA_GCSETPAUSE, LUA_GCSETSTEPMUL};
  const int what = kWhat[luaL_checkoption(lua, 1, "collect", kOptions)];
  const int result = lua_gc(lua, what, luaL_optint(lua, 2, 0));
  switch (what) {
    case LUA_GCCOUNT: lua_pushnumber(lua, result + lua_gc(lua, LUA_GCCOUNTB, 0) / 1024.0); return 1;
    case LUA_GCSTEP: lua_pushboolean(lua, result); return 1;
    case LUA_GCCOLLECT: break;
    default: machine_of(lua).collector_touched = true;
  }
  lua_pushnumber(lua, result);
  return 1;
}

// --- random numbers

int random(lua_State* lua) {
  constexpr std::uint32_t kMost = INT_MAX;
  Scripts& scripts = machine_of(lua).services.scripts;
  const lua_Number share = static_cast<lua_Number>(scripts.draw_random() % kMost) / kMost;
  switch (lua_gettop(lua)) {
    case 0: lua_pushnumber(lua, share); return 1;
    case 1: {
      const int highest = luaL_checkint(lua, 1);
      luaL_argcheck(lua, 1 <= highest, 1, "interval is empty");
      lua_pushnumber(lua, std::floor(share * highest) + 1);
      return 1;
    }
    case 2: {
      const int lowest = luaL_checkint(lua, 1);
      const int highest = luaL_checkint(lua, 2);
      luaL_argcheck(lua, lowest <= highest, 2, "interval is empty");
      const auto width = static_cast<lua_Number>(std::int64_t{highest} - lowest + 1);
      lua_pushnumber(lua, std::floor(share * width) + lowest);
      return 1;
    }
    default: return luaL_error(lua, "wrong number of arguments");
  }
}

int seed_random(lua_State* lua) {
  const auto seed = static_cast<std::uint32_t>(luaL_checkint(lua, 1));
  machine_of(lua).services.scripts.seed_random(seed);
  return 0;
}

// --- coroutines

// How many coroutines a script makes between two looks at the clock.
constexpr unsigned kCoroutinesBetweenLooks = 64;

int counted_coroutine(lua_State* lua) {
  luaL_argcheck(lua, lua_isfunction(lua, 1) && lua_iscfunction(lua, 1) == 0, 1,
                "Lua function expected");
  if (++machine_of(lua).coroutines % kCoroutinesBetweenLooks == 0) look(lua, nullptr);
  return call_original(lua);
}

// --- strings and tables

int repeat(lua_State* lua) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, 1, &size);
  const std::int64_t times = index_from(luaL_checknumber(lua, 2));
  if (times <= 0 || size == 0) {
    lua_pushliteral(lua, "");
    return 1;
  }
  if (static_cast<std::uint64_t>(times) > static_cast<std::uint64_t>(INT_MAX) / size) {
    return luaL_error(lua, "resulting string too large");
  }
  const std::size_t total = size * static_cast<std::size_t>(times);
  TextBuffer buffer(lua);
  char* out = buffer.reserve(total);
  std::memcpy(out, text, size);
  for (std::size_t done = size; done < total;) {
    const std::size_t part = done < total - done ? done : total - done;
    std::memcpy(out + done, out, part);
    done += part;
  }
  buffer.commit(total);
  buffer.push();
  return 1;
}

// False: a pattern in which the matcher could recurse too deep.
bool is_bounded(lua_State* lua) {
  std::size_t size = 0;
  const char* pattern = lua_tolstring(lua, 2, &size);
  return pattern == nullptr || size <= kPatternBytes ||
         std::string_view(pattern, size).find_first_of("^$*+?.([%-") == std::string_view::npos;
}

int match_pattern(lua_State* lua) {
  if (!is_bounded(lua)) return luaL_error(lua, "pattern too complex");
  return call_original(lua);
}

int find_pattern(lua_State* lua) {
  const bool is_plain = lua_toboolean(lua, 4) != 0;
  return is_plain ? call_original(lua) : match_pattern(lua);
}

int insert(lua_State* lua) {
  if (lua_istable(lua, 1) && is_shared(lua, 1)) return refuse_write(lua);
  if (lua_gettop(lua) == 3 && lua_istable(lua, 1)) {
    // Lua moves everything from the end down to the position, be it ever so far below the first
    // element.
    constexpr std::int64_t kFarthestBelow = -1000;
    const std::int64_t position = index_from(luaL_checknumber(lua, 2));
    luaL_argcheck(lua, position >= kFarthestBelow && position <= INT_MAX, 2,
                  "position out of bounds");
  }
  return call_original(lua);
}

// Puts `guard` in the place of a function of the table on top; upvalue 1 is then that function.
void replace(lua_State* lua, const char* field, lua_CFunction guard) {
  lua_getfield(lua, -1, field);
  lua_pushlightuserdata(lua, reinterpret_cast<void*>(lua_tocfunction(lua, -1)));
  lua_pushcclosure(lua, guard, 1);
  lua_setfield(lua, -3, field);
  lua_pop(lua, 1);
}

}  // namespace

int load_text(lua_State* lua, std::string_view text, const char* chunk_name) {
  Source source{text, text.starts_with(LUA_SIGNATURE[0])};
  return lua_load(lua, read_source, &source, chunk_name);
}

void set_functions(lua_State* lua) {
  constexpr luaL_Reg kReplaced[] = {
      {"load", load_pieces},
      {"loadstring", load_string},
      {"unpack", unpack},
      {"pcall", protected_call},
      {"xpcall", protected_call_with_handler},
      {"collectgarbage", collect_garbage},
  };
  for (const luaL_Reg& function : kReplaced) {
    lua_pushcfunction(lua, function.func);
    lua_setglobal(lua, function.name);
  }
  lua_getglobal(lua, "string");
  replace(lua, "find", find_pattern);
  for (const char* name : {"match", "gmatch", "gfind", "gsub"}) replace(lua, name, match_pattern);
  lua_pushcfunction(lua, repeat);
  lua_setfield(lua, -2, "rep");
  lua_getglobal(lua, "table");
  replace(lua, "insert", insert);
  lua_getglobal(lua, "math");
  lua_pushcfunction(lua, random);
  lua_setfield(lua, -2, "random");
  lua_pushcfunction(lua, seed_random);
  lua_setfield(lua, -2, "randomseed");
  lua_getglobal(lua, "coroutine");
  replace(lua, "create", counted_coroutine);
  replace(lua, "wrap", counted_coroutine);
  lua_pop(lua, 4);
}

}  // namespace larder::server::scripting
