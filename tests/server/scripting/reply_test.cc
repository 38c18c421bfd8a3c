#include "server/scripting/lua_reply.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "protocol/reply_tree.h"
#include "server/scripting/lua_libraries.h"
#include "tests/support/larder.h"

using namespace larder::server::scripting;
using larder::protocol::Pin;
using larder::protocol::ReplyTree;

namespace {

// A Lua state with the names say_value() wants, and a cjson to look at values with.
class Lua {
 public:
  Lua() : lua_(luaL_newstate()) {
    luaL_openlibs(lua_);
    open_cjson(lua_);
    lua_setglobal(lua_, "cjson");
    lua_settop(lua_, 0);
    push_field_names(lua_);
  }
  ~Lua() { lua_close(lua_); }

  // What a command said, as redis.call answers it, as JSON.
  template <class Say>
  std::string heard(int resp, Say say) {
    Recorder recorder;
    say(recorder);
    const int top = lua_gettop(lua_);
    lua_getglobal(lua_, "cjson");
    lua_getfield(lua_, -1, "encode");
    recorder.push_value(lua_, resp);
    lua_call(lua_, 1, 1);
    std::string json = lua_tostring(lua_, -1);
    lua_settop(lua_, top);
    return json;
  }

  // What a script returns, as its client hears it.
  std::string said(int resp, const std::string& expression) {
    const int top = lua_gettop(lua_);
    REQUIRE(luaL_dostring(lua_, ("return " + expression).c_str()) == 0);
    ReplyTree reply;
    say_value(lua_, -1, 1, resp, reply);
    CHECK(lua_gettop(lua_) == top + 1);
    lua_settop(lua_, top);
    CHECK(reply.complete());
    return to_text(reply.root());
  }

 private:
  lua_State* lua_;
};

}  // namespace

TEST_CASE("what a command says becomes a Lua value, in RESP2 and in RESP3") {
  Lua lua;
  const auto both = [&](auto say, const char* resp2, const char* resp3) {
    CHECK(lua.heard(2, say) == resp2);
    CHECK(lua.heard(3, say) == resp3);
  };
  both([](Recorder& r) { r.simple("fine"); }, R"({"ok":"fine"})", R"({"ok":"fine"})");
  both([](Recorder& r) { r.ok(); }, R"({"ok":"OK"})", R"({"ok":"OK"})");
  both([](Recorder& r) { r.null(); }, "false", "null");
  both([](Recorder& r) { r.null_array(); }, "false", "null");
  both([](Recorder& r) { r.integer(-7); }, "-7", "-7");
  both([](Recorder& r) { r.bulk("b"); }, R"("b")", R"("b")");
  both([](Recorder& r) { r.number(1.5); }, R"("1.5")", R"({"double":1.5})");
  both([](Recorder& r) { r.boolean(true); }, "1", "true");
  both([](Recorder& r) { r.boolean(false); }, "0", "false");
  both([](Recorder& r) { r.big_number("123"); }, R"("123")", R"({"big_number":"123"})");
  both([](Recorder& r) { r.push(1), r.integer(1); }, "[1]", "[1]");
  both(
      [](Recorder& r) {
        r.array(3);
        r.array(2), r.integer(1), r.integer(2);
        r.bulk("x");
        r.array(1), r.ok();
      },
      R"([[1,2],"x",[{"ok":"OK"}]])", R"([[1,2],"x",[{"ok":"OK"}]])");
  both([](Recorder& r) { r.map(1), r.bulk("k"), r.integer(1); }, R"(["k",1])",
       R"({"map":{"k":1}})");
  both([](Recorder& r) { r.set(1), r.bulk("m"); }, R"(["m"])", R"({"set":{"m":true}})");
  CHECK(lua.heard(2, [](Recorder& r) { r.verbatim("txt", "t"); }) == R"("t")");
  const std::string verbatim = lua.heard(3, [](Recorder& r) { r.verbatim("mkd", "t"); });
  CHECK(verbatim.find(R"("format":"mkd")") != std::string::npos);
  CHECK(verbatim.find(R"("string":"t")") != std::string::npos);
  const std::string error = lua.heard(2, [](Recorder& r) { r.error("ERR no"); });
  CHECK(error.find(R"("err":"ERR no")") != std::string::npos);
}

