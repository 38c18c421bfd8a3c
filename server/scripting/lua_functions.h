// The functions of Lua's own libraries that scripts get in another form; lua_sandbox.h says why
// each.
//
// Thread: loop.
#pragma once

#include <lua.hpp>

namespace larder::server::scripting {

// Replaces them among the globals, once the libraries are open.
void set_functions(lua_State* lua);

}  // namespace larder::server::scripting
