#include "server/config_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>

#include "protocol/line_words.h"
#include "server/options_table.h"
#include "server/version.h"

namespace larder::server {
namespace {

// Files that include files: deeper is a circle.
constexpr int kDeepestInclude = 16;

// Directives about things Larder has not: files of data, replicas, clusters, Redis's own memory
// layout. One that ends in '-' stands for all that begin so; a family of which Larder has some is
// named one by one, or a slip of the pen in a limit or a lock would pass for one of these.
constexpr std::string_view kForeign[] = {
    "active-defrag-",
    "active-expire-effort",
    "activedefrag",
    "activerehashing",
    "always-show-logo",
    "aof-",
    "aof_rewrite_cpulist",
    "appenddirname",
    "appendfilename",
    "appendfsync",
    "auto-aof-",
    "bgsave_cpulist",
    "bind-source-addr",
    "bio_cpulist",
    "cluster-",
    "crash-",
    "dbfilename",
    "disable-thp",
    "dynamic-hz",
    "gopher-enabled",
    "hash-max-zipmap-",
    "hide-user-data-from-log",
    "hz",
    "ignore-warnings",
    "io-threads",
    "io-threads-do-reads",
    "jemalloc-bg-thread",
    "key-load-delay",
    "latency-tracking",
    "latency-tracking-info-percentiles",
    "lazyfree-",
    "list-compress-depth",
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "loadmodule",
    "loadmodule-ex",
    "locale-collate",
    "lua-replicate-commands",
    "masterauth",
    "masteruser",
    "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle",
    "maxmemory-eviction-tenacity",
    "min-replicas-",
    "min-slaves-",
    "no-appendfsync-on-rewrite",
    "oom-score-adj",
    "oom-score-adj-values",
    "proc-title-template",
    "propagation-error-behavior",
    "rdb-",
    "rdbchecksum",
    "rdbcompression",
    "repl-",
    "replica-",
    "replicaof",
    "sanitize-dump-payload",
    "server-cpulist",
    "server_cpulist",
    "set-proc-title",
    "shutdown-",
    "slave-",
    "slaveof",
    "socket-mark-id",
    "stop-writes-on-bgsave-error",
    "syslog-",
    "tls-client-",
    "tls-cluster",
    "tls-dh-params-file",
    "tls-replication",
    "vm-",
    "watchdog-period",
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// The words of a line; none for a comment. Nothing when quotes are left open.
std::optional<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> words;
  const std::size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos || line[begin] == '#') return words;
  protocol::LineWords split(line);
  for (;;) {
    const auto step = split.next();
    if (step == protocol::LineWords::Step::end) return words;
    if (step == protocol::LineWords::Step::unbalanced) return std::nullopt;
    words.emplace_back(split.word());
  }
}

// Files that match, in the order of their names; a pattern without any is a list of itself.
std::vector<std::string> files_matching(const std::string& pattern) {
  std::vector<std::string> files;
  glob_t found{};
  if (::glob(pattern.c_str(), GLOB_NOCHECK, nullptr, &found) == 0) {
    files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  ::globfree(&found);
  return files;
}

class Reader {
 public:
  Reader(Settings& settings, std::vector<std::string>& warnings)
      : settings_(settings), warnings_(warnings) {}

  void read(const std::string& path, int depth) {
    std::ifstream file(path);
    if (!file || std::filesystem::is_directory(path)) {
      throw std::runtime_error(fmt::format("Can't open the config file '{}': {}", path,
                                           std::strerror(file ? EISDIR : errno)));
    }
    int number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      const auto problem = take(line, fmt::format("{}:{}", path, number), depth);
      if (!problem) continue;
      throw std::runtime_error(
          fmt::format("*** FATAL CONFIG FILE ERROR (Larder {}) ***\n"
                      "Reading the configuration file '{}', at line {}\n>>> '{}'\n{}",
                      kLarderVersion, path, number, line, *problem));
    }
  }

 private:
  // Why the line is wrong, or nothing.
  std::optional<std::string> take(const std::string& line, const std::string& where, int depth) {
    const auto words = words_of(line);
    if (!words) return "Unbalanced quotes in configuration line";
    if (words->empty()) return std::nullopt;
    const std::string& name = words->front();
    if (is_directive("include", name)) return include(*words, depth);
    const Option* option = find_option(name);
    // Whoever hid a command in this way must not find it open.
    if (is_directive("rename-command", name)) {
      return "commands keep their names here: forbid them by rules of users, as in "
             "'user default on nopass ~* &* +@all -flushall'";
    }
    if (option == nullptr) {
      if (!is_foreign_directive(name)) return "Bad directive or wrong number of arguments";
      warn(name, where);
      return std::nullopt;
    }
    const std::vector<std::string_view> values(words->begin() + 1, words->end());
    const auto problem = parse_option(*option, settings_, values);
    if (problem && option->change == Change::fixed) {
      warn(name, where);
      return std::nullopt;
    }
    note(*option, where);
    return problem;
  }

  std::optional<std::string> include(const std::vector<std::string>& words, int depth) {
    if (words.size() != 2) return "wrong number of arguments";
    if (depth == kDeepestInclude) return "too many files include each other";
    for (const std::string& path : files_matching(words[1])) {
      if (path.find_first_of("*?[") == std::string::npos) read(path, depth + 1);
    }
    return std::nullopt;
  }

  void note(const Option& option, const std::string& where) {
    if (option.name == "maxmemory") settings_.maxmemory_given = true;
    if (option.form == Option::Form::lines) {
      auto& lines = settings_.*std::get<std::vector<ConfigLine> Settings::*>(option.field);
      if (!lines.empty() && lines.back().where.empty()) lines.back().where = where;
    }
  }

  void warn(const std::string& name, const std::string& where) {
    if (!warned_.insert(lower(name)).second) return;
    warnings_.push_back(fmt::format("{}: '{}' means nothing here and is passed over", where, name));
  }

  Settings& settings_;
  std::vector<std::string>& warnings_;
  std::set<std::string> warned_;
};

// What the file is to say of the options. A directive that is said several times has a key: the
// class of client-output-buffer-limit, the name of a user; its line is the one with that key.
class Rewriter {
 public:
  explicit Rewriter(const Options& options) : options_(options) {
    for (const Option& option : option_table()) {
      if (option.change != Change::fixed) unsaid_[&option] = lines_of(option);
    }
  }