TEST_CASE("a pinned value is let go when the recorder forgets it") {
  static int released;
  released = 0;
  Recorder recorder;
  recorder.pinned(Pin("pinned", &released, [](void* owner) { ++*static_cast<int*>(owner); }));
  CHECK(released == 0);
  recorder.clear();
  CHECK(released == 1);
  Lua lua;
  CHECK(lua.heard(2, [](Recorder& r) {
    r.array(2);
    r.pinned(Pin("one", &released, [](void* owner) { ++*static_cast<int*>(owner); }));
    r.bulk("two");
  }) == R"(["one","two"])");
  CHECK(released == 2);
}

TEST_CASE("an error is one only when it is the whole reply") {
  Recorder recorder;
  CHECK_FALSE(recorder.is_error());
  recorder.error("ERR no");
  CHECK(recorder.is_error());
  recorder.clear();
  recorder.array(1);
  recorder.error("ERR no");
  CHECK_FALSE(recorder.is_error());
}

TEST_CASE("what a script returns is said as Redis says it") {
  Lua lua;
  CHECK(lua.said(2, "1") == "1");
  CHECK(lua.said(2, "-3.99") == "-3");
  CHECK(lua.said(2, "1e300") == "-9223372036854775808");
  CHECK(lua.said(2, "0/0") == "-9223372036854775808");
  CHECK(lua.said(2, "'s'") == "s");
  CHECK(lua.said(2, "true") == "1");
  CHECK(lua.said(2, "false") == "(nil)");
  CHECK(lua.said(3, "true") == "#t");
  CHECK(lua.said(3, "false") == "#f");
  CHECK(lua.said(2, "nil") == "(nil)");
  CHECK(lua.said(2, "print") == "(nil)");
  CHECK(lua.said(2, "cjson.null") == "(nil)");
  CHECK(lua.said(2, "{1, 'two', {3}, nil, 5}") == "[1, two, [3]]");
  CHECK(lua.said(2, "{ok = 'fine'}") == "fine");
  CHECK(lua.said(2, "{err = 'E no'}") == "(error) E no");
  CHECK(lua.said(2, "{err = 'E', ok = 'x'}") == "(error) E");
  CHECK(lua.said(2, "{ok = 1}") == "[]");
  CHECK(lua.said(2, "{err = 'a\\0b'}") == "(error) a");
  CHECK(lua.said(2, "{double = 1.5}") == "1.5");
  CHECK(lua.said(2, "{map = {a = {1}}}") == "{a: [1]}");
  CHECK(lua.said(2, "{set = {a = true}}") == "~[a]");
  CHECK(lua.said(2, "{big_number = '1\\n2'}") == "1 2");
  CHECK(lua.said(2, "{verbatim_string = {string = 's', format = 'txt'}}") == "s");
  CHECK(lua.said(2, "{verbatim_string = {}}") == "[]");
  CHECK(lua.said(2, "{map = {[1.5] = 'x'}}") == "{1: x}");
  CHECK(lua.said(2, "setmetatable({}, {__index = {ok = 'x'}})") == "[]");
}

TEST_CASE("a client of RESP3 hears maps and doubles, one of RESP2 flat words") {
  larder::testing::Larder larder;
  const std::vector<std::string> map = {"EVAL", "return {map = {a = {double = 1.5}}}", "0"};
  CHECK(larder.bytes_of(map) == "*2\r\n$1\r\na\r\n$3\r\n1.5\r\n");
  larder("HELLO 3");
  CHECK(larder.bytes_of(map) == "%1\r\n$1\r\na\r\n,1.5\r\n");
  CHECK(larder.bytes_of({"EVAL", "redis.setresp(3) return true", "0"}) == "#t\r\n");
}
