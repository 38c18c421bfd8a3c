// FUNCTION, FCALL, FCALL_RO.
//
// Libraries are brought, replaced and dropped with every other loop held off, and functions run so:
// a function may touch keys it is not given, and what it is made of is spread over its library.
// Where texts are kept, and how each loop comes to have them loaded: scripting/functions.h.

#include <string>
#include <string_view>
#include <vector>

#include "protocol/errors.h"
#include "protocol/rdb.h"
#include "server/commands/help.h"
#include "server/commands/script_calls.h"
#include "server/engine/command.h"
#include "server/engine/families.h"
#include "server/scripting/functions.h"
#include "server/scripting/lua.h"
#include "server/scripting/scripts.h"
#include "storage/clock.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;
using scripting::Functions;
using scripting::Interpreter;
using scripting::Library;
using scripting::LibraryRef;
using scripting::Scripts;
using NewLibraries = std::vector<std::shared_ptr<Library>>;

// What errors repeat of a word: to Redis it is a C string.
std::string repeated(std::string_view word) {
  return std::string(word.substr(0, word.find('\0')));
}

// --- FCALL

// name function numkeys [key ...] [arg ...]
void run_function(Call& call, bool read_only) {
  show_to_monitors(call);
  const Functions::Found found = call.services.functions.find(call.word(1));
  if (found.function == nullptr) return call.reply.error(errors::function_not_found);
  const ScriptInput asked = read_script_input(call, read_only, errors::function_numkeys);
  if (!asked.problem.empty()) return call.reply.error(asked.problem);
  interpreter_of(call).call_function(call, found, asked.given);
}

void fcall(Call& call) {
  run_function(call, false);
}

void fcall_ro(Call& call) {
  run_function(call, true);
}

// --- FUNCTION LOAD, RESTORE, DUMP

// Loads all of them here, and puts them up. Empty, or why none of them was.
std::string bring(Call& call, const NewLibraries& libraries, Functions::Policy policy) {
  Interpreter& interpreter = interpreter_of(call);
  std::string problem;
  for (const auto& library : libraries) {
    problem = interpreter.load_library(call, library);
    if (!problem.empty()) break;
  }
  if (problem.empty()) problem = call.services.functions.put(libraries, policy);
  interpreter.settle_libraries();
  return problem;
}

std::string already_exists(const Library& library) {
  return "ERR Library '" + library.name + "' already exists";
}

// FUNCTION LOAD [REPLACE] text -> the library's name
void load(Call& call) {
  Args args = call.args_from(2);
  bool may_replace = false;
  while (args.left() > 1) {
    if (!args.eat("REPLACE")) {
      return call.reply.error("ERR Unknown option given: " + repeated(args.take()));
    }
    may_replace = true;
  }
  const scripting::Announced announced = scripting::announced_library(args.take());
  if (!announced.problem.empty()) return call.reply.error(announced.problem);
  const Library& library = *announced.library;
  if (!may_replace && call.services.functions.library(library.name) != nullptr) {
    return call.reply.error(already_exists(library));
  }
  const std::string problem =
      bring(call, {announced.library},
            may_replace ? Functions::Policy::replace : Functions::Policy::append);
  if (!problem.empty()) return call.reply.error(problem);
  call.reply.bulk(library.name);
}

// FUNCTION DUMP -> the libraries as FUNCTION RESTORE takes them
void dump(Call& call) {
  protocol::RdbWriter writer;
  for (const LibraryRef& library : call.services.functions.libraries()) {
    writer.begin(protocol::kRdbFunctions);
    writer.string(library->text);
  }
  call.reply.bulk(writer.finish());
}

// The libraries of a payload, or what is wrong with it.
std::string read_payload(std::string_view payload, NewLibraries& libraries) {
  protocol::RdbReader reader(payload, scripting::kLibraryBytes);
  if (!reader.is_framed()) return std::string(errors::function_bad_payload);
  while (!reader.is_at_end()) {
    if (reader.type() != protocol::kRdbFunctions) return std::string(errors::function_other_type);
    const std::string text = reader.string();
    if (!reader.is_good()) return std::string(errors::function_broken_payload);
    scripting::Announced announced = scripting::announced_library(text);
    if (!announced.problem.empty()) return announced.problem;
    for (const auto& known : libraries) {
      if (known->name == announced.library->name) return already_exists(*known);
    }
    if (libraries.size() >= scripting::kLibraries) return std::string(errors::function_no_room);
    libraries.push_back(std::move(announced.library));
  }
  return {};
}

