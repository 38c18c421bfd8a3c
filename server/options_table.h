// The table of options: one row each, from which the command line, the config file and CONFIG
// derive.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/options.h"

namespace larder::server {

// When an option may change.
enum class Change : std::uint8_t {
  live,      // CONFIG SET
  at_start,  // command line and file only
  guarded,   // as at_start, and a path or a secret door: never over the wire, whatever else is
             // allowed
  fixed,  // a Redis directive whose one value describes Larder (appendonly no): clients ask for it
};

struct Option {
  using Field = std::variant<std::monostate, int Settings::*, std::int64_t Settings::*,
                             std::uint64_t Settings::*, bool Settings::*, std::string Settings::*,
                             std::vector<std::string> Settings::*>;
  enum class Form : std::uint8_t { number, bytes, octal, flag, text, choice, list, events, bounds };

  std::string_view name;
  Field field = {};
  Form form = Form::text;
  Change change = Change::live;
  std::int64_t lowest = 0;
  std::int64_t highest = INT64_MAX;
  std::span<const std::string_view> choices = {};
  std::string_view fixed = "";  // the value of a fixed one
  std::string_view help = "";
  std::string_view alias = "";  // Redis's older name
};

std::span<const Option> option_table();
// By name or alias, case-insensitive; null when there is none.
const Option* find_option(std::string_view name);
// Directives of redis.conf that mean nothing here (RDB, AOF, replication and cluster internals):
// taken with a warning.
bool is_foreign_directive(std::string_view name);

// Reads a value into the settings. The reason why not, in Redis's words, or nothing.
std::optional<std::string> parse_option(const Option& option, Settings& settings,
                                        std::span<const std::string_view> words);
// As CONFIG GET says it.
std::string print_option(const Option& option, const Settings& settings);

// "100", "64mb", "1gb", "10k" as redis.conf means them; nullopt when it is no amount of memory.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace larder::server
