// Fuzz target: the libraries scripts get, each alone on a Lua state without any server.
//
// The first byte chooses the function, the rest is its text: JSON, MessagePack, a struct format
// with its data, or a script whose arguments are numbers from the input. What a decoder accepts is
// encoded and decoded once more, which must be accepted too. Memory is limited, so that "not enough
// memory" is among the errors.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <lua.hpp>

#include "server/scripting/lua_libraries.h"
#include "server/scripting/lua_machine.h"

using namespace larder::server::scripting;

namespace {

constexpr std::size_t kMemory = 8u << 20;

struct Script {
  const char* text;
};
// Each gets the input as one string, and numbers made of its first bytes.
constexpr Script kScripts[] = {
    {"local s = ... local v = cjson.decode(s) cjson.encode_invalid_numbers(true) "
     "local again = cjson.encode(v) cjson.decode(again) return again"},
    {"local s = ... local t = {cmsgpack.unpack(s)} for i = 1, #t do "
     "local again = cmsgpack.pack(t[i]) cmsgpack.unpack(again) end"},
    {"local s, a, b = ... cmsgpack.unpack_limit(s, a, b) cmsgpack.unpack_one(s, b)"},
    {"local s, a, b = ... local f, d = s:match('^(.-)|(.*)$') if not f then f, d = s, s end "
     "pcall(struct.size, f) local t = {struct.unpack(f, d, a)} "
     "local n = #t if n > 0 then t[n] = nil end return #struct.pack(f, unpack(t))"},
    {"local s, a, b = ... return #struct.pack(s, a, b, s, a, b, s, a, b)"},
    {"local s, a, b = ... bit.tohex(a, b) bit.lshift(a, b) bit.rshift(a, b) bit.arshift(a, b) "
     "bit.rol(a, b) bit.ror(a, b) bit.bswap(a) bit.band(a, b) bit.bor(a, b, a) bit.bxor(a, b) "
     "bit.bnot(a) bit.tobit(b)"},
    {"local s, a, b = ... cjson.encode_max_depth(a) cjson.decode_max_depth(b) "
     "cjson.encode_number_precision(a % 14 + 1) cjson.encode_sparse_array(a > b, a, b) "
     "return cjson.encode({[a] = s, [b] = {s, a}})"},
    {"local s, a, b = ... cjson.decode_invalid_numbers(false) return cjson.decode(s)"},
};

lua_State* open(Memory& memory) {
  lua_State* lua = lua_newstate(allocate, &memory);
  memory.lua = lua;
  luaL_openlibs(lua);
  open_bit(lua);
  lua_setglobal(lua, "bit");
  open_struct(lua);
  lua_setglobal(lua, "struct");
  open_cmsgpack(lua);
  lua_setglobal(lua, "cmsgpack");
  open_cjson(lua);
  lua_setglobal(lua, "cjson");
  return lua;
}

double number_at(const std::uint8_t* data, std::size_t size, std::size_t at) {
  double number = 0;
  if (at + sizeof(number) <= size) std::memcpy(&number, data + at, sizeof(number));
  // Small whole numbers more often than chance would have it.
  if (size > at && (data[at] & 1) != 0) number = static_cast<std::int8_t>(data[at]);
  return number;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const Script& script = kScripts[data[0] % std::size(kScripts)];
  ++data;
  --size;
  Memory memory;
  lua_State* lua = open(memory);
  if (luaL_loadstring(lua, script.text) != 0) std::abort();
  lua_pushlstring(lua, reinterpret_cast<const char*>(data), size);
  lua_pushnumber(lua, number_at(data, size, 0));
  lua_pushnumber(lua, number_at(data, size, 8));
  memory.limit(true, kMemory);
  const int status = lua_pcall(lua, 3, 0, 0);
  memory.limit(false, kMemory);
  if (status != 0 && status != LUA_ERRRUN && status != LUA_ERRMEM) std::abort();
  lua_close(lua);
  if (memory.used_bytes != 0) std::abort();  // a library lost some
  return 0;
}
