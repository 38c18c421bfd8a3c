#include "server/options_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/errors.h"
#include "server/engine/events.h"
#include "storage/types/bytes.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using Form = Option::Form;

constexpr std::string_view kPolicies[] = {"volatile-lru",   "volatile-lfu", "volatile-random",
                                          "volatile-ttl",   "allkeys-lru",  "allkeys-lfu",
                                          "allkeys-random", "allkeys-auto", "noeviction"};
constexpr std::string_view kLevels[] = {"debug", "verbose", "notice", "warning", "nothing"};
constexpr std::string_view kWhoMayDebug[] = {"no", "yes", "local"};

constexpr Option kTable[] = {
    // Network
    {.name = "port",
     .field = &Settings::port,
     .form = Form::number,
     .change = Change::at_start,
     .highest = 65535,
     .help = "TCP port; 0: none"},
    {.name = "bind",
     .field = &Settings::bind,
     .form = Form::list,
     .change = Change::at_start,
     .help = "addresses to listen on; a leading '-': not being there is no error"},
    {.name = "unixsocket",
     .field = &Settings::unixsocket,
     .change = Change::guarded,
     .help = "path of a unix socket to listen on"},
    {.name = "unixsocketperm",
     .field = &Settings::unixsocketperm,
     .form = Form::octal,
     .change = Change::at_start,
     .highest = 0777,
     .help = "permissions of the unix socket, octal"},
    {.name = "tcp-backlog",
     .field = &Settings::tcp_backlog,
     .form = Form::number,
     .change = Change::at_start,
     .highest = 65535,
     .help = "connections the kernel queues for accept"},
    {.name = "tcp-keepalive",
     .field = &Settings::tcp_keepalive_s,
     .form = Form::number,
     .highest = INT32_MAX,
     .help = "seconds of silence before TCP probes a client; 0: never"},
    {.name = "timeout",
     .field = &Settings::timeout_s,
     .form = Form::number,
     .highest = INT32_MAX,
     .help = "seconds after which an idle client is closed; 0: never"},
    {.name = "protected-mode",
     .field = &Settings::protected_mode,
     .form = Form::flag,
     .change = Change::at_start,
     .help = "refuse to listen beyond loopback without a password"},
    {.name = "maxclients",
     .field = &Settings::maxclients,
     .form = Form::number,
     .lowest = 1,
     .highest = UINT32_MAX,
     .help = "connections at a time"},
    // Process
    {.name = "threads",
     .field = &Settings::threads,
     .form = Form::number,
     .change = Change::at_start,
     .highest = 64,
     .help = "event loops; 0: one per core this process may use"},
    {.name = "daemonize",
     .field = &Settings::daemonize,
     .form = Form::flag,
     .change = Change::at_start,
     .help = "run in the background"},
    {.name = "pidfile",
     .field = &Settings::pidfile,
     .change = Change::guarded,
     .help = "file for the process id"},
    {.name = "logfile",
     .field = &Settings::logfile,
     .change = Change::guarded,
     .help = "file for the log; empty: standard output"},
    {.name = "loglevel",
     .field = &Settings::loglevel,
     .form = Form::choice,
     .choices = kLevels,
     .help = "debug, verbose, notice, warning or nothing"},
    {.name = "dir",
     .field = &Settings::dir,
     .change = Change::guarded,
     .help = "working directory"},
    // Data
    {.name = "databases",
     .field = &Settings::databases,
     .form = Form::number,
     .change = Change::at_start,
     .lowest = 1,
     .highest = 1024,
     .help = "databases for SELECT"},
    {.name = "maxmemory",
     .field = &Settings::maxmemory,
     .form = Form::bytes,
     .help = "memory for keys and values; 0: no limit. Unset: 75 % of what the machine or "
             "container has"},
    {.name = "maxmemory-policy",
     .field = &Settings::maxmemory_policy,
     .form = Form::choice,
     .choices = kPolicies,
     .help = "which keys go when memory is short"},
    {.name = "maxmemory-samples",
     .field = &Settings::maxmemory_samples,
     .form = Form::number,
     .lowest = 1,
     .highest = 64,
     .help = "keys looked at for one eviction"},
    {.name = "lfu-log-factor",
     .field = &Settings::lfu_log_factor,
     .form = Form::number,
     .highest = INT32_MAX,
     .help = "how slowly the counter of *-lfu rises"},
    {.name = "lfu-decay-time",
     .field = &Settings::lfu_decay_time,
     .form = Form::number,
     .highest = INT32_MAX,
     .help = "minutes after which it falls by one"},
    {.name = "hash-max-listpack-entries",
     .field = &Settings::hash_max_listpack_entries,
     .form = Form::number,
     .help = "fields a hash may have and stay compact",
     .alias = "hash-max-ziplist-entries"},
    {.name = "hash-max-listpack-value",
     .field = &Settings::hash_max_listpack_value,
     .form = Form::number,
     .help = "bytes of its longest field or value",
     .alias = "hash-max-ziplist-value"},
    {.name = "list-max-listpack-size",
     .field = &Settings::list_max_listpack_size,
     .form = Form::number,
     .lowest = INT32_MIN,
     .highest = INT32_MAX,
     .help = "elements in a node of a list; -1 to -5: 4, 8, 16, 32 or 64 KiB",
     .alias = "list-max-ziplist-size"},
    {.name = "set-max-intset-entries",
     .field = &Settings::set_max_intset_entries,
     .form = Form::number,
     .help = "integers a set may have and stay an array of them"},
    {.name = "set-max-listpack-entries",
     .field = &Settings::set_max_listpack_entries,
     .form = Form::number,
     .help = "members a set may have and stay compact"},
    {.name = "set-max-listpack-value",
     .field = &Settings::set_max_listpack_value,
     .form = Form::number,
     .help = "bytes of its longest member"},
    {.name = "zset-max-listpack-entries",
     .field = &Settings::zset_max_listpack_entries,
     .form = Form::number,
     .help = "members a sorted set may have and stay compact",
     .alias = "zset-max-ziplist-entries"},
    {.name = "zset-max-listpack-value",
     .field = &Settings::zset_max_listpack_value,
     .form = Form::number,
     .help = "bytes of its longest member",
     .alias = "zset-max-ziplist-value"},
    {.name = "stream-node-max-bytes",
     .field = &Settings::stream_node_max_bytes,
     .form = Form::bytes,
     .help = "bytes of a block of a stream; 0: any number"},
    {.name = "stream-node-max-entries",
     .field = &Settings::stream_node_max_entries,
     .form = Form::number,
     .help = "entries in a block of a stream; 0: any number"},
    {.name = "notify-keyspace-events",
     .field = &Settings::notify_keyspace_events,
     .form = Form::events,
     .help = "events of keys that are published: K and E for the channels, A or g$lshzxetdnm for "
             "the classes"},
    {.name = "hll-sparse-max-bytes",
     .field = &Settings::hll_sparse_max_bytes,
     .form = Form::bytes,
     .help = "largest HyperLogLog that is kept in the sparse form"},
    // Limits
    {.name = "proto-max-bulk-len",
     .field = &Settings::proto_max_bulk_len,
     .form = Form::bytes,
     .lowest = 1 << 20,
     .help = "largest string a client may send or make"},
    {.name = "client-query-buffer-limit",
     .field = &Settings::client_query_buffer_limit,
     .form = Form::bytes,
     .lowest = 1 << 20,
     .help = "unread requests a client may pile up"},
    {.name = "client-output-buffer-hard-limit",
     .field = &Settings::output_buffer_hard_limit,
     .form = Form::bytes,
     .help = "replies a client may leave unread before it is closed; 0: no limit"},
    {.name = "client-output-buffer-limit",
     .form = Form::bounds,
     .help =
         "a class (normal, replica, pubsub), and the unread bytes at which one of it is closed: "
         "at once, and if it stays beyond the second number for so many seconds"},
    {.name = "tracking-table-max-keys",
     .field = &Settings::tracking_table_max_keys,
     .form = Form::number,
     .help = "keys that clients which cache are remembered for; beyond it one is dropped, and its "
             "clients are told; 0: no limit"},
    // Security
    {.name = "requirepass",
     .field = &Settings::requirepass,
     .help = "password of the default user; empty: none"},
    {.name = "enable-debug-command",
     .field = &Settings::enable_debug_command,
     .form = Form::choice,
     .change = Change::at_start,
     .choices = kWhoMayDebug,
     .help = "whether DEBUG may be run: no, yes, or local (from this machine only)"},
    // Scripts and logs
    {.name = "busy-reply-threshold",
     .field = &Settings::busy_reply_threshold_ms,
     .form = Form::number,
     .help = "milliseconds after which a script counts as stuck",
     .alias = "lua-time-limit"},
    {.name = "lua-memory-limit",
     .field = &Settings::lua_memory_limit,
     .form = Form::bytes,
     .lowest = 1 << 20,
     .help = "memory one loop's scripts may use"},
    {.name = "slowlog-log-slower-than",
     .field = &Settings::slowlog_log_slower_than_us,
     .form = Form::number,
     .lowest = -1,
     .help = "microseconds from which a command is logged; -1: never"},
    {.name = "slowlog-max-len",
     .field = &Settings::slowlog_max_len,
     .form = Form::number,
     .highest = 1'000'000,
     .help = "entries the slow log keeps"},
    // What clients ask of every Redis, and what is true of Larder
    {.name = "save", .change = Change::fixed, .fixed = ""},
    {.name = "appendonly", .change = Change::fixed, .fixed = "no"},
    {.name = "cluster-enabled", .change = Change::fixed, .fixed = "no"},
    {.name = "replica-read-only",
     .change = Change::fixed,
     .fixed = "yes",
     .alias = "slave-read-only"},
    {.name = "latency-monitor-threshold", .change = Change::fixed, .fixed = "0"},
};

