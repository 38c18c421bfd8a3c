// The families of commands, one line each. Explicit rather than registered by static initialisers:
// a list is ordered, greppable, and no linker drops it.
#pragma once

#include <span>

#include "server/engine/command.h"

namespace larder::server {

extern const Family strings;
extern const Family counters;
extern const Family bitmaps;
extern const Family bitfields;
extern const Family hyperloglogs;
extern const Family hashes;
extern const Family hash_expiry;
extern const Family keys;
extern const Family expiry;
extern const Family scan;
extern const Family lists;
extern const Family list_moves;
extern const Family blocking_lists;
extern const Family sets;
extern const Family set_algebra;
extern const Family sorting;
extern const Family blocking_zsets;
extern const Family connection;
extern const Family acl_commands;
extern const Family client_commands;
extern const Family transactions;
extern const Family scripting_commands;
extern const Family function_commands;
extern const Family config_commands;
extern const Family introspection;
extern const Family info_commands;
extern const Family latency_commands;
extern const Family memory_commands;
extern const Family slowlog_commands;
extern const Family monitor_commands;
extern const Family server_commands;
extern const Family debug_commands;
extern const Family dump_commands;
extern const Family pubsub_commands;
extern const Family zsets;
extern const Family zset_ranges;
extern const Family zset_algebra;
extern const Family geo;
extern const Family streams;
extern const Family stream_reads;
extern const Family stream_groups;
extern const Family stream_claims;
extern const Family stream_info;

std::span<const Family* const> all_families();

}  // namespace larder::server
