// The byte-exact behaviour is in tests/wire/lua_libraries.txt; here is what no transcript shows.

#include "server/scripting/lua_libraries.h"

#include <doctest/doctest.h>

#include <string>

#include "server/scripting/lua_machine.h"

using namespace larder::server::scripting;

namespace {

class Lua {
 public:
  Lua() : lua_(lua_newstate(allocate, &memory_)) {
    memory_.lua = lua_;
    luaL_openlibs(lua_);
    set("bit", open_bit);
    set("struct", open_struct);
    set("cmsgpack", open_cmsgpack);
    set("cjson", open_cjson);
  }
  ~Lua() {
    memory_.is_limited = false;
    lua_close(lua_);
    CHECK(memory_.used_bytes == 0);
  }

  std::string operator()(const std::string& script, const std::string& argument = "") {
    lua_settop(lua_, 0);
    if (luaL_loadstring(lua_, script.c_str()) != 0) return lua_tostring(lua_, -1);
    lua_pushlstring(lua_, argument.data(), argument.size());
    lua_pcall(lua_, 1, 1, 0);
    std::size_t size = 0;
    const char* text = lua_tolstring(lua_, -1, &size);
    return text == nullptr ? luaL_typename(lua_, -1) : std::string(text, size);
  }
  Memory& memory() { return memory_; }

 private:
  void set(const char* name, void (*open)(lua_State*)) {
    open(lua_);
    lua_setglobal(lua_, name);
  }

  Memory memory_;
  lua_State* lua_;
};

}  // namespace

TEST_CASE("JSON texts survive a way there and back") {
  Lua lua;
  for (const char* json : {"[1,2,3]", R"({"a":[true,false,null]})", R"("\u0001\"\\\/")", "-1.5",
                           "1e+300", "{}", R"([{"a":{"b":["c"]}}])"}) {
    CHECK(lua("return cjson.encode(cjson.decode(...))", json) == json);
  }
  CHECK(lua("return cjson.decode(...)", R"("\ud83d\ude00")") == "\xF0\x9F\x98\x80");
  CHECK(lua("return cjson.decode(...)", R"("\u00e9\u20ac")") == "\xC3\xA9\xE2\x82\xAC");
}

TEST_CASE("a JSON text cut anywhere is an error, never a read beyond it") {
  Lua lua;
  const std::string json = R"({"key":[1.5e3,"a\n\ud83d\ude00",true,false,null,-0]})";
  for (std::size_t cut = 0; cut < json.size(); ++cut) {
    const std::string message = lua("return cjson.decode(...)", json.substr(0, cut));
    INFO(message);
    CHECK(message.find("Expected ") != std::string::npos);
  }
}

TEST_CASE("MessagePack cut anywhere lacks bytes") {
  Lua lua;
  const std::string packed =
      lua("return cmsgpack.pack({a = {1, 300, 70000, 5e9, -1, -300, 1.5, 0.1}, b = {'x', "
          "string.rep('y', 40), string.rep('z', 300), true, false}})");
  for (std::size_t cut = 1; cut < packed.size(); ++cut) {
    CHECK(lua("return cmsgpack.unpack(...)", packed.substr(0, cut)).find("Missing bytes") !=
          std::string::npos);
  }
  CHECK(lua("return type(cmsgpack.unpack(...))", packed) == "table");
  CHECK(lua("return cmsgpack.unpack(...).b[3]", packed) == std::string(300, 'z'));
}

TEST_CASE("a map whose keys are words that look like numbers stays a map") {
  Lua lua;
  CHECK(lua("return cmsgpack.unpack(cmsgpack.pack({['1'] = 'x'}))['1']") == "x");
  CHECK(lua("return cjson.encode({['1'] = 'x'})") == R"({"1":"x"})");
}

TEST_CASE("a library's buffer is on the memory account and given back after an error") {
  Lua lua;
  lua.memory().limit(true, lua.memory().used_bytes + (4u << 20));
  const auto fail_everywhere = [&] {
    CHECK(lua("local s = string.rep('\\1', 1000000) return cjson.encode({s, s, s})")
              .find("not enough memory") != std::string::npos);
    CHECK(lua("return cjson.encode({string.rep('x', 100000), print})").find("Cannot serialise") !=
          std::string::npos);
    CHECK(lua("return cjson.decode('[\"' .. string.rep('x\\\\n', 100000) .. '\\\\x\"]')")
              .find("invalid escape code") != std::string::npos);
    CHECK(lua("return struct.pack('sb', string.rep('x', 100000), 'x')").find("bad argument") !=
          std::string::npos);
    lua("collectgarbage() collectgarbage()");
    return lua.memory().used_bytes;
  };
  const std::size_t once = fail_everywhere();  // the scripts are compiled and kept
  for (int i = 0; i < 5; ++i) CHECK(fail_everywhere() <= once + 1'000);
}

TEST_CASE("integers of every size go through struct in both byte orders") {
  Lua lua;
  CHECK(lua("for n = 1, 32 do for _, order in ipairs({'<', '>'}) do "
            "local f = order .. 'i' .. n local v = struct.unpack(f, struct.pack(f, -2)) "
            "if n <= 8 and v ~= -2 then return f .. ' ' .. v end end end return 'all'") == "all");
  CHECK(lua("for _, f in ipairs({'b', 'h', 'i', 'l', '>h', '>l', 'f', 'd', '>f', '>d'}) do "
            "if struct.unpack(f, struct.pack(f, -100)) ~= -100 then return f end end "
            "return 'all'") == "all");
}
