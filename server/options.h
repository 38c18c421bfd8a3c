// Options: ONE table of rows (name, section, unit, default, live-settable or not, help) that drives
// the command line, the environment, the config file in redis.conf syntax, CONFIG GET / SET /
// REWRITE, and what people read of them (manual.h). Settings is where the values are read.
//
// Thread: filled before the loops start. Changed afterwards only by CONFIG SET, whose row runs with
// every loop held off, so loops read plain fields without locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/types/limits.h"

namespace larder::server {

// What a connection of one class may leave unread: so many bytes at once, or so many for so long;
// 0: any number.
struct OutputBounds {
  std::uint64_t hard_bytes = 0;
  std::uint64_t soft_bytes = 0;
  std::int64_t soft_s = 0;
};

// A line of a config file without its directive, for those that may be said several times.
struct ConfigLine {
  std::vector<std::string> words;
  std::string where;  // "larder.conf:12"
};

// With how long collections stay compact.
struct Settings : storage::CollectionLimits {
  // Network.
  int port = 6379;
  std::vector<std::string> bind = {"127.0.0.1", "-::1"};  // '-': not being there is no error
  std::string unixsocket;
  int unixsocketperm = 0700;
  int tcp_backlog = 511;
  int tcp_keepalive_s = 60;
  int timeout_s = 0;
  bool protected_mode = true;
  std::uint64_t maxclients = 10'000;
  std::int64_t maxclients_per_source = -90;  // below nought: per cent of maxclients; 0: any number

  // TLS.
  int tls_port = 0;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string tls_key_file_pass;
  std::string tls_ca_cert_file;
  std::string tls_ca_cert_dir;
  std::string tls_auth_clients = "yes";
  std::string tls_protocols;  // empty: what is not out of date
  std::string tls_ciphers;
  std::string tls_ciphersuites;
  bool tls_prefer_server_ciphers = false;
  bool tls_session_caching = true;
  std::int64_t tls_session_cache_size = 20'480;
  std::int64_t tls_session_cache_timeout_s = 300;

  // Process.
  int threads = 0;  // 0: from cores and cgroup quota
  bool daemonize = false;
  std::string supervised = "auto";  // systemd, no, or auto: whoever set $NOTIFY_SOCKET
  std::string pidfile;
  std::string logfile;  // empty: standard output
  std::string loglevel = "notice";
  std::string dir = ".";

  // Data.
  std::uint64_t databases = 16;
  // From the cgroup or the machine, and with it, unless given; 0 given: no limit.
  std::uint64_t maxmemory = 0;
  bool maxmemory_given = false;
  std::string maxmemory_policy = "allkeys-auto";
  std::int64_t maxmemory_samples = 10;
  std::int64_t lfu_log_factor = 10;
  std::int64_t lfu_decay_time = 1;
  std::uint64_t hll_sparse_max_bytes = 3000;

  // The classes of keyspace events that are told, in the letters and the order of event_letters().
  std::string notify_keyspace_events;

  // Limits.
  std::uint64_t proto_max_bulk_len = 512ull << 20;
  std::uint64_t client_query_buffer_limit = 1ull << 30;
  std::int64_t maxmemory_clients = -10;  // below nought: per cent of maxmemory; 0: any amount
  // client-output-buffer-limit. Of the normal class, the hard limit has an option of its own. There
  // are no replicas; what is said of them is repeated.
  std::uint64_t output_buffer_hard_limit = 256ull << 20;
  OutputBounds normal_output = {0, 64ull << 20, 60};  // but for hard_bytes
  OutputBounds replica_output = {256ull << 20, 64ull << 20, 60};
  OutputBounds listener_output = {32ull << 20, 8ull << 20, 60};
  std::uint64_t tracking_table_max_keys = 1'000'000;

  // Security.
  std::string requirepass;
  std::vector<ConfigLine> users;  // as the config file declares them
  std::string aclfile;            // empty: none
  std::uint64_t acllog_max_len = 128;
  std::string acl_pubsub_default = "resetchannels";
  std::uint64_t auth_failure_limit = 5;        // 0: none
  std::string enable_debug_command = "local";  // no, yes, or local: from this machine only

