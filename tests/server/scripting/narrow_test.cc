#include "server/scripting/narrow.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/scripting/scripts.h"
#include "server/scripting/sha1.h"
#include "tests/support/guests.h"
#include "tests/support/larder.h"

using namespace larder::server;
using namespace larder::server::scripting;
using larder::testing::Guest;
using larder::testing::Larder;
using larder::testing::ManyLanes;

namespace {

Narrow read(std::string_view text) {
  static const Registry registry(all_families());
  return read_narrow(text, registry);
}

// What the locks, counters and limiters of usual clients send, in words of our own but of their
// shape.
constexpr std::string_view kNarrowScripts[] = {
    // compare and delete
    R"(if redis.call("get",KEYS[1]) == ARGV[1] then
         return redis.call("del",KEYS[1])
       else
         return 0
       end)",
    // a token that is let go
    R"(
        local held = redis.call('get', KEYS[1])
        if not held or held ~= ARGV[1] then
            return 0
        end
        redis.call('del', KEYS[1])
        return 1
    )",
    // a longer life for it
    R"(
        local held = redis.call('get', KEYS[1])
        if not held or held ~= ARGV[1] then
            return 0
        end
        local left = redis.call('pttl', KEYS[1])
        if not left then
            left = 0
        end
        if left < 0 then
            return 0
        end

        local life = ARGV[2]
        if ARGV[3] == "0" then
            life = ARGV[2] + left
        end
        redis.call('pexpire', KEYS[1], life)
        return 1
    )",
    R"(
        local held = redis.call('get', KEYS[1])
        if not held or held ~= ARGV[1] then
            return 0
        end
        redis.call('pexpire', KEYS[1], ARGV[2])
        return 1
    )",
    // counts up what is there
    R"(
                local there = redis.call('EXISTS', KEYS[1])
                if (there == 1) then
                    return redis.call('INCRBY', KEYS[1], ARGV[1])
                else return false end
    )",
    // adds what is not there
    "return redis.call('exists',KEYS[1])<1 and redis.call('setex',KEYS[1],ARGV[2],ARGV[1])",
    // limiters
    R"(local now = redis.call("incr",KEYS[1])
       if tonumber(now) == 1 then redis.call("expire",KEYS[1],ARGV[1]) end
       return now)",
    R"(local c = redis.call('INCR', KEYS[1]);
       if c == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]); end
       return {c, redis.call('PTTL', KEYS[1])};)",
    R"(local key, limit = KEYS[1], tonumber(ARGV[1])
       local time = redis.call('TIME')
       local now = time[1] * 1000 + math.floor(time[2] / 1000)
       redis.call('ZREMRANGEBYSCORE', key, 0, now - ARGV[2])
       local used = redis.call('ZCARD', key)
       if used < limit then
         redis.call('ZADD', key, now, now .. '-' .. ARGV[3])
         redis.call('PEXPIRE', key, ARGV[2])
         return {1, limit - used - 1}
       end
       return {0, 0})",
    R"(local tokens = tonumber(redis.call("get", KEYS[1]))
       if tokens == nil then tokens = tonumber(ARGV[1]) end
       local last = tonumber(redis.call("get", KEYS[2]))
       if last == nil then last = 0 end
       local filled = math.min(tonumber(ARGV[1]), tokens + math.max(0, ARGV[2] - last))
       local ok = filled >= 1
       if ok then filled = filled - 1 end
       redis.call("setex", KEYS[1], 10, filled)
       redis.call("setex", KEYS[2], 10, ARGV[2])
       return { ok, filled })",
    // and the rest of the language that is let through
    "",
    "return",
    "return 1",
    "return nil",
    "return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV, [1] = 2, x = {y = not true}; 3}",
    "-- a comment\nreturn 1 --[[ and\none ]] --[==[ ]] ]==]",
    "return redis.pcall('GET', KEYS[1]).err",
    "return server.call('GET', KEYS[1])",
    "return redis.error_reply('NO ' .. ARGV[1])",
    "return redis.status_reply(\"FINE\\n\")",
    "do local a = 1 end return -#ARGV + 2 ^ 3 % 4",
    "local string = 5 return string",
    "local a, b, c = redis.call('GET', KEYS[1]), 2 a, b = b, a return c",
    "local t = {} t.x = 1 t['y'] = t.x t[ARGV[1]] = 2 return t",
    "redis.setresp(3) return redis.call('HGETALL', KEYS[1])",
    "return redis.call('mget', KEYS[1], KEYS[2])",
    "return redis.call('mset', KEYS[1], ARGV[1], KEYS[2], string.sub(ARGV[2], 1, 3))",
    "return redis.call('rename', KEYS[1], KEYS[2])",
    "return redis.call('bitop', 'and', KEYS[1], KEYS[2], KEYS[3])",
    "local k = KEYS[1] local l = k return redis.call('get', l)",
    "local k = KEYS[1] do local k = 'x' end return redis.call('get', k)",
    "if ARGV[1] == '1' then return 1 elseif ARGV[1] == '2' then return 2 else return 3 end",
    "return KEYS[ARGV[1]]",
    "return tostring(tonumber(ARGV[1], 16)) .. type(ARGV[1])",
    "return redis.call('lpush', KEYS[1], ARGV[1], ARGV[2], ARGV[3])",
    "return redis.sha1hex(ARGV[1])",
};