// Prefixes of directives about things Larder has not: files, replicas, clusters, memory layout of
// Redis.
constexpr std::string_view kForeign[] = {"rdb",
                                         "aof",
                                         "append",
                                         "stop-writes",
                                         "replica",
                                         "slave",
                                         "repl-",
                                         "cluster-",
                                         "min-",
                                         "masteruser",
                                         "masterauth",
                                         "no-appendfsync",
                                         "auto-aof",
                                         "dbfilename",
                                         "sanitize-",
                                         "io-threads",
                                         "hz",
                                         "dynamic-hz",
                                         "activerehash",
                                         "active",
                                         "hash-max",
                                         "list-",
                                         "set-max",
                                         "zset-max",
                                         "stream-",
                                         "lazyfree",
                                         "latency",
                                         "jemalloc",
                                         "oom-score",
                                         "disable-thp",
                                         "supervised",
                                         "always-show-logo",
                                         "set-proc-title",
                                         "proc-title",
                                         "maxmemory-clients",
                                         "maxmemory-eviction",
                                         "acl",
                                         "save",
                                         "lua-replicate",
                                         "shutdown-",
                                         "crash-",
                                         "enable-",
                                         "syslog",
                                         "loadmodule",
                                         "rename-command",
                                         "locale",
                                         "tls-",
                                         "port-",
                                         "server",
                                         "bgsave",
                                         "ignore-warnings",
                                         "socket-mark",
                                         "propagation"};

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kKibi = 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

