#include "server/metrics/info.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <map>

#include "server/engine/client_registry.h"
#include "server/engine/lane.h"
#include "server/engine/pubsub.h"
#include "server/engine/registry.h"
#include "server/engine/ticks.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"
#include "server/metrics/memory_use.h"
#include "server/metrics/process.h"
#include "server/metrics/vitals.h"
#include "server/options.h"
#include "server/scripting/functions.h"
#include "server/scripting/scripts.h"
#include "server/security/users.h"
#include "server/version.h"
#include "storage/blob.h"
#include "storage/reaper.h"
#include "storage/store.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

// A section being written: one line a field.
class Page {
 public:
  template <class... Values>
  void line(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    text_ += "\r\n";
  }
  // The same amount for programs and for people: name:1048576 and name_human:1.00M.
  void amount(std::string_view name, std::size_t bytes) {
    line("{}:{}", name, bytes);
    line("{}_human:{}", name, human(bytes));
  }
  const std::string& text() const { return text_; }

 private:
  static std::string human(std::size_t bytes) {
    constexpr std::array<char, 5> kUnits = {'K', 'M', 'G', 'T', 'P'};
    if (bytes < 1024) return fmt::format("{}B", bytes);
    double amount = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (amount /= 1024; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
    return fmt::format("{:.2f}{}", amount, kUnits[unit]);
  }

  std::string text_;
};

double ratio(std::size_t of, std::size_t to) {
  return to == 0 ? 0 : static_cast<double>(of) / static_cast<double>(to);
}

template <class Pick>
std::uint64_t sum(const Services& services, Pick pick) {
  return services.lanes.sum(
      [pick](const Lane& lane) -> const Counter& { return lane.counters.*pick; });
}

void server(const Services& services, Page& page) {
  const Settings& settings = services.options.settings;
  const std::int64_t uptime = services.vitals.uptime_seconds();
  page.line("redis_version:{}", kRedisVersion);
  page.line("larder_version:{}", kLarderVersion);
  page.line("redis_git_sha1:00000000");
  page.line("redis_git_dirty:0");
  page.line("redis_mode:standalone");
  page.line("os:{}", operating_system());
  page.line("arch_bits:{}", sizeof(void*) * 8);
  page.line("monotonic_clock:POSIX clock_gettime");
  page.line("multiplexing_api:epoll");
  page.line("process_id:{}", getpid());
  page.line("process_supervised:no");
  page.line("run_id:{}", services.vitals.run_id());
  page.line("tcp_port:{}", settings.port != 0 ? settings.port : settings.tls_port);
  page.line("server_time_usec:{}", services.clock.wall().count());
  page.line("uptime_in_seconds:{}", uptime);
  page.line("uptime_in_days:{}", uptime / (24 * 60 * 60));
  page.line("hz:10");
  page.line("configured_hz:10");
  page.line("executable:{}", executable_path());
  page.line("config_file:{}", services.options.file);
  page.line("io_threads_active:{}", services.lanes.size() > 1 ? 1 : 0);
  page.line("event_loops:{}", services.lanes.size());
}

struct ClientTotals {
  std::size_t largest_input = 0;
  std::size_t largest_output = 0;
  std::size_t watching = 0;
  std::size_t watched_keys = 0;
};

ClientTotals client_totals(const Services& services) {
  ClientTotals totals;
  services.clients.each([&totals](const Client& client) {
    totals.largest_input = std::max(totals.largest_input, client.input_bytes);
    totals.largest_output = std::max(totals.largest_output, client.output_bytes);
    if (client.transaction == nullptr || client.transaction->watched().empty()) return;
    ++totals.watching;
    totals.watched_keys += client.transaction->watched().size();
  });
  return totals;
}

void clients(const Services& services, Page& page) {
  const ClientTotals totals = client_totals(services);
  page.line("connected_clients:{}", services.clients.size());
  page.line("cluster_connections:0");
  page.line("maxclients:{}", services.options.settings.maxclients);
  page.line("client_recent_max_input_buffer:{}", totals.largest_input);
  page.line("client_recent_max_output_buffer:{}", totals.largest_output);
  page.line("blocked_clients:{}",
            services.lanes.sum([](Lane& lane) -> const Counter& { return lane.counters.blocked; }));
  page.line("tracking_clients:{}", services.tracking.clients());
  page.line("pubsub_clients:{}", services.pubsub.clients());
  page.line("watching_clients:{}", totals.watching);
  std::size_t alarms = 0;
  for (std::size_t i = 0; i < services.lanes.size(); ++i) alarms += services.lanes[i].alarms.size();
  page.line("clients_in_timeout_table:{}", alarms);
  page.line("total_watched_keys:{}", totals.watched_keys);
  page.line("total_blocking_keys:{}", services.store.waited_keys());
}

void scripts_memory(const Services& services, Page& page) {
  const scripting::Scripts::Totals totals = services.scripts.totals();
  const scripting::Functions::Totals functions = services.functions.totals();
  page.amount("used_memory_lua", totals.interpreter_bytes);
  page.line("used_memory_vm_eval:{}", totals.interpreter_bytes);
  page.line("used_memory_scripts_eval:{}", totals.text_bytes);
  page.line("number_of_cached_scripts:{}", totals.scripts);
  page.line("number_of_functions:{}", functions.functions);
  page.line("number_of_libraries:{}", functions.libraries);
  page.line("used_memory_vm_functions:0");
  page.amount("used_memory_vm_total", totals.interpreter_bytes);
  page.line("used_memory_functions:{}", functions.bytes);
  page.amount("used_memory_scripts", totals.text_bytes + functions.bytes);
}

void memory(const Services& services, Page& page) {
  const MemoryUse use = memory_use(services);
  const storage::StoreStatistics& store = use.store;
  const std::size_t used = use.used_bytes;
  const std::size_t peak = use.peak_bytes;
  const std::size_t startup = use.startup_bytes;
  const std::size_t slack = use.slack_bytes;
  const std::size_t resident = use.resident_bytes;
  page.amount("used_memory", used);
  page.amount("used_memory_rss", resident);
  page.amount("used_memory_peak", peak);
  page.line("used_memory_peak_perc:{:.2f}%", 100 * ratio(used, peak));
  page.line("used_memory_overhead:{}", use.overhead_bytes());
  page.line("used_memory_startup:{}", startup);
  page.line("used_memory_dataset:{}", store.entry_bytes);
  page.line("used_memory_dataset_perc:{:.2f}%", 100 * ratio(store.entry_bytes, used - startup));
  page.line("allocator_allocated:{}", used);
  page.line("allocator_active:{}", used + slack);
  page.line("allocator_resident:{}", resident);
  page.line("allocator_frag_ratio:{:.2f}", ratio(used + slack, used));
  page.line("allocator_frag_bytes:{}", slack);
  page.amount("total_system_memory", machine_memory_bytes());
  scripts_memory(services, page);
  page.amount("maxmemory", services.store.limit_bytes());
  page.line("maxmemory_policy:{}", storage::policy_name(services.store.eviction_rules().policy));
  page.line("mem_fragmentation_ratio:{:.2f}", ratio(resident, used));
  page.line("mem_fragmentation_bytes:{}",
            static_cast<std::int64_t>(resident) - static_cast<std::int64_t>(used));
  page.line("mem_not_counted_for_evict:0");
  page.line("mem_replication_backlog:0");
  page.line("mem_clients_slaves:0");
  page.line("mem_clients_normal:{}", use.client_bytes);
  page.line("mem_clients_orphaned_values:{}", storage::Blob::orphaned_bytes());
  page.line("mem_cluster_links:0");
  page.line("mem_aof_buffer:0");
  page.line("mem_allocator:libc");
  page.line("active_defrag_running:0");
  const storage::Reaper::Counts reaped = storage::Reaper::counts();
  page.line("lazyfree_pending_objects:{}", reaped.waiting + services.store.buried_keys());
  page.line("lazyfreed_objects:{}", reaped.freed);
}

void persistence(const Services& services, Page& page) {
  page.line("loading:0");
  page.line("async_loading:0");
  page.line("rdb_changes_since_last_save:{}", services.store.statistics().counters.changes);
  page.line("rdb_bgsave_in_progress:0");
  page.line("rdb_last_save_time:{}", services.vitals.started_at_seconds());
  page.line("rdb_last_bgsave_status:ok");
  page.line("rdb_last_bgsave_time_sec:-1");
  page.line("rdb_current_bgsave_time_sec:-1");
  page.line("rdb_saves:0");
  page.line("rdb_last_cow_size:0");
  page.line("rdb_last_load_keys_expired:0");
  page.line("rdb_last_load_keys_loaded:0");
  page.line("aof_enabled:0");
  page.line("aof_rewrite_in_progress:0");
  page.line("aof_rewrite_scheduled:0");
  page.line("aof_last_rewrite_time_sec:-1");
  page.line("aof_current_rewrite_time_sec:-1");
  page.line("aof_last_bgrewrite_status:ok");
  page.line("aof_last_write_status:ok");
  page.line("aof_last_cow_size:0");
}

// expiration_lag_ms is how long after its deadline the memory of a key was given back, at the worst
// of the last minute; its percentiles are of all keys that have expired. expired_unreclaimed_bytes
// is what such keys still take now: exact while they are few, else by the mean of some of them.
void stats(const Services& services, Page& page) {
  constexpr double kKilobyte = 1024;
  const storage::ShardCounters keys = services.store.statistics().counters;
  const std::int64_t now_ms = services.timeline.now_ms();
  const storage::ExpiryStatistics expiry = services.store.expiry_statistics(now_ms);
  const Vitals::Snapshot rates = services.vitals.snapshot(0);
  page.line("total_connections_received:{}", sum(services, &LaneCounters::connections));
  page.line("total_commands_processed:{}", sum(services, &LaneCounters::commands));
  page.line("instantaneous_ops_per_sec:{:.0f}", rates.commands_per_second);
  page.line("total_net_input_bytes:{}", sum(services, &LaneCounters::input_bytes));
  page.line("total_net_output_bytes:{}", sum(services, &LaneCounters::output_bytes));
  page.line("total_net_repl_input_bytes:0");
  page.line("total_net_repl_output_bytes:0");
  page.line("instantaneous_input_kbps:{:.2f}", rates.input_bytes_per_second / kKilobyte);
  page.line("instantaneous_output_kbps:{:.2f}", rates.output_bytes_per_second / kKilobyte);
  page.line("instantaneous_input_repl_kbps:0.00");
  page.line("instantaneous_output_repl_kbps:0.00");
  page.line("rejected_connections:{}", sum(services, &LaneCounters::rejected_connections));
  page.line("sync_full:0");
  page.line("sync_partial_ok:0");
  page.line("sync_partial_err:0");
  page.line("expired_keys:{}", keys.expired);
  page.line("expired_subkeys:{}", expiry.fields);
  page.line("expired_stale_perc:0.00");
  page.line("expired_time_cap_reached_count:0");
  page.line("expiration_lag_ms:{}", expiry.lateness.longest_of_minute_ms(now_ms));
  page.line("expiration_lag_percentiles_ms:p50={},p99={},p99.9={}", expiry.lateness.at(0.5),
            expiry.lateness.at(0.99), expiry.lateness.at(0.999));
  page.line("expired_unreclaimed_bytes:{}", expiry.unreclaimed_bytes);
  page.line("evicted_keys:{}", keys.evicted);
  page.line("evicted_clients:{}", sum(services, &LaneCounters::evicted_clients));
  page.line("keyspace_hits:{}", keys.hits);
  page.line("keyspace_misses:{}", keys.misses);
  page.line("pubsub_channels:{}", services.pubsub.count(TopicKind::channel));
  page.line("pubsub_patterns:{}", services.pubsub.count(TopicKind::pattern));
  page.line("pubsubshard_channels:{}", services.pubsub.count(TopicKind::shard_channel));
  page.line("latest_fork_usec:0");
  page.line("total_forks:0");
  page.line("migrate_cached_sockets:0");
  page.line("slave_expires_tracked_keys:0");
  page.line("active_defrag_hits:0");
  page.line("active_defrag_misses:0");
  page.line("tracking_total_keys:{}", services.tracking.keys());
  page.line("tracking_total_items:{}", services.tracking.items());
  page.line("tracking_total_prefixes:{}", services.tracking.prefixes());
  page.line("unexpected_error_replies:{}", sum(services, &LaneCounters::unexpected_errors));
  page.line("total_error_replies:{}", sum(services, &LaneCounters::error_replies));
  page.line("protocol_errors:{}", sum(services, &LaneCounters::protocol_errors));
  page.line("auth_failures:{}", sum(services, &LaneCounters::auth_failures));
  page.line("client_query_buffer_limit_disconnections:{}",
            sum(services, &LaneCounters::query_limit_closes));
  page.line("client_output_buffer_limit_disconnections:{}",
            sum(services, &LaneCounters::output_limit_closes));
  page.line("failed_tls_handshakes:{}", sum(services, &LaneCounters::failed_handshakes));
  const security::AclLog& refusals = services.users.log();
  page.line("acl_access_denied_auth:{}", refusals.count(security::Denial::auth));
  page.line("acl_access_denied_cmd:{}", refusals.count(security::Denial::command));
  page.line("acl_access_denied_key:{}", refusals.count(security::Denial::key));
  page.line("acl_access_denied_channel:{}", refusals.count(security::Denial::channel));
  page.line("shard_lock_longest_hold_usec:{}", microseconds_of(keys.longest_hold_ticks));
}

void replication(const Services& services, Page& page) {
  page.line("role:master");
  page.line("connected_slaves:0");
  page.line("master_failover_state:no-failover");
  page.line("master_replid:{}", services.vitals.replication_id());
  page.line("master_replid2:{:0>40}", 0);
  page.line("master_repl_offset:0");
  page.line("second_repl_offset:-1");
  page.line("repl_backlog_active:0");
  page.line("repl_backlog_size:0");
  page.line("repl_backlog_first_byte_offset:0");
  page.line("repl_backlog_histlen:0");
}

void cpu(const Services&, Page& page) {
  const CpuSeconds own = cpu_of_process();
  const CpuSeconds children = cpu_of_children();
  page.line("used_cpu_sys:{:.6f}", own.system);
  page.line("used_cpu_user:{:.6f}", own.user);
  page.line("used_cpu_sys_children:{:.6f}", children.system);
  page.line("used_cpu_user_children:{:.6f}", children.user);
}

void modules(const Services&, Page&) {}

void commandstats(const Services& services, Page& page) {
  for (std::size_t number = 0; number < services.registry.size(); ++number) {
    const auto total = [&](Counter CommandCounters::*pick) {
      return services.lanes.sum(
          [&](const Lane& lane) -> const Counter& { return lane.commands[number].*pick; });
    };
    const std::uint64_t calls = total(&CommandCounters::calls);
    const std::uint64_t rejected = total(&CommandCounters::rejected);
    if (calls == 0 && rejected == 0) continue;
    const std::uint64_t usec = microseconds_of(total(&CommandCounters::ticks));
    page.line("cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
              services.registry.full_name(services.registry.row(number)), calls, usec,
              ratio(usec, calls), rejected, total(&CommandCounters::failed));
  }
}

void errorstats(const Services& services, Page& page) {
  std::map<std::string_view, std::uint64_t> codes;
  for (std::size_t i = 0; i < services.lanes.size(); ++i) {
    for (const auto& [code, count] : services.lanes[i].errors_by_code) codes[code] += count;
  }
  for (const auto& [code, count] : codes) page.line("errorstat_{}:count={}", code, count);
}

void latencystats(const Services& services, Page& page) {
  const double usec_per_tick = nanoseconds_per_tick() / 1000;
  for (std::size_t number = 0; number < services.registry.size(); ++number) {
    LatencyHistogram all;
    for (std::size_t i = 0; i < services.lanes.size(); ++i) {
      const auto& of_lane = services.lanes[i].commands[number].latency;
      if (of_lane != nullptr) all.merge(*of_lane);
    }
    if (all.total() == 0) continue;
    const auto usec = [&](double share) {
      return static_cast<double>(all.at(share)) * usec_per_tick;
    };
    page.line("latency_percentiles_usec_{}:p50={:.3f},p99={:.3f},p99.9={:.3f}",
              services.registry.full_name(services.registry.row(number)), usec(0.5), usec(0.99),
              usec(0.999));
  }
}

void cluster(const Services&, Page& page) {
  page.line("cluster_enabled:0");
}

// Exporters divide by keys: a database without any is not listed.
void keyspace(const Services& services, Page& page) {
  const std::int64_t now_ms = services.timeline.now_ms();
  for (std::uint32_t db = 0; db < services.store.database_count(); ++db) {
    const storage::DatabaseStatistics of_db = services.store.statistics(db, now_ms);
    if (of_db.keys == 0) continue;
    page.line("db{}:keys={},expires={},avg_ttl={},subexpiry={}", db, of_db.keys,
              of_db.volatile_keys, of_db.mean_ttl_ms, of_db.hashes_with_deadlines);
  }
}

enum class Shown { by_default, on_demand };

struct Section {
  std::string_view title;
  Shown shown;
  void (*write)(const Services&, Page&);
};

constexpr Section kSections[] = {
    {"Server", Shown::by_default, server},
    {"Clients", Shown::by_default, clients},
    {"Memory", Shown::by_default, memory},
    {"Persistence", Shown::by_default, persistence},
    {"Stats", Shown::by_default, stats},
    {"Replication", Shown::by_default, replication},
    {"CPU", Shown::by_default, cpu},
    {"Modules", Shown::by_default, modules},
    {"Commandstats", Shown::on_demand, commandstats},
    {"Errorstats", Shown::by_default, errorstats},
    {"Latencystats", Shown::on_demand, latencystats},
    {"Cluster", Shown::by_default, cluster},
    {"Keyspace", Shown::by_default, keyspace},
};

bool same_folded(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

bool is_asked_for(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.shown == Shown::by_default;
  return std::any_of(names.begin(), names.end(), [&section](std::string_view name) {
    if (same_folded(name, "all") || same_folded(name, "everything")) return true;
    if (same_folded(name, "default")) return section.shown == Shown::by_default;
    return same_folded(name, section.title);
  });
}

}  // namespace

std::string info_text(const Services& services, std::span<const std::string_view> sections) {
  std::string text;
  for (const Section& section : kSections) {
    if (!is_asked_for(section, sections)) continue;
    Page page;
    section.write(services, page);
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n{}", section.title, page.text());
  }
  return text;
}

void reset_statistics(Services& services) {
  for (std::size_t i = 0; i < services.lanes.size(); ++i) {
    Lane& lane = services.lanes[i];
    for (Counter LaneCounters::*counter :
         {&LaneCounters::commands, &LaneCounters::connections, &LaneCounters::rejected_connections,
          &LaneCounters::input_bytes, &LaneCounters::output_bytes, &LaneCounters::error_replies,
          &LaneCounters::unexpected_errors, &LaneCounters::protocol_errors,
          &LaneCounters::auth_failures, &LaneCounters::failed_handshakes,
          &LaneCounters::query_limit_closes, &LaneCounters::output_limit_closes,
          &LaneCounters::evicted_clients}) {
      (lane.counters.*counter).reset();
    }
    for (CommandCounters& counters : lane.commands) counters.reset();
    lane.errors_by_code.clear();
  }
  services.users.log().reset_counts();
  services.store.reset_counters();
  storage::Reaper::reset_counts();
  services.vitals.reset();
}

}  // namespace larder::server
