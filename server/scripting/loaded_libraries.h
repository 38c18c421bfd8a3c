// LoadedLibraries: what one lane's interpreter has loaded of the libraries of functions.
//
// Loading runs the library's text once. While it runs its globals are not those of scripts: there
// is only a small `redis` with register_function and log, as in Redis 7, so that a library can do
// nothing but say what its functions are. They are kept as references in Lua's registry, by the id
// of their library.
//
//     text ──► run in the small world ──► Loading: names, descriptions, flags, callbacks
//                                            │ keep(id)             │ drop()
//                                            ▼                      ▼
//                                     found by id and name     nothing remains
//
// Thread: loop (its lane's interpreter).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <lua.hpp>

#include "server/scripting/functions.h"

namespace larder::server::scripting {

// A library that is loaded longer than this is given up.
inline constexpr std::int64_t kLoadMs = 500;

// What a library has registered so far.
struct Loading {
  std::vector<Function> functions;
  std::vector<int> callbacks;  // references, in the same order
  std::unordered_set<std::string> names;
};

class LoadedLibraries {
 public:
  explicit LoadedLibraries(lua_State* lua) : lua_(lua) {}

  // Makes the globals a library sees while it loads. Before anything else.
  void open();
  // Pushes them.
  void push_globals() const;

  void keep(std::uint64_t id, const Loading& loading);
  void drop(const Loading& loading);
  // A reference, or LUA_NOREF.
  int find(std::uint64_t id, const std::string& function) const;
  // What is on the shelf no more.
  void forget_gone(const Functions& functions);

 private:
  using Callbacks = std::unordered_map<std::string, int>;
  lua_State* lua_;
  int globals_ = LUA_NOREF;
  std::unordered_map<std::uint64_t, Callbacks> by_id_;
};

}  // namespace larder::server::scripting
