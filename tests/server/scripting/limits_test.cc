// What broke other servers, one by one; run it under asan.

#include <doctest/doctest.h>

#include <string>

#include "tests/support/larder.h"

using larder::testing::Larder;

namespace {

std::string eval(Larder& larder, const std::string& script) {
  return larder.say({"EVAL", script, "0"});
}

bool says(const std::string& reply, const std::string& part) {
  return reply.starts_with("(error) ERR ") && reply.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("memory beyond lua-memory-limit is refused, and the next script has it all again") {
  larder::server::Settings settings = Larder::settings_for_tests();
  settings.lua_memory_limit = 16u << 20;
  Larder larder(settings);
  for (const char* script : {
           "local s = 'x' while true do s = s .. s end",
           "local t = {} while true do t[#t + 1] = {} end",
           "local t = {} for i = 1, 1e9 do t[i] = i end",
           "return string.rep('x', 2^31 - 1)",
           "return #cjson.encode(string.rep('x', 10000000))",
           "local s = string.rep('x', 4000000) return #cjson.encode({s, s, s, s, s, s, s, s, s})",
           "local s = string.rep('x', 4000000) return #cmsgpack.pack(s, s, s, s, s, s, s, s, s)",
           "local s = string.rep('x', 4000000) return #struct.pack('sssssss', s, s, s, s, s, s, s)",
           "return cjson.decode('[' .. string.rep('1,', 4000000) .. '1]')",
           "return cmsgpack.unpack('\\221\\0\\32\\0\\0' .. string.rep('\\1', 2097152))",
           "local t = {} for i = 1, 100 do t[i] = string.rep('x', 1000000) end return "
           "table.concat(t)",
           "return assert(loadstring('return {' .. string.rep('1,', 2000000) .. '}'))",
           "return (string.gsub(string.rep('x', 100000), 'x', string.rep('y', 10000)))",
           "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
           "return load(function() return string.rep('x', 100000) end)",
           "cjson.encode_sparse_array(false, 0) return #cjson.encode({[2^31] = 1})",
       }) {
    INFO(std::string(script));
    const std::string reply = eval(larder, script);
    INFO(reply);
    CHECK(says(reply, "not enough memory"));
    CHECK(eval(larder, "return #string.rep('x', 4000000)") == "4000000");
  }
  CHECK(eval(larder, "local ok, e = pcall(string.rep, 'x', 2^28) return e") == "not enough memory");
}

TEST_CASE("garbage is collected before the limit is met") {
  larder::server::Settings settings = Larder::settings_for_tests();
  settings.lua_memory_limit = 16u << 20;
  Larder larder(settings);
  CHECK(eval(larder,
             "local n = 0 for i = 1, 200000 do local s = string.rep('x', 1000) .. i "
             "n = n + #s end return n > 0 and 1") == "1");
  CHECK(eval(larder,
             "local keep = {} for i = 1, 6000 do keep[i] = string.rep('k', 1000) .. i end "
             "for i = 1, 100000 do local s = string.rep('x', 1000) .. i end return #keep") ==
        "6000");
}

TEST_CASE("recursion ends in an error, however it goes round") {
  Larder larder;
  for (
      const char* script : {
          "local function f() return 1 + f() end return f()",
          "local function f() return (string.gsub('a', 'a', f)) end return f()",
          "local function f() return coroutine.wrap(f)() end return f()",
          "local function f() table.sort({1, 2, 3}, f) end return f()",
          "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end "
          "return t.x",
          "local t = setmetatable({}, {}) getmetatable(t).__tostring = tostring return tostring(t)",
          "local t = setmetatable({}, {}) getmetatable(t).__lt = function(a, b) return a < b end "
          "return t < t",
          "local t = {} getmetatable(setmetatable(t, {})).__concat = function(a, b) return a .. b "
          "end return t .. t",
          "local t = {} setmetatable(t, {__index = t}) return t.x",
          "local t = {} for i = 1, 2000 do t = {t} end return cjson.encode(t)",
          "local t = {} t.t = t return cjson.encode(t)",
          "return cjson.decode(string.rep('[', 100000))",
          "return cjson.decode(string.rep('{\"a\":', 100000))",
          "return cmsgpack.unpack(string.rep('\\145', 100000))",
          "return cmsgpack.unpack(string.rep('\\129\\1', 100000))",
          "return string.find(string.rep('a', 100000), string.rep('a?', 100000) .. 'b')",
          "return string.gsub('a', string.rep('(', 5000), '')",
      }) {
    INFO(script);
    const std::string reply = eval(larder, script);
    INFO(reply);
    CHECK(reply.starts_with("(error) ERR "));
  }
  CHECK(eval(larder, "local function f(n) return pcall(f, n + 1) end return f(1) and 1") == "1");
  CHECK(eval(larder, "return xpcall(function() error('a') end, function() error('b') end)") ==
        "(nil)");
  CHECK(says(eval(larder, "return " + std::string(300, '(') + "1" + std::string(300, ')')),
             "Error compiling script"));
  CHECK(eval(larder,
             "return #cmsgpack.pack((function() local t = {} for i = 1, 2000 do t = {t} end "
             "return t end)())") == "17");
}

TEST_CASE("a reply is bounded in depth, elements and bytes") {
  Larder larder;
  const std::string deep = "ERR reached lua stack limit";
  CHECK(says(eval(larder, "local t = {} t[1] = t return t"), "reached lua stack limit"));
  CHECK(says(eval(larder, "local t = {} t.map = {t = t} return t"), "reached lua stack limit"));
  CHECK(says(eval(larder, "local t = {} t.set = {[t] = 1} return t"), "reached lua stack limit"));
  CHECK(says(eval(larder, "local t = {} for i = 1, 100000 do t = {t} end return t"),
             "reached lua stack limit"));
  CHECK(says(eval(larder, "local t = {} for i = 1, 40 do t = {t, t} end return t"), "reply"));
  CHECK(says(eval(larder,
                  "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s "
                  "end return t"),
             "reply"));
  CHECK(eval(larder, "local t = 7 for i = 1, 900 do t = {t} end return t").find("7") !=
        std::string::npos);
}

TEST_CASE("counts and positions beyond 32 bits are numbers like others") {
  Larder larder;
  for (const char* script : {
           "return unpack({}, 1, 2^31)",
           "return {unpack({}, 1, 2^31 - 1)}",
           "return unpack({}, -2147483648, 2147483647)",
           "return unpack({}, 0, 2147483647)",
           "return unpack({}, -2^63, 2^63)",
           "return unpack({}, 1, 1/0)",
           "return unpack({}, 1, 1e300)",
           "table.insert({}, -2147483648, 1)",
           "table.insert({}, 2^53, 1)",
           "return #string.rep('x', 2^40)",
           "return #string.rep('x', 2^63)",
           "return #string.rep('x', 1/0)",
           "return #struct.pack('>I2147483647', 1)",
           "return struct.pack('c2147483648', 'x')",
           "return struct.unpack('c2147483647', 'x')",
           "return struct.unpack('i4', 'abcd', 2^31)",
           "return struct.unpack('i4', 'abcd', -2^63)",
           "return struct.unpack('c0c0', '')",
           "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
           "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
           "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')",
           "return cmsgpack.unpack_one('\\1', -1)",
           "return cmsgpack.unpack_limit('\\1', -1)",
           "return cmsgpack.unpack_one('\\1', 2)",
           "return cjson.encode({[2^53] = 1})",
           "return math.random(2^40)",
       }) {
    INFO(script);
    const std::string reply = eval(larder, script);
    INFO(reply);
    CHECK(reply.starts_with("(error) ERR "));
  }
  CHECK(eval(larder, "return {unpack({}, 2^31 - 2, 2^31 - 1)}") == "[]");
  CHECK(eval(larder, "return unpack({}, 2, 1)") == "(nil)");
  CHECK(eval(larder, "return string.rep('', 2^53)") == "");
  CHECK(eval(larder, "return string.rep('x', -2^63)") == "");
  CHECK(eval(larder, "return select('#', unpack({}, 1, 7000))") == "7000");
  CHECK(eval(larder, "return bit.tohex(65535, -2147483648)") == "0000FFFF");
  CHECK(eval(larder, "return bit.tohex(1, 2^31)") == "00000001");
  CHECK(eval(larder, "return ('x'):sub(-2^63, 2^63)") == "");
}

TEST_CASE("a command may have thousands of words and answer as many") {
  Larder larder;
  CHECK(eval(larder,
             "local t = {} for i = 1, 7000 do t[i] = 'k' .. i end "
             "return #redis.call('MGET', unpack(t))") == "7000");
  CHECK(eval(larder,
             "local t = {} for i = 1, 7000 do t[i] = i end "
             "redis.call('MSET', unpack(t)) return redis.call('GET', 6999)") == "7000");
}
