// Runs wire transcripts against a real server over TCP and says file:line where an answer differs.
//
//   wire_tests --server larder --binary build/release/larder [files...]
//   wire_tests --server redis [files...]              the argument for compatibility: the same
//   files, the oracle wire_tests --server redis --record files...       fills in the answers of
//   commands that have none yet
//
// Without files every tests/wire/*.txt is run. Transcripts of tests/wire/clock turn the clock and
// so run in-process only;
// --record and --real-time let the oracle live through the time they ask for.
//
// Each transcript begins with an empty server: a shared one is flushed and the connections are new;
// one with flags or
// `@ private` gets a server of its own. After a difference the conversation goes on, value by
// value.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/transcript.h"
#include "tests/support/wire.h"

namespace larder::test {

namespace {

// How long a recorder listens for an answer that may never come (CLIENT REPLY OFF, a blocked
// command).
constexpr std::chrono::milliseconds kRecordPatience{200};
constexpr std::size_t kShownBytes = 2000;

struct Arguments {
  Flavor flavor = Flavor::larder;
  std::string binary;
  bool record = false;
  bool real_time = false;
  std::vector<std::string> files;
};

std::string shown(std::string_view bytes) {
  std::string text;
  for (const std::string& line : reply_lines(bytes.substr(0, kShownBytes)))
    text += "    " + escape(line) + "\n";
  if (bytes.size() > kShownBytes) text += "    ... " + std::to_string(bytes.size()) + " bytes\n";
  return bytes.empty() ? "    (nothing)\n" : text;
}

std::string shown(const Expected& expected) {
  std::string text;
  for (const ExpectedLine& line : expected.lines) {
    using Match = ExpectedLine::Match;
    if (line.match == Match::rest)
      text += "    ...\n";
    else if (line.match == Match::regex)
      text += "    ~ " + line.text + "\n";
    else
      text += (line.match == Match::contains ? "    contains " : "    ") + escape(line.text) + "\n";
  }
  if (expected.closed) text += "    EOF\n";
  return text.empty() ? "    (nothing)\n" : text;
}

// One transcript's conversation with one server.
class Conversation {
 public:
  Conversation(const Transcript& transcript, const Arguments& arguments, std::uint16_t port)
      : transcript_(transcript), arguments_(arguments), port_(port) {}

  // The number of differences, each reported on stderr.
  int run() {
    for (const Step& step : transcript_.steps) run_step(substituted(step, variables_));
    for (auto& [number, client] : clients_) {
      if (client.pending().empty()) continue;
      ++differences_;
      std::fprintf(stderr, "%s: connection %u was sent more than expected:\n%s",
                   transcript_.path.c_str(), number, shown(client.pending()).c_str());
    }
    return differences_;
  }

  // Line number of a command -> its recorded answer, for the commands which expect nothing yet.
  std::map<std::size_t, std::string> recorded;

 private:
  WireClient& client(unsigned number) { return clients_.try_emplace(number, port_).first->second; }

  void run_step(const Step& step) {
    if (step.act == Step::Act::advance) {
      std::this_thread::sleep_for(step.advance);  // only under --record and --real-time, see main
      return;
    }
    if (step.act == Step::Act::until_blocked) return wait_until_blocked(step);
    WireClient& speaker = client(step.connection);
    if (step.act == Step::Act::command) speaker.send(encode_command(step.words));
    if (step.act == Step::Act::raw) speaker.send(step.bytes);
    if (arguments_.record && !step.expects_anything()) return record(step, speaker);
    check(step, speaker);
  }

  // What one connection sends is seen by the server in its own time: a command that is to wait must
  // do so before another connection fills its key.
  void wait_until_blocked(const Step& step) {
    if (!observer_) observer_.emplace(port_);
    const std::string wanted = "blocked_clients:" + std::to_string(step.blocked) + "\r\n";
    const auto end = std::chrono::steady_clock::now() + WireClient::kPatience;
    while (observer_->ask({"INFO", "clients"}).find(wanted) == std::string::npos) {
      if (std::chrono::steady_clock::now() < end) continue;
      ++differences_;
      std::fprintf(stderr, "%s:%zu: not so many clients wait\n", transcript_.path.c_str(),
                   step.line);
      return;
    }
  }

  void record(const Step& step, WireClient& speaker) {
    std::string answer = speaker.read_value(kRecordPatience).value_or("");
    while (auto more = speaker.read_value(std::chrono::milliseconds(5))) answer += *more;
    std::string text;
    for (const std::string& line : reply_lines(answer))
      text += line.empty() ? "<\n" : "< " + escape(line) + "\n";
    if (speaker.closed()) text += "<EOF\n";
    recorded[step.line] = text;
    if (speaker.closed()) clients_.erase(step.connection);
  }

  void check(const Step& step, WireClient& speaker) {
    const Expected& expected = step.expected(arguments_.flavor);
    std::string actual;
    std::string captured;
    Verdict verdict = judge(expected, actual, &captured);
    while (verdict == Verdict::incomplete) {
      const auto value = speaker.read_value();
      if (!value) break;
      actual += *value;
      verdict = judge(expected, actual, &captured);
    }
    if (!step.capture.empty()) variables_[step.capture] = captured;
    if (verdict != Verdict::matches) return report(step, expected, actual, speaker);
    if (!expected.closed) return;
    if (!speaker.read_close()) report(step, expected, actual + speaker.pending(), speaker);
    clients_.erase(step.connection);
  }