constexpr std::string_view kOthers[] = {
    // keys that are not given, or not surely
    "return redis.call('get', 'k')",
    "return redis.call('get', ARGV[1])",
    "return redis.call('get', KEYS[1] .. 'x')",
    "return redis.call('get', KEYS[i])",
    "return redis.call('get', KEYS[#KEYS])",
    "return redis.call('get', (KEYS[1]))",
    "return redis.call('get', redis.call('get', KEYS[1]))",
    "return redis.call('mget', KEYS[1], ARGV[1])",
    "return redis.call('mset', KEYS[1], 1, 'k', 2)",
    "return redis.call('rename', KEYS[1], ARGV[1])",
    "return redis.call('del', KEYS[1], unpack(ARGV))",
    "return redis.call('del', unpack(KEYS))",
    "local k = ARGV[1] return redis.call('get', k)",
    "local k = KEYS[1] k = 'x' return redis.call('get', k)",
    "local k = KEYS[1] if ARGV[1] then k = 'x' end return redis.call('get', k)",
    "local k = KEYS[1] local k = 'x' return redis.call('get', k)",
    "local k = KEYS[1] and 'x' return redis.call('get', k)",
    "local k, l = KEYS[1] return redis.call('get', l)",
    "do local k = KEYS[1] end return redis.call('get', k)",
    "if ARGV[1] then local _VERSION = KEYS[1] end return redis.call('get', _VERSION)",
    "local KEYS = {'k'} return redis.call('get', KEYS[1])",
    "KEYS[1] = 'x' return redis.call('get', KEYS[1])",
    "local a a, KEYS[1] = 1, 'x' return redis.call('get', KEYS[1])",
    "KEYS = {'x'} return redis.call('get', KEYS[1])",
    "local k = KEYS k[1] = 'x' return redis.call('get', KEYS[1])",
    "return KEYS",
    // commands that are not named, or do more than visit keys
    "return redis.call(ARGV[1], KEYS[1])",
    "return redis.call('g\\101t', KEYS[1])",
    "local c = 'get' return redis.call(c, KEYS[1])",
    "return redis.call('nosuch', KEYS[1])",
    "return redis.call()",
    "return redis.call('keys', '*')",
    "return redis.call('scan', 0)",
    "return redis.call('dbsize')",
    "return redis.call('randomkey')",
    "return redis.call('flushall')",
    "return redis.call('select', 1)",
    "return redis.call('publish', KEYS[1], 'x')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('sort', KEYS[1])",
    "return redis.call('blpop', KEYS[1], 0)",
    "return redis.call('object', 'encoding', KEYS[1])",
    "return redis.call('zunionstore', KEYS[1], 1, KEYS[2])",
    "return redis.call('watch', KEYS[1])",
    "return redis.call('xread', 'streams', KEYS[1], '0')",
    "return redis.call('config', 'get', 'x')",
    "return redis.call('subscribe', KEYS[1])",
    "return redis.call('georadius', KEYS[1], 0, 0, 1, 'km', 'STORE', 'x')",
    // what runs for long, or what we do not see
    "while true do end",
    "for i = 1, 3 do redis.call('get', KEYS[1]) end",
    "repeat until false",
    "local function f() end",
    "return (function() return 1 end)()",
    "local f = function() end",
    "return ...",
    "break",
    "local r = redis return r.call('get', KEYS[1])",
    "return redis['call']('get', KEYS[1])",
    "return redis.call 'time'",
    "return redis.call{'get', KEYS[1]}",
    "return redis.foo()",
    "return redis.REPL_ALL",
    "return redis",
    "return _G.redis.call('get', 'x')",
    "return string.rep('x', 1000000)",
    "return ('x'):rep(1000000)",
    "return ARGV[1]:rep(1000000)",
    "return ARGV[1].rep('x', 1000000)",
    "return ARGV[1]['rep']('x', 1000000)",
    "local f = ARGV[1].rep return f('x', 1000000)",
    "return (ARGV[1].rep)('x', 1000000)",
    "return string.find(ARGV[1], ARGV[2])",
    "return string.format('%s', ARGV[1])",
    "local s = string return s.rep('x', 1000000)",
    "return cjson.decode(ARGV[1])",
    "return pcall(redis.call, 'get', 'x')",
    "return loadstring('return 1')()",
    "return setmetatable({}, {__index = 1})",
    "return math.random()",
    "return unpack(ARGV)",
    "return unknown",
    "unknown = 1",
    "redis.call = nil",
    "return tonumber'1'",
    "return type{}",
    "return [[text]]",
    "return ARGV[ [[1]] ]",
    // no Lua at all
    "return 1 2",
    "return 'x",
    "--[[",
    "if x then",
    "end",
    "else",
    "return (1",
    "return {1",
    "local",
    "local 1",
    "@",
};

}  // namespace

