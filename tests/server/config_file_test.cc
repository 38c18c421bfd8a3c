#include "server/config_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace larder::server;

namespace {

// A directory of its own, with files in it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "larder-conf-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~Folder() { std::filesystem::remove_all(root_); }

  std::string at(const std::string& name) const { return root_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(at(name)) << text;
    return at(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(at(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string root_;
};

struct Read {
  Settings settings;
  std::vector<std::string> warnings;
  std::string problem;
};

Read read(const std::string& path) {
  Read result;
  try {
    read_config_file(path, result.settings, result.warnings);
  } catch (const std::runtime_error& error) {
    result.problem = error.what();
  }
  return result;
}

Read read_text(const std::string& text) {
  const Folder folder;
  return read(folder.write("larder.conf", text));
}

std::string last_line(const std::string& text) {
  return text.substr(text.rfind('\n') + 1);
}

// The options that a start with these words and variables ends up with.
std::unique_ptr<Options> start(std::vector<const char*> words,
                               std::vector<const char*> environment = {}) {
  words.insert(words.begin(), "larder");
  environment.push_back(nullptr);
  auto options = std::make_unique<Options>();
  REQUIRE_FALSE(read_command_line(*options, static_cast<int>(words.size()), words.data(),
                                  environment.data()));
  return options;
}

std::string refusal(std::vector<const char*> words, std::vector<const char*> environment = {}) {
  words.insert(words.begin(), "larder");
  environment.push_back(nullptr);
  Options options;
  try {
    (void)read_command_line(options, static_cast<int>(words.size()), words.data(),
                            environment.data());
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

std::optional<std::string> set(Options& options,
                               std::vector<std::pair<std::string_view, std::string_view>> changes) {
  return options.set(changes);
}

}  // namespace

TEST_CASE("directives apply, in any case, quoted or not, the last one wins") {
  const Read result = read_text(
      "# port 1\n"
      "\n"
      "   PORT 7000\r\n"
      "maxmemory 64mb\n"
      "MaxMemory-Policy ALLKEYS-LFU\n"
      "requirepass \"a b\\x41\"\n"
      "bind 127.0.0.1 ::1\n"
      "timeout 5\n"
      "timeout 7\n"
      "client-output-buffer-limit normal 1mb 0 0\n"
      "client-output-buffer-limit pubsub 2mb 1mb 60\n"
      "hash-max-ziplist-entries 9\n");
  CHECK(result.problem.empty());
  CHECK(result.warnings.empty());
  const Settings& settings = result.settings;
  CHECK(settings.port == 7000);
  CHECK(settings.maxmemory == 64ull << 20);
  CHECK(settings.maxmemory_given);
  CHECK(settings.maxmemory_policy == "allkeys-lfu");
  CHECK(settings.requirepass == "a bA");
  CHECK(settings.bind == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(settings.timeout_s == 7);
  CHECK(settings.output_buffer_hard_limit == 1 << 20);
  CHECK(settings.listener_output.soft_s == 60);
  CHECK(settings.hash_max_listpack_entries == 9);
}

TEST_CASE("what makes no sense here is named once and passed over; what is true anyhow is not") {
  const Read result = read_text(
      "save 900 1\nSAVE 300 10\nappendonly no\nappendfsync everysec\nrdbcompression yes\n"
      "cluster-node-timeout 15000\nreplica-read-only yes\nreplica-read-only no\nsave \"\"\n");
  CHECK(result.problem.empty());
  REQUIRE(result.warnings.size() == 5);
  CHECK(result.warnings[0].find("larder.conf:1: 'save'") != std::string::npos);
  CHECK(result.warnings[1].find(":4: 'appendfsync'") != std::string::npos);
  CHECK(result.warnings[2].find(":5: 'rdbcompression'") != std::string::npos);
  CHECK(result.warnings[3].find(":6: 'cluster-node-timeout'") != std::string::npos);
  CHECK(result.warnings[4].find(":8: 'replica-read-only'") != std::string::npos);
}

TEST_CASE("what is wrong is an error with file, line, and what stands there") {
  const Read result = read_text("timeout 1\n\nport abc\n");
  CHECK(result.problem.find("larder.conf', at line 3\n>>> 'port abc'\n") != std::string::npos);
  const std::pair<const char*, const char*> lines[] = {
      {"port abc", "argument couldn't be parsed into an integer"},
      {"port 65536", "argument must be between 0 and 65535 inclusive"},
      {"port", "wrong number of arguments"},
      {"bind", "wrong number of arguments"},
      {"client-output-buffer-limit", "wrong number of arguments"},
      {"port 1 2", "wrong number of arguments"},
      {"maxmemory 1x", "argument must be a memory value"},
      {"daemonize maybe", "argument must be 'yes' or 'no'"},
      {"unixsocketperm 8", "argument couldn't be parsed as an octal number"},
      {"requirepass \"open", "Unbalanced quotes in configuration line"},
      {"maxmemroy 1gb", "Bad directive or wrong number of arguments"},
      {"hash-max-listpack-entrys 1", "Bad directive or wrong number of arguments"},
      {"include", "wrong number of arguments"},
      {"rename-command FLUSHALL \"\"",
       "commands keep their names here: forbid them by rules of users, as in 'user default on "
       "nopass ~* &* +@all -flushall'"},
  };
  for (const auto& [directive, problem] : lines) {
    const std::string line = directive;
    CAPTURE(line);
    CHECK(last_line(read_text(line).problem) == problem);
  }
  CHECK(read("/nowhere/larder.conf").problem ==
        "Can't open the config file '/nowhere/larder.conf': No such file or directory");
}

TEST_CASE("files include files, in the order of their names, and no circle") {
  const Folder folder;
  folder.write("10-first.conf", "timeout 1\nport 7001\n");
  folder.write("20-second.conf", "timeout 2\nnonsense\n");
  const std::string main =
      folder.write("larder.conf", "port 7000\ninclude " + folder.at("1*.conf") + "\ntimeout 3\n");
  const Read good = read(main);
  CHECK(good.problem.empty());
  CHECK(good.settings.port == 7001);
  CHECK(good.settings.timeout_s == 3);
  const Read bad = read(folder.write("all.conf", "include " + folder.at("*-*.conf") + "\n"));
  CHECK(bad.settings.timeout_s == 2);
  CHECK(bad.problem.find("20-second.conf', at line 2\n") != std::string::npos);
  CHECK(read(folder.write("none.conf", "include " + folder.at("*.none") + "\n")).problem.empty());
  CHECK(read(folder.write("gone.conf", "include " + folder.at("gone") + "\n")).problem != "");
  const std::string self = folder.at("self.conf");
  CHECK(last_line(read(folder.write("self.conf", "include " + self + "\n")).problem) ==
        "too many files include each other");
}

TEST_CASE("lines of users are kept, words and place") {
  const Read result = read_text("user alice on \">pass word\" ~*\nuser bob off\n");
  CHECK(result.problem.empty());
  REQUIRE(result.settings.users.size() == 2);
  CHECK(result.settings.users[0].words ==
        std::vector<std::string>{"alice", "on", ">pass word", "~*"});
  CHECK(result.settings.users[1].where.ends_with("larder.conf:2"));
}

TEST_CASE("Debian's own redis.conf loads, with warnings only") {
  const std::string debian = "/etc/redis/redis.conf";
  if (!std::ifstream(debian)) {
    MESSAGE("there is none that may be read: " << debian);
    return;
  }
  const Read result = read(debian);
  CHECK(result.problem == "");
  CHECK(result.settings.logfile == "/var/log/redis/redis-server.log");
  CHECK(result.settings.daemonize);
  CHECK(result.settings.output_buffer_hard_limit == 0);
  CHECK(result.warnings.size() > 20);
}

TEST_CASE("a flag wins over the environment, which wins over the file") {
  const Folder folder;
  const std::string file =
      folder.write("larder.conf", "timeout 1\ntcp-keepalive 1\nmaxclients 1\nport 7001\n");
  const std::string named = "LARDER_CONFIG=" + file;
  const auto options =
      start({"--timeout", "3"},
            {named.c_str(), "LARDER_TIMEOUT=2", "LARDER_TCP_KEEPALIVE=2",
             "LARDER_PORT=tcp://10.0.0.7:6379", "LARDER_SERVICE_HOST=10.0.0.7", "HOME=/"});
  CHECK(options->settings.timeout_s == 3);
  CHECK(options->settings.tcp_keepalive_s == 2);
  CHECK(options->settings.maxclients == 1);
  CHECK(options->settings.port == 7001);
  CHECK(options->file == file);
  CHECK(options->warnings.empty());
  CHECK(start({}, {"LARDER_TIMEOTU=1"})->warnings ==
        std::vector<std::string>{"environment variable LARDER_TIMEOTU names no option"});
  CHECK(start({}, {"LARDER_BIND=0.0.0.0 ::1"})->settings.bind.size() == 2);
  CHECK(start({}, {"LARDER_REQUIREPASS=a b # c"})->settings.requirepass == "a b # c");
  CHECK(start({}, {"LARDER_MAXMEMORY=1gb"})->settings.maxmemory_given);
  CHECK(
      refusal({}, {"LARDER_TIMEOUT=soon"}) ==
      "environment variable LARDER_TIMEOUT: timeout: argument couldn't be parsed into an integer");
  CHECK(refusal({file.c_str(), "--timeout", "soon"}) ==
        "command line: timeout: argument couldn't be parsed into an integer");
}

TEST_CASE("flags of redis-server are taken as its directives are") {
  const auto options =
      start({"--save", "60", "1", "--appendonly", "no", "--io-threads", "4", "--port", "7000",
             "--hash-max-ziplist-entries", "9", "--bind", "127.0.0.1", "-::1"});
  CHECK(options->settings.port == 7000);
  CHECK(options->settings.hash_max_listpack_entries == 9);
  CHECK(options->settings.bind == std::vector<std::string>{"127.0.0.1", "-::1"});
  CHECK(options->warnings.size() == 2);
  CHECK(start({"--port=7001", "--requirepass=--x"})->settings.requirepass == "--x");
  CHECK(start({"--list-max-listpack-size", "-1"})->settings.list_max_listpack_size == -1);
  CHECK(refusal({"--maxmemroy", "1gb"}) == "unknown option --maxmemroy: --help lists them all");
  CHECK(refusal({"-p", "1"}) == "unknown option -p: --help lists them all");
  CHECK(refusal({"--port"}) == "command line: port: wrong number of arguments");
  CHECK(refusal({"--port", "1", "here.conf", "there.conf"}) ==
        "one config file only: 'here.conf' or 'there.conf'");
}

TEST_CASE("REWRITE keeps comments, order and what it does not know, and says what is so now") {
  const Folder folder;
  const std::string before =
      "# my notes\n"
      "maxmemory 64mb\n"
      "include " +
      folder.at("*.none") +
      "\n"
      "appendfsync everysec\n"
      "\n"
      "timeout 5   \n"
      "timeout 9\n"
      "client-output-buffer-limit pubsub 2mb 1mb 60\n"
      "port 7000\n"
      "user alice on ~* +@all\n"
      "requirepass \"old one\"";
  const std::string file = folder.write("larder.conf", before);
  chmod(file.c_str(), 0640);
  const auto options = start({file.c_str()});
  REQUIRE_FALSE(set(*options, {{"timeout", "7"}, {"requirepass", "new \"one\""}}));
  REQUIRE_FALSE(set(*options, {{"maxmemory-policy", "allkeys-lru"}}));
  REQUIRE_FALSE(options->rewrite());
  const std::string after =
      "# my notes\n"
      "maxmemory 64mb\n"
      "include " +
      folder.at("*.none") +
      "\n"
      "appendfsync everysec\n"
      "\n"
      "timeout 7\n"
      "client-output-buffer-limit pubsub 2mb 1mb 60\n"
      "port 7000\n"
      "user alice on ~* +@all\n"
      "requirepass \"new \\\"one\\\"\"\n"
      "# Added by CONFIG REWRITE\n"
      "maxmemory-policy allkeys-lru\n";
  CHECK(folder.read("larder.conf") == after);
  struct stat now {};
  REQUIRE(stat(file.c_str(), &now) == 0);
  CHECK((now.st_mode & 07777) == 0640);
  // Read again it is what it was, and written again too.
  const auto again = start({file.c_str()});
  CHECK(again->settings.requirepass == "new \"one\"");
  CHECK(again->settings.listener_output.hard_bytes == 2 << 20);
  REQUIRE_FALSE(again->rewrite());
  CHECK(folder.read("larder.conf") == after);
  again->user_lines = [] { return std::vector<std::string>{"bob off", "carol on"}; };
  REQUIRE_FALSE(again->rewrite());
  CHECK(folder.read("larder.conf").find("alice") == std::string::npos);
  CHECK(folder.read("larder.conf").ends_with("\nuser bob off\nuser carol on\n"));
}

TEST_CASE("REWRITE says the classes of client-output-buffer-limit in lines of their own") {
  const Folder folder;
  const auto options = start({folder
                                  .write("larder.conf",
                                         "client-output-buffer-limit Replica 1mb 0 0\n"
                                         "client-output-buffer-limit normal 0 0 0 pubsub 0 0 0\n")
                                  .c_str()});
  REQUIRE_FALSE(set(*options, {{"client-output-buffer-limit", "slave 7 8 9"}}));
  REQUIRE_FALSE(options->rewrite());
  CHECK(folder.read("larder.conf") ==
        "client-output-buffer-limit slave 7 8 9\n"
        "client-output-buffer-limit normal 0 0 0\n"
        "# Added by CONFIG REWRITE\n"
        "client-output-buffer-limit pubsub 0 0 0\n");
}

TEST_CASE("REWRITE through a link leaves the link; what can't be written is said") {
  const Folder folder;
  folder.write("real.conf", "timeout 1\n");
  std::filesystem::create_symlink("real.conf", folder.at("larder.conf"));
  const auto options = start({folder.at("larder.conf").c_str()});
  REQUIRE_FALSE(set(*options, {{"timeout", "2"}}));
  REQUIRE_FALSE(options->rewrite());
  CHECK(std::filesystem::is_symlink(folder.at("larder.conf")));
  CHECK(folder.read("real.conf") == "timeout 2\n");
  CHECK_FALSE(std::filesystem::exists(folder.at("real.conf.new")));
  options->file = folder.at("nowhere/larder.conf");
  CHECK(options->rewrite() == "ERR Rewriting config file: No such file or directory");
}

TEST_CASE("CONFIG SET: all of it or nothing, names judged before values") {
  Options options;
  CHECK(set(options, {{"timeout", "10"}, {"maxclients", "x"}}));
  CHECK(options.settings.timeout_s == 0);
  CHECK(set(options, {{"timeout", "x"}, {"nonsense", "1"}}) ==
        "ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'");
  CHECK(set(options, {{"user", "alice"}}) ==
        "ERR Unknown option or number of arguments for CONFIG SET - 'user'");
  CHECK_FALSE(
      set(options, {{"hash-max-ziplist-entries", "5"}, {"hash-max-listpack-entries", "6"}}));
  CHECK(options.settings.hash_max_listpack_entries == 6);
}
