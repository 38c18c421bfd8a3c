#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/larder.h"

using larder::testing::Larder;
using larder::testing::nil;

namespace {

// EVAL with the script as it is.
std::string eval(Larder& larder, const std::string& script, std::vector<std::string> rest = {"0"}) {
  std::vector<std::string> words = {"EVAL", script};
  words.insert(words.end(), rest.begin(), rest.end());
  return larder.say(words);
}

constexpr const char* kSha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";  // of "return 1"

}  // namespace

TEST_CASE("a script sees its keys and arguments and calls commands") {
  Larder larder;
  CHECK(eval(larder, "return redis.call('SET', KEYS[1], ARGV[1])", {"1", "k", "v"}) == "OK");
  CHECK(larder("GET k") == "v");
  CHECK(eval(larder, "return {#KEYS, #ARGV, ARGV[2]}", {"2", "a", "b", "c", "d"}) == "[2, 2, d]");
  CHECK(eval(larder, "return server.call('GET', 'k')") == "v");
}

TEST_CASE("EVALSHA knows what EVAL and SCRIPT LOAD brought, in either case") {
  Larder larder;
  CHECK(larder("EVALSHA " + std::string(kSha) + " 0") ==
        "(error) NOSCRIPT No matching script. Please use EVAL.");
  CHECK(eval(larder, "return 1") == "1");
  CHECK(larder("EVALSHA " + std::string(kSha) + " 0") == "1");
  CHECK(larder("EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0") == "1");
  CHECK(larder("SCRIPT EXISTS " + std::string(kSha) + " nonsense") == "[1, 0]");
  CHECK(larder("SCRIPT FLUSH") == "OK");
  CHECK(larder("SCRIPT EXISTS " + std::string(kSha)) == "[0]");
  CHECK(larder("EVALSHA " + std::string(kSha) + " 0") ==
        "(error) NOSCRIPT No matching script. Please use EVAL.");
  CHECK(larder("SCRIPT LOAD \"return 1\"") == kSha);
  CHECK(larder("EVALSHA_RO " + std::string(kSha) + " 0") == "1");
}

TEST_CASE("an error says which script and which line") {
  Larder larder;
  CHECK(eval(larder, "local a = 1\n\nreturn redis.call('INCR')") ==
        "(error) ERR Wrong number of args calling Redis command from script script: "
        "f993725bd5650d0a96c6af36b6d8c628f2d0bb1d, on @user_script:3.");
  CHECK(eval(larder, "return redis.pcall('INCR')") ==
        "(error) ERR Wrong number of args calling Redis command from script");
  CHECK(eval(larder, "error({})").starts_with("(error) ERR unknown error script: "));
  CHECK(eval(larder, "retur n") ==
        "(error) ERR Error compiling script (new function): user_script:1: '=' expected near 'n'");
}

TEST_CASE("a database selected in a script is left with it, as is the protocol") {
  Larder larder;
  CHECK(eval(larder, "redis.setresp(3) redis.call('SELECT', 3) return redis.call('SET', 'k', 1)") ==
        "OK");
  CHECK(larder("GET k") == nil);
  CHECK(larder.client(1).db == 0);
  CHECK(larder.client(1).protocol == 2);
  CHECK(eval(larder, "redis.call('SELECT', 3) error('x')").starts_with("(error)"));
  CHECK(larder.client(1).db == 0);
}

TEST_CASE("a read-only script may look but not write") {
  Larder larder;
  larder("SET k v");
  CHECK(larder.say({"EVAL_RO", "return redis.call('GET', 'k')", "0"}) == "v");
  CHECK(larder.say({"EVAL_RO", "return redis.pcall('DEL', 'k')", "0"}) ==
        "(error) ERR Write commands are not allowed from read-only scripts.");
  CHECK(eval(larder, "#!lua flags=no-writes\nreturn redis.pcall('DEL', 'k')") ==
        "(error) ERR Write commands are not allowed from read-only scripts.");
  CHECK(larder.say({"EVAL_RO", "#!lua\nreturn 1", "0"}) ==
        "(error) ERR Can not execute a script with write flag using *_ro command.");
  CHECK(larder("GET k") == "v");
}

TEST_CASE("over the memory limit a script is refused what may grow until it has written") {
  larder::server::Settings settings = Larder::settings_for_tests();
  settings.maxmemory_policy = "noeviction";
  Larder larder(settings);
  larder("SET k v");
  CHECK(larder("CONFIG SET maxmemory 1") == "OK");
  const std::string oom = "(error) OOM command not allowed when used memory > 'maxmemory'.";
  CHECK(eval(larder, "return redis.pcall('SET', 'a', 'b')") == oom);
  CHECK(eval(larder, "return redis.call('GET', 'k')") == "v");
  CHECK(eval(larder, "redis.call('DEL', 'none') return redis.call('SET', 'a', 'b')") == "OK");
  CHECK(eval(larder, "#!lua\nreturn 1") == oom);
  CHECK(eval(larder, "#!lua flags=no-writes\nreturn 1") == "1");
  CHECK(eval(larder, "#!lua flags=allow-oom\nreturn redis.call('SET', 'c', 'd')") == "OK");
}

TEST_CASE("a script is one step of a transaction") {
  Larder larder;
  CHECK(larder("MULTI") == "OK");
  CHECK(larder("SET k 1") == "QUEUED");
  CHECK(eval(larder, "return redis.call('INCR', 'k')") == "QUEUED");
  CHECK(larder("GET k") == "QUEUED");
  CHECK(larder("EXEC") == "[OK, 2, 2]");
}

TEST_CASE("what a script writes raises the flag of who watches it") {
  Larder larder;
  CHECK(larder("WATCH k") == "OK");
  CHECK(larder.on(2, "EVAL \"return redis.call('SET', 'k', 1)\" 0") == "OK");
  CHECK(larder("MULTI") == "OK");
  CHECK(larder("GET k") == "QUEUED");
  CHECK(larder("EXEC") == nil);
}

TEST_CASE("deadlines and commands that spread over turns work inside of scripts") {
  Larder larder;
  CHECK(eval(larder, "return redis.call('SET', 'k', 'v', 'PX', 1500)") == "OK");
  CHECK(eval(larder, "return redis.call('PTTL', 'k')") == "1500");
  CHECK(eval(larder, "return redis.call('KEYS', '*')") == "[k]");
  larder.advance(std::chrono::milliseconds(1500));
  CHECK(eval(larder, "return redis.call('EXISTS', 'k')") == "0");
}

TEST_CASE("numbers become words as Redis writes them") {
  Larder larder;
  const auto word = [&](const std::string& number) {
    return eval(larder, "redis.call('SET', 'k', " + number + ") return redis.call('GET', 'k')");
  };
  CHECK(word("3.0") == "3");
  CHECK(word("-0.0") == "-0");
  CHECK(word("1e15") == "1000000000000000");
  CHECK(word("1e17") == "1e+17");
  CHECK(word("0.1") == "0.10000000000000001");
  CHECK(word("-2^63") == "-9.2233720368547758e+18");
  CHECK(word("1/0") == "inf");
  CHECK(eval(larder, "return redis.call('MGET', 1, 2.5, 1e300)") == "[(nil), (nil), (nil)]");
}

TEST_CASE("the debugger can only be left off") {
  Larder larder;
  CHECK(larder("SCRIPT DEBUG NO") == "OK");
  CHECK(larder("SCRIPT DEBUG YES") == "(error) ERR there is no script debugger in this server");
  CHECK(larder("SCRIPT DEBUG x") == "(error) ERR Use SCRIPT DEBUG YES/SYNC/NO");
}
