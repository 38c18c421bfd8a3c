#include "server/engine/engine.h"

#include <algorithm>
#include <bit>

#include "server/engine/families.h"
#include "server/metrics/process.h"
#include "server/options.h"
#include "storage/ensure.h"
#include "storage/page_runs.h"

namespace larder::server {
namespace {

// Several shards a loop, so that two loops seldom want the same one. One loop has nobody to avoid:
// it has just so many that what is done under one lock (growth, expiry, eviction) is a small share
// of the keys. More of them cost it time, since each has lines of its own that every batch reads:
// with 32 a GET of a pipeline of 100 took 1.14 times as long as with 8, a SET 1.11 times.
constexpr std::size_t kShardsPerLane = 16;
constexpr std::size_t kFewestShards = 8;
// A database of a shard can name 16 GiB of entries; this much of the machine's memory each is far
// from that.
constexpr std::size_t kMostShardBytes = std::size_t{4} << 30;
// Buckets of all shards of a database together, for 2 G keys.
constexpr std::size_t kTablesReserveBytes = std::size_t{16} << 30;

std::size_t shards_for(std::size_t lanes) {
  const std::size_t wanted = lanes == 1 ? kFewestShards : lanes * kShardsPerLane;
  const std::size_t needed = machine_memory_bytes() / kMostShardBytes;
  return std::min(std::bit_ceil(std::max(wanted, needed)), storage::kMostShards);
}

// Addresses for all entries: more than the machine has memory, whatever it is told about itself.
std::size_t arena_reserve_bytes() {
  constexpr std::size_t kLeast = std::size_t{64} << 30;
  return std::max(kLeast, machine_memory_bytes() * 2);
}

// Options that are the store's, too.
constexpr std::string_view kApplied[] = {"maxmemory",
                                         "maxmemory-policy",
                                         "maxmemory-samples",
                                         "lfu-log-factor",
                                         "lfu-decay-time",
                                         "hash-max-listpack-entries",
                                         "hash-max-listpack-value",
                                         "list-max-listpack-size",
                                         "set-max-intset-entries",
                                         "set-max-listpack-entries",
                                         "set-max-listpack-value",
                                         "zset-max-listpack-entries",
                                         "zset-max-listpack-value",
                                         "stream-node-max-bytes",
                                         "stream-node-max-entries"};

constexpr std::string_view kSecurity[] = {"acl-pubsub-default", "acllog-max-len",
                                          "auth-failure-limit"};

std::size_t runs_reserve_bytes() {
  return std::max(storage::PageRuns::kUsualReserveBytes, machine_memory_bytes() * 4);
}

storage::Store::Settings store_settings(const Options& options, std::size_t lanes,
                                        std::uint64_t seed) {
  storage::PageRuns::reserve_for_process(runs_reserve_bytes());
  const std::size_t shards = shards_for(lanes);
  return {.shards = shards,
          .databases = static_cast<std::uint32_t>(options.settings.databases),
          .seed = seed,
          .table_reserve_bytes = kTablesReserveBytes / shards,
          .arena_reserve_bytes = arena_reserve_bytes(),
          .is_shared = lanes > 1,
          .runs_ahead = true};
}

}  // namespace

Engine::Engine(Options& options, const storage::Clock& clock, ServerControl& control, Log& log,
               std::size_t lanes, std::uint64_t seed)
    : options_(options),
      store_(store_settings(options, lanes, seed)),
      registry_(all_families()),
      users_(registry_),
      pubsub_(seed),
      events_(pubsub_, store_),
      tracking_(store_, clients_, pubsub_, seed),
      timeline_(clock),
      vitals_(clock),
      services_{.store = store_,
                .turnstile = turnstile_,
                .clock = clock,
                .timeline = timeline_,
                .registry = registry_,
                .dispatcher = dispatcher_,
                .options = options,
                .clients = clients_,
                .lanes = lanes_,
                .monitors = monitors_,
                .pause = pause_,
                .pubsub = pubsub_,
                .events = events_,
                .tracking = tracking_,
                .slowlog = slowlog_,
                .vitals = vitals_,
                .scripts = scripts_,
                .functions = functions_,
                .users = users_,
                .control = control,
                .log = log},
      dispatcher_(services_),
      upkeep_(services_) {
  for (std::size_t i = 0; i < lanes; ++i) lanes_.add(turnstile_, registry_.size(), seed);
  options_.publish();
  apply_options();
  apply_events();
  apply_limits();
  for (const std::string_view directive : kApplied) {
    options_.when_changed(std::string(directive), [this] { apply_options(); });
  }
  users_.set_default_password(options_.settings.requirepass);
  apply_security();
  options_.when_changed("requirepass",
                        [this] { users_.set_default_password(options_.settings.requirepass); });
  for (const std::string_view directive : kSecurity) {
    options_.when_changed(std::string(directive), [this] { apply_security(); });
  }
  options_.when_changed("notify-keyspace-events", [this] { apply_events(); });
  options_.when_changed("client-output-buffer-limit", [this] { apply_limits(); });
  options_.when_changed("tracking-table-max-keys", [this] { apply_limits(); });
}

void Engine::apply_events() {
  const auto classes = parse_event_classes(options_.settings.notify_keyspace_events);
  ensure(classes.has_value(), "the options table lets only known classes in");
  events_.want(*classes);
}

void Engine::apply_limits() {
  pubsub_.limit_inbox(options_.settings.listener_output.hard_bytes);
  tracking_.limit_keys(options_.settings.tracking_table_max_keys);
}

void Engine::apply_security() {
  const Settings& settings = options_.settings;
  users_.channels_by_default(settings.acl_pubsub_default == "allchannels");
  users_.log().limit(settings.acllog_max_len);
  users_.guesses().limit(settings.auth_failure_limit);
}

void Engine::apply_options() {
  const Settings& settings = options_.settings;
  const auto policy = storage::policy_named(settings.maxmemory_policy);
  ensure(policy.has_value(), "the options table lets only known policies in");
  store_.set_limit(settings.maxmemory,
                   {.policy = *policy,
                    .samples = static_cast<std::size_t>(settings.maxmemory_samples),
                    .lfu_log_factor = static_cast<unsigned>(settings.lfu_log_factor),
                    .lfu_decay_minutes = static_cast<unsigned>(settings.lfu_decay_time)});
  store_.set_collection_limits(settings);
}

}  // namespace larder::server
