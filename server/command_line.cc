// Where options come from at start: the command line, the environment, and the config file
// that one of them may name. The command line wins over the environment, which wins over the file,
// so they are laid over each other in the opposite order.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/line_words.h"
#include "server/config_file.h"
#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/machine.h"
#include "server/manual.h"
#include "server/options.h"
#include "server/options_table.h"
#include "server/security/users.h"
#include "server/version.h"

namespace larder::server {
namespace {

using Words = std::vector<std::string>;

struct Given {
  const Option* option;
  Words words;
};

// What the command line says, but for the options of the table.
struct CommandLine {
  std::string file;
  std::string checked_file;
  std::string text;  // to print instead of serving
  std::vector<Given> given;
  std::vector<std::string> warnings;
};

bool takes_many_words(const Option& option) {
  return option.form == Option::Form::list || option.form == Option::Form::bounds ||
         option.form == Option::Form::lines;
}

void apply(const Option& option, Settings& settings, const Words& words, const std::string& where) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const auto problem = parse_option(option, settings, views);
  if (problem) {
    throw std::runtime_error(fmt::format("{}: {}: {}", where, option.name, *problem));
  }
  if (option.name == "maxmemory") settings.maxmemory_given = true;
}

// --save "" and --appendonly no stand in many a compose file: they are taken as a config file's
// lines would be.
void apply_given(Options& options, const Given& given) {
  const Option& option = *given.option;
  if (option.change != Change::fixed) {
    return apply(option, options.settings, given.words, "command line");
  }
  const std::vector<std::string_view> views(given.words.begin(), given.words.end());
  if (parse_option(option, options.settings, views)) {
    options.warnings.push_back(
        fmt::format("command line: '{}' means nothing here and is passed over", option.name));
  }
}

// As redis-server does it: a flag takes the words up to the next one, if it may have several;
// else just one. Values may be joined by '=' too, and begin with dashes then.
class CommandLineReader {
 public:
  explicit CommandLineReader(std::span<const char* const> words) : words_(words) {}

  CommandLine read() {
    while (at_ < words_.size()) {
      const std::string_view word = words_[at_++];
      if (word.starts_with("--")) {
        const std::size_t equals = word.find('=');
        if (equals != std::string_view::npos) joined_ = word.substr(equals + 1);
        flag(word.substr(2, equals - 2));
      } else if (word == "-h") {
        flag("help");
      } else if (word == "-v") {
        flag("version");
      } else if (word.size() > 1 && word.front() == '-') {
        unknown(word);
      } else {
        name_file(word);
      }
    }
    return std::move(read_);
  }

 private:
  static void unknown(std::string_view word) {
    throw std::runtime_error(fmt::format("unknown option {}: --help lists them all", word));
  }

  void flag(std::string_view name) {
    if (name == "help") {
      read_.text = help_text();
    } else if (name == "version") {
      read_.text = fmt::format("larder {}\n", kLarderVersion);
    } else if (name == "print-config") {
      read_.text = config_text();
    } else if (name == "print-man") {
      read_.text = manual_page();
    } else if (name == "config") {
      name_file(only_word(name));
    } else if (name == "check-config") {
      read_.checked_file = only_word(name);
    } else if (const Option* option = find_option(name)) {
      const bool takes_many = takes_many_words(*option) || option->change == Change::fixed;
      read_.given.push_back({option, take(takes_many ? SIZE_MAX : 1)});
    } else if (is_foreign_directive(name)) {
      take(SIZE_MAX);
      read_.warnings.push_back(
          fmt::format("command line: '{}' means nothing here and is passed over", name));
    } else {
      unknown(fmt::format("--{}", name));
    }
  }

  std::string only_word(std::string_view name) {
    const Words words = take(1);
    if (words.empty()) throw std::runtime_error(fmt::format("--{} of which file?", name));
    return words.front();
  }

  Words take(std::size_t most) {
    if (joined_) return {std::string(*std::exchange(joined_, std::nullopt))};
    Words words;
    while (at_ < words_.size() && words.size() < most) {
      if (std::string_view(words_[at_]).starts_with("--")) break;
      words.emplace_back(words_[at_++]);
    }
    return words;
  }