  void report(const Step& step, const Expected& expected, const std::string& actual,
              WireClient& speaker) {
    ++differences_;
    std::string said;
    for (const std::string& word : step.words) said += " " + escape(word);
    if (step.act == Step::Act::raw) said = "> " + escape(step.bytes);
    std::fprintf(stderr, "%s:%zu: >%s\n  expected:\n%s  actual:\n%s%s", transcript_.path.c_str(),
                 step.line, said.c_str(), shown(expected).c_str(), shown(actual).c_str(),
                 speaker.closed() ? "    EOF\n" : "");
    if (speaker.closed()) clients_.erase(step.connection);
  }

  const Transcript& transcript_;
  const Arguments& arguments_;
  std::uint16_t port_;
  std::map<unsigned, WireClient> clients_;
  std::optional<WireClient> observer_;
  Variables variables_;
  int differences_ = 0;
};

void write_recorded(const std::string& path, const std::map<std::size_t, std::string>& recorded) {
  std::ifstream in(path);
  std::string text;
  std::size_t number = 0;
  std::string waiting;  // an answer goes after its `<unordered`
  for (std::string line; std::getline(in, line);) {
    if (line != "<unordered") text += std::exchange(waiting, "");
    text += line + "\n";
    if (const auto found = recorded.find(++number); found != recorded.end())
      waiting += found->second;
  }
  text += waiting;
  in.close();
  std::ofstream(path) << text;
}

class Runner {
 public:
  explicit Runner(const Arguments& arguments) : arguments_(arguments) {}

  int run(const std::string& path) {
    const Transcript transcript = parse_transcript(path);
    if (transcript.only && *transcript.only != arguments_.flavor) return 0;
    std::optional<ServerProcess> own;
    if (transcript.own_server)
      own.emplace(arguments_.flavor, arguments_.binary, flags_of(transcript));
    const std::uint16_t port = own ? own->port() : shared_port();
    if (!own) empty_server(port);
    Conversation conversation(transcript, arguments_, port);
    const int differences = conversation.run();
    if (arguments_.record) write_recorded(path, conversation.recorded);
    if (own ? own->running() : shared_->running()) return differences;
    std::fprintf(stderr, "%s: the server died\n", path.c_str());
    if (!own) shared_.reset();
    return differences + 1;
  }

 private:
  std::vector<std::string> flags_of(const Transcript& transcript) const {
    std::vector<std::string> flags = transcript.flags;
    const auto& own = arguments_.flavor == Flavor::redis ? transcript.redis_flags
                                                         : transcript.larder_flags;
    flags.insert(flags.end(), own.begin(), own.end());
    return flags;
  }

  std::uint16_t shared_port() {
    if (!shared_) {
      shared_ = std::make_unique<ServerProcess>(arguments_.flavor, arguments_.binary,
                                                std::vector<std::string>{});
    }
    return shared_->port();
  }

  static void empty_server(std::uint16_t port) {
    WireClient client(port);
    client.ask({"FLUSHALL"});
    client.ask({"SCRIPT", "FLUSH"});
  }

  const Arguments& arguments_;
  std::unique_ptr<ServerProcess> shared_;
};

std::optional<Arguments> read_arguments(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--server" && i + 1 < count) {
      const std::string name = words[++i];
      if (name != "redis" && name != "larder") return std::nullopt;
      arguments.flavor = name == "redis" ? Flavor::redis : Flavor::larder;
    } else if (word == "--binary" && i + 1 < count) {
      arguments.binary = words[++i];
    } else if (word == "--record") {
      arguments.record = arguments.real_time = true;
    } else if (word == "--real-time") {
      arguments.real_time = true;
    } else if (word.starts_with("--")) {
      return std::nullopt;
    } else {
      arguments.files.push_back(word);
    }
  }
  if (arguments.binary.empty()) {
    arguments.binary = arguments.flavor == Flavor::redis ? "redis-server" : "build/release/larder";
  }
  return arguments;
}

std::vector<std::string> all_transcripts() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(LARDER_TRANSCRIPTS)) {
    const bool transcript = entry.path().extension() == ".txt" &&
                            entry.path().filename() != "CMakeLists.txt";
    if (transcript) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool turns_clock(const std::string& path) {
  const Transcript transcript = parse_transcript(path);
  return std::any_of(transcript.steps.begin(), transcript.steps.end(),
                     [](const Step& step) { return step.act == Step::Act::advance; });
}

int run_all(const Arguments& arguments) {
  Runner runner(arguments);
  int differences = 0;
  std::size_t run = 0;
  for (const std::string& path : arguments.files.empty() ? all_transcripts() : arguments.files) {
    if (!arguments.real_time && turns_clock(path)) continue;
    differences += runner.run(path);
    ++run;
  }
  std::printf("%zu transcripts, %d differences\n", run, differences);
  return differences == 0 && run > 0 ? 0 : 1;
}

}  // namespace

}  // namespace larder::test

int main(int count, char** words) {
  const auto arguments = larder::test::read_arguments(count, words);
  if (!arguments) {
    std::fprintf(
        stderr,
        "wire_tests --server larder|redis [--binary PATH] [--record] [--real-time] [files...]\n");
    return 2;
  }
  try {
    return larder::test::run_all(*arguments);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "wire_tests: %s\n", problem.what());
    return 2;
  }
}