void store_number(const Option& option, Settings& settings, std::int64_t value) {
  if (auto* i = std::get_if<int Settings::*>(&option.field))
    settings.** i = static_cast<int>(value);
  if (auto* i = std::get_if<std::int64_t Settings::*>(&option.field)) settings.** i = value;
  if (auto* i = std::get_if<std::uint64_t Settings::*>(&option.field)) {
    settings.** i = static_cast<std::uint64_t>(value);
  }
}

std::int64_t load_number(const Option& option, const Settings& settings) {
  if (auto* i = std::get_if<int Settings::*>(&option.field)) return settings.**i;
  if (auto* i = std::get_if<std::int64_t Settings::*>(&option.field)) return settings.**i;
  if (auto* i = std::get_if<std::uint64_t Settings::*>(&option.field)) {
    return static_cast<std::int64_t>(settings.**i);
  }
  return 0;
}

std::optional<std::string> parse_number(const Option& option, Settings& settings,
                                        std::string_view text) {
  std::optional<std::int64_t> value;
  if (option.form == Form::bytes) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes > INT64_MAX) return std::string(errors::config_not_memory);
    value = static_cast<std::int64_t>(*bytes);
  } else if (option.form == Form::octal) {
    int parsed = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), parsed, 8);
    if (problem == std::errc{} && end == text.data() + text.size()) value = parsed;
    if (!value) return "argument couldn't be parsed as an octal number";
  } else {
    value = storage::strict_integer(text);
    if (!value) return std::string(errors::config_not_an_integer);
  }
  if (*value < option.lowest || *value > option.highest) {
    return fmt::format("argument must be between {} and {} inclusive", option.lowest,
                       option.highest);
  }
  store_number(option, settings, *value);
  return std::nullopt;
}

