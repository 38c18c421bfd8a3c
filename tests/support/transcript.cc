#include "tests/support/transcript.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/support/wire.h"

namespace larder::test {

namespace {

using Match = ExpectedLine::Match;

bool eat(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view without_space(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte of an escape whose backslash is already taken; moves past it. Unknown letters mean
// themselves.
char take_escape(std::string_view& text) {
  if (text.empty()) return '\\';
  const char c = text.front();
  if (c == 'x' && text.size() >= 3 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
    const char byte = static_cast<char>(hex_digit(text[1]) * 16 + hex_digit(text[2]));
    text.remove_prefix(3);
    return byte;
  }
  text.remove_prefix(1);
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// A quoted word whose opening quote is taken; false when it does not close or something sticks to
// its end.
bool take_quoted(std::string_view& line, char quote, std::string& word) {
  while (!line.empty()) {
    const char c = line.front();
    line.remove_prefix(1);
    if (c == quote) return line.empty() || line.front() == ' ';
    if (c == '\\' && quote == '"') {
      word += take_escape(line);
    } else if (c == '\\' && line.starts_with("'")) {
      word += '\'';
      line.remove_prefix(1);
    } else {
      word += c;
    }
  }
  return false;
}

std::chrono::milliseconds parse_duration(std::string_view text) {
  long long count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (problem != std::errc{}) return std::chrono::milliseconds(-1);
  if (unit == "ms") return std::chrono::milliseconds(count);
  if (unit == "s") return std::chrono::seconds(count);
  return std::chrono::milliseconds(-1);
}

// Reads a file line by line; every line either opens a step or adds to the last one.
class Parser {
 public:
  Parser(const std::string& path, std::string_view text) : text_(text) { transcript_.path = path; }

  Transcript parse() {
    while (!text_.empty()) {
      ++line_number_;
      const std::size_t end = std::min(text_.find('\n'), text_.size());
      read_line(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
    }
    if (!reason_.empty()) fail("a `!` line without a command after it");
    return std::move(transcript_);
  }

 private:
  void read_line(std::string_view line) {
    if (line.empty() || line.front() == '#') return;
    if (eat(line, "@")) return read_head(without_space(line));
    if (eat(line, "!")) return read_reason(without_space(line));
    if (eat(line, "~ ")) return read_advance(line);
    if (eat(line, "?")) return read_blocked(without_space(line));
    if (eat(line, "=")) {
      last_step().capture = without_space(line);
      return;
    }
    const std::optional<unsigned> connection = read_connection(line);
    if (eat(line, ">>")) return add_raw(connection.value_or(1), without_space(line));
    if (eat(line, ">")) return add_command(connection.value_or(1), line);
    if (eat(line, "<")) return read_expectation(connection, line);
    fail("a line that begins with none of # @ ! ~ ? = > <");
  }

  void read_head(std::string_view line) {
    if (!transcript_.steps.empty()) fail("an @ line after the first command");
    const auto words = split_words(line);
    if (!words || words->empty()) fail("an @ line without a word");
    const std::vector<std::string> rest(words->begin() + 1, words->end());
    const std::string& what = words->front();
    if (what == "only" && rest.size() == 1 && (rest[0] == "redis" || rest[0] == "larder")) {
      transcript_.only = rest[0] == "redis" ? Flavor::redis : Flavor::larder;
      return;
    }
    transcript_.own_server = true;
    if (what == "private") return;
    auto* flags = what == "flags"          ? &transcript_.flags
                  : what == "redis-flags"  ? &transcript_.redis_flags
                  : what == "larder-flags" ? &transcript_.larder_flags
                                           : nullptr;
    if (!flags) fail("an @ line that is none of only, private, flags, redis-flags, larder-flags");
    flags->insert(flags->end(), rest.begin(), rest.end());
  }

  // A reason stands before the answers it explains, or before the command.
  void read_reason(std::string_view reason) {
    if (reason.empty()) fail("a `!` line must give its reason");
    if (!reason_.empty()) reason_ += ' ';
    reason_ += reason;
  }

  void read_advance(std::string_view text) {
    Step& step = add_step(Step::Act::advance, 1);
    step.advance = parse_duration(text);
    if (step.advance.count() < 0) fail("the clock is turned like `~ 11s` or `~ 250ms`");
  }

  void read_blocked(std::string_view text) {
    Step& step = add_step(Step::Act::until_blocked, 1);
    const char* const last = text.data() + text.size();
    const auto [end, problem] = std::from_chars(text.data(), last, step.blocked);
    if (problem != std::errc{} || end != last) fail("waiting clients are told like `? 2`");
  }

  // Without a number it is the first that speaks, and the one that spoke last that is answered.
  std::optional<unsigned> read_connection(std::string_view& line) {
    if (line.front() != '[') return std::nullopt;
    unsigned number = 0;
    const auto [end, problem] = std::from_chars(line.data() + 1, line.data() + line.size(), number);
    if (problem != std::errc{} || *end != ']') fail("a connection is written [2]");
    line.remove_prefix(static_cast<std::size_t>(end + 1 - line.data()));
    return number;
  }

  void add_raw(unsigned connection, std::string_view text) {
    add_step(Step::Act::raw, connection).bytes = unescape(text);
  }

  void add_command(unsigned connection, std::string_view text) {
    auto words = split_words(text);
    if (!words) fail("unbalanced quotes");
    add_step(Step::Act::command, connection).words = std::move(*words);
  }

  Step& add_step(Step::Act act, unsigned connection) {
    Step step;
    step.act = act;
    step.line = line_number_;
    step.connection = connection;
    transcript_.steps.push_back(std::move(step));
    return transcript_.steps.back();
  }

  Step& last_step() {
    if (transcript_.steps.empty()) fail("an answer before the first command");
    return transcript_.steps.back();
  }

  // An answer on another connection than the one that spoke last is a step of its own: it only
  // listens.
  Step& answering_step(std::optional<unsigned> connection) {
    Step& last = last_step();
    const bool same = !connection || last.connection == *connection;
    const bool speaks = last.act != Step::Act::advance && last.act != Step::Act::until_blocked;
    if (same && speaks) return last;
    return add_step(Step::Act::listen, connection.value_or(1));
  }

  void read_expectation(std::optional<unsigned> connection, std::string_view text) {
    Step& step = answering_step(connection);
    if (!reason_.empty()) step.reason = std::move(reason_);
    reason_.clear();
    Expected* expected = &step.both;
    if (eat(text, "redis"))
      expected = &step.redis;
    else if (eat(text, "larder"))
      expected = &step.larder;
    if (expected != &step.both && step.reason.empty())
      fail("a `! reason` must come before answers that differ");
    if (expected != &step.both && text.starts_with(" contains ")) text.remove_prefix(1);
    read_expected(*expected, text);
  }

  void read_expected(Expected& expected, std::string_view text) {
    if (text == "EOF") {
      expected.closed = true;
    } else if (text == "unordered") {
      expected.unordered = true;
    } else if (text == "...") {
      expected.lines.push_back({Match::rest, ""});
    } else if (eat(text, "contains ")) {
      expected.lines.push_back({Match::contains, unescape(text)});
    } else if (eat(text, "~ ")) {
      expected.lines.push_back({Match::regex, std::string(text)});
    } else if (text.empty() || eat(text, " ")) {
      expected.lines.push_back({Match::exact, unescape(text)});
    } else {
      fail("an answer is `< `, `<~ `, `<contains `, `<unordered`, `<...` or `<EOF`");
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw TranscriptError(transcript_.path + ":" + std::to_string(line_number_) + ": " + what);
  }

  std::string_view text_;
  std::size_t line_number_ = 0;
  std::string reason_;
  Transcript transcript_;
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// `${a*70000}` -> seventy thousand times a.
void repeat_all(std::string& text) {
  for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 1)) {
    const std::size_t end = text.find('}', at);
    const std::size_t star = end == std::string::npos ? end : text.rfind('*', end);
    if (star == std::string::npos || star < at) continue;
    const std::string what = text.substr(at + 2, star - at - 2);
    const long count = std::strtol(text.c_str() + star + 1, nullptr, 10);
    std::string repeated;
    for (long i = 0; i < count; ++i) repeated += what;
    text.replace(at, end + 1 - at, repeated);
  }
}

// The lines of one value from `at` on, the elements of every aggregate sorted.
std::string sorted_value(const std::vector<std::string>& lines, std::size_t& at) {
  if (at >= lines.size()) return "";
  const std::string& header = lines[at++];
  const char type = header.empty() ? '+' : header.front();
  const bool blob = type == '$' || type == '=' || type == '!';
  if (blob && header != "$-1")
    return at < lines.size() ? header + "\r\n" + lines[at++] + "\r\n" : header;
  const bool map = type == '%';
  if (!map && type != '*' && type != '~' && type != '>') return header + "\r\n";
  const long count = std::strtol(header.c_str() + 1, nullptr, 10);
  std::vector<std::string> elements;
  for (long i = 0; i < count; ++i) {
    elements.push_back(sorted_value(lines, at));
    if (map) elements.back() += sorted_value(lines, at);
  }
  std::sort(elements.begin(), elements.end());
  std::string text = header + "\r\n";
  for (const std::string& element : elements) text += element;
  return text;
}

std::string sorted_reply(const std::vector<std::string>& lines) {
  std::string text;
  for (std::size_t at = 0; at < lines.size();) text += sorted_value(lines, at);
  return text;
}

Verdict judge_unordered(const Expected& expected, const std::vector<std::string>& actual) {
  if (actual.empty()) return Verdict::incomplete;
  std::vector<std::string> wanted;
  for (const ExpectedLine& line : expected.lines) wanted.push_back(line.text);
  return sorted_reply(wanted) == sorted_reply(actual) ? Verdict::matches : Verdict::differs;
}

bool line_matches(const ExpectedLine& expected, const std::string& actual, std::string* captured) {
  if (expected.match == Match::exact) return expected.text == actual;
  if (expected.match == Match::contains) return actual.find(expected.text) != std::string::npos;
  std::smatch groups;
  if (!std::regex_match(actual, groups, std::regex(expected.text))) return false;
  if (captured && groups.size() > 1) *captured = groups[1].str();
  return true;
}

}  // namespace

const Expected& Step::expected(Flavor flavor) const {
  const Expected& own = flavor == Flavor::redis ? redis : larder;
  const Expected& other = flavor == Flavor::redis ? larder : redis;
  return own.empty() && other.empty() ? both : own;
}

bool Step::expects_anything() const {
  return !both.empty() || !redis.empty() || !larder.empty() || !reason.empty();
}

Transcript parse_transcript(const std::string& path, std::string_view text) {
  return Parser(path, text).parse();
}

Transcript parse_transcript(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TranscriptError(path + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_transcript(path, text.str());
}

Step substituted(Step step, const Variables& variables) {
  for (const auto& [name, value] : variables) {
    const std::string hole = "${" + name + "}";
    for (std::string& word : step.words) replace_all(word, hole, value);
    replace_all(step.bytes, hole, value);
    for (Expected* expected : {&step.both, &step.redis, &step.larder}) {
      for (ExpectedLine& line : expected->lines) replace_all(line.text, hole, value);
    }
  }
  for (std::string& word : step.words) repeat_all(word);
  repeat_all(step.bytes);
  for (Expected* expected : {&step.both, &step.redis, &step.larder}) {
    for (ExpectedLine& line : expected->lines) repeat_all(line.text);
  }
  return step;
}

Verdict judge(const Expected& expected, std::string_view actual, std::string* captured) {
  const std::vector<std::string> lines = reply_lines(actual);
  if (expected.unordered) return judge_unordered(expected, lines);
  std::size_t at = 0;
  for (std::size_t i = 0; i < expected.lines.size(); ++i) {
    const ExpectedLine& wanted = expected.lines[i];
    if (wanted.match == Match::rest) return lines.empty() ? Verdict::incomplete : Verdict::matches;
    if (at >= lines.size()) return Verdict::incomplete;
    if (!line_matches(wanted, lines[at], captured)) return Verdict::differs;
    const bool same_line = wanted.match == Match::contains && i + 1 < expected.lines.size() &&
                           expected.lines[i + 1].match == Match::contains;
    if (!same_line) ++at;
  }
  return at == lines.size() ? Verdict::matches : Verdict::differs;
}

bool matches(const Expected& expected, std::string_view actual) {
  return judge(expected, actual) == Verdict::matches;
}

std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  while (!(line = without_space(line)).empty()) {
    std::string word;
    const char first = line.front();
    if (first == '"' || first == '\'') {
      line.remove_prefix(1);
      if (!take_quoted(line, first, word)) return std::nullopt;
    } else {
      const std::size_t end = std::min(line.find(' '), line.size());
      word = line.substr(0, end);
      line.remove_prefix(end);
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::string escape(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte == '\\')
      text += "\\\\";
    else if (byte == '\r')
      text += "\\r";
    else if (byte == '\n')
      text += "\\n";
    else if (byte == '\t')
      text += "\\t";
    else if (byte < 0x20 || byte >= 0x7f || (byte == ' ' && i + 1 == bytes.size())) {
      text += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    } else {
      text += static_cast<char>(byte);
    }
  }
  return text;
}

std::string unescape(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    bytes += c == '\\' ? take_escape(text) : c;
  }
  return bytes;
}

}  // namespace larder::test
