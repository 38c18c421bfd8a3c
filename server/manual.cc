#include "server/manual.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/options_table.h"
#include "server/version.h"

namespace larder::server {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kHelpColumn = 38;

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

// What a value looks like.
std::string word_for(const Option& option) {
  switch (option.form) {
    case Option::Form::number: return option.unit.empty() ? "NUMBER" : upper(option.unit);
    case Option::Form::bytes: return "BYTES";
    case Option::Form::octal: return "MODE";
    case Option::Form::flag: return "yes|no";
    case Option::Form::choice: {
      constexpr std::size_t kShort = 40;
      const std::string words = fmt::format("{}", fmt::join(option.choices, "|"));
      return words.size() > kShort ? "WORD" : words;
    }
    case Option::Form::list: return "WORD...";
    case Option::Form::events: return "LETTERS";
    case Option::Form::bounds: return "CLASS HARD SOFT SECONDS...";
    case Option::Form::lines: return "NAME RULE...";
    default: return "TEXT";
  }
}

std::string_view unit_of(const Option& option) {
  return option.form == Option::Form::bytes ? "bytes" : option.unit;
}

// "10000 microseconds"; nothing when it is empty.
std::string default_of(const Option& option) {
  if (option.name == "maxmemory") return "75 % of the memory there is";
  if (option.form == Option::Form::lines) return "";
  const std::string value = print_option(option, Settings{});
  const std::string_view unit = unit_of(option);
  return value.empty() || unit.empty() ? value : fmt::format("{} {}", value, unit);
}

std::string remark(const Option& option) {
  const std::string value = default_of(option);
  const std::string_view when = option.change == Change::live ? "may be set while it runs"
                                                              : "at start only";
  return value.empty() ? std::string(when) : fmt::format("default {}; {}", value, when);
}

std::vector<const Option*> options_of(Section section) {
  std::vector<const Option*> found;
  for (const Option& option : option_table()) {
    if (option.section == section && option.change != Change::fixed) found.push_back(&option);
  }
  return found;
}

// Calls visit(title, options) for each section that has some.
template <class Visit>
void each_section(Visit visit) {
  for (Section section = Section::network; section != Section::compatible;
       section = static_cast<Section>(static_cast<int>(section) + 1)) {
    const std::vector<const Option*> options = options_of(section);
    if (!options.empty()) visit(title_of(section), options);
  }
}

// Broken at spaces into lines of at most `width`, each after `prefix`.
std::string wrapped(std::string_view text, std::string_view prefix, std::size_t width = kWidth) {
  std::string lines;
  const std::size_t room = width - prefix.size();
  while (!text.empty()) {
    std::size_t end = text.size();
    if (end > room) {
      const std::size_t space = text.rfind(' ', room);
      end = space == std::string_view::npos ? std::min(text.find(' '), text.size()) : space;
    }
    lines.append(prefix).append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return lines;
}

std::string sentence(std::string_view text) {
  std::string out(text);
  if (!out.empty()) {
    out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  }
  return out + '.';
}

struct Act {
  std::string_view flag;
  std::string_view help;
};
constexpr Act kActs[] = {
    {"--config FILE, FILE", "read a config file in redis.conf syntax first"},
    {"--check-config FILE",
     "say whether the file can be read, and what in it is passed over; ends "
     "with 0 or 1"},
    {"--print-config", "print a commented larder.conf"},
    {"--print-man", "print this manual for man"},
    {"-h, --help", "print the options"},
    {"-v, --version", "print the version"},
};

std::string row(std::string_view left, std::string_view right) {
  std::string text = fmt::format("  {}", left);
  const std::string indent(kHelpColumn, ' ');
  std::string lines = wrapped(right, indent);
  if (text.size() + 1 > kHelpColumn) return text + "\n" + lines;
  text.resize(kHelpColumn, ' ');
  return text + lines.substr(kHelpColumn);
}

// --- for man

// Text of ours in the language of man: no line begins a request, no backslash escapes.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool begins = out.empty() || out.back() == '\n';
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else {
      out += c;
    }
  }
  return out;
}

std::string item(std::string_view head, std::string_view text) {
  return fmt::format(".TP\n.B {}\n{}\n", roff(head), roff(text));
}

std::string manual_of_options() {
  std::string page;
  each_section([&](std::string_view title, const std::vector<const Option*>& options) {
    page += fmt::format(".SS {}\n", roff(title));
    for (const Option* option : options) {
      page += fmt::format(".TP\n\\fB{}\\fR \\fI{}\\fR\n{}\n.br\n({})\n",
                          roff(fmt::format("--{}", option->name)), roff(word_for(*option)),
                          roff(sentence(option->help)), roff(remark(*option)));
    }
  });
  return page;
}

std::string manual_of_commands() {
  const Registry registry(all_families());
  std::map<std::string_view, std::map<std::string, std::string_view>> by_group;
  const auto add = [&](const Command& command) {
    if (command.run == nullptr) return;
    std::string name = upper(registry.full_name(command));
    std::replace(name.begin(), name.end(), '|', ' ');
    by_group[registry.family_of(command).name][name] = command.summary;
  };
  for (const Command* command : registry.commands()) {
    add(*command);
    for (const Command& sub : command->subcommands) add(sub);
  }
  std::string page;
  for (const auto& [group, commands] : by_group) {
    page += fmt::format(".SS {}\n", roff(group));
    for (const auto& [name, summary] : commands) page += item(name, sentence(summary));
  }
  return page;
}

}  // namespace

