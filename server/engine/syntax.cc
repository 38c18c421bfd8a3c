#include "server/engine/syntax.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "storage/ensure.h"

namespace larder::server {
namespace {

struct NamedType {
  std::string_view name;
  ArgumentType type;
};

constexpr NamedType kTypeNames[] = {
    {"string", ArgumentType::string},         {"integer", ArgumentType::integer},
    {"double", ArgumentType::decimal},        {"key", ArgumentType::key},
    {"pattern", ArgumentType::pattern},       {"unix-time", ArgumentType::unix_time},
    {"pure-token", ArgumentType::pure_token}, {"oneof", ArgumentType::oneof},
    {"block", ArgumentType::block},
};

// What an argument is when its line does not say: the names that mean the same in every command.
constexpr NamedType kTypesByName[] = {
    {"bit", ArgumentType::integer},
    {"bits", ArgumentType::integer},
    {"client-id", ArgumentType::integer},
    {"count", ArgumentType::integer},
    {"cursor", ArgumentType::integer},
    {"db", ArgumentType::integer},
    {"decrement", ArgumentType::integer},
    {"destination", ArgumentType::key},
    {"destination-db", ArgumentType::integer},
    {"destkey", ArgumentType::key},
    {"end", ArgumentType::integer},
    {"frequency", ArgumentType::integer},
    {"increment", ArgumentType::integer},
    {"index", ArgumentType::integer},
    {"index1", ArgumentType::integer},
    {"index2", ArgumentType::integer},
    {"key", ArgumentType::key},
    {"key1", ArgumentType::key},
    {"key2", ArgumentType::key},
    {"len", ArgumentType::integer},
    {"limit", ArgumentType::integer},
    {"maxage", ArgumentType::integer},
    {"milliseconds", ArgumentType::integer},
    {"newkey", ArgumentType::key},
    {"num-matches", ArgumentType::integer},
    {"numkeys", ArgumentType::integer},
    {"numreplicas", ArgumentType::integer},
    {"offset", ArgumentType::integer},
    {"pattern", ArgumentType::pattern},
    {"port", ArgumentType::integer},
    {"protover", ArgumentType::integer},
    {"rank", ArgumentType::integer},
    {"seconds", ArgumentType::integer},
    {"slot", ArgumentType::integer},
    {"source", ArgumentType::key},
    {"sourcekey", ArgumentType::key},
    {"start", ArgumentType::integer},
    {"stop", ArgumentType::integer},
    {"timeout", ArgumentType::integer},
    {"ttl", ArgumentType::integer},
    {"unix-time-milliseconds", ArgumentType::unix_time},
    {"unix-time-seconds", ArgumentType::unix_time},
    {"version", ArgumentType::integer},
};

template <std::size_t N>
std::optional<ArgumentType> find_type(const NamedType (&table)[N], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [name](const NamedType& row) { return row.name == name; });
  if (found == std::end(table)) return std::nullopt;
  return found->type;
}

bool is_token(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isupper(c); }) &&
         std::none_of(word.begin(), word.end(), [](unsigned char c) { return std::islower(c); });
}

