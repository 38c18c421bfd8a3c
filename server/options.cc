#include "server/options.h"

#include <algorithm>
#include <cstddef>

#include "protocol/errors.h"
#include "server/options_table.h"
#include "storage/glob.h"

namespace larder::server {

namespace errors = protocol::errors;
namespace {

// Why it may not be changed over the wire, whatever the value is.
std::optional<std::string> gate_of(const Option& option) {
  if (option.change == Change::guarded) return std::string(errors::config_protected);
  if (option.change == Change::at_start) return std::string(errors::config_immutable);
  return std::nullopt;
}

std::vector<std::string_view> words_of(const Option& option, std::string_view value) {
  if (option.form != Option::Form::list) return {value};
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(' ', begin), value.size());
    words.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
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
      if (name.empty() || option.form == Option::Form::lines) continue;
      const auto glob = wanted(name);
      if (glob == globs.end()) continue;
      // A name without wildcards is repeated in the letters it was asked in, as Redis does.
      const bool is_name = glob->find_first_of("*?[") == std::string_view::npos;
      found.emplace_back(std::string(is_name ? *glob : name), print_option(option, settings));
    }
  }
  return found;
}

// In two passes, as Redis does: whether they may be changed at all, then what they are to be.
// Values are tried on a copy; only when all of them are good does it become the settings.
std::optional<std::string> Options::set(
    std::span<const std::pair<std::string_view, std::string_view>> changes) {
  std::vector<std::string_view> names;
  for (const auto& [asked, value] : changes) {
    const Option* option = find_option(asked);
    if (option == nullptr || option->form == Option::Form::lines) {
      return errors::config_unknown(asked);
    }
    std::optional<std::string> problem = gate_of(*option);
    // The older name stays the older one, in the table's letters.
    const std::string_view name = is_directive(option->name, asked) ? option->name : option->alias;
    if (!problem && std::find(names.begin(), names.end(), name) != names.end()) {
      problem = errors::config_duplicate;
    }
    if (problem) return errors::config_failed(asked, *problem);
    names.push_back(name);
  }
  Settings next = settings;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Option& option = *find_option(names[i]);
    if (const auto problem = parse_option(option, next, words_of(option, changes[i].second))) {
      return errors::config_failed(names[i], *problem);
    }
    if (option.name == "maxmemory") next.maxmemory_given = true;
  }
  std::swap(settings, next);
  publish();
  for (const std::string_view name : names) tell(find_option(name)->name);
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

void Options::when_changed(std::string directive, std::function<void()> hook) {
  hooks_.emplace_back(std::move(directive), std::move(hook));
}

}  // namespace larder::server
