#include "server/engine/families.h"

#include <array>

namespace larder::server {

std::span<const Family* const> all_families() {
  static constexpr std::array kFamilies{
      &strings,
      &counters,
      &bitmaps,
      &bitfields,
      &hyperloglogs,
      &hashes,
      &hash_expiry,
      &keys,
      &expiry,
      &scan,
      &lists,
      &list_moves,
      &blocking_lists,
      &sets,
      &set_algebra,
      &sorting,
      &blocking_zsets,
      &connection,
      &acl_commands,
      &client_commands,
      &transactions,
      &scripting_commands,
      &function_commands,
      &config_commands,
      &introspection,
      &info_commands,
      &latency_commands,
      &memory_commands,
      &slowlog_commands,
      &monitor_commands,
      &server_commands,
      &debug_commands,
      &dump_commands,
      &pubsub_commands,
      &zsets,
      &zset_ranges,
      &zset_algebra,
      &geo,
      &streams,
      &stream_reads,
      &stream_groups,
      &stream_claims,
      &stream_info,
  };
  return kFamilies;
}

}  // namespace larder::server
