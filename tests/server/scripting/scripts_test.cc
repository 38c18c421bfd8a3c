#include "server/scripting/scripts.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "server/scripting/shebang.h"
#include "tests/support/larder.h"

using namespace larder::server::scripting;
using larder::testing::Larder;

namespace {

constexpr const char* kKilled = "(error) ERR Script killed by user with SCRIPT KILL... script: ";

// Turns the clock until the script that runs is busy; false: it never was, within reason.
bool wait_until_busy(Larder& larder) {
  const Scripts& scripts = larder.engine().services().scripts;
  for (int i = 0; i < 10'000'000 && !scripts.is_busy(); ++i) {
    if (scripts.is_running()) larder.clock().advance(std::chrono::seconds(1));
    std::this_thread::yield();
  }
  return scripts.is_busy();
}

}  // namespace

TEST_CASE("SHA1 is the one everybody has") {
  CHECK(view(sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(view(sha1("return 1")) == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  Sha sha;
  CHECK(parse_sha("E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", sha));
  CHECK(sha == sha1("return 1"));
  CHECK_FALSE(parse_sha("e0e1", sha));
  CHECK_FALSE(parse_sha("g0e1f9fabfc9d4800c877a703b823ac0578ff8db", sha));
}

TEST_CASE("texts by EVAL leave, oldest first; those of SCRIPT LOAD stay") {
  Scripts scripts;
  const auto keep = [&](int i, Scripts::Origin origin) {
    const std::string text = "return " + std::to_string(i);
    return scripts.keep(sha1(text), text, origin);
  };
  CHECK(*keep(-1, Scripts::Origin::load) == "return -1");
  keep(-2, Scripts::Origin::eval);
  keep(-2, Scripts::Origin::load);
  for (int i = 0; i < static_cast<int>(kEvalScripts) + 1; ++i) keep(i, Scripts::Origin::eval);
  CHECK(scripts.has(sha1("return -1")));
  CHECK(scripts.has(sha1("return -2")));
  CHECK_FALSE(scripts.has(sha1("return 0")));
  CHECK(scripts.has(sha1("return 1")));
  CHECK(scripts.totals().scripts == kEvalScripts + 2);
  const std::uint64_t generation = scripts.generation();
  scripts.flush();
  CHECK(scripts.generation() != generation);
  CHECK(scripts.totals().text_bytes == 0);
}

TEST_CASE("there is no room for texts beyond a bound") {
  Scripts scripts;
  const std::string big(kTextBytes - 10, 'x');
  CHECK(scripts.keep(sha1(big), big, Scripts::Origin::load) != nullptr);
  const std::string more(100, 'y');
  CHECK(scripts.keep(sha1(more), more, Scripts::Origin::load) == nullptr);
  CHECK(*scripts.keep(sha1(more), more, Scripts::Origin::eval) == more);
  CHECK_FALSE(scripts.has(sha1(more)));
}

TEST_CASE("a script that has written is not killed, a killed one does not write") {
  Scripts scripts;
  CHECK(scripts.request_kill() == Scripts::Killed::not_running);
  scripts.begin();
  CHECK(scripts.begin_write());
  CHECK(scripts.request_kill() == Scripts::Killed::has_written);
  scripts.request_stop();
  CHECK(scripts.begin_write());
  scripts.end();
  CHECK(scripts.request_kill() == Scripts::Killed::not_running);
  scripts.begin();
  CHECK(scripts.request_kill() == Scripts::Killed::yes);
  CHECK_FALSE(scripts.begin_write());
  scripts.end();
  CHECK_FALSE(scripts.is_running());
}

TEST_CASE("a busy script dies when told, however it clings to life") {
  for (const char* script : {
           "while true do end",
           "while true do pcall(function() while true do end end) end",
           "return xpcall(function() while true do end end, function() while true do end end)",
           "local function f() while true do end end coroutine.wrap(f)()",
           "while true do coroutine.wrap(function() for i = 1, 50000 do end end)() end",
           "while true do redis.pcall('nosuch') end",
           "while true do redis.call('GET', 'k') end",
           "return load(function() while true do end end)",
           "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
           "table.sort({3, 2, 1}, function() while true do end end)",
           "string.gsub('a', 'a', function() while true do end end)",
       }) {
    Larder larder;
    INFO(script);
    bool was_busy = false;
    Scripts::Killed killed = Scripts::Killed::not_running;
    std::thread other([&] {
      was_busy = wait_until_busy(larder);
      killed = larder.engine().services().scripts.request_kill();
    });
    const std::string reply = larder.say({"EVAL", script, "0"});
    other.join();
    CHECK(was_busy);
    CHECK(killed == Scripts::Killed::yes);
    CHECK(reply.starts_with(kKilled));
    CHECK_FALSE(larder.engine().services().scripts.is_busy());
    CHECK(larder.say({"EVAL", "for i = 1, 1000000 do end return 1", "0"}) == "1");
  }
}

TEST_CASE("a function that runs for long says so, and FUNCTION KILL ends it") {
  Larder larder;
  larder.say({"FUNCTION", "LOAD",
              "#!lua name=l\nredis.register_function('loop', function(keys) if keys[1] then "
              "redis.call('SET', keys[1], 1) end while true do end end)"});
  Scripts& scripts = larder.engine().services().scripts;
  CHECK(larder("FUNCTION KILL") == "(error) NOTBUSY No scripts in execution right now.");
  std::string stats;
  Scripts::Killed by_script_kill = Scripts::Killed::yes;
  Scripts::Killed by_function_kill = Scripts::Killed::not_running;
  std::string busy;
  std::thread other([&] {
    wait_until_busy(larder);
    while (!scripts.running()) std::this_thread::yield();
    busy = scripts.busy_error();
    stats = scripts.running()->name + "/" + scripts.running()->words.back();
    by_script_kill = scripts.request_kill(Scripts::Kind::script);
    by_function_kill = scripts.request_kill(Scripts::Kind::function);
  });
  const std::string reply = larder("FCALL loop 0 last");
  other.join();
  CHECK(busy ==
        "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.");
  CHECK(stats == "loop/last");
  CHECK(by_script_kill == Scripts::Killed::other_kind);
  CHECK(by_function_kill == Scripts::Killed::yes);
  CHECK(reply ==
        "(error) ERR Script killed by user with SCRIPT KILL... script: loop, on @user_function:2.");
  CHECK_FALSE(scripts.running().has_value());
}

TEST_CASE("the slow hook is called from inside the script, and time does not pass for it") {
  Larder larder;
  int calls = 0;
  larder.engine().services().scripts.when_slow([&](larder::server::Lane&) {
    if (++calls == 3) larder.engine().services().scripts.request_stop();
  });
  std::thread other([&] { wait_until_busy(larder); });
  const std::string reply = larder.say(
      {"EVAL", "redis.call('SET', 'k', 'v', 'EX', 1) while true do redis.call('GET', 'k') end",
       "0"});
  other.join();
  CHECK(calls == 3);
  CHECK(reply.starts_with(kKilled));
}

TEST_CASE("an interpreter's memory is counted while it lives") {
  Scripts* scripts = nullptr;
  Larder larder;
  scripts = &larder.engine().services().scripts;
  CHECK(scripts->totals().interpreters == 0);
  larder("EVAL \"return 1\" 0");
  CHECK(scripts->totals().interpreters == 1);
  CHECK(scripts->totals().interpreter_bytes > 10'000);
  CHECK(scripts->totals().scripts == 1);
}

TEST_CASE("the first line of a script says what it means to do") {
  CHECK_FALSE(read_shebang("return 1").has_line);
  const Declared declared = read_shebang("#!lua flags=no-writes,allow-oom\nreturn 1");
  CHECK(declared.no_writes);
  CHECK(declared.allow_oom);
  CHECK(declared.skip == 31);
  CHECK(declared.problem.empty());
  CHECK(read_shebang("#!lua").problem == "ERR Invalid script shebang");
  CHECK(read_shebang("#!x\n").problem == "ERR Unexpected engine in script shebang: #!x");
  CHECK(read_shebang("#!lua flags=x\n").problem == "ERR Unexpected flag in script shebang: x");
  CHECK(read_shebang("#!lua name=x\n").problem == "ERR Unknown lua shebang option: name=x");
}