TEST_CASE("scripts that surely touch only their keys are narrow") {
  for (const std::string_view script : kNarrowScripts) {
    INFO(script);
    CHECK(read(script).is_narrow);
  }
}

TEST_CASE("all others are not") {
  for (const std::string_view script : kOthers) {
    INFO(script);
    CHECK_FALSE(read(script).is_narrow);
  }
}

TEST_CASE("a narrow script knows whether it may need memory") {
  CHECK_FALSE(read("return redis.call('get', KEYS[1])").may_grow);
  CHECK_FALSE(read("return redis.call('del', KEYS[1])").may_grow);
  CHECK(read("if ARGV[1] then return redis.call('set', KEYS[1], 1) end").may_grow);
}

TEST_CASE("what is read is bounded") {
  std::string joins = "return 'a'";
  for (int i = 0; i < kNarrowJoins; ++i) joins += "..'a'";
  CHECK(read(joins).is_narrow);
  CHECK_FALSE(read(joins + "..'a'").is_narrow);

  const auto nested = [](int depth, std::string_view open, std::string_view close) {
    std::string text = "return ";
    for (int i = 0; i < depth; ++i) text += open;
    text += '1';
    for (int i = 0; i < depth; ++i) text += close;
    return text;
  };
  CHECK(read(nested(20, "(", ")")).is_narrow);
  CHECK(read(nested(20, "{", "}")).is_narrow);
  CHECK_FALSE(read(nested(1000, "(", ")")).is_narrow);
  CHECK_FALSE(read(nested(1000, "{", "}")).is_narrow);
  CHECK_FALSE(read(nested(100, "ARGV[", "]")).is_narrow);
  CHECK(read(nested(1000, "- ", "")).is_narrow);

  const std::string long_comment = "return 1 --" + std::string(kNarrowBytes - 11, 'x');
  CHECK(read(long_comment).is_narrow);
  CHECK_FALSE(read(long_comment + "x").is_narrow);
}

TEST_CASE("a script that is cut off anywhere is read to its end") {
  for (const std::string_view script : kNarrowScripts) {
    for (std::size_t size = 0; size < script.size(); ++size) read(script.substr(0, size));
  }
}

TEST_CASE("a narrow script waits for nobody who is inside, once its lane knows it") {
  ManyLanes house(2, 17);
  Guest guest(house, 0);
  const std::vector<std::string> words = {
      "EVAL", "return redis.call('INCR', KEYS[1]) + redis.call('INCRBY', KEYS[2], ARGV[1])",
      "2",    "one",
      "two",  "10"};
  CHECK(guest.say(words) == "11");
  CHECK(guest.say({"SCRIPT", "LOAD", words[1]}).size() == 40);
  {
    // Whoever asked to be alone now would wait for ever.
    const LaneVisit visit(house.engine->services(), house.engine->lane(1));
    CHECK(guest.say(words) == "22");
    std::vector<std::string> by_sha = words;
    by_sha[0] = "EVALSHA";
    by_sha[1] = view(sha1(words[1]));
    CHECK(guest.say(by_sha) == "33");
    by_sha[0] = "EVALSHA_RO";
    CHECK(guest.say(by_sha).starts_with("(error) ERR Write commands are not allowed"));
    CHECK_FALSE(house.engine->services().scripts.is_running());
    CHECK(house.engine->services().scripts.request_kill() == Scripts::Killed::not_running);
  }
  // In a transaction it is alone, with all that stands beside it.
  guest.say({"MULTI"});
  guest.say(words);
  CHECK(guest.say({"EXEC"}) == "[44]");
  guest.say({"SCRIPT", "FLUSH"});
  CHECK(guest.say(words) == "55");
}

TEST_CASE(
    "a narrow script that may grow is refused when memory is short, and one that may not runs") {
  Settings settings = Larder::settings_for_tests();
  settings.maxmemory = 1;
  settings.maxmemory_policy = "noeviction";
  Larder larder(settings);
  larder("SET other 1");
  for (int i = 0; i < 2; ++i) {
    CHECK(larder.say({"EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "k"})
              .starts_with("(error) OOM command not allowed"));
    CHECK(larder.say({"EVAL", "return redis.call('DEL', KEYS[1])", "1", "k"}) == "0");
  }
}
