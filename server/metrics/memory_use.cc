#include "server/metrics/memory_use.h"

#include <fmt/format.h>
#include <malloc.h>

#include "server/engine/client_registry.h"
#include "server/engine/services.h"
#include "server/metrics/process.h"
#include "server/metrics/vitals.h"
#include "server/scripting/functions.h"
#include "server/scripting/scripts.h"
#include "storage/page_runs.h"
#include "storage/reaper.h"

namespace larder::server {

MemoryUse memory_use(const Services& services) {
  MemoryUse use;
  const scripting::Scripts::Totals scripts = services.scripts.totals();
  use.store = services.store.statistics();
  services.clients.each([&use](const Client& client) { use.client_bytes += client.memory_bytes; });
  use.startup_bytes = services.vitals.startup_bytes();
  use.interpreter_bytes = scripts.interpreter_bytes;
  use.script_bytes = scripts.text_bytes;
  use.function_bytes = services.functions.totals().bytes;
  use.used_bytes = use.startup_bytes + use.store.used_bytes + use.client_bytes +
                   use.interpreter_bytes + use.script_bytes + use.function_bytes;
  use.peak_bytes = services.vitals.snapshot(use.used_bytes).peak_memory_bytes;
  use.slack_bytes = services.store.slack_bytes();
  use.resident_bytes = resident_bytes();
  return use;
}

std::vector<DatabaseMemory> database_memory(const Services& services) {
  std::vector<DatabaseMemory> all;
  for (std::uint32_t db = 0; db < services.store.database_count(); ++db) {
    DatabaseMemory sum{.db = db};
    std::size_t keys = 0;
    for (std::size_t i = 0; i < services.store.shard_count(); ++i) {
      storage::Cell& cell = services.store.cell(i);
      const storage::MutexLock lock(cell.mutex);
      const storage::Shard::Database* there = cell.shard.database(db);
      if (there == nullptr) continue;
      keys += there->table.size();
      sum.table_bytes += there->table.used_bytes();
      if (there->wheel) sum.wheel_bytes += there->wheel->used_bytes();
    }
    if (keys != 0) all.push_back(sum);
  }
  return all;
}

std::string allocator_text(const Services& services) {
  const struct mallinfo2 heap = mallinfo2();
  const storage::Reaper::Counts reaped = storage::Reaper::counts();
  const storage::StoreStatistics store = services.store.statistics();
  std::string text;
  const auto line = [&text](std::string_view name, std::size_t bytes) {
    text += fmt::format("{}: {}\n", name, bytes);
  };
  line("malloc_arena_bytes", heap.arena);
  line("malloc_in_use_bytes", heap.uordblks);
  line("malloc_free_bytes", heap.fordblks);
  line("malloc_free_chunks", heap.ordblks);
  line("malloc_releasable_bytes", heap.keepcost);
  line("malloc_mapped_bytes", heap.hblkhd);
  line("malloc_mapped_regions", heap.hblks);
  line("store_entry_bytes", store.entry_bytes);
  line("store_table_bytes", store.table_bytes);
  line("store_eviction_bytes", store.eviction_bytes);
  line("store_slack_bytes", services.store.slack_bytes());
  line("page_runs_warm_bytes", storage::PageRuns::of_process().warm_bytes());
  line("blobs_waiting_bytes", reaped.waiting_bytes);
  line("buried_keys", services.store.buried_keys());
  line("resident_bytes", resident_bytes());
  return text;
}

}  // namespace larder::server