  // Scripts and logs.
  std::int64_t busy_reply_threshold_ms = 5000;  // lua-time-limit
  std::uint64_t lua_memory_limit = 256ull << 20;
  std::int64_t slowlog_log_slower_than_us = 10'000;
  std::uint64_t slowlog_max_len = 128;
};

// OutputBounds as connections ask for them.
struct OutputLimit {
  std::atomic<std::uint64_t> hard_bytes{0};
  std::atomic<std::uint64_t> soft_bytes{0};
  std::atomic<std::int64_t> soft_s{0};

  void store(const OutputBounds& bounds) {
    hard_bytes.store(bounds.hard_bytes, std::memory_order_relaxed);
    soft_bytes.store(bounds.soft_bytes, std::memory_order_relaxed);
    soft_s.store(bounds.soft_s, std::memory_order_relaxed);
  }
};

// What connections ask at any moment, on any thread: copies of settings. Relaxed: each is a bound
// of its own, and whoever was answered by CONFIG SET finds it in force on his next request.
struct ConnectionLimits {
  std::atomic<std::uint64_t> request_word_bytes{0};    // proto-max-bulk-len
  std::atomic<std::uint64_t> unread_request_bytes{0};  // client-query-buffer-limit
  OutputLimit normal_output;                           // client-output-buffer-limit normal
  OutputLimit listener_output;                         // client-output-buffer-limit pubsub
  std::atomic<std::uint64_t> client_bytes{0};          // maxmemory-clients; 0: any number
  std::atomic<std::uint64_t> clients{0};               // maxclients
  std::atomic<std::uint64_t> clients_of_source{0};     // maxclients-per-source; 0: any number
  std::atomic<bool> spares_loopback{false};            // which is not for this machine's own
  std::atomic<int> idle_s{0};                          // timeout; 0: none
  std::atomic<int> keepalive_s{0};                     // tcp-keepalive; 0: none
};

// Thread: `settings` are read inside the turnstile, or before the loops run, and changed while
// every loop is held off; `limits` are read by anybody.
class Options {
 public:
  Options();

  Settings settings;
  ConnectionLimits limits;            // as publish() last left them
  std::string file;                   // the config file it was read from, absolute; empty: none
  std::vector<std::string> warnings;  // what was passed over on the way here: for the log

  using Pair = std::pair<std::string, std::string>;
  // CONFIG GET: every directive one of the globs matches, each once, with its value as redis.conf
  // would say it.
  std::vector<Pair> matching(std::span<const std::string_view> globs) const;
  // CONFIG SET: all or none. The error text a user reads (without "ERR "), or nothing. `applied`
  // hooks have run.
  std::optional<std::string> set(
      std::span<const std::pair<std::string_view, std::string_view>> changes);
  // Sets maxmemory, which nobody gave: the machine's share is another one now. Answers whether that
  // changed anything. Like set(), while every loop is held off.
  bool follow_machine(std::uint64_t maxmemory_bytes);
  // Who the users are now, as CONFIG REWRITE is to write them ("alice on ~* +@all"); without it,
  // those of the settings.
  std::function<std::vector<std::string>()> user_lines;
  // CONFIG REWRITE: the file it was read from says what is in force now; comments and order stay.
  // The error text, or nothing.
  std::optional<std::string> rewrite() const;
  // The settings as they are now become the limits that connections see.
  void publish();
  // Called with the settings as CONFIG SET wants them, when directives of that prefix are among
  // what changes and all values are fine by themselves: answers the error text, and then nothing
  // changes.
  using Trial = std::function<std::optional<std::string>(const Settings& next)>;
  void when_tried(std::string prefix, Trial hook) {
    trials_.emplace_back(std::move(prefix), std::move(hook));
  }
  // Called after a live change of that directive ("maxmemory", "maxmemory-policy"…).
  void when_changed(std::string directive, std::function<void()> hook);

 private:
  void tell(std::string_view directive) const;

  std::optional<std::string> try_out(const Settings& next,
                                     std::span<const std::string_view> names) const;

  std::vector<std::pair<std::string, std::function<void()>>> hooks_;
  std::vector<std::pair<std::string, Trial>> trials_;
};

// Fills options from the config file, over it the environment (LARDER_MAXMEMORY=1gb), and over that
// argv. Throws std::runtime_error with a sentence (file and line where there is one). Returns an
// exit status when there is nothing to serve (--help, --version, --check-config).
// `environment`: as environ, null for none.
std::optional<int> read_command_line(Options& options, int argc, const char* const* argv,
                                     const char* const* environment = nullptr);

}  // namespace larder::server
