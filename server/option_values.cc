// How a value of an option is read and said, form by form.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/events.h"
#include "server/options_table.h"
#include "storage/types/bytes.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using Form = Option::Form;

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

// "64mb", or "5%", which is minus five.
std::optional<std::int64_t> parse_share(std::string_view text) {
  if (text.ends_with('%')) {
    const auto percent = storage::strict_integer(text.substr(0, text.size() - 1));
    if (!percent || *percent < 0) return std::nullopt;
    return -*percent;
  }
  const auto bytes = parse_bytes(text);
  if (!bytes || *bytes > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*bytes);
}

std::optional<std::string> parse_number(const Option& option, Settings& settings,
                                        std::string_view text) {
  std::optional<std::int64_t> value;
  if (option.form == Form::bytes) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes > INT64_MAX) return std::string(errors::config_not_memory);
    value = static_cast<std::int64_t>(*bytes);
  } else if (option.form == Form::share) {
    value = parse_share(text);
    if (!value) return std::string(errors::config_not_share);
    if (*value < option.lowest) return std::string(errors::config_above_hundred);
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

// "normal 0 0 0" and the others.
std::vector<std::string> bounds_lines(const Settings& settings) {
  std::vector<std::string> lines;
  for (const OutputClass& known : kOutputClasses) {
    OutputBounds bounds = settings.*known.field;
    if (known.field == &Settings::normal_output) {
      bounds.hard_bytes = settings.output_buffer_hard_limit;
    }
    lines.push_back(fmt::format("{} {} {} {}", known.name, bounds.hard_bytes, bounds.soft_bytes,
                                bounds.soft_s));
  }
  return lines;
}

// As a word of redis.conf: with anything unusual in it, quoted.
std::string quoted(std::string_view word) {
  const bool is_plain = std::all_of(word.begin(), word.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\' && c != '#';
  });
  if (is_plain && !word.empty()) return std::string(word);
  std::string text = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string quoted(const std::vector<std::string>& words) {
  if (words.empty()) return quoted("");
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + quoted(word);
  return line;
}

}  // namespace

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
  if (words.empty()) return "wrong number of arguments";
  if (option.form == Form::list) {
    auto& list = settings.*std::get<std::vector<std::string> Settings::*>(option.field);
    list.assign(words.begin(), words.end());
    if (list.size() == 1 && list.front().empty()) list.clear();
    return std::nullopt;
  }
  if (option.form == Form::bounds) return parse_bounds(settings, words);
  if (option.form == Form::lines) {
    auto& lines = settings.*std::get<std::vector<ConfigLine> Settings::*>(option.field);
    lines.push_back({{words.begin(), words.end()}, {}});
    return std::nullopt;
  }
  if (words.size() != 1) return "wrong number of arguments";
  if (option.change == Change::fixed) {
    if (lower(words[0]) == option.fixed) return std::nullopt;
    return std::string(errors::config_immutable);
  }
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
    case Form::bounds: return fmt::format("{}", fmt::join(bounds_lines(settings), " "));
    case Form::lines: return "";
    case Form::octal: return fmt::format("{:o}", load_number(option, settings));
    case Form::share: {
      const std::int64_t value = load_number(option, settings);
      return value < 0 ? fmt::format("{}%", -value) : fmt::format("{}", value);
    }
    case Form::number:
    case Form::bytes: return fmt::format("{}", load_number(option, settings));
    default: return settings.*std::get<std::string Settings::*>(option.field);
  }
}

std::vector<std::string> option_lines(const Option& option, const Settings& settings) {
  if (option.form == Form::bounds) return bounds_lines(settings);
  if (option.form == Form::list) {
    return {quoted(settings.*std::get<std::vector<std::string> Settings::*>(option.field))};
  }
  if (option.form != Form::lines) return {quoted(print_option(option, settings))};
  std::vector<std::string> lines;
  for (const auto& line : settings.*std::get<std::vector<ConfigLine> Settings::*>(option.field)) {
    lines.push_back(quoted(line.words));
  }
  return lines;
}

}  // namespace larder::server
