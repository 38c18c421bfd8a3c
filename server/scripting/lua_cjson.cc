// cjson: the table with its functions and settings. Texts and behaviour are those of
// lua-cjson 2.1.0, which Redis has.

#include "server/scripting/lua_cjson.h"

#include <climits>
#include <new>

#include "server/scripting/lua_libraries.h"

namespace larder::server::scripting {
namespace {

// Where the settings of the shared cjson lie in the registry.
const char shared_settings = 0;

JsonSettings& settings_of(lua_State* lua) {
  return *static_cast<JsonSettings*>(lua_touserdata(lua, lua_upvalueindex(1)));
}

int encode(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  encode_json(lua, settings_of(lua));
  return 1;
}

int decode(lua_State* lua) {
  luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
  decode_json(lua, settings_of(lua));
  return 1;
}

// Checks the number of arguments and fills up with nil, which means: leave it, only tell.
void take_arguments(lua_State* lua, int most) {
  luaL_argcheck(lua, lua_gettop(lua) <= most, most + 1, "found too many arguments");
  lua_settop(lua, most);
}

void integer_setting(lua_State* lua, int argument, int& setting, int lowest, int highest) {
  if (!lua_isnil(lua, argument)) {
    const lua_Integer value = luaL_checkinteger(lua, argument);
    if (value < lowest || value > highest) {
      luaL_argerror(lua, 1,
                    lua_pushfstring(lua, "expected integer between %d and %d", lowest, highest));
    }
    setting = static_cast<int>(value);
  }
  lua_pushinteger(lua, setting);
}

void boolean_setting(lua_State* lua, int argument, bool& setting) {
  static const char* const kWords[] = {"off", "on", nullptr};
  if (lua_isboolean(lua, argument)) {
    setting = lua_toboolean(lua, argument) != 0;
  } else if (!lua_isnil(lua, argument)) {
    setting = luaL_checkoption(lua, argument, nullptr, kWords) == 1;
  }
  lua_pushboolean(lua, setting ? 1 : 0);
}

void invalid_numbers_setting(lua_State* lua, InvalidNumbers& setting, bool knows_null) {
  static const char* const kWords[] = {"off", "on", "null", nullptr};
  static const char* const kFewer[] = {"off", "on", nullptr};
  if (lua_isboolean(lua, 1)) {
    setting = lua_toboolean(lua, 1) != 0 ? InvalidNumbers::on : InvalidNumbers::off;
  } else if (!lua_isnil(lua, 1)) {
    const char* const* words = knows_null ? kWords : kFewer;
    setting = static_cast<InvalidNumbers>(luaL_checkoption(lua, 1, nullptr, words));
  }
  if (setting == InvalidNumbers::null) {
    lua_pushliteral(lua, "null");
  } else {
    lua_pushboolean(lua, setting == InvalidNumbers::on ? 1 : 0);
  }
}

int encode_sparse_array(lua_State* lua) {
  take_arguments(lua, 3);
  JsonSettings& settings = settings_of(lua);
  boolean_setting(lua, 1, settings.sparse_as_object);
  integer_setting(lua, 2, settings.sparse_ratio, 0, INT_MAX);
  integer_setting(lua, 3, settings.sparse_safe, 0, INT_MAX);
  return 3;
}

int encode_max_depth(lua_State* lua) {
  take_arguments(lua, 1);
  integer_setting(lua, 1, settings_of(lua).encode_depth, 1, INT_MAX);
  return 1;
}

int decode_max_depth(lua_State* lua) {
  take_arguments(lua, 1);
  integer_setting(lua, 1, settings_of(lua).decode_depth, 1, INT_MAX);
  return 1;
}

int encode_number_precision(lua_State* lua) {
  take_arguments(lua, 1);
  integer_setting(lua, 1, settings_of(lua).precision, 1, 14);
  return 1;
}

int encode_keep_buffer(lua_State* lua) {
  take_arguments(lua, 1);
  boolean_setting(lua, 1, settings_of(lua).keep_buffer);
  return 1;
}

int encode_invalid_numbers(lua_State* lua) {
  take_arguments(lua, 1);
  invalid_numbers_setting(lua, settings_of(lua).encode_invalid, true);
  return 1;
}

int decode_invalid_numbers(lua_State* lua) {
  take_arguments(lua, 1);
  invalid_numbers_setting(lua, settings_of(lua).decode_invalid, false);
  return 1;
}

int make_new(lua_State* lua);

constexpr luaL_Reg kFunctions[] = {
    {"encode", encode},
    {"decode", decode},
    {"encode_sparse_array", encode_sparse_array},
    {"encode_max_depth", encode_max_depth},
    {"decode_max_depth", decode_max_depth},
    {"encode_number_precision", encode_number_precision},
    {"encode_keep_buffer", encode_keep_buffer},
    {"encode_invalid_numbers", encode_invalid_numbers},
    {"decode_invalid_numbers", decode_invalid_numbers},
    {"new", make_new},
};

// Pushes a table of functions over settings of its own; answers the settings, which live as long as
// the functions.
JsonSettings* push_library(lua_State* lua) {
  lua_newtable(lua);
  void* memory = lua_newuserdata(lua, sizeof(JsonSettings));
  auto* settings = new (memory) JsonSettings();
  for (const luaL_Reg& function : kFunctions) {
    lua_pushvalue(lua, -1);
    lua_pushcclosure(lua, function.func, 1);
    lua_setfield(lua, -3, function.name);
  }
  lua_pop(lua, 1);
  lua_pushlightuserdata(lua, nullptr);
  lua_setfield(lua, -2, "null");
  lua_pushliteral(lua, "cjson");
  lua_setfield(lua, -2, "_NAME");
  lua_pushliteral(lua, "2.1.0");
  lua_setfield(lua, -2, "_VERSION");
  return settings;
}

int make_new(lua_State* lua) {
  push_library(lua);
  return 1;
}

}  // namespace

void open_cjson(lua_State* lua) {
  JsonSettings* settings = push_library(lua);
  lua_pushlightuserdata(lua, const_cast<char*>(&shared_settings));
  lua_pushlightuserdata(lua, settings);
  lua_rawset(lua, LUA_REGISTRYINDEX);
}

JsonSettings& shared_json_settings(lua_State* lua) {
  lua_pushlightuserdata(lua, const_cast<char*>(&shared_settings));
  lua_rawget(lua, LUA_REGISTRYINDEX);
  void* settings = lua_touserdata(lua, -1);
  lua_pop(lua, 1);
  return *static_cast<JsonSettings*>(settings);
}

}  // namespace larder::server::scripting
