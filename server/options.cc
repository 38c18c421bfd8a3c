#include "server/options.h"

#include <algorithm>
#include <cstddef>

#include "protocol/errors.h"
#include "server/options_table.h"
#include "storage/glob.h"

namespace larder::server {

namespace errors = protocol::errors;
namespace {

// Shares of a small maxmemory would leave clients less than one large request.
constexpr std::uint64_t kLeastClientShareBytes = 64ull << 20;

std::uint64_t share_of(std::int64_t value, std::uint64_t whole) {
  if (value >= 0) return static_cast<std::uint64_t>(value);
  const auto percent = static_cast<std::uint64_t>(-value);
  return whole / 100 * percent + whole % 100 * percent / 100;
}

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
  if (const auto problem = try_out(next, names)) return problem;
  std::swap(settings, next);
  publish();
  for (const std::string_view name : names) tell(find_option(name)->name);
  return std::nullopt;
}

std::optional<std::string> Options::try_out(const Settings& next,
                                            std::span<const std::string_view> names) const {
  for (const auto& [prefix, trial] : trials_) {
    const auto one = std::find_if(
        names.begin(), names.end(),
        [&prefix = prefix](std::string_view name) { return name.starts_with(prefix); });
    if (one == names.end()) continue;
    if (const auto problem = trial(next)) return errors::config_failed(*one, *problem);
  }
  return std::nullopt;
}

bool Options::follow_machine(std::uint64_t maxmemory_bytes) {
  if (settings.maxmemory_given || settings.maxmemory == maxmemory_bytes) return false;
  settings.maxmemory = maxmemory_bytes;
  publish();
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
  std::uint64_t client_bytes = share_of(settings.maxmemory_clients, settings.maxmemory);
  if (settings.maxmemory_clients < 0 && client_bytes != 0) {
    client_bytes = std::max(client_bytes, kLeastClientShareBytes);
  }
  limits.client_bytes.store(client_bytes, relaxed);
  limits.clients.store(settings.maxclients, relaxed);
  limits.spares_loopback.store(settings.maxclients_per_source < 0, relaxed);
  const std::uint64_t of_source = share_of(settings.maxclients_per_source, settings.maxclients);
  limits.clients_of_source.store(
      settings.maxclients_per_source == 0 ? 0 : std::max<std::uint64_t>(1, of_source), relaxed);
  limits.idle_s.store(settings.timeout_s, relaxed);
  limits.keepalive_s.store(settings.tcp_keepalive_s, relaxed);
}

void Options::when_changed(std::string directive, std::function<void()> hook) {
  hooks_.emplace_back(std::move(directive), std::move(hook));
}

}  // namespace larder::server
