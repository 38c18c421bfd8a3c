// Where options come from at start: the command line (CLI11), and the config file it may name. The
// command line wins, so it is read first to find the file, then laid over what the file said.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "protocol/line_words.h"
#include "server/config_file.h"
#include "server/machine.h"
#include "server/options.h"
#include "server/options_table.h"
#include "server/version.h"

namespace larder::server {
namespace {

struct Given {
  const Option* option;
  std::vector<std::string> words;
};

void apply(const Option& option, Settings& settings, const std::vector<std::string>& words,
           const std::string& where) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  const auto problem = parse_option(option, settings, views);
  if (problem) {
    throw std::runtime_error(fmt::format("{}: {}: {}", where, option.name, *problem));
  }
  if (option.name == "maxmemory") settings.maxmemory_given = true;
}

}  // namespace

std::optional<int> read_command_line(Options& options, int argc, const char* const* argv,
                                     const char* const* environment) {
  (void)environment;
  CLI::App app("Larder, an in-memory cache server that speaks the Redis protocol.", "larder");
  app.set_version_flag("-v,--version", fmt::format("larder {}", kLarderVersion));
  std::string file;
  app.add_option("--config,config", file, "config file in redis.conf syntax");
  std::deque<Given> given;
  for (const Option& option : option_table()) {
    if (option.change == Change::fixed) continue;
    Given& one = given.emplace_back(Given{&option, {}});
    auto* flag =
        app.add_option(fmt::format("--{}", option.name), one.words,
                       fmt::format("{} [{}]", option.help, print_option(option, options.settings)));
    flag->type_name("");
    if (option.form == Option::Form::list || option.form == Option::Form::bounds) {
      flag->expected(1, CLI::detail::expected_max_vector_size);
    } else {
      flag->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw std::runtime_error(error.what());
    return app.exit(error);
  }
  if (!file.empty()) {
    read_config_file(file, options.settings, options.warnings);
    options.file = std::filesystem::absolute(file).string();
  }
  for (const Given& one : given) {
    if (!one.words.empty()) apply(*one.option, options.settings, one.words, "command line");
  }
  Settings& settings = options.settings;
  if (!settings.maxmemory_given) settings.maxmemory = default_maxmemory();
  if (settings.dir != "." && chdir(settings.dir.c_str()) != 0) {
    throw std::runtime_error(fmt::format("Can't change to the directory '{}'", settings.dir));
  }
  return std::nullopt;
}

}  // namespace larder::server
