#include "server/scripting/lua_sandbox.h"

#include <cstring>
#include <string_view>

#include "server/scripting/lua_functions.h"

namespace larder::server::scripting {
namespace {

constexpr char kReadOnly[] = "Attempt to modify a readonly table";

// The marker: its address is a key that scripts cannot make (they know one light userdata, the null
// one).
const char marker = 0;

void push_marker(lua_State* lua) {
  lua_pushlightuserdata(lua, const_cast<char*>(&marker));
}

int refuse_new_field(lua_State* lua) {
  return luaL_error(lua, kReadOnly);
}

int complain_unknown_global(lua_State* lua) {
  lua_pushvalue(lua, 2);
  const char* name = lua_tostring(lua, -1);
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    name != nullptr ? name : luaL_typename(lua, 2));
}

// Replaces the table on top by a proxy of it.
void wrap(lua_State* lua) {
  lua_newtable(lua);
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, refuse_new_field);
  lua_setfield(lua, -2, "__newindex");
  push_marker(lua);
  lua_pushvalue(lua, -4);
  lua_rawset(lua, -3);
  lua_setmetatable(lua, -2);
  lua_remove(lua, -2);
}

int next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  see_through(lua, 1);
  if (lua_next(lua, 1) != 0) return 2;
  lua_pushnil(lua);
  return 1;
}

int pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int raw_get(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  see_through(lua, 1);
  lua_rawget(lua, 1);
  return 1;
}

int raw_set(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  luaL_checkany(lua, 3);
  if (is_shared(lua, 1)) return refuse_write(lua);
  lua_settop(lua, 3);
  lua_rawset(lua, 1);
  return 1;
}

int get_metatable(lua_State* lua) {
  luaL_checkany(lua, 1);
  if (lua_getmetatable(lua, 1) == 0) {
    lua_pushnil(lua);
  } else if (luaL_getmetafield(lua, 1, "__metatable") == 0 && is_shared(lua, 1)) {
    lua_pushnil(lua);
  }
  return 1;
}

int set_metatable(lua_State* lua) {
  const int type = lua_type(lua, 2);
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
  if (is_shared(lua, 1)) return refuse_write(lua);
  if (luaL_getmetafield(lua, 1, "__metatable") != 0) {
    return luaL_error(lua, "cannot change a protected metatable");
  }
  lua_settop(lua, 2);
  lua_setmetatable(lua, 1);
  return 1;
}

void open(lua_State* lua, const char* name, lua_CFunction opener) {
  lua_pushcfunction(lua, opener);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

void set_base(lua_State* lua) {
  constexpr const char* kRemoved[] = {"dofile", "loadfile", "print",   "newproxy",
                                      "module", "require",  "getfenv", "setfenv"};
  for (const char* name : kRemoved) {
    lua_pushnil(lua);
    lua_setglobal(lua, name);
  }
  constexpr luaL_Reg kReplaced[] = {
      {"next", next},
      {"rawget", raw_get},
      {"rawset", raw_set},
      {"getmetatable", get_metatable},
      {"setmetatable", set_metatable},
  };
  for (const luaL_Reg& function : kReplaced) {
    lua_pushcfunction(lua, function.func);
    lua_setglobal(lua, function.name);
  }
  lua_getglobal(lua, "next");
  lua_pushcclosure(lua, pairs, 1);
  lua_setglobal(lua, "pairs");
}

// ("x"):rep(3) keeps reading the real table; who asks for the strings' metatable gets a proxy of
// one that looks alike.
void seal_string_metatable(lua_State* lua) {
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  lua_newtable(lua);
  lua_getglobal(lua, "string");
  lua_setfield(lua, -2, "__index");
  wrap(lua);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
}

// Gives the table on top a metatable by which unknown names are errors, and pushes that.
void add_complaint(lua_State* lua) {
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, complain_unknown_global);
  lua_setfield(lua, -2, "__index");
  lua_pushvalue(lua, -1);
  lua_setmetatable(lua, -3);
}

// The proxy of the globals, whose unknown names are errors. Leaves the real table and the proxy on
// the stack.
void wrap_globals(lua_State* lua) {
  lua_pushvalue(lua, LUA_GLOBALSINDEX);
  add_complaint(lua);
  wrap(lua);  // what getmetatable(_G) shows
  lua_pushvalue(lua, -2);
  wrap(lua);
  lua_getmetatable(lua, -1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 1);
  lua_remove(lua, -2);
}

}  // namespace

bool push_real(lua_State* lua, int index) {
  if (lua_getmetatable(lua, index) == 0) return false;
  push_marker(lua);
  lua_rawget(lua, -2);
  if (lua_istable(lua, -1)) {
    lua_remove(lua, -2);
    return true;
  }
  lua_pop(lua, 2);
  return false;
}

bool is_shared(lua_State* lua, int index) {
  if (!push_real(lua, index)) return false;
  lua_pop(lua, 1);
  return true;
}

int refuse_write(lua_State* lua) {
  lua_pushstring(lua, kReadOnly);
  return lua_error(lua);
}

void see_through(lua_State* lua, int index) {
  if (push_real(lua, index)) lua_replace(lua, index);
}

void make_strict(lua_State* lua) {
  add_complaint(lua);
  lua_pop(lua, 1);
}

void wrap_strictly(lua_State* lua) {
  make_strict(lua);
  wrap(lua);
}

void show_globals(lua_State* lua, int index) {
  lua_pushvalue(lua, index);
  lua_getmetatable(lua, LUA_GLOBALSINDEX);
  lua_insert(lua, -2);
  lua_setfield(lua, -2, "__index");
  lua_pop(lua, 1);
}

void open_sandbox(lua_State* lua) {
  open(lua, "", luaopen_base);
  open(lua, LUA_TABLIBNAME, luaopen_table);
  open(lua, LUA_STRLIBNAME, luaopen_string);
  open(lua, LUA_MATHLIBNAME, luaopen_math);
  set_base(lua);
  set_functions(lua);
}

void seal_sandbox(lua_State* lua) {
  // Proxies first: the metatable of strings must name the one scripts see.
  constexpr const char* kNames[] = {"string", "table", "math",     "coroutine",
                                    "cjson",  "bit",   "cmsgpack", "struct"};
  for (const char* name : kNames) {
    lua_getglobal(lua, name);
    wrap(lua);
    lua_setglobal(lua, name);
  }
  lua_getglobal(lua, "redis");
  wrap(lua);
  lua_pushvalue(lua, -1);
  lua_setglobal(lua, "redis");
  lua_setglobal(lua, "server");
  seal_string_metatable(lua);

  wrap_globals(lua);
  lua_pushvalue(lua, -1);
  lua_setfield(lua, -3, "_G");
  lua_replace(lua, LUA_GLOBALSINDEX);
}

}  // namespace larder::server::scripting