std::string lower(std::string_view word) {
  std::string text(word);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string joined_names(const std::vector<Argument>& arguments) {
  std::string names;
  for (const Argument& argument : arguments) {
    if (!names.empty()) names += '_';
    names += argument.name;
  }
  return names;
}

// ip:port and yes/no are names; increment:double is a name and a type.
Argument argument_of(std::string_view word) {
  if (is_token(word)) {
    return {.name = lower(word), .type = ArgumentType::pure_token, .token = std::string(word)};
  }
  const std::size_t colon = word.rfind(':');
  if (colon != std::string_view::npos) {
    if (const auto type = find_type(kTypeNames, word.substr(colon + 1))) {
      return {.name = std::string(word.substr(0, colon)), .type = *type};
    }
  }
  return {.name = std::string(word),
          .type = find_type(kTypesByName, word).value_or(ArgumentType::string)};
}

Argument block_of(std::vector<Argument> children) {
  if (children.size() == 1) return std::move(children.front());
  std::string name = joined_names(children);
  return {.name = std::move(name), .type = ArgumentType::block, .children = std::move(children)};
}

Argument oneof_of(std::vector<Argument> alternatives) {
  if (alternatives.size() == 1) return std::move(alternatives.front());
  std::string name = joined_names(alternatives);
  return {
      .name = std::move(name), .type = ArgumentType::oneof, .children = std::move(alternatives)};
}

// The words, brackets, bars and dots of a line, one at a time.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }

  std::string_view peek() const { return current_; }
  bool at_end() const { return current_.empty(); }
  std::string_view take() {
    const std::string_view taken = current_;
    advance();
    return taken;
  }
  bool eat(std::string_view what) {
    if (current_ != what) return false;
    advance();
    return true;
  }

 private:
  void advance() {
    const std::size_t start = text_.find_first_not_of(' ');
    if (start == std::string_view::npos) {
      current_ = text_ = {};
      return;
    }
    text_.remove_prefix(start);
    const std::size_t end = is_punctuation(text_.front()) ? 1 : text_.find_first_of(" []<>|");
    current_ = text_.substr(0, end);
    text_.remove_prefix(current_.size());
  }
  static bool is_punctuation(char c) {
    return std::string_view("[]<>|").find(c) != std::string_view::npos;
  }

  std::string_view text_;
  std::string_view current_;
};

class Parser {
 public:
  explicit Parser(std::string_view syntax) : lexer_(syntax) {}

  // What stands outside of brackets: a token introduces one argument at most, a bar joins two
  // words.
  std::vector<Argument> top() {
    std::vector<Argument> arguments;
    while (!lexer_.at_end()) {
      add(arguments, item());
      while (lexer_.eat("|")) join_alternative(arguments.back(), item());
      introduce_last(arguments);
    }
    return arguments;
  }

 private:
  Argument item() {
    if (lexer_.eat("[")) {
      Argument inside = bracket("]");
      inside.is_optional = true;
      return inside;
    }
    if (lexer_.eat("<")) {
      Argument inside = bracket(">");
      inside.is_multiple = lexer_.eat("...");
      return inside;
    }
    const std::string_view word = lexer_.take();
    ensure(!word.empty() && word != "]" && word != ">" && word != "|",
           "a syntax line has brackets that match and alternatives that are there");
    return argument_of(word);
  }

  Argument bracket(std::string_view closing) {
    std::vector<Argument> alternatives;
    do {
      alternatives.push_back(alternative(closing));
    } while (lexer_.eat("|"));
    ensure(lexer_.eat(closing), "a bracket of a syntax line is closed");
    return oneof_of(std::move(alternatives));
  }

  // One alternative within a bracket; a token at its head introduces all that follows.
  Argument alternative(std::string_view closing) {
    std::vector<Argument> sequence;
    bool again = false;
    while (lexer_.peek() != "|" && lexer_.peek() != closing) {
      if (lexer_.eat("...")) {
        again = true;
        continue;
      }
      add(sequence, item());
    }
    ensure(!sequence.empty(), "an alternative of a syntax line says something");
    Argument result = introduced(std::move(sequence));
    result.is_multiple = result.is_multiple || again;
    return result;
  }

  static bool introduces(const Argument& argument) {
    return argument.type == ArgumentType::pure_token && !argument.is_optional;
  }

  static Argument introduced(std::vector<Argument> sequence) {
    if (sequence.size() == 1 || !introduces(sequence.front())) return block_of(std::move(sequence));
    std::string token = std::move(sequence.front().token);
    sequence.erase(sequence.begin());
    // A bracket of its own may be left away without its token: it stays inside.
    const bool wraps = sequence.size() == 1 && sequence.front().is_optional;
    Argument result = wraps ? Argument{.name = joined_names(sequence),
                                       .type = ArgumentType::block,
                                       .children = std::move(sequence)}
                            : block_of(std::move(sequence));
    ensure(result.token.empty(), "a token introduces arguments, not another token");
    result.token = std::move(token);
    return result;
  }

