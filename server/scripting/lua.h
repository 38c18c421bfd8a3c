// Interpreter: one lane's Lua, in which the scripts of that lane's clients run.
//
// The engine is PUC Lua 5.1.5 (Debian's liblua5.1-c++), not LuaJIT with its compiler off, although
// that is about twice as fast at plain Lua and better looked after. Each reason was tried:
//
//   - Redis's error texts name the line of the caller ("on @user_script:1."). The commonest script
//     is `return redis.call(...)`, a tail call, and after one LuaJIT has no line any more; nor have
//     its own errors ("bad argument #1 to '?'").
//   - LuaJIT runs out of C stack and ends the process in nested string.gsub callbacks and in
//     coroutines that resume coroutines; 5.1.5 counts C calls and raises "C stack overflow".
//   - The C++ build raises errors as C++ exceptions, so our functions may have destructors.
//
// What is known to be open in 5.1.5 is closed from outside: lua_sandbox.h lists it. Memory is
// bounded by an allocator (lua_machine.h), time by an instruction hook that looks at Scripts every
// 100,000 instructions.
//
// A script is compiled at its first use in a lane and kept as a function in Lua's registry. EVAL
// finds it by its text (one hash of the text, no SHA1), EVALSHA by its SHA1. A run pushes two
// tables of strings, calls, and says one value:
//
//     the main state's stack:  1 globals  2 "KEYS"  3 "ARGV"  4 error handler  5 field names | run
//
// Must hold: the memory limit is on only while Lua is called in protected mode; nothing of a run is
// on the stack between runs.
// Cost: a run allocates nothing but what Lua does for KEYS, ARGV and the script itself. The
// collector goes at Lua's own pace, which keeps garbage below what lives; Redis's extra step after
// every 50 scripts was 2,400 of the 8,300 instructions of a one-call EVAL.
// Thread: loop (its lane's). A script may hold the loop for as long as it likes; scripts.h says who
// may speak then.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/engine/command.h"
#include "server/scripting/functions.h"

namespace larder::server::scripting {

class Interpreter {
 public:
  Interpreter(Services& services, Lane& lane);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // What a script is run with.
  struct Given {
    Words keys;
    Words arguments;
    bool read_only = false;
  };
  // Both say the script's reply, or why there is none.
  void run_text(Call& call, std::string_view text, const Given& given);
  void run_sha(Call& call, std::string_view sha, const Given& given);
  // SCRIPT LOAD: says the SHA1.
  void load(Call& call, std::string_view text);
  // Whether this lane knows the script for a narrow one (narrow.h). If so, it may be run while
  // other loops run, and the next run_text or run_sha must be of it.
  bool is_narrow_text(std::string_view text);
  bool is_narrow_sha(std::string_view sha);

  // A function of a library; loads that first when this lane has not yet.
  void call_function(Call& call, const Functions::Found& found, const Given& given);
  // Runs a library's text, and notes its functions. Empty, or what is wrong with it. When it has
  // got its id, or will get none, settle_libraries() is called.
  std::string load_library(Call& call, const std::shared_ptr<Library>& library);
  void settle_libraries();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace larder::server::scripting
