// What takes how much of the memory, for INFO memory and MEMORY STATS, DOCTOR, MALLOC-STATS.
//
// used_bytes is what we account for: the heap at start, keys, tables, buffers of clients, scripts.
// It falls when a key goes; large values and flushed keys are freed a little later. What the
// process takes besides (code, stacks, the allocator's waste) shows in resident_bytes only. Thread:
// whoever is alone, or does not mind that clients of other loops are as they were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/store.h"

namespace larder::server {

struct Services;

struct MemoryUse {
  storage::StoreStatistics store;
  std::size_t startup_bytes = 0;
  std::size_t client_bytes = 0;
  std::size_t interpreter_bytes = 0;  // of Lua
  std::size_t script_bytes = 0;       // the texts
  std::size_t function_bytes = 0;     // the libraries
  std::size_t used_bytes = 0;
  std::size_t peak_bytes = 0;
  std::size_t slack_bytes = 0;  // kept ready, or not given back yet
  std::size_t resident_bytes = 0;

  std::size_t overhead_bytes() const { return used_bytes - store.entry_bytes; }
};
MemoryUse memory_use(const Services& services);

// Tables and wheels of a database that has keys.
struct DatabaseMemory {
  std::uint32_t db = 0;
  std::size_t table_bytes = 0;
  std::size_t wheel_bytes = 0;
};
std::vector<DatabaseMemory> database_memory(const Services& services);

// What malloc, the slabs and the page runs say of themselves, a line each.
std::string allocator_text(const Services& services);

}  // namespace larder::server
