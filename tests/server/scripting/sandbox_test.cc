#include <doctest/doctest.h>

#include <string>

#include "tests/support/larder.h"

using larder::testing::Larder;

namespace {

std::string eval(Larder& larder, const std::string& script) {
  return larder.say({"EVAL", script, "0"});
}

bool is_refused(Larder& larder, const std::string& script) {
  return eval(larder, script).find("Attempt to modify a readonly table") != std::string::npos;
}

}  // namespace

TEST_CASE("nothing that scripts share can be changed") {
  Larder larder;
  for (const char* script : {
           "x = 1",
           "_G.x = 1",
           "KEYS = 1",
           "rawset(_G, 'x', 1)",
           "setmetatable(_G, {})",
           "getmetatable(_G).__index = nil",
           "rawset(getmetatable(_G), '__index', 1)",
           "string.rep = nil",
           "rawset(string, 'rep', 1)",
           "setmetatable(string, {})",
           "table.insert(string, 1)",
           "table.insert(redis, 'x')",
           "redis.call = nil",
           "server.call = nil",
           "redis.new = 1",
           "cjson.encode = nil",
           "cmsgpack.pack = nil",
           "bit.band = nil",
           "struct.pack = nil",
           "math.random = 1",
           "coroutine.wrap = 1",
           "getmetatable('').__index = function() end",
           "getmetatable('').__index.rep = nil",
           "rawset(getmetatable(''), '__index', 1)",
       }) {
    INFO(script);
    CHECK(is_refused(larder, script));
  }
  CHECK(eval(larder, "return {('x'):rep(3), type(redis.call), type(next(_G))}") ==
        "[xxx, function, string]");
}

TEST_CASE("a shared table can be looked at as if it were plain") {
  Larder larder;
  CHECK(eval(larder, "local n = 0 for k, v in pairs(bit) do n = n + 1 end return n") == "12");
  CHECK(eval(larder, "for k, v in next, struct do return type(v) end") == "function");
  CHECK(eval(larder, "return type(rawget(string, 'rep'))") == "function");
  CHECK(eval(larder, "return tostring(getmetatable(string))") == "nil");
  CHECK(eval(larder, "return tostring(_G == _G._G)") == "true");
  CHECK(eval(larder, "return tostring(getmetatable('').__index == string)") == "true");
  CHECK(eval(larder, "return {rawequal(redis, server) and 1, #string}") == "[1, 0]");
}

TEST_CASE("what reaches outside is not there") {
  Larder larder;
  for (const char* name :
       {"dofile", "loadfile", "require", "module", "package", "io", "os", "debug", "print",
        "newproxy", "getfenv", "setfenv", "jit", "ffi", "nosuch"}) {
    const std::string reply = eval(larder, std::string("return ") + name);
    INFO(reply);
    CHECK(reply.find("nonexistent global variable '" + std::string(name) + "'") !=
          std::string::npos);
  }
}

TEST_CASE("bytecode is no script") {
  Larder larder;
  CHECK(eval(larder, "return tostring(loadstring(string.dump(function() end)))") == "nil");
  CHECK(eval(larder, "local f, e = loadstring('\\27Lua', '@x') return e") ==
        "x:1: unexpected symbol near 'char(27)'");
  CHECK(eval(larder,
             "local d = string.dump(function() end) local sent = false "
             "return tostring((load(function() if sent then return nil end sent = true "
             "return d end)))") == "nil");
  CHECK(eval(larder, "\x1bLuaQ").starts_with("(error) ERR Error compiling script"));
}

TEST_CASE("load reads a chunk piece by piece and answers what is wrong with it") {
  Larder larder;
  CHECK(eval(larder,
             "local i = 0 return load(function() i = i + 1 "
             "return ({'return ', '5'})[i] end)()") == "5");
  CHECK(eval(larder, "local f, e = load(function() error('x', 0) end) return e") == "x");
  CHECK(eval(larder, "local f, e = load(function() return {} end) return e") ==
        "reader function must return a string");
  CHECK(eval(larder, "return loadstring('return KEYS ~= nil and 1')()") == "1");
  CHECK(is_refused(larder, "loadstring('x = 1')()"));
}

TEST_CASE("pcall turns an error table into its text, xpcall leaves it to the handler") {
  Larder larder;
  CHECK(eval(larder, "local ok, e = pcall(redis.call, 'nosuch') return e") ==
        "ERR Unknown Redis command called from script");
  CHECK(eval(larder, "local ok, e = pcall(error, {x = 1}) return type(e)") == "table");
  CHECK(eval(larder, "return {pcall(function() return 1, 2 end)}") == "[1, 1, 2]");
  CHECK(eval(larder,
             "local ok, e = xpcall(function() redis.call('nosuch') end, "
             "function(e) return e.err end) return e") ==
        "ERR Unknown Redis command called from script");
  CHECK(eval(larder, "return {xpcall(function() return 1, 2 end, error)}") == "[1, 1, 2]");
}

TEST_CASE("what a script sets of the collector or of cjson does not outlive it") {
  Larder larder;
  CHECK(eval(larder,
             "collectgarbage('stop') collectgarbage('setpause', 1000) "
             "cjson.encode_max_depth(1) cjson.encode_number_precision(3) return 1") == "1");
  CHECK(eval(larder, "return collectgarbage('setpause', 200)") == "200");
  CHECK(eval(larder, "return cjson.encode({{1 / 3}})") == "[[0.33333333333333]]");
  for (int i = 0; i < 200; ++i) eval(larder, "local s = string.rep('x', 1e6) return #s");
  CHECK(eval(larder, "return collectgarbage('count') < 20000 and 1") == "1");
}

TEST_CASE("a seed fixes what follows, for the next script too") {
  Larder larder;
  CHECK(eval(larder, "return tostring(math.random())") == "0.39646477363839");
  CHECK(eval(larder, "math.randomseed(42) return {math.random(1000000), math.random(1000000)}") ==
        "[744526, 342702]");
  CHECK(eval(larder, "math.randomseed(42) return 1") == "1");
  CHECK(eval(larder, "return math.random(1000000)") == "744526");
  CHECK(eval(larder, "return math.random(7, 7)") == "7");
  CHECK(eval(larder, "return math.random(-2147483648, 2147483647) and 1") == "1");
}
