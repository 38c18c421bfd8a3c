// Machine: what the C functions of one lane's Lua share: its memory account, the services behind
// redis.call, and the script that runs now. Any function finds it through lua_getallocf, the
// cheapest place of a Lua state that is the same for all its coroutines.
//
// Memory. Everything Lua allocates, and the buffers our libraries build texts in, goes through one
// account with a limit (lua-memory-limit). The limit holds while a script runs; between scripts,
// where nobody would catch Lua's complaint, it is off. Lua 5.1 does not collect before it gives up,
// and by itself it waits until memory has doubled; so from half of the limit on the allocator tells
// the collector to go to work.
//
// Small blocks (a table, a short string) come from lists of their own in one stretch of memory, as
// far as it goes: a script of one redis.call makes and drops six, and malloc and free were a tenth
// of its instructions. Beyond the stretch it is malloc again, so that memory a script had in small
// blocks is given back.
//
// Thread: loop (the lane's own).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <lua.hpp>

#include "server/engine/command.h"
#include "server/scripting/lua_reply.h"
#include "server/scripting/scripts.h"

namespace larder::server::scripting {

// How often a script is looked at, in instructions (as Redis does).
inline constexpr int kInstructionsBetweenLooks = 100'000;

// Blocks up to kLargest bytes, in lists by size. The pages of the stretch are taken as it is used.
class SmallBlocks {
 public:
  static constexpr std::size_t kLargest = 256;
  static constexpr std::size_t kBytes = std::size_t{1} << 20;

  SmallBlocks() : bytes_(new char[kBytes]) {}

  // Null: none is left.
  void* take(std::size_t size) {
    const std::size_t list = list_of(size);
    if (Free* first = free_[list]) {
      free_[list] = first->next;
      return first;
    }
    const std::size_t rounded = list * kStep;
    if (kBytes - carved_ < rounded) return nullptr;
    carved_ += rounded;
    return bytes_.get() + carved_ - rounded;
  }
  bool owns(const void* block) const {
    return reinterpret_cast<std::uintptr_t>(block) -
               reinterpret_cast<std::uintptr_t>(bytes_.get()) <
           kBytes;
  }
  // `size` as it was taken with.
  void give(void* block, std::size_t size) {
    const std::size_t list = list_of(size);
    free_[list] = new (block) Free{free_[list]};
  }
  static bool are_alike(std::size_t one, std::size_t other) {
    return list_of(one) == list_of(other);
  }

 private:
  static constexpr std::size_t kStep = 16;
  struct Free {
    Free* next;
  };
  static std::size_t list_of(std::size_t size) { return (size + kStep - 1) / kStep; }

  std::unique_ptr<char[]> bytes_;
  std::size_t carved_ = 0;
  std::array<Free*, kLargest / kStep + 1> free_{};
};

// The account behind a Lua state. allocate() is its lua_Alloc.
struct Memory {
  lua_State* lua = nullptr;
  std::size_t used_bytes = 0;
  std::size_t limit_bytes = SIZE_MAX;
  std::size_t nudge_bytes = SIZE_MAX;  // from here on the collector is told to work
  bool is_limited = false;
  SmallBlocks small;

  void limit(bool on, std::size_t bytes) {
    is_limited = on;
    limit_bytes = bytes;
    nudge_bytes = bytes / 2;
  }
};
void* allocate(void* memory, void* block, std::size_t old_bytes, std::size_t new_bytes);

struct Loading;  // loaded_libraries.h

// One script while it runs: a script of EVAL, a function of FCALL, or a library being loaded.
struct Run {
  explicit Run(Call& its_call) : call(its_call) {}

  Call& call;
  std::string_view name;  // SHA1, or that of the function
  Scripts::Kind kind = Scripts::Kind::script;
  bool is_loading = false;
  // Of a narrow script: the shards of its keys; null: every other loop is held off.
  const storage::HeldShards* held = nullptr;
  bool may_write = true;
  bool checks_memory = true;  // false: allow-oom
  bool has_written = false;
  bool knows_memory = false;  // out_of_memory has been asked for
  bool out_of_memory = false;
  int resp = 2;                 // how redis.call answers: redis.setresp
  std::int64_t started_us = 0;  // steady time of the first look; 0: not looked at yet
  bool is_told = false;         // Scripts::tell_running

  // What ended it, by the error handler.
  bool has_failed = false;
  std::string failure;
  std::string source;  // of the line that raised it; empty: unknown
  int line = 0;
};

struct Machine : Memory {
  Machine(Services& its_services, Lane& its_lane) : services(its_services), lane(its_lane) {}

  Services& services;
  Lane& lane;
  Run* run = nullptr;              // null between scripts
  Loading* loading = nullptr;      // null but while a library is loaded
  bool is_dying = false;           // SCRIPT KILL: every function gives up at once
  bool collector_touched = false;  // a script has changed how the collector works
  unsigned coroutines = 0;         // made since the start
  std::atomic<std::size_t> reported_bytes{0};

  // Of redis.call, kept between calls.
  Recorder recorder;
  std::vector<std::string_view> words;
  std::vector<char> numbers;
};

inline Machine& machine_of(lua_State* lua) {
  void* memory = nullptr;
  lua_getallocf(lua, &memory);
  return *static_cast<Machine*>(static_cast<Memory*>(memory));
}

// Raises the error that ends a killed script; pcall does not stop it for long.
int die(lua_State* lua);
// The instruction hook.
void look(lua_State* lua, lua_Debug*);

}  // namespace larder::server::scripting