  // "COUNT count" outside of brackets: the token belongs to the argument behind it.
  static void introduce_last(std::vector<Argument>& arguments) {
    if (arguments.size() < 2) return;
    const Argument& before = arguments[arguments.size() - 2];
    const Argument& last = arguments.back();
    const bool plain = last.token.empty() && !last.is_optional && last.children.empty();
    if (!introduces(before) || !plain) return;
    std::string token = before.token;
    arguments.erase(arguments.end() - 2);
    arguments.back().token = std::move(token);
  }

  static void join_alternative(Argument& first, Argument second) {
    if (first.type != ArgumentType::oneof || first.is_optional) {
      std::vector<Argument> alternatives;
      alternatives.push_back(std::move(first));
      first = {.name = {}, .type = ArgumentType::oneof, .children = std::move(alternatives)};
    }
    first.children.push_back(std::move(second));
    first.name = joined_names(first.children);
  }

  static bool same_words(const Argument& a, const Argument& b) {
    return a.name == b.name && a.token == b.token && a.type == b.type;
  }

  // "key [key ...]": the bracket says of what stands before it that it may come again.
  static bool repeats(std::vector<Argument>& arguments, const Argument& bracket) {
    if (!bracket.is_optional || !bracket.is_multiple) return false;
    const bool is_block = bracket.type == ArgumentType::block && bracket.token.empty();
    const std::size_t count = is_block ? bracket.children.size() : 1;
    if (arguments.size() < count) return false;
    const std::size_t start = arguments.size() - count;
    for (std::size_t i = 0; i < count; ++i) {
      if (!same_words(arguments[start + i], is_block ? bracket.children[i] : bracket)) return false;
    }
    std::vector<Argument> repeated(
        std::make_move_iterator(arguments.begin() + static_cast<std::ptrdiff_t>(start)),
        std::make_move_iterator(arguments.end()));
    arguments.resize(start);
    Argument whole = block_of(std::move(repeated));
    whole.is_multiple = true;
    whole.repeats_token = !whole.token.empty();
    arguments.push_back(std::move(whole));
    return true;
  }

  static void add(std::vector<Argument>& arguments, Argument next) {
    if (introduces_again(arguments, next)) return;
    if (!repeats(arguments, next)) arguments.push_back(std::move(next));
  }

  // "GET pattern [GET pattern ...]": the same for a token and its argument, which stand apart
  // inside a bracket.
  static bool introduces_again(std::vector<Argument>& arguments, const Argument& next) {
    if (!next.is_optional || !next.is_multiple || next.token.empty() || arguments.size() < 2 ||
        next.type == ArgumentType::pure_token) {
      return false;
    }
    const Argument& token = arguments[arguments.size() - 2];
    Argument& last = arguments.back();
    if (!introduces(token) || token.token != next.token || last.name != next.name) return false;
    last.token = token.token;
    last.is_multiple = true;
    last.repeats_token = true;
    arguments.erase(arguments.end() - 2);
    return true;
  }

  Lexer lexer_;
};

}  // namespace

std::string_view name_of(ArgumentType type) {
  const auto* found = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                   [type](const NamedType& row) { return row.type == type; });
  return found->name;
}

std::vector<Argument> parse_syntax(std::string_view syntax) {
  return Parser(syntax).top();
}

std::string plain_syntax(std::string_view syntax) {
  std::string plain;
  while (!syntax.empty()) {
    const std::size_t end = std::min(syntax.find_first_of(" []<>|"), syntax.size());
    std::string_view word = syntax.substr(0, end);
    const std::size_t colon = word.rfind(':');
    if (colon != std::string_view::npos && find_type(kTypeNames, word.substr(colon + 1))) {
      word = word.substr(0, colon);
    }
    plain += word;
    if (end < syntax.size()) plain += syntax[end];
    syntax.remove_prefix(std::min(end + 1, syntax.size()));
  }
  return plain;
}

}  // namespace larder::server