std::string environment_name(std::string_view option) {
  std::string name = "LARDER_";
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string help_text() {
  std::string text =
      "Larder, an in-memory cache server that speaks the Redis protocol.\n"
      "Usage: larder [FILE] [--OPTION VALUE]...\n\n";
  for (const Act& act : kActs) text += row(act.flag, act.help);
  each_section([&](std::string_view title, const std::vector<const Option*>& options) {
    text += fmt::format("\n{}\n", title);
    for (const Option* option : options) {
      text += row(fmt::format("--{} {}", option->name, word_for(*option)),
                  fmt::format("{} [{}]", option->help,
                              default_of(*option).empty() ? "none" : default_of(*option)));
    }
  });
  text += "\n" + wrapped(
                     "Each option is a directive of the config file too, and the environment "
                     "variable LARDER_MAXMEMORY_POLICY is the option --maxmemory-policy. A flag "
                     "wins over the environment, which wins over the file. Sizes may end in kb, mb "
                     "or gb.",
                     "");
  return text;
}

std::string config_text() {
  std::string text =
      "# Configuration of Larder, in redis.conf syntax: a directive and its value a line.\n"
      "#\n"
      "# Every directive is there, commented out, with its default. A flag of the command line\n"
      "# (--maxmemory 1gb) and the environment (LARDER_MAXMEMORY=1gb) win over this file.\n"
      "# Sizes: 1k is 1000 bytes, 1kb is 1024; m, mb, g, gb likewise. A value with spaces stands\n"
      "# in double quotes. Other files are read where `include` names them:\n"
      "#\n"
      "# include /etc/larder/conf.d/*.conf\n";
  each_section([&](std::string_view title, const std::vector<const Option*>& options) {
    text += fmt::format("\n{:#^{}}\n", fmt::format(" {} ", title), 80);
    for (const Option* option : options) {
      text += "\n" + wrapped(sentence(option->help), "# ") +
              wrapped(sentence(remark(*option)), "# ");
      if (option->name == "maxmemory") {
        text += "#maxmemory 1gb\n";
        continue;
      }
      if (option->form == Option::Form::lines) {
        text += fmt::format("#{} {}\n", option->name, word_for(*option));
      }
      for (const std::string& line : option_lines(*option, Settings{})) {
        text += fmt::format("#{} {}\n", option->name, line);
      }
    }
  });
  return text;
}

std::string manual_page() {
  std::string page = fmt::format(
      ".\\\" Printed by larder --print-man from the tables of options and commands.\n"
      ".TH LARDER 1 \"\" \"Larder {}\" \"User Commands\"\n"
      ".SH NAME\nlarder \\- in\\-memory cache server that speaks the Redis protocol\n"
      ".SH SYNOPSIS\n.B larder\n[\\fIFILE\\fR] [\\fB\\-\\-OPTION\\fR \\fIVALUE\\fR]...\n"
      ".SH DESCRIPTION\n"
      "Larder keeps strings, hashes, lists, sets, sorted sets and streams in memory, under a "
      "limit\n"
      "it holds by dropping what is least worth keeping, and serves any client of Redis. Nothing "
      "is\n"
      "written to disk.\n"
      ".SH ACTIONS\n",
      kLarderVersion);
  for (const Act& act : kActs) page += item(act.flag, sentence(act.help));
  page +=
      ".SH OPTIONS\n"
      "Each is a flag, a directive of the config file, and a parameter of CONFIG GET; those that\n"
      "may be set while the server runs, of CONFIG SET. Sizes may end in kb, mb or gb.\n";
  page += manual_of_options();
  page +=
      ".SH CONFIG FILE\n"
      "In the syntax of redis.conf; a redis.conf can be used as it is. Directives about what "
      "Larder\n"
      "has not (snapshots, append\\-only files, replicas, clusters) are passed over with a "
      "warning\n"
      "each; unknown ones and wrong values end the start.\n"
      ".SH ENVIRONMENT\n"
      "LARDER_\\fIOPTION\\fR, in capitals and with underscores for dashes, sets an option:\n"
      "LARDER_MAXMEMORY_POLICY=allkeys\\-lru. LARDER_CONFIG names the config file. Flags win over\n"
      "the environment, which wins over the file. NOTIFY_SOCKET and WATCHDOG_USEC are those of\n"
      "systemd.\n"
      ".SH SIGNALS\n";
  page += item("SIGTERM, SIGINT", "End, after replies under way are sent.");
  page += item("SIGHUP", "Open the log file again, and read the TLS certificates again.");
  page += item("SIGUSR1", "Write the state in a few lines to the log.");
  page += ".SH EXIT STATUS\n0 after an ordinary end, 1 when it could not start.\n.SH FILES\n";
  page += item("/etc/larder/larder.conf", "What the service of the package reads.");
  page += ".SH COMMANDS\n" + manual_of_commands();
  page += ".SH SEE ALSO\n.BR redis\\-cli (1)\n";
  return page;
}

}  // namespace larder::server