struct OutputClass {
  std::string_view name;
  std::string_view other_name;
  OutputBounds Settings::*field;
};
constexpr OutputClass kOutputClasses[] = {
    {"normal", "", &Settings::normal_output},
    {"slave", "replica", &Settings::replica_output},
    {"pubsub", "", &Settings::listener_output},
};

std::vector<std::string> split_at_spaces(std::span<const std::string_view> words) {
  std::vector<std::string> parts;
  for (const std::string_view word : words) {
    std::size_t begin = 0;
    while (!word.empty()) {
      const std::size_t end = std::min(word.find(' ', begin), word.size());
      parts.emplace_back(word.substr(begin, end - begin));
      if (end == word.size()) break;
      begin = end + 1;
    }
  }
  return parts;
}

// class hard soft seconds, any number of them; what is not named stays.
std::optional<std::string> parse_bounds(Settings& settings,
                                        std::span<const std::string_view> words) {
  constexpr std::size_t kWordsOfOne = 4;
  const std::vector<std::string> parts = split_at_spaces(words);
  if (parts.size() % kWordsOfOne != 0) return std::string(errors::buffer_limit_words);
  for (std::size_t i = 0; i < parts.size(); i += kWordsOfOne) {
    const std::string name = lower(parts[i]);
    const auto* const known =
        std::find_if(std::begin(kOutputClasses), std::end(kOutputClasses), [&](const auto& one) {
          return one.name == name || (!one.other_name.empty() && one.other_name == name);
        });
    if (known == std::end(kOutputClasses)) return std::string(errors::buffer_limit_class);
    const auto hard_bytes = parse_bytes(parts[i + 1]);
    const auto soft_bytes = parse_bytes(parts[i + 2]);
    const auto soft_s = storage::strict_integer(parts[i + 3]);
    if (!hard_bytes || !soft_bytes || !soft_s || *soft_s < 0 || *soft_s > INT32_MAX) {
      return std::string(errors::buffer_limit_number);
    }
    settings.*known->field = {*hard_bytes, *soft_bytes, *soft_s};
    if (known->field == &Settings::normal_output) settings.output_buffer_hard_limit = *hard_bytes;
  }
  return std::nullopt;
}