  std::string rewrite(const std::string& path) {
    std::string text;
    std::ifstream old(path);
    bool is_marked = false;
    for (std::string line; std::getline(old, line);) {
      is_marked |= line == kMark;
      text += rewritten(line);
    }
    const std::string rest = added();
    if (!rest.empty() && !is_marked) text += fmt::format("{}\n", kMark);
    return text + rest;
  }

 private:
  static constexpr std::string_view kMark = "# Added by CONFIG REWRITE";
  using Lines = std::vector<std::string>;

  static bool is_said_often(const Option& option) {
    return option.form == Option::Form::bounds || option.form == Option::Form::lines;
  }

  std::string rewritten(const std::string& line) {
    const auto words = words_of(line);
    const Option* option = words && !words->empty() ? find_option(words->front()) : nullptr;
    if (option == nullptr || option->change == Change::fixed) return line + "\n";
    Lines& unsaid = unsaid_[option];
    const auto value = std::find_if(unsaid.begin(), unsaid.end(), [&](const std::string& one) {
      return !is_said_often(*option) || (words->size() > 1 && one.starts_with(key_of((*words)[1])));
    });
    if (value == unsaid.end()) return "";
    const std::string text = says(*option, *words, *value) ? line + "\n" : line_of(*option, *value);
    unsaid.erase(value);
    return text;
  }

  static std::string key_of(const std::string& word) {
    return (is_directive("replica", word) ? "slave" : word) + ' ';
  }

  // Whether the line says just that in words of its own, as `maxmemory 1gb` does.
  static bool says(const Option& option, const std::vector<std::string>& words,
                   const std::string& value) {
    Settings scratch;
    const std::vector<std::string_view> views(words.begin() + 1, words.end());
    if (parse_option(option, scratch, views)) return false;
    const Lines lines = option_lines(option, scratch);
    constexpr std::size_t kWordsOfOneClass = 5;
    if (option.form == Option::Form::bounds && words.size() != kWordsOfOneClass) return false;
    return std::find(lines.begin(), lines.end(), value) != lines.end();
  }

  std::string added() {
    const Settings defaults;
    std::string text;
    for (const Option& option : option_table()) {
      if (option.change == Change::fixed) continue;
      if (option.name == "maxmemory" && !options_.settings.maxmemory_given) continue;
      // Said by client-output-buffer-limit.
      if (option.field == Option::Field(&Settings::output_buffer_hard_limit)) continue;
      const Lines usual = option_lines(option, defaults);
      for (const std::string& value : unsaid_[&option]) {
        const bool is_usual = std::find(usual.begin(), usual.end(), value) != usual.end();
        if (!is_usual) text += line_of(option, value);
      }
    }
    return text;
  }

  Lines lines_of(const Option& option) const {
    if (option.field == Option::Field(&Settings::users) && options_.user_lines) {
      return options_.user_lines();
    }
    return option_lines(option, options_.settings);
  }

  static std::string line_of(const Option& option, const std::string& value) {
    return fmt::format("{} {}\n", option.name, value);
  }

  const Options& options_;
  std::map<const Option*, Lines> unsaid_;
};

// Writes all of it to the disk; false with errno when it can't.
bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file) == 0;
}

// Beside it and then in its place in one step, so nobody ever sees half of it. Rights stay.
bool replace_file(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  struct stat old {};
  const bool is_there = ::stat(path.c_str(), &old) == 0;
  ::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  // Who owns it matters only where somebody else than the server's user does, who may not change it
  // then.
  if (is_there && ::fchown(file, old.st_uid, old.st_gid) != 0) errno = 0;
  bool good = ::fchmod(file, is_there ? old.st_mode & 07777 : 0640) == 0 && write_all(file, text);
  good = ::close(file) == 0 && good;
  good = good && std::rename(fresh.c_str(), path.c_str()) == 0;
  if (!good) {
    const int why = errno;
    ::unlink(fresh.c_str());
    errno = why;
  }
  return good;
}

}  // namespace

void read_config_file(const std::string& path, Settings& settings,
                      std::vector<std::string>& warnings) {
  Reader(settings, warnings).read(path, 0);
}

bool is_foreign_directive(std::string_view name) {
  const std::string wanted = lower(name);
  return std::any_of(std::begin(kForeign), std::end(kForeign), [&](std::string_view known) {
    return known.ends_with('-') ? wanted.starts_with(known) : wanted == known;
  });
}

// Lines that name an option are said anew where it is another one now; options that differ from
// their default and had no line come last.
std::optional<std::string> Options::rewrite() const {
  std::error_code error;
  const std::string path = std::filesystem::weakly_canonical(file, error).string();  // no links
  const std::string& target = error ? file : path;
  if (replace_file(target, Rewriter(*this).rewrite(target))) return std::nullopt;
  return fmt::format("ERR Rewriting config file: {}", std::strerror(errno));
}

}  // namespace larder::server
