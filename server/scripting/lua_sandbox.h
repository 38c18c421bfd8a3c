// The world a script sees: Lua's base, string, table, math and coroutine libraries without what
// reaches outside, and with everything that scripts share made read-only.
//
// Lua 5.1 has no read-only tables (Redis patches its copy for that), so a shared table is shown
// through an empty proxy:
//
//     script --> proxy {} --metatable--> __index: the real table, __newindex: an error,
//                                        marker: the real table
//
// The functions that would see through the proxy (next, pairs, rawget, rawset, getmetatable,
// setmetatable, table.insert) are ours and know it by the marker, a key no script can make. The
// globals are such a proxy too, whose real table answers an unknown name with an error.
//
// dofile, loadfile, require, module, print, newproxy, getfenv, setfenv, os, io, package and debug
// are not there. Other replacements close what Debian's Lua 5.1.5 leaves open:
//
//     load, loadstring   text only, read completely before the parser starts (CVE-2025-49844 needs
//                        a reader that collects garbage under the parser)
//     unpack             counts in 64 bits (CVE-2025-46817)
//     string.find, match, gmatch, gfind, gsub
//                        a bounded pattern: the matcher recurses once per item of it
//     string.rep         knows its size before it starts; an empty string repeated is empty at once
//     table.insert       a position far below the first element moved two milliards of nothings
//     pcall              turns {err = text} into the text, as Redis 7
//     xpcall             does not ask the handler of a killed script, which no hook could end
//     coroutine.create, wrap
//                        look at the clock now and then: each coroutine counts instructions anew
//     collectgarbage     what it changes is put back after the script
//     math.random        the sequence of Scripts (lrand48), not the C library's
//
// Known and left: a pattern that backtracks for long over a long text runs inside one instruction,
// where neither the hook nor SCRIPT KILL reaches it. So it is in Redis.
//
// Thread: loop.
#pragma once

#include <cstddef>
#include <string_view>

#include <lua.hpp>

namespace larder::server::scripting {

// Longest pattern with special characters; 4096 levels of the matcher need about one megabyte of
// stack.
inline constexpr std::size_t kPatternBytes = 4096;

// Opens the libraries and replaces what is said above. Leaves Lua's globals unprotected: the caller
// adds to them.
void open_sandbox(lua_State* lua);
// Makes every table among the globals, and the globals themselves, read-only, and what chunks
// loaded from now on see. Pushes the real table of globals.
void seal_sandbox(lua_State* lua);
// Pushes the real table behind the proxy at `index`; false, and nothing pushed, when it is no
// proxy.
bool push_real(lua_State* lua, int index);
bool is_shared(lua_State* lua, int index);
// Raises what Redis says of a write into a shared table by a function: without a place.
int refuse_write(lua_State* lua);
// Afterwards the value at `index` (positive) is a real table or what it was.
void see_through(lua_State* lua, int index);

// Unknown names of the table on top are errors from now on, as those of globals.
void make_strict(lua_State* lua);
// The same, and what is on top then is a read-only proxy of it.
void wrap_strictly(lua_State* lua);
// What scripts see as their globals from now on: the real table at `index`. Allocates nothing.
void show_globals(lua_State* lua, int index);

// Loads text (never bytecode) as a function; 0 and the function on the stack, or Lua's status and
// its message.
int load_text(lua_State* lua, std::string_view text, const char* chunk_name);

}  // namespace larder::server::scripting
