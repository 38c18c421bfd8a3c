// Wire transcripts: a conversation with a server as a text file, which is specification, regression
// test and fuzz seed in one. tests/wire/README.md is the format's description for people who write
// them.
//
// A transcript is parsed into steps; a step says something (a command, raw bytes), turns the clock,
// or only listens, and carries the lines it expects. Reading and judging know nothing of sockets,
// so the same steps run over TCP (tests/wire/wire_tests.cc) and against an in-process server.
//
// Must hold: expected lines never hold a raw CRLF; a bulk payload is one line, its bytes escaped in
// the file. Thread: plain values, no shared state.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace larder::test {

enum class Flavor { redis, larder };

struct ExpectedLine {
  enum class Match {
    exact,     // `< text`
    regex,     // `<~ regex`: the whole line, ECMAScript
    contains,  // `<contains text`: several in a row speak of the same line
    rest,      // `<...`: whatever else the reply holds
  };
  Match match = Match::exact;
  std::string text;
};

struct Expected {
  std::vector<ExpectedLine> lines;
  bool unordered = false;  // `<unordered`: elements of aggregates in any order, lines exact
  bool closed = false;     // `<EOF`: after the lines, the server closes

  bool empty() const { return lines.empty() && !closed; }
};

struct Step {
  enum class Act { command, raw, advance, listen, until_blocked };
  Act act = Act::listen;
  std::size_t line = 0;     // where in the file, from 1
  unsigned connection = 1;  // `[2]>` speaks on a second connection
  std::vector<std::string> words;
  std::string bytes;
  std::chrono::milliseconds advance{0};
  std::size_t blocked = 0;  // of `? 2`: go on when so many clients wait in a blocking command
  std::string reason;       // of `! reason`: why the answers of the two servers rightly differ
  std::string capture;      // of `= name`: keeps the first group of the last regex line

  Expected both;
  Expected redis;
  Expected larder;

  const Expected& expected(Flavor flavor) const;
  bool expects_anything() const;
};

struct Transcript {
  std::string path;
  bool own_server = false;  // `@ private` or any flags: not shared with other transcripts
  std::vector<std::string> flags;
  std::vector<std::string> redis_flags;
  std::vector<std::string> larder_flags;
  std::optional<Flavor> only;  // `@ only larder`
  std::vector<Step> steps;
};

// Says file:line and what is wrong there.
struct TranscriptError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Transcript parse_transcript(const std::string& path);
Transcript parse_transcript(const std::string& path, std::string_view text);

using Variables = std::map<std::string, std::string>;

// The step with every `${name}` that is known replaced and `${a*9}` written out, in words, bytes
// and expected lines.
Step substituted(Step step, const Variables& variables);

enum class Verdict { matches, incomplete, differs };

// Judges the bytes read so far. `incomplete`: nothing wrong yet, another value is expected.
// When the last regex line has a group, its match is stored in `*captured` (if given).
Verdict judge(const Expected& expected, std::string_view actual, std::string* captured = nullptr);

// True when the bytes are the whole expected answer.
bool matches(const Expected& expected, std::string_view actual);

// `a b "c d"` -> words, by redis-cli's rules; nothing when quotes are unbalanced.
std::optional<std::vector<std::string>> split_words(std::string_view line);

// Bytes as transcripts write them (\r \n \t \\ \xHH), and back.
std::string escape(std::string_view bytes);
std::string unescape(std::string_view text);

}  // namespace larder::test
