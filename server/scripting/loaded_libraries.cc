#include "server/scripting/loaded_libraries.h"

#include <algorithm>
#include <optional>

#include "protocol/errors.h"
#include "server/scripting/lua_machine.h"
#include "server/scripting/lua_redis.h"
#include "server/scripting/lua_sandbox.h"

namespace larder::server::scripting {
namespace {

namespace errors = protocol::errors;

// The string or number at the top as text; nothing for any other value.
std::optional<std::string> text_on_top(lua_State* lua) {
  if (lua_isstring(lua, -1) == 0) return std::nullopt;
  std::size_t size = 0;
  const char* bytes = lua_tolstring(lua, -1, &size);
  return std::string(bytes, size);
}

// But for the case of letters; `lower` has none but lower-case ones.
bool is_alike(std::string_view word, std::string_view lower) {
  return std::equal(word.begin(), word.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// The flags in the table at the top. False: one of them is none.
bool read_flags(lua_State* lua, std::uint8_t& flags) {
  for (int i = 1;; ++i) {
    lua_rawgeti(lua, -1, i);
    if (lua_isnil(lua, -1)) break;
    const std::optional<std::string> name = text_on_top(lua);
    bool is_known = false;
    for (const FunctionFlagName& known : kFunctionFlags) {
      if (!name || !is_alike(*name, known.name)) continue;
      flags |= static_cast<std::uint8_t>(known.flag);
      is_known = true;
    }
    if (!is_known) return false;
    lua_pop(lua, 1);
  }
  lua_pop(lua, 1);
  return true;
}

// What register_function was told: a function, and where in the stack its callback is.
struct Told {
  Function function;
  int callback = 0;
  const char* problem = nullptr;
};

// function_name, callback
Told read_pair(lua_State* lua) {
  Told told;
  lua_pushvalue(lua, 1);
  const std::optional<std::string> name = text_on_top(lua);
  lua_pop(lua, 1);
  if (!name) return {{}, 0, "ERR first argument to redis.register_function must be a string"};
  if (!lua_isfunction(lua, 2)) {
    return {{}, 0, "ERR second argument to redis.register_function must be a function"};
  }
  told.function.name = *name;
  told.callback = 2;
  return told;
}

// One field of the table, whose key is `key` and whose value is at the top. The callback is left at
// stack index 2.
const char* read_field(lua_State* lua, std::string_view key, Told& told) {
  if (is_alike(key, "function_name")) {
    const auto name = text_on_top(lua);
    if (!name) {
      return "ERR function_name argument given to redis.register_function must be a string";
    }
    told.function.name = *name;
  } else if (is_alike(key, "description")) {
    told.function.description = text_on_top(lua);
    if (!told.function.description) {
      return "ERR description argument given to redis.register_function must be a string";
    }
  } else if (is_alike(key, "callback")) {
    if (!lua_isfunction(lua, -1)) {
      return "ERR callback argument given to redis.register_function must be a function";
    }
    lua_pushvalue(lua, -1);
    lua_replace(lua, 2);
    told.callback = 2;
  } else if (is_alike(key, "flags")) {
    if (!lua_istable(lua, -1)) {
      return "ERR flags argument to redis.register_function must be a table representing function "
             "flags";
    }
    if (!read_flags(lua, told.function.flags)) return "ERR unknown flag given";
  } else {
    return "ERR unknown argument given to redis.register_function";
  }
  return nullptr;
}

// {function_name = ..., callback = ..., flags = {...}, description = ...}
Told read_table(lua_State* lua) {
  Told told;
  bool has_name = false;
  lua_pushnil(lua);  // the callback's place
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    lua_pushvalue(lua, -2);  // a number that were made text in its place would confuse lua_next
    const std::optional<std::string> key = text_on_top(lua);
    lua_pop(lua, 1);
    if (!key) {
      return {{}, 0, "ERR named argument key given to redis.register_function is not a string"};
    }
    has_name = has_name || is_alike(*key, "function_name");
    const int top = lua_gettop(lua);
    told.problem = read_field(lua, *key, told);
    if (told.problem != nullptr) return told;
    lua_settop(lua, top - 1);
  }
  if (!has_name) {
    told.problem = "ERR redis.register_function must get a function name argument";
  } else if (told.callback == 0) {
    told.problem = "ERR redis.register_function must get a callback argument";
  }
  return told;
}

// Empty: the function is one of the library from here on.
std::string_view add(lua_State* lua, Loading& loading, const Told& told) {
  const std::string& name = told.function.name;
  if (!is_function_name(name)) return errors::function_bad_name;
  if (loading.names.contains(name)) return errors::function_repeated;
  if (loading.functions.size() >= kFunctionsOfLibrary) return errors::function_no_room;
  loading.names.insert(name);
  loading.functions.push_back(told.function);
  loading.callbacks.push_back(LUA_NOREF);
  lua_pushvalue(lua, told.callback);
  loading.callbacks.back() = luaL_ref(lua, LUA_REGISTRYINDEX);
  return {};
}

int register_function(lua_State* lua) {
  Loading* loading = machine_of(lua).loading;
  const int arguments = lua_gettop(lua);
  if (loading == nullptr) {
    return raise(lua, "ERR redis.register_function can only be called on FUNCTION LOAD command");
  }
  if (arguments < 1 || arguments > 2) {
    return raise(lua, "ERR wrong number of arguments to redis.register_function");
  }
  if (arguments == 1 && !lua_istable(lua, 1)) {
    return raise(lua,
                 "ERR calling redis.register_function with a single argument is only applicable to "
                 "Lua table (representing named arguments).");
  }
  const Told told = arguments == 1 ? read_table(lua) : read_pair(lua);
  if (told.problem != nullptr) return raise(lua, told.problem);
  const std::string_view problem = add(lua, *loading, told);
  return problem.empty() ? 0 : raise(lua, problem);
}

}  // namespace

void LoadedLibraries::open() {
  lua_newtable(lua_);
  open_redis_of_libraries(lua_);
  lua_pushcfunction(lua_, register_function);
  lua_setfield(lua_, -2, "register_function");
  wrap_strictly(lua_);
  lua_pushvalue(lua_, -1);
  lua_setfield(lua_, -3, "redis");
  lua_setfield(lua_, -2, "server");
  make_strict(lua_);
  globals_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
}

void LoadedLibraries::push_globals() const {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, globals_);
}

void LoadedLibraries::keep(std::uint64_t id, const Loading& loading) {
  Callbacks& callbacks = by_id_[id];
  for (std::size_t i = 0; i < loading.functions.size(); ++i) {
    callbacks.emplace(loading.functions[i].name, loading.callbacks[i]);
  }
}

void LoadedLibraries::drop(const Loading& loading) {
  for (const int callback : loading.callbacks) luaL_unref(lua_, LUA_REGISTRYINDEX, callback);
}

int LoadedLibraries::find(std::uint64_t id, const std::string& function) const {
  const auto library = by_id_.find(id);
  if (library == by_id_.end()) return LUA_NOREF;
  const auto found = library->second.find(function);
  return found == library->second.end() ? LUA_NOREF : found->second;
}

void LoadedLibraries::forget_gone(const Functions& functions) {
  std::unordered_set<std::uint64_t> shelved;
  for (const LibraryRef& library : functions.libraries()) shelved.insert(library->id);
  std::erase_if(by_id_, [&](const auto& library) {
    if (shelved.contains(library.first)) return false;
    for (const auto& [name, callback] : library.second) {
      luaL_unref(lua_, LUA_REGISTRYINDEX, callback);
    }
    return true;
  });
}

}  // namespace larder::server::scripting
