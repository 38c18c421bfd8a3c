// What EVAL, FCALL and their kin share: the Lua of their loop, how they show themselves to MONITOR,
// the words behind the script's or function's name, and how the one that runs is ended.
//
// Thread: loop.
#pragma once

#include <string_view>

#include "server/engine/command.h"
#include "server/scripting/lua.h"
#include "server/scripting/scripts.h"

namespace larder::server {

// Of the call's lane; made at its first script.
scripting::Interpreter& interpreter_of(Call& call);

// By the command and not in the dispatcher, so that it is shown before what the script runs.
void show_to_monitors(Call& call);

// numkeys [key ...] [arg ...] from the third word on.
struct ScriptInput {
  std::string_view problem;
  scripting::Interpreter::Given given;
};
// `not_an_integer`: the problem of a numkeys that is none.
ScriptInput read_script_input(const Call& call, bool read_only, std::string_view not_an_integer);

// SCRIPT KILL and FUNCTION KILL. `other_kind`: the answer when it is one of the others that runs.
void kill_running(Call& call, scripting::Scripts::Kind kind, std::string_view other_kind);

}  // namespace larder::server
