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

// The chapters of --help, the manual and larder.conf, in their order.
enum class Section : std::uint8_t {
  network,
  tls,
  security,
  process,
  memory,
  collections,
  limits,
  scripts,
  watching,    // slow log, keyspace events
  compatible,  // Change::fixed
};

struct Option {
  using Field =
      std::variant<std::monostate, int Settings::*, std::int64_t Settings::*,
                   std::uint64_t Settings::*, bool Settings::*, std::string Settings::*,
                   std::vector<std::string> Settings::*, std::vector<ConfigLine> Settings::*>;
  enum class Form : std::uint8_t {
    number,
    bytes,
    octal,
    flag,
    text,
    choice,
    list,    // any number of words, in a std::vector<std::string>
    events,  // letters of notify-keyspace-events
    bounds,  // client-output-buffer-limit
    share,   // an amount, or per cent of another option: a number below nought then
    lines,   // a directive that may be said again and again, in a std::vector<ConfigLine>: of the
             // config file only, unknown to CONFIG GET and SET
  };

  std::string_view name;
  Section section;
  Field field = {};
  Form form = Form::text;
  Change change = Change::live;
  std::int64_t lowest = 0;
  std::int64_t highest = INT64_MAX;
  std::span<const std::string_view> choices = {};
  std::string_view unit = "";   // of a number: "seconds", "keys"; that of Form::bytes is known
  std::string_view fixed = "";  // the value of a fixed one
  bool is_secret = false;       // neither logged nor shown to MONITOR
  std::string_view help = "";
  std::string_view alias = "";  // Redis's older name
};

std::string_view title_of(Section section);
std::span<const Option> option_table();
// Whether `word`, in any case, is the directive of that name; an empty name is nobody's.
bool is_directive(std::string_view name, std::string_view word);
// By name or alias, case-insensitive; null when there is none.
const Option* find_option(std::string_view name);
// Reads a value into the settings. The reason why not, in Redis's words, or nothing.
std::optional<std::string> parse_option(const Option& option, Settings& settings,
                                        std::span<const std::string_view> words);
// As CONFIG GET says it.
std::string print_option(const Option& option, const Settings& settings);
// As lines of redis.conf without the directive's name, words quoted where they must be: mostly one.
std::vector<std::string> option_lines(const Option& option, const Settings& settings);

// "100", "64mb", "1gb", "10k" as redis.conf means them; nullopt when it is no amount of memory.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace larder::server