// FUNCTION RESTORE payload [FLUSH|APPEND|REPLACE]
void restore(Call& call) {
  if (call.words.size() > 4) {
    return call.reply.error(errors::unknown_subcommand_or_arity("function", call.word(1)));
  }
  Args args = call.args_from(3);
  auto policy = Functions::Policy::append;
  if (args.eat("FLUSH")) {
    policy = Functions::Policy::flush;
  } else if (args.eat("REPLACE")) {
    policy = Functions::Policy::replace;
  } else if (args.more() && !args.eat("APPEND")) {
    return call.reply.error(errors::function_restore_policy);
  }
  NewLibraries libraries;
  std::string problem = read_payload(call.word(2), libraries);
  if (problem.empty()) problem = bring(call, libraries, policy);
  if (!problem.empty()) return call.reply.error(problem);
  call.reply.ok();
}

// --- what there is, and what goes

// FUNCTION DELETE library
void remove(Call& call) {
  if (!call.services.functions.remove(call.word(2))) {
    return call.reply.error(errors::library_not_found);
  }
  call.reply.ok();
}

// FUNCTION FLUSH [ASYNC|SYNC]. What each loop has loaded goes when a function is next called there.
void flush(Call& call) {
  if (call.words.size() > 3) {
    return call.reply.error(errors::unknown_subcommand_or_arity("function", call.word(1)));
  }
  Args args = call.args_from(2);
  if (args.more() && !args.eat("ASYNC") && !args.eat("SYNC")) {
    return call.reply.error(errors::function_flush_mode);
  }
  call.services.functions.flush();
  call.reply.ok();
}

void say_function(Reply& reply, const scripting::Function& function) {
  reply.map(3);
  reply.bulk("name");
  reply.bulk(function.name);
  reply.bulk("description");
  if (function.description) {
    reply.bulk(*function.description);
  } else {
    reply.null();
  }
  reply.bulk("flags");
  std::vector<std::string_view> flags;
  for (const scripting::FunctionFlagName& known : scripting::kFunctionFlags) {
    if (function.has(known.flag)) flags.push_back(known.name);
  }
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.simple(flag);
}

void say_library(Reply& reply, const Library& library, bool with_code) {
  reply.map(with_code ? 4 : 3);
  reply.bulk("library_name");
  reply.bulk(library.name);
  reply.bulk("engine");
  reply.bulk("LUA");
  reply.bulk("functions");
  reply.array(library.functions.size());
  for (const scripting::Function& function : library.functions) say_function(reply, function);
  if (!with_code) return;
  reply.bulk("library_code");
  reply.bulk(library.text);
}

// FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]: each of the two once at the most
void list(Call& call) {
  Args args = call.args_from(2);
  bool with_code = false;
  bool has_pattern = false;
  std::string_view pattern;
  while (args.more()) {
    if (!with_code && args.eat("WITHCODE")) {
      with_code = true;
    } else if (!has_pattern && args.eat("LIBRARYNAME")) {
      if (!args.more()) return call.reply.error(errors::function_pattern_missing);
      has_pattern = true;
      pattern = args.take();
    } else {
      return call.reply.error("ERR Unknown argument " + repeated(args.take()));
    }
  }
  std::vector<LibraryRef> shown;
  for (LibraryRef& library : call.services.functions.libraries()) {
    if (!has_pattern || storage::glob_matches(pattern, library->name, storage::Case::folded)) {
      shown.push_back(std::move(library));
    }
  }
  call.reply.array(shown.size());
  for (const LibraryRef& library : shown) say_library(call.reply, *library, with_code);
}

// --- the function that runs

void say_running(Call& call) {
  const auto running = call.services.scripts.running();
  if (!running) return call.reply.null();
  const std::int64_t now_us = call.services.clock.steady().count();
  call.reply.map(3);
  call.reply.bulk("name");
  call.reply.bulk(running->name);
  call.reply.bulk("command");
  call.reply.array(running->words.size());
  for (const std::string& word : running->words) call.reply.bulk(word);
  call.reply.bulk("duration_ms");
  call.reply.integer((now_us - running->started_us) / 1000);
}