std::string print_bounds(const Settings& settings) {
  std::string text;
  for (const OutputClass& known : kOutputClasses) {
    OutputBounds bounds = settings.*known.field;
    if (known.field == &Settings::normal_output) {
      bounds.hard_bytes = settings.output_buffer_hard_limit;
    }
    text += fmt::format("{}{} {} {} {}", text.empty() ? "" : " ", known.name, bounds.hard_bytes,
                        bounds.soft_bytes, bounds.soft_s);
  }
  return text;
}

}  // namespace

std::span<const Option> option_table() {
  return kTable;
}

const Option* find_option(std::string_view name) {
  const std::string wanted = lower(name);
  for (const Option& option : kTable) {
    if (option.name == wanted || (!option.alias.empty() && option.alias == wanted)) return &option;
  }
  return nullptr;
}

bool is_foreign_directive(std::string_view name) {
  const std::string wanted = lower(name);
  return std::any_of(std::begin(kForeign), std::end(kForeign),
                     [&](std::string_view prefix) { return wanted.starts_with(prefix); });
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{}) return std::nullopt;
  const std::string unit = lower(text.substr(static_cast<std::size_t>(end - text.data())));
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {{"", 1},
                                                                   {"b", 1},
                                                                   {"k", kKilo},
                                                                   {"kb", kKibi},
                                                                   {"m", kKilo * kKilo},
                                                                   {"mb", kKibi * kKibi},
                                                                   {"g", kKilo * kKilo * kKilo},
                                                                   {"gb", kKibi * kKibi * kKibi}};
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(number, factor, &bytes)) return std::nullopt;
    return bytes;
  }
  return std::nullopt;
}

std::optional<std::string> parse_option(const Option& option, Settings& settings,
                                        std::span<const std::string_view> words) {
  if (option.form == Form::list) {
    auto& list = settings.*std::get<std::vector<std::string> Settings::*>(option.field);
    list.assign(words.begin(), words.end());
    return std::nullopt;
  }
  if (option.form == Form::bounds) return parse_bounds(settings, words);
  if (words.size() != 1) return "wrong number of arguments";
  const std::string_view text = words[0];
  switch (option.form) {
    case Form::flag: {
      const std::string word = lower(text);
      if (word != "yes" && word != "no") return std::string(errors::config_not_yes_or_no);
      settings.*std::get<bool Settings::*>(option.field) = word == "yes";
      return std::nullopt;
    }
    case Form::choice: {
      const std::string word = lower(text);
      if (std::find(option.choices.begin(), option.choices.end(), word) == option.choices.end()) {
        return fmt::format("argument(s) must be one of the following: {}",
                           fmt::join(option.choices, ", "));
      }
      settings.*std::get<std::string Settings::*>(option.field) = word;
      return std::nullopt;
    }
    case Form::events: {
      const auto classes = parse_event_classes(text);
      if (!classes) return std::string(errors::config_not_events);
      settings.*std::get<std::string Settings::*>(option.field) = event_letters(*classes);
      return std::nullopt;
    }
    case Form::text:
      if (option.change == Change::fixed) return std::string(errors::config_immutable);
      settings.*std::get<std::string Settings::*>(option.field) = std::string(text);
      return std::nullopt;
    default: return parse_number(option, settings, text);
  }
}

std::string print_option(const Option& option, const Settings& settings) {
  if (option.change == Change::fixed) return std::string(option.fixed);
  switch (option.form) {
    case Form::flag: return settings.*std::get<bool Settings::*>(option.field) ? "yes" : "no";
    case Form::list:
      return fmt::format(
          "{}",
          fmt::join(settings.*std::get<std::vector<std::string> Settings::*>(option.field), " "));
    case Form::bounds: return print_bounds(settings);
    case Form::octal: return fmt::format("{:o}", load_number(option, settings));
    case Form::number:
    case Form::bytes: return fmt::format("{}", load_number(option, settings));
    default: return settings.*std::get<std::string Settings::*>(option.field);
  }
}

}  // namespace larder::server
