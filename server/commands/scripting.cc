// EVAL, EVALSHA, their read-only forms, and SCRIPT.
//
// A script may touch keys it does not name, so the EVAL family runs with every other loop held off
// (exclusive); but for a script that provably does not (scripting/narrow.h), once its loop has
// compiled it: that one holds the shards of its keys. Where somebody watches (MONITOR), each script
// is alone, so that what it does follows it line by line.

#include <string_view>

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/commands/script_calls.h"
#include "server/engine/command.h"
#include "server/engine/families.h"
#include "server/engine/monitors.h"
#include "server/scripting/lua.h"
#include "server/scripting/scripts.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;
using scripting::Interpreter;
using scripting::Scripts;

bool is_narrow_text(Call& call) {
  return !call.services.monitors.any() && interpreter_of(call).is_narrow_text(call.word(1));
}

bool is_narrow_sha(Call& call) {
  return !call.services.monitors.any() && interpreter_of(call).is_narrow_sha(call.word(1));
}

void run_text(Call& call, bool read_only) {
  show_to_monitors(call);
  const ScriptInput asked = read_script_input(call, read_only, errors::not_an_integer);
  if (!asked.problem.empty()) return call.reply.error(asked.problem);
  interpreter_of(call).run_text(call, call.word(1), asked.given);
}

void run_sha(Call& call, bool read_only) {
  show_to_monitors(call);
  if (call.word(1).size() != scripting::Sha().size()) return call.reply.error(errors::no_script);
  const ScriptInput asked = read_script_input(call, read_only, errors::not_an_integer);
  if (!asked.problem.empty()) return call.reply.error(asked.problem);
  interpreter_of(call).run_sha(call, call.word(1), asked.given);
}

// EVAL script numkeys [key ...] [arg ...] -> what the script returns
void eval(Call& call) {
  run_text(call, false);
}

void eval_ro(Call& call) {
  run_text(call, true);
}

void evalsha(Call& call) {
  run_sha(call, false);
}

void evalsha_ro(Call& call) {
  run_sha(call, true);
}

// SCRIPT LOAD script -> its SHA1
void load(Call& call) {
  interpreter_of(call).load(call, call.word(2));
}

// SCRIPT EXISTS sha1 ... -> 1 or 0 for each
void exists(Call& call) {
  call.reply.array(call.words.size() - 2);
  for (std::size_t i = 2; i < call.words.size(); ++i) {
    scripting::Sha sha;
    const bool is_there = scripting::parse_sha(call.word(i), sha) && call.services.scripts.has(sha);
    call.reply.integer(is_there ? 1 : 0);
  }
}

// SCRIPT FLUSH [ASYNC|SYNC]. Texts go at once; what each lane has compiled of them goes at its next
// script.
void flush(Call& call) {
  Args args = call.args_from(2);
  if (args.more() && !args.eat("ASYNC") && !args.eat("SYNC")) args.fail(errors::script_flush_mode);
  if (!args.finish()) return call.reply.error(errors::script_flush_mode);
  call.services.scripts.flush();
  call.reply.ok();
}

// SCRIPT KILL. Runs beside the script, outside of the turnstile: nothing here touches keys.
void kill(Call& call) {
  kill_running(call, Scripts::Kind::script, errors::busy_function);
}

// SCRIPT DEBUG YES|SYNC|NO. There is no debugger, so it can only be left off.
void debug(Call& call) {
  Args args = call.args_from(2);
  if (args.eat("NO")) return call.reply.ok();
  const bool is_mode = args.eat("YES") || args.eat("SYNC");
  call.reply.error(is_mode ? "ERR there is no script debugger in this server"
                           : errors::script_debug_mode);
}

constexpr Command script_subcommands[] = {
    {.name = "DEBUG",
     .arity = exactly(3),
     .flags = no_script,
     .run = debug,
     .summary = "Leave the script debugger off",
     .since = "3.2.0",
     .syntax = "YES|SYNC|NO"},
    {.name = "EXISTS",
     .arity = at_least(3),
     .flags = no_script,
     .run = exists,
     .summary = "Tell which scripts are in the script cache",
     .since = "2.6.0",
     .syntax = "sha1 [sha1 ...]"},
    {.name = "FLUSH",
     .arity = at_least(2),
     .flags = no_script,
     .run = flush,
     .summary = "Empty the script cache",
     .since = "2.6.0",
     .syntax = "[ASYNC|SYNC]"},
    {.name = "HELP",
     .arity = exactly(2),
     .flags = loading | stale,
     .run = help,
     .summary = "Say what each subcommand does",
     .since = "5.0.0"},
    {.name = "KILL",
     .arity = exactly(2),
     .flags = no_script | allow_busy,
     .run = kill,
     .summary = "End the script that runs now, if it has not written",
     .since = "2.6.0"},
    {.name = "LOAD",
     .arity = exactly(3),
     .flags = no_script | stale,
     .run = load,
     .summary = "Put a script into the script cache and say its SHA1",
     .since = "2.6.0",
     .syntax = "script"},
};

constexpr std::string_view kSyntax = "script numkeys [key [key ...]] [arg [arg ...]]";
constexpr std::string_view kShaSyntax = "sha1 numkeys [key [key ...]] [arg [arg ...]]";

constexpr Command table[] = {
    {.name = "EVAL",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = no_script | stale | skip_monitor | may_replicate | keys_optional | exclusive,
     .run = eval,
     .summary = "Run a script",
     .since = "2.6.0",
     .syntax = kSyntax,
     .access = Access::rw | Access::access | Access::update,
     .runs_beside = is_narrow_text},
    {.name = "EVALSHA",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = no_script | stale | skip_monitor | may_replicate | keys_optional | exclusive,
     .run = evalsha,
     .summary = "Run a script from the script cache",
     .since = "2.6.0",
     .syntax = kShaSyntax,
     .access = Access::rw | Access::access | Access::update,
     .runs_beside = is_narrow_sha},
    {.name = "EVALSHA_RO",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = reads | no_script | stale | skip_monitor | keys_optional | exclusive,
     .run = evalsha_ro,
     .summary = "Run a script from the script cache that must not write",
     .since = "7.0.0",
     .syntax = kShaSyntax,
     .runs_beside = is_narrow_sha},
    {.name = "EVAL_RO",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = reads | no_script | stale | skip_monitor | keys_optional | exclusive,
     .run = eval_ro,
     .summary = "Run a script that must not write",
     .since = "7.0.0",
     .syntax = kSyntax,
     .runs_beside = is_narrow_text},
    {.name = "SCRIPT",
     .arity = at_least(2),
     .summary = "Script cache and the script that runs now",
     .since = "2.6.0",
     .subcommands = script_subcommands},
};

}  // namespace

const Family scripting_commands{"scripting", table};

}  // namespace larder::server
