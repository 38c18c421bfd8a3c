#include "server/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "protocol/errors.h"
#include "protocol/line_words.h"
#include "server/options_table.h"
#include "storage/glob.h"

namespace larder::server {

namespace errors = protocol::errors;
namespace {

// As a line of redis.conf; a value with anything unusual in it is quoted.
std::string config_line(const Option& option, const Settings& settings) {
  const std::string value = print_option(option, settings);
  const bool is_plain = !value.empty() && value.find_first_of(" \t\"'\\#") == std::string::npos;
  const bool is_words = option.form == Option::Form::list || option.form == Option::Form::bounds;
  if (is_plain || is_words) return fmt::format("{} {}", option.name, value);
  std::string quoted;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return fmt::format("{} \"{}\"", option.name, quoted);
}

}  // namespace

Options::Options() = default;

std::vector<Options::Pair> Options::matching(std::span<const std::string_view> globs) const {
  const auto wanted = [&](std::string_view name) {
    return std::find_if(globs.begin(), globs.end(), [&](std::string_view glob) {
      return storage::glob_matches(glob, name, storage::Case::folded);
    });
  };
  std::vector<Pair> found;
  for (const Option& option : option_table()) {
    for (const std::string_view name : {option.name, option.alias}) {
      if (name.empty()) continue;
      const auto glob = wanted(name);
      if (glob == globs.end()) continue;
      // A name without wildcards is repeated in the letters it was asked in, as Redis does.
      const bool is_name = glob->find_first_of("*?[") == std::string_view::npos;
      found.emplace_back(std::string(is_name ? *glob : name), print_option(option, settings));
    }
  }
  return found;
}

// Everything is tried on a copy first; only when all of it is good does it become the settings.
std::optional<std::string> Options::set(
    std::span<const std::pair<std::string_view, std::string_view>> changes) {
  Settings next = settings;
  std::vector<const Option*> changed;
  for (const auto& [name, value] : changes) {
    const Option* option = find_option(name);
    if (option == nullptr) return errors::config_unknown(name);
    std::optional<std::string> problem;
    if (std::find(changed.begin(), changed.end(), option) != changed.end()) {
      problem = errors::config_duplicate;
    } else if (option->change == Change::guarded) {
      problem = errors::config_protected;
    } else if (option->change != Change::live) {
      problem = errors::config_immutable;
    } else {
      problem = parse_option(*option, next, std::span(&value, 1));
    }
    if (problem) return errors::config_failed(name, *problem);
    changed.push_back(option);
  }
  std::swap(settings, next);
  publish();
  for (const Option* option : changed) {
    if (option->name == "maxmemory") settings.maxmemory_given = true;
    tell(option->name);
  }
  return std::nullopt;
}

bool Options::follow_machine(std::uint64_t maxmemory_bytes) {
  if (settings.maxmemory_given || settings.maxmemory == maxmemory_bytes) return false;
  settings.maxmemory = maxmemory_bytes;
  tell("maxmemory");
  return true;
}

void Options::tell(std::string_view directive) const {
  for (const auto& [wanted, hook] : hooks_) {
    if (wanted == directive) hook();
  }
}

void Options::publish() {
  constexpr auto relaxed = std::memory_order_relaxed;
  limits.request_word_bytes.store(settings.proto_max_bulk_len, relaxed);
  limits.unread_request_bytes.store(settings.client_query_buffer_limit, relaxed);
  limits.normal_output.store({settings.output_buffer_hard_limit, settings.normal_output.soft_bytes,
                              settings.normal_output.soft_s});
  limits.listener_output.store(settings.listener_output);
  limits.clients.store(settings.maxclients, relaxed);
  limits.idle_s.store(settings.timeout_s, relaxed);
  limits.keepalive_s.store(settings.tcp_keepalive_s, relaxed);
  limits.need_password.store(!settings.requirepass.empty(), relaxed);
}

// Lines that name an option are said anew, once; options that differ from their default and had no
// line come last. The new file takes the old one's place in one step, so nobody ever sees half of
// it.
std::optional<std::string> Options::rewrite() const {
  const Settings defaults;
  std::set<const Option*> written;
  std::string text;
  std::ifstream old(file);
  for (std::string line; std::getline(old, line);) {
    protocol::LineWords words(line);
    const bool has_word = words.next() == protocol::LineWords::Step::word;
    const Option* option = has_word ? find_option(words.word()) : nullptr;
    if (option == nullptr || option->change == Change::fixed) {
      text += line + "\n";
    } else if (written.insert(option).second) {
      text += config_line(*option, settings) + "\n";
    }
  }
  for (const Option& option : option_table()) {
    if (option.change == Change::fixed || written.contains(&option)) continue;
    if (option.name == "maxmemory" && !settings.maxmemory_given) continue;
    if (print_option(option, settings) == print_option(option, defaults)) continue;
    text += config_line(option, settings) + "\n";
  }
  const std::string fresh = file + ".new";
  std::ofstream out(fresh);
  out << text;
  out.close();
  if (!out || std::rename(fresh.c_str(), file.c_str()) != 0) {
    return fmt::format("ERR Rewriting config file: {}", std::strerror(errno));
  }
  return std::nullopt;
}

void Options::when_changed(std::string directive, std::function<void()> hook) {
  hooks_.emplace_back(std::move(directive), std::move(hook));
}

}  // namespace larder::server
