// Fuzz target: whatever rows are called with whatever words, each call is answered by one
// well-formed reply, the store's books stay right, and what another client stored is still there.
//
// The input is read as a program: every step picks a row of the registry and words for it from the
// tokens of the row's own syntax, a few keys, numbers at the edges, and raw bytes. Between the
// steps a second client sets and gets keys that the first cannot name, held against a map. Left out
// are the rows that act on the process or wait for somebody else, and, so that the map stays true,
// those that reach every key; scripts are chosen from a list, since a loop without end in one is no
// discovery.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/registry.h"
#include "server/engine/services.h"
#include "tests/support/books.h"
#include "tests/support/larder.h"
#include "tests/support/reply_text.h"

using namespace larder;

namespace {

constexpr int kMostSteps = 40;
constexpr std::size_t kMostWords = 9;

constexpr std::string_view kLeftOut[] = {
    "shutdown",
    "debug",
    "config|rewrite",
    "config|set",
    "client|pause",
    "client|kill",
    "client|reply",
    "flushall",
    "flushdb",
    "swapdb",
    "monitor",
    // Waits without being flagged so.
    "wait",
    "waitaof",
    // A reply for each channel.
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
    "ssubscribe",
    "sunsubscribe",
};
constexpr std::string_view kScripts[] = {
    "return 1",
    "return redis.call('GET', KEYS[1])",
    "return redis.pcall('INCRBY', KEYS[1], ARGV[1])",
    "return {1, {2, 'x'}, ARGV, false, {err='E oops'}}",
    "return redis.call('SET', KEYS[1], ARGV[1])",
    "return cjson.decode(ARGV[1])",
    "return cmsgpack.unpack(ARGV[1])",
    "return struct.unpack(ARGV[1], ARGV[2])",
    "error('x')",
    "return #",
};
constexpr std::string_view kKeys[] = {"a", "b", "n", "", "long:key:of:more:than:one:word"};
constexpr std::string_view kNumbers[] = {
    "0",
    "1",
    "-1",
    "2",
    "10",
    "100",
    "1000000",
    "-0",
    "+1",
    "01",
    "1.5",
    "-1e30",
    "inf",
    "nan",
    "127",
    "128",
    "255",
    "256",
    "32767",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e309",
    "0x10",
};

[[noreturn]] void fail(const char* sentence, const std::vector<std::string>& words,
                       const std::string& detail) {
  std::fprintf(stderr, "%s:", sentence);
  for (const std::string& word : words) std::fprintf(stderr, " '%s'", word.c_str());
  std::fprintf(stderr, "\n%s\n", detail.c_str());
  std::abort();
}

// The input, byte by byte; zeros behind its end.
class Tape {
 public:
  Tape(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  bool ended() const { return left_ == 0; }
  std::size_t below(std::size_t bound) {
    if (left_ == 0) return 0;
    --left_;
    return *data_++ % bound;
  }
  std::string raw(std::size_t most) {
    std::string bytes(below(most + 1), '\0');
    for (char& c : bytes) c = static_cast<char>(below(256));
    return bytes;
  }
  template <class Words>
  std::string one_of(const Words& words) {
    return std::string(std::data(words)[below(std::size(words))]);
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

bool is_left_out(const server::Registry& registry, const server::Command& row) {
  if (row.flags & server::Flag::blocking) return true;  // may say nothing at all
  const std::string name = registry.full_name(row);
  for (const std::string_view left_out : kLeftOut) {
    if (name == left_out || name.starts_with(std::string(left_out) + "|")) return true;
  }
  return false;
}

// The option words of a syntax line: those in capitals.
std::vector<std::string> tokens_of(std::string_view syntax) {
  std::vector<std::string> tokens;
  std::string word;
  for (std::size_t i = 0; i <= syntax.size(); ++i) {
    const char c = i < syntax.size() ? syntax[i] : ' ';
    if ((c >= 'A' && c <= 'Z') || (!word.empty() && (c == '-' || c == '_'))) {
      word += c;
    } else {
      if (word.size() > 1) tokens.push_back(word);
      word.clear();
    }
  }
  return tokens;
}

std::string draw_word(Tape& tape, const std::vector<std::string>& tokens) {
  switch (tape.below(5)) {
    case 0: return tokens.empty() ? tape.one_of(kKeys) : tape.one_of(tokens);
    case 1: return tape.one_of(kNumbers);
    case 2: return tape.raw(12);
    case 3: return std::string(tape.below(256) * 80, 'x');
    default: return tape.one_of(kKeys);
  }
}

std::vector<std::string> draw_request(Tape& tape, const server::Registry& registry,
                                      const server::Command& row) {
  std::vector<std::string> words;
  const server::Command* container = registry.container_of(row);
  if (container != nullptr) words.emplace_back(container->name);
  words.emplace_back(row.name);
  const std::vector<std::string> tokens = tokens_of(row.syntax);
  const bool is_script = row.name.starts_with("EVAL") || row.name == "LOAD";
  const std::size_t count = tape.below(kMostWords);
  for (std::size_t i = 0; i < count; ++i) {
    words.push_back(is_script && i == 0 ? tape.one_of(kScripts) : draw_word(tape, tokens));
  }
  return words;
}

void ask(testing::Larder& larder, const std::vector<std::string>& words) {
  const std::string bytes = larder.bytes_of(words);
  std::string_view rest = bytes;
  try {
    testing::take_reply(rest);
  } catch (const std::exception& problem) {
    fail("the reply is no RESP", words, bytes + "\n" + problem.what());
  }
  if (!rest.empty()) fail("more than one reply", words, bytes);
}

// A client whose keys the program has no words for.
class Bystander {
 public:
  explicit Bystander(testing::Larder& larder) : larder_(larder) {}

  void step(Tape& tape) {
    const std::string name = "the bystander's key number " + std::to_string(tape.below(6));
    if (tape.below(2) == 0) {
      const std::string value = "v" + tape.raw(3);
      if (larder_.say({"SET", name, value}, 2) == "OK") model_[name] = value;
    }
    look(name);
  }
  void look_at_all() {
    for (const auto& [name, value] : model_) look(name);
  }

 private:
  void look(const std::string& name) {
    const protocol::Node reply = larder_.reply_to({"GET", name}, 2);
    const auto it = model_.find(name);
    const bool is_there = reply.kind == protocol::Node::Kind::bulk;
    if (is_there != (it != model_.end()) || (is_there && reply.text != it->second)) {
      fail("another client's key is not as it left it", {"GET", name}, protocol::to_text(reply));
    }
  }

  testing::Larder& larder_;
  std::map<std::string, std::string> model_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Tape tape(data, size);
  testing::Larder larder;
  const server::Registry& registry = larder.engine().services().registry;
  Bystander bystander(larder);
  for (int step = 0; step < kMostSteps && !tape.ended(); ++step) {
    const server::Command& row =
        registry.row((tape.below(256) * 256 + tape.below(256)) % registry.size());
    if (!is_left_out(registry, row)) ask(larder, draw_request(tape, registry, row));
    if (tape.below(4) == 0) bystander.step(tape);
    if (tape.below(8) == 0) larder.advance(std::chrono::milliseconds(tape.below(256) * 50));
  }
  bystander.look_at_all();
  if (!testing::books_are_right(larder.engine().store()))
    fail("the store's books are wrong", {}, "");
  return 0;
}