  void name_file(std::string_view path) {
    if (!read_.file.empty()) {
      throw std::runtime_error(fmt::format("one config file only: '{}' or '{}'", read_.file, path));
    }
    read_.file = path;
  }

  std::span<const char* const> words_;
  std::size_t at_ = 0;
  std::optional<std::string_view> joined_;  // to the flag by '='
  CommandLine read_;
};

// An orchestrator's own variables of a service that is named larder: tcp://10.0.0.7:6379.
bool is_link_of_orchestrator(std::string_view name, std::string_view value) {
  return name.starts_with("LARDER_SERVICE_") || name.starts_with("LARDER_PORT_") ||
         (name == "LARDER_PORT" && value.find("://") != std::string_view::npos);
}

Words words_of(const Option& option, std::string_view value, const std::string& where) {
  if (!takes_many_words(option)) return {std::string(value)};
  Words words;
  protocol::LineWords split(value);
  for (;;) {
    const auto step = split.next();
    if (step == protocol::LineWords::Step::end) return words;
    if (step == protocol::LineWords::Step::unbalanced) {
      throw std::runtime_error(fmt::format("{}: unbalanced quotes", where));
    }
    words.emplace_back(split.word());
  }
}

// The variables that begin with LARDER_, each with what it is set to.
std::vector<std::pair<std::string, std::string>> own_variables(const char* const* environment) {
  std::vector<std::pair<std::string, std::string>> found;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::size_t equals = entry.find('=');
    if (!entry.starts_with("LARDER_") || equals == std::string_view::npos) continue;
    found.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return found;
}

const Option* option_of_variable(std::string_view variable) {
  for (const Option& option : option_table()) {
    if (option.change != Change::fixed && environment_name(option.name) == variable) return &option;
  }
  return nullptr;
}

void apply_environment(Options& options,
                       const std::vector<std::pair<std::string, std::string>>& variables) {
  for (const auto& [name, value] : variables) {
    if (name == "LARDER_CONFIG" || is_link_of_orchestrator(name, value)) continue;
    const std::string where = fmt::format("environment variable {}", name);
    const Option* option = option_of_variable(name);
    if (option == nullptr) {
      options.warnings.push_back(fmt::format("{} names no option", where));
      continue;
    }
    apply(*option, options.settings, words_of(*option, value, where), where);
  }
}

int check_file(const std::string& path) {
  Settings settings;
  std::vector<std::string> warnings;
  read_config_file(path, settings, warnings);
  const Registry registry(all_families());
  security::Users users(registry);
  if (const auto problem = security::read_users(users, settings)) {
    throw std::runtime_error(*problem);
  }
  for (const std::string& warning : warnings) fmt::print(stderr, "{}\n", warning);
  fmt::print("{}: good, {} directive{} passed over\n", path, warnings.size(),
             warnings.size() == 1 ? "" : "s");
  return 0;
}

}  // namespace

std::optional<int> read_command_line(Options& options, int argc, const char* const* argv,
                                     const char* const* environment) {
  CommandLine said =
      CommandLineReader({argv + 1, static_cast<std::size_t>(std::max(1, argc) - 1)}).read();
  if (!said.text.empty()) {
    fmt::print("{}", said.text);
    return 0;
  }
  if (!said.checked_file.empty()) return check_file(said.checked_file);
  options.warnings = std::move(said.warnings);
  const auto variables = own_variables(environment);
  for (const auto& [name, value] : variables) {
    if (name == "LARDER_CONFIG" && said.file.empty()) said.file = value;
  }
  if (!said.file.empty()) {
    read_config_file(said.file, options.settings, options.warnings);
    options.file = std::filesystem::absolute(said.file).string();
  }
  apply_environment(options, variables);
  for (const Given& one : said.given) apply_given(options, one);
  Settings& settings = options.settings;
  if (!settings.maxmemory_given) settings.maxmemory = default_maxmemory();
  if (settings.dir != "." && chdir(settings.dir.c_str()) != 0) {
    throw std::runtime_error(fmt::format("Can't change to the directory '{}'", settings.dir));
  }
  return std::nullopt;
}

}  // namespace larder::server
