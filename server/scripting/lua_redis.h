// The `redis` table of scripts (also named `server`, as Valkey does): calls into the command table,
// and what belongs to them.
//
// redis.call goes straight to the row: registry, the gates that concern scripts,
// Dispatcher::run_inner, and the answer from the interpreter's Recorder. Words are views of the Lua
// strings on the stack; numbers are written as Redis writes them (%.17g) into a buffer that is
// kept.
//
// Thread: loop.
#pragma once

#include <string_view>

#include <lua.hpp>

namespace larder::server::scripting {

// Pushes the table.
void open_redis(lua_State* lua);
// Pushes what of it there is while a library of functions is loaded, but for register_function.
void open_redis_of_libraries(lua_State* lua);
// Ends a C function with {err = text}, raised.
int raise(lua_State* lua, std::string_view text);

}  // namespace larder::server::scripting
