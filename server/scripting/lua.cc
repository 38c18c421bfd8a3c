#include "server/scripting/lua.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/errors.h"
#include "server/engine/dispatch.h"
#include "server/engine/lane.h"
#include "server/options.h"
#include "server/scripting/functions.h"
#include "server/scripting/loaded_libraries.h"
#include "server/scripting/lua_cjson.h"
#include "server/scripting/lua_libraries.h"
#include "server/scripting/lua_machine.h"
#include "server/scripting/lua_redis.h"
#include "server/scripting/lua_sandbox.h"
#include "server/scripting/narrow.h"
#include "server/scripting/scripts.h"
#include "server/scripting/shebang.h"
#include "storage/ensure.h"

namespace larder::server::scripting {
namespace {

namespace errors = protocol::errors;

// Where things lie in the main state's stack.
constexpr int kGlobals = 1;
constexpr int kKeysName = 2;
constexpr int kArgvName = 3;
constexpr int kHandler = 4;
constexpr int kFieldNames = 5;

// Compiled scripts in one lane; more, and all are forgotten and compiled anew as they are asked
// for.
constexpr std::size_t kCompiledScripts = 4 * kEvalScripts;
// How much of an error's text is told.
constexpr std::size_t kFailureBytes = 64u << 10;

// The text of a raised value that is no table, as tostring() says it.
std::string text_of(lua_State* lua, int index) {
  switch (lua_type(lua, index)) {
    case LUA_TSTRING:
    case LUA_TNUMBER: {
      lua_pushvalue(lua, index);
      std::string text = lua_tostring(lua, -1);  // up to the first NUL, as in Redis
      lua_pop(lua, 1);
      return text;
    }
    case LUA_TNIL: return "nil";
    case LUA_TBOOLEAN: return lua_toboolean(lua, index) != 0 ? "true" : "false";
    default: return luaL_typename(lua, index);
  }
}

// The error handler around a script: notes what was raised, and in which line.
int note_failure(lua_State* lua) {
  Run& run = *machine_of(lua).run;
  run.has_failed = true;
  if (lua_istable(lua, 1)) {
    lua_pushliteral(lua, "err");
    lua_rawget(lua, 1);
    run.failure = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "ERR unknown error";
    lua_pop(lua, 1);
  } else {
    run.failure = "ERR " + text_of(lua, 1);
  }
  if (run.failure.size() > kFailureBytes) run.failure.resize(kFailureBytes);

  lua_Debug where{};
  int level = 1;
  bool is_known = lua_getstack(lua, level, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
  if (is_known && std::strcmp(where.what, "C") == 0) {
    is_known = lua_getstack(lua, ++level, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
  }
  if (is_known) {
    run.source.assign(where.source, strnlen(where.source, kFailureBytes));
    run.line = where.currentline;
  }
  return 1;
}

int report_panic(lua_State* lua) {
  const char* what = lua_tostring(lua, -1);
  ensure(false, what != nullptr ? what : "Lua raised an error outside of any script");
  return 0;
}

}  // namespace

class Interpreter::State {
 public:
  State(Services& services, Lane& lane);
  ~State();

  struct Compiled {
    Sha sha;
    int function = LUA_NOREF;  // in the registry
    Declared declared;
    Narrow narrow;
    Scripts::Text text;
  };
  // What is to be run: a compiled script, or a function of a library.
  struct Runnable {
    int function;  // in the registry
    const Declared& declared;
    std::string_view name;  // SHA1, or that of the function
    Scripts::Kind kind = Scripts::Kind::script;
    const Narrow* narrow = nullptr;  // it holds its keys' shards, and others run beside it
  };

  void forget_if_flushed();
  const Compiled* find(const Sha& sha) const;
  const Compiled* find_text(std::string_view text) const;
  // Null: it does not compile, which has been said. Who compiles also gives the text to keep.
  Compiled* compile(Call& call, const Sha& sha, std::string_view text);
  void keep_text(Compiled& script, Scripts::Text text);
  // Remembers a narrow script for the run that follows; false: it is none.
  bool choose(const Compiled* script) {
    chosen_ = script != nullptr && script->narrow.is_narrow ? script : nullptr;
    return chosen_ != nullptr;
  }
  // Null when the lane is alone: then what was remembered is not of this run.
  const Compiled* take_chosen() {
    const Compiled* chosen = std::exchange(chosen_, nullptr);
    return machine_.lane.is_alone ? nullptr : chosen;
  }
  void run(Call& call, const Compiled& script, const Given& given);
  void run(Call& call, const Runnable& what, const Given& given);
  void run_function(Call& call, const Functions::Found& found, const Given& given);
  std::string load_library(Call& call, const std::shared_ptr<Library>& library);
  void settle_libraries();

  Scripts& scripts() { return scripts_; }

 private:
  void open();
  void forget_all();
  // Loads and leaves the function on the stack; otherwise says why not.
  bool load(Call& call, std::string_view text, const Declared& declared);
  bool may_run(Call& call, const Runnable& what, const Given& given);
  int push_function(const Runnable& what, const Given& given);
  int call_function(Run& run, int arguments);
  void push_words(Words words);
  void set_words(int name, Words words);
  std::string load_text_of(Call& call, const Library& library, Loading& loading);
  void reload(Call& call, const Library& library);
  void limit_memory(bool on);
  void clean_up(int status);
  void say_failure(Call& call, const Run& run);

  Scripts& scripts_;
  Machine machine_;
  lua_State* lua_;
  JsonSettings* json_ = nullptr;  // of the cjson that all scripts share
  int base_ = 0;                  // top of the stack between runs
  LoadedLibraries libraries_;
  std::uint64_t libraries_version_ = 0;
  // Loaded, and not yet on the shelf.
  std::vector<std::pair<std::shared_ptr<Library>, Loading>> pending_;
  std::uint64_t generation_ = 0;
  std::unordered_map<Sha, Compiled, ShaHash> by_sha_;
  std::unordered_map<std::string_view, const Compiled*> by_text_;  // views of their texts
  const Compiled* chosen_ = nullptr;  // is_narrow_text and is_narrow_sha have found it
  std::vector<storage::Key> keys_;    // of a narrow script, kept between runs
};

Interpreter::State::State(Services& services, Lane& lane)
    : scripts_(services.scripts),
      machine_(services, lane),
      lua_(lua_newstate(allocate, static_cast<Memory*>(&machine_))),
      libraries_(lua_) {
  ensure(lua_ != nullptr, "no memory for a Lua interpreter");
  machine_.lua = lua_;
  lua_atpanic(lua_, report_panic);
  open();
  lua_sethook(lua_, look, LUA_MASKCOUNT, kInstructionsBetweenLooks);
  scripts().add_interpreter(machine_.reported_bytes);
}

Interpreter::State::~State() {
  scripts().forget_interpreter(machine_.reported_bytes);
  machine_.is_limited = false;
  lua_close(lua_);
}

void Interpreter::State::open() {
  open_sandbox(lua_);
  struct Opener {
    const char* name;
    void (*open)(lua_State*);
  };
  constexpr Opener kOpeners[] = {
      {"bit", open_bit},     {"struct", open_struct}, {"cmsgpack", open_cmsgpack},
      {"cjson", open_cjson}, {"redis", open_redis},
  };
  for (const Opener& opener : kOpeners) {
    opener.open(lua_);
    lua_setglobal(lua_, opener.name);
  }
  lua_settop(lua_, 0);
  json_ = &shared_json_settings(lua_);
  seal_sandbox(lua_);
  lua_pushliteral(lua_, "KEYS");
  lua_pushliteral(lua_, "ARGV");
  lua_pushcfunction(lua_, note_failure);
  push_field_names(lua_);
  libraries_.open();
  base_ = lua_gettop(lua_);
}

void Interpreter::State::forget_if_flushed() {
  const std::uint64_t generation = scripts().generation();
  if (generation == generation_) return;
  forget_all();
  generation_ = generation;
}

void Interpreter::State::forget_all() {
  chosen_ = nullptr;
  by_text_.clear();
  for (const auto& [sha, script] : by_sha_) luaL_unref(lua_, LUA_REGISTRYINDEX, script.function);
  by_sha_.clear();
}

const Interpreter::State::Compiled* Interpreter::State::find(const Sha& sha) const {
  const auto found = by_sha_.find(sha);
  return found == by_sha_.end() ? nullptr : &found->second;
}

const Interpreter::State::Compiled* Interpreter::State::find_text(std::string_view text) const {
  const auto found = by_text_.find(text);
  return found == by_text_.end() ? nullptr : found->second;
}

bool Interpreter::State::load(Call& call, std::string_view text, const Declared& declared) {
  if (!declared.problem.empty()) {
    call.reply.error(declared.problem);
    return false;
  }
  limit_memory(true);
  const int status = load_text(lua_, text.substr(declared.skip), "@user_script");
  limit_memory(false);
  if (status == 0) return true;
  call.reply.error("ERR Error compiling script (new function): " + text_of(lua_, -1));
  clean_up(status);
  return false;
}

Interpreter::State::Compiled* Interpreter::State::compile(Call& call, const Sha& sha,
                                                          std::string_view text) {
  if (by_sha_.size() >= kCompiledScripts) forget_all();
  const Declared declared = read_shebang(text);
  if (!load(call, text, declared)) return nullptr;
  Compiled& script = by_sha_[sha];
  script.sha = sha;
  script.function = luaL_ref(lua_, LUA_REGISTRYINDEX);
  script.declared = declared;
  script.narrow = read_narrow(text.substr(declared.skip), machine_.services.registry);
  return &script;
}

void Interpreter::State::keep_text(Compiled& script, Scripts::Text text) {
  script.text = std::move(text);
  by_text_.emplace(*script.text, &script);
}

// What a script says of itself against how it is called.
bool Interpreter::State::may_run(Call& call, const Runnable& what, const Given& given) {
  const Declared& declared = what.declared;
  if (!declared.has_line || declared.no_writes) return true;
  if (given.read_only) {
    call.reply.error("ERR Can not execute a script with write flag using *_ro command.");
    return false;
  }
  if (!declared.allow_oom && call.services.dispatcher.is_out_of_memory(call.now_ms)) {
    call.reply.error(errors::oom);
    return false;
  }
  return true;
}

// A fresh table of strings.
void Interpreter::State::push_words(Words words) {
  lua_createtable(lua_, static_cast<int>(words.size()), 0);
  for (std::size_t i = 0; i < words.size(); ++i) {
    lua_pushlstring(lua_, words[i].data(), words[i].size());
    lua_rawseti(lua_, -2, static_cast<int>(i + 1));
  }
}

// The same, as the global of that name.
void Interpreter::State::set_words(int name, Words words) {
  lua_pushvalue(lua_, name);
  push_words(words);
  lua_rawset(lua_, kGlobals);
}

void Interpreter::State::limit_memory(bool on) {
  const std::uint64_t limit = machine_.services.options.settings.lua_memory_limit;
  machine_.limit(on, limit == 0 ? SIZE_MAX : static_cast<std::size_t>(limit));
}

// What is given to a script as globals is given to a function as arguments, and it sees no globals
// of that name. Answers how many arguments.
int Interpreter::State::push_function(const Runnable& what, const Given& given) {
  if (what.kind == Scripts::Kind::script) {
    set_words(kKeysName, given.keys);
    set_words(kArgvName, given.arguments);
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, what.function);
    return 0;
  }
  for (const int name : {kKeysName, kArgvName}) {
    lua_pushvalue(lua_, name);
    lua_pushnil(lua_);
    lua_rawset(lua_, kGlobals);
  }
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, what.function);
  push_words(given.keys);
  push_words(given.arguments);
  return 2;
}

// Lua's status; what was answered or raised is on the stack.
int Interpreter::State::call_function(Run& run, int arguments) {
  const bool is_alone = run.held == nullptr;
  const int protocol = run.call.client.protocol;
  const std::uint32_t db = run.call.client.db;
  machine_.run = &run;
  if (is_alone) scripts().begin(run.kind);
  limit_memory(true);
  const int status = lua_pcall(lua_, arguments, 1, kHandler);
  limit_memory(false);
  if (is_alone) scripts().end();
  machine_.run = nullptr;
  run.call.client.protocol = protocol;
  run.call.client.db = db;
  return status;
}

void Interpreter::State::run(Call& call, const Runnable& what, const Given& given) {
  if (!may_run(call, what, given)) return;
  Run run(call);
  run.name = what.name;
  run.kind = what.kind;
  run.may_write = !given.read_only && !what.declared.no_writes;
  run.checks_memory = !what.declared.allow_oom;
  const int arguments = push_function(what, given);
  int status = 0;
  if (what.narrow == nullptr) {
    status = call_function(run, arguments);
  } else {
    // Room is made while nothing is held.
    run.knows_memory = true;
    run.out_of_memory = what.narrow->may_grow &&
                        call.services.dispatcher.is_out_of_memory(call.now_ms);
    keys_.clear();
    for (const std::string_view key : given.keys) keys_.push_back(call.keys.key(key));
    const storage::Hold hold(call.services.store, keys_);
    run.held = &hold.held();
    status = call_function(run, arguments);
  }
  if (status == 0) {
    say_value(lua_, -1, kFieldNames, run.resp, call.reply);
  } else {
    say_failure(call, run);
  }
  clean_up(status);
}

void Interpreter::State::run(Call& call, const Compiled& script, const Given& given) {
  const bool is_narrow = script.narrow.is_narrow && !machine_.lane.is_alone;
  run(call,
      Runnable{.function = script.function,
               .declared = script.declared,
               .name = view(script.sha),
               .narrow = is_narrow ? &script.narrow : nullptr},
      given);
}

void Interpreter::State::say_failure(Call& call, const Run& run) {
  const std::string name(run.name);
  if (!run.has_failed) {
    // Out of memory, or an error while handling one: no handler was asked.
    return call.reply.error("ERR Error running script " + name + ", " + text_of(lua_, -1));
  }
  std::string text = run.failure;
  if (run.line != 0 && !run.source.empty()) {
    text += " script: " + name + ", on " + run.source + ':' + std::to_string(run.line) + '.';
  }
  call.reply.error(text);
}

// --- functions

// Runs a library's text. Empty, or what is wrong with it; then what it has registered is dropped.
std::string Interpreter::State::load_text_of(Call& call, const Library& library, Loading& loading) {
  std::string problem;
  limit_memory(true);
  const std::string_view text = std::string_view(library.text).substr(library.skip);
  int status = load_text(lua_, text, "@user_function");
  if (status != 0) {
    problem = "ERR Error compiling function: " + text_of(lua_, -1);
  } else {
    Run run(call);
    run.is_loading = true;
    machine_.run = &run;
    machine_.loading = &loading;
    libraries_.push_globals();
    show_globals(lua_, -1);
    lua_pop(lua_, 1);
    status = lua_pcall(lua_, 0, 0, kHandler);
    show_globals(lua_, kGlobals);
    machine_.loading = nullptr;
    machine_.run = nullptr;
    if (status != 0) {
      const std::string why = run.has_failed ? run.failure : text_of(lua_, -1);
      problem = "ERR Error registering functions: " + why;
    } else if (loading.functions.empty()) {
      problem = errors::function_none_registered;
    }
  }
  limit_memory(false);
  clean_up(status);
  if (!problem.empty()) libraries_.drop(loading);
  return problem;
}

std::string Interpreter::State::load_library(Call& call, const std::shared_ptr<Library>& library) {
  Loading loading;
  std::string problem = load_text_of(call, *library, loading);
  if (!problem.empty()) return problem;
  library->functions = loading.functions;
  pending_.emplace_back(library, std::move(loading));
  return {};
}

void Interpreter::State::settle_libraries() {
  for (const auto& [library, loading] : pending_) {
    if (library->id != 0) {
      libraries_.keep(library->id, loading);
    } else {
      libraries_.drop(loading);
    }
  }
  pending_.clear();
}

// Loads what another lane has brought. It may register other functions here than it did there; who
// asks for one that is missing is told so.
void Interpreter::State::reload(Call& call, const Library& library) {
  Loading loading;
  if (load_text_of(call, library, loading).empty()) libraries_.keep(library.id, loading);
}

void Interpreter::State::run_function(Call& call, const Functions::Found& found,
                                      const Given& given) {
  const Functions& functions = machine_.services.functions;
  if (functions.version() != libraries_version_) {
    libraries_version_ = functions.version();
    libraries_.forget_gone(functions);
  }
  const Function& function = *found.function;
  int callback = libraries_.find(found.library->id, function.name);
  if (callback == LUA_NOREF) {
    reload(call, *found.library);
    callback = libraries_.find(found.library->id, function.name);
    if (callback == LUA_NOREF) return call.reply.error(errors::function_not_found);
  }
  Declared declared;
  declared.has_line = true;
  declared.no_writes = function.has(FunctionFlag::no_writes);
  declared.allow_oom = function.has(FunctionFlag::allow_oom);
  run(call,
      Runnable{.function = callback,
               .declared = declared,
               .name = function.name,
               .kind = Scripts::Kind::function},
      given);
}

void Interpreter::State::clean_up(int status) {
  lua_settop(lua_, base_);
  machine_.recorder.clear();
  *json_ = JsonSettings();
  if (machine_.is_dying) {
    machine_.is_dying = false;
    lua_sethook(lua_, look, LUA_MASKCOUNT, kInstructionsBetweenLooks);
  }
  if (machine_.collector_touched) {
    machine_.collector_touched = false;
    lua_gc(lua_, LUA_GCSETPAUSE, 200);  // Lua's own defaults
    lua_gc(lua_, LUA_GCSETSTEPMUL, 200);
    lua_gc(lua_, LUA_GCRESTART, 0);
  }
  if (status == LUA_ERRMEM || machine_.used_bytes > machine_.limit_bytes / 2) {
    lua_gc(lua_, LUA_GCCOLLECT, 0);
    if (machine_.used_bytes > machine_.limit_bytes / 2) {
      forget_all();
      lua_gc(lua_, LUA_GCCOLLECT, 0);
    }
  }
  machine_.reported_bytes.store(machine_.used_bytes, std::memory_order_relaxed);
}

Interpreter::Interpreter(Services& services, Lane& lane)
    : state_(std::make_unique<State>(services, lane)) {}

Interpreter::~Interpreter() = default;

bool Interpreter::is_narrow_text(std::string_view text) {
  state_->forget_if_flushed();
  return state_->choose(state_->find_text(text));
}

bool Interpreter::is_narrow_sha(std::string_view word) {
  state_->forget_if_flushed();
  Sha sha;
  return parse_sha(word, sha) && state_->choose(state_->find(sha));
}

void Interpreter::call_function(Call& call, const Functions::Found& found, const Given& given) {
  state_->run_function(call, found, given);
}

std::string Interpreter::load_library(Call& call, const std::shared_ptr<Library>& library) {
  return state_->load_library(call, library);
}

void Interpreter::settle_libraries() {
  state_->settle_libraries();
}

void Interpreter::run_text(Call& call, std::string_view text, const Given& given) {
  if (const State::Compiled* chosen = state_->take_chosen()) {
    return state_->run(call, *chosen, given);
  }
  state_->forget_if_flushed();
  const State::Compiled* script = state_->find_text(text);
  if (script == nullptr) {
    const Sha sha = sha1(text);
    State::Compiled* compiled = state_->compile(call, sha, text);
    if (compiled == nullptr) return;
    state_->keep_text(*compiled, state_->scripts().keep(sha, text, Scripts::Origin::eval));
    script = compiled;
  }
  state_->run(call, *script, given);
}

void Interpreter::run_sha(Call& call, std::string_view word, const Given& given) {
  if (const State::Compiled* chosen = state_->take_chosen()) {
    return state_->run(call, *chosen, given);
  }
  state_->forget_if_flushed();
  Sha sha;
  if (!parse_sha(word, sha)) return call.reply.error(errors::no_script);
  const State::Compiled* script = state_->find(sha);
  if (script == nullptr) {
    Scripts::Text text = state_->scripts().find(sha);
    if (text == nullptr) return call.reply.error(errors::no_script);
    State::Compiled* compiled = state_->compile(call, sha, *text);
    if (compiled == nullptr) return;
    state_->keep_text(*compiled, std::move(text));
    script = compiled;
  }
  state_->run(call, *script, given);
}

void Interpreter::load(Call& call, std::string_view text) {
  state_->forget_if_flushed();
  const Sha sha = sha1(text);
  State::Compiled* compiled = nullptr;
  if (state_->find(sha) == nullptr) {
    compiled = state_->compile(call, sha, text);
    if (compiled == nullptr) return;
  }
  Scripts::Text kept = state_->scripts().keep(sha, text, Scripts::Origin::load);
  const bool is_kept = kept != nullptr;
  if (compiled != nullptr) {
    state_->keep_text(*compiled,
                      is_kept ? std::move(kept) : std::make_shared<const std::string>(text));
  }
  if (!is_kept) {
    return call.reply.error("ERR no room for the script: SCRIPT FLUSH makes some");
  }
  call.reply.bulk(view(sha));
}

}  // namespace larder::server::scripting