// FUNCTION STATS. Runs beside the function, outside of the turnstile: nothing here touches keys.
void stats(Call& call) {
  const Scripts& scripts = call.services.scripts;
  if (scripts.is_busy() && scripts.kind() == Scripts::Kind::script) {
    return call.reply.error(errors::busy_script);
  }
  const Functions::Totals totals = call.services.functions.totals();
  call.reply.map(2);
  call.reply.bulk("running_script");
  say_running(call);
  call.reply.bulk("engines");
  call.reply.map(1);
  call.reply.bulk("LUA");
  call.reply.map(2);
  call.reply.bulk("libraries_count");
  call.reply.integer(static_cast<std::int64_t>(totals.libraries));
  call.reply.bulk("functions_count");
  call.reply.integer(static_cast<std::int64_t>(totals.functions));
}

// FUNCTION KILL. As SCRIPT KILL.
void kill(Call& call) {
  kill_running(call, Scripts::Kind::function, errors::busy_script);
}

constexpr std::string_view kEverywhere = "request_policy:all_shards response_policy:all_succeeded";

constexpr Command function_subcommands[] = {
    {.name = "DELETE",
     .arity = exactly(3),
     .flags = writes | no_script | exclusive,
     .run = remove,
     .summary = "Drop a library and its functions",
     .since = "7.0.0",
     .syntax = "library-name",
     .complexity = "O(N) where N is the number of libraries",
     .tips = kEverywhere},
    {.name = "DUMP",
     .arity = exactly(2),
     .flags = no_script,
     .run = dump,
     .summary = "All libraries as bytes for FUNCTION RESTORE, here or in a Redis",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of libraries"},
    {.name = "FLUSH",
     .arity = at_least(2),
     .flags = writes | no_script | exclusive,
     .run = flush,
     .summary = "Drop all libraries",
     .since = "7.0.0",
     .syntax = "[ASYNC|SYNC]",
     .complexity = "O(N) where N is the number of libraries",
     .tips = kEverywhere},
    {.name = "HELP",
     .arity = exactly(2),
     .flags = loading | stale,
     .run = help,
     .summary = "Say what each subcommand does",
     .since = "7.0.0",
     .complexity = "O(1)"},
    {.name = "KILL",
     .arity = exactly(2),
     .flags = no_script | allow_busy,
     .run = kill,
     .summary = "End the function that runs now, if it has not written",
     .since = "7.0.0",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards response_policy:one_succeeded"},
    {.name = "LIST",
     .arity = at_least(2),
     .flags = no_script,
     .run = list,
     .summary = "Tell which libraries there are, and their functions",
     .since = "7.0.0",
     .syntax = "[LIBRARYNAME library-name-pattern:string] [WITHCODE]",
     .complexity = "O(N) where N is the number of functions",
     .tips = "nondeterministic_output_order"},
    {.name = "LOAD",
     .arity = at_least(3),
     .flags = writes | may_grow | no_script | exclusive,
     .run = load,
     .summary = "Bring a library of functions",
     .since = "7.0.0",
     .syntax = "[REPLACE] function-code",
     .complexity = "O(N) where N is the number of libraries",
     .tips = kEverywhere},
    {.name = "RESTORE",
     .arity = at_least(3),
     .flags = writes | may_grow | no_script | exclusive,
     .run = restore,
     .summary = "Bring the libraries that FUNCTION DUMP said",
     .since = "7.0.0",
     .syntax = "serialized-value [FLUSH|APPEND|REPLACE]",
     .complexity = "O(N) where N is the number of libraries",
     .tips = kEverywhere},
    {.name = "STATS",
     .arity = exactly(2),
     .flags = no_script | allow_busy,
     .run = stats,
     .summary = "Tell which function runs now, and how many there are",
     .since = "7.0.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
};

constexpr std::string_view kSyntax = "function numkeys [key [key ...]] [arg [arg ...]]";

constexpr Command table[] = {
    {.name = "FCALL",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = no_script | stale | skip_monitor | may_replicate | keys_optional | exclusive,
     .run = fcall,
     .summary = "Call a function",
     .since = "7.0.0",
     .syntax = kSyntax,
     .complexity = "Depends on the function",
     .access = Access::rw | Access::access | Access::update},
    {.name = "FCALL_RO",
     .arity = at_least(3),
     .keys = counted_at(2),
     .flags = reads | no_script | stale | skip_monitor | keys_optional | exclusive,
     .run = fcall_ro,
     .summary = "Call a function that must not write",
     .since = "7.0.0",
     .syntax = kSyntax,
     .complexity = "Depends on the function"},
    {.name = "FUNCTION",
     .arity = at_least(2),
     .summary = "Libraries of functions and the function that runs now",
     .since = "7.0.0",
     .subcommands = function_subcommands,
     .complexity = "Depends on the subcommand"},
};

}  // namespace

const Family function_commands{"scripting", table};

}  // namespace larder::server
