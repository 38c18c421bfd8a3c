#include "server/scripting/narrow.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/registry.h"

namespace larder::server::scripting {
namespace {

// --- words of Lua

enum class Kind : std::uint8_t { name, keyword, number, text, sign, end, bad };

struct Token {
  Kind kind = Kind::end;
  std::string_view text;  // of a text: what stands between the quotes
  bool is_plain = true;   // a text without escapes
};

constexpr std::string_view kKeywords[] = {
    "and",   "break", "do",  "else", "elseif", "end",    "false", "for",  "function", "if",   "in",
    "local", "nil",   "not", "or",   "repeat", "return", "then",  "true", "until",    "while"};
// The longer ones first.
constexpr std::string_view kSigns[] = {"...", "..", "==", "~=", "<=", ">=", "+", "-", "*",
                                       "/",   "%",  "^",  "#",  "<",  ">",  "=", "(", ")",
                                       "{",   "}",  "[",  "]",  ";",  ":",  ",", "."};

template <std::size_t N>
bool has(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : rest_(text) {}

  Token next() {
    if (!skip_blank()) return {Kind::bad, {}};
    if (rest_.empty()) return {};
    const char c = rest_.front();
    if (is_letter(c)) return word();
    if (is_digit(c) || (c == '.' && rest_.size() > 1 && is_digit(rest_[1]))) return number();
    if (c == '"' || c == '\'') return quoted(c);
    // Text in long brackets, or an index of an index: whoever writes so has the script run alone.
    if (rest_.starts_with("[[") || rest_.starts_with("[=")) return {Kind::bad, {}};
    for (const std::string_view sign : kSigns) {
      if (rest_.starts_with(sign)) return {Kind::sign, take(sign.size())};
    }
    return {Kind::bad, {}};
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  // False: a comment that is not closed.
  bool skip_blank() {
    for (;;) {
      const std::size_t begin = rest_.find_first_not_of(" \t\r\n\v\f");
      take(std::min(begin, rest_.size()));
      if (!rest_.starts_with("--")) return true;
      take(2);
      if (!skip_comment()) return false;
    }
  }

  bool skip_comment() {
    const std::size_t level = rest_.find_first_not_of('=', 1);
    const bool is_long = rest_.starts_with('[') && level != std::string_view::npos &&
                         rest_[level] == '[';
    if (!is_long) {
      take(std::min(rest_.find_first_of("\r\n"), rest_.size()));
      return true;
    }
    std::string close(rest_.substr(0, level + 1));
    std::replace(close.begin(), close.end(), '[', ']');
    const std::size_t end = rest_.find(close);
    if (end == std::string_view::npos) return false;
    take(end + close.size());
    return true;
  }

  Token word() {
    std::size_t size = 1;
    while (size < rest_.size() && (is_letter(rest_[size]) || is_digit(rest_[size]))) ++size;
    const std::string_view name = take(size);
    return {has(kKeywords, name) ? Kind::keyword : Kind::name, name};
  }

  // Takes what Lua would take, and more: whether it is a number was asked by who compiled it.
  Token number() {
    std::size_t size = 0;
    while (size < rest_.size()) {
      const char c = rest_[size];
      const char before = size == 0 ? '\0' : rest_[size - 1];
      const bool is_sign_of_power = (c == '+' || c == '-') && (before == 'e' || before == 'E');
      if (!is_letter(c) && !is_digit(c) && c != '.' && !is_sign_of_power) break;
      ++size;
    }
    return {Kind::number, take(size)};
  }

  Token quoted(char quote) {
    take(1);
    bool is_plain = true;
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != quote) {
      if (rest_[size] == '\n' || rest_[size] == '\r') return {Kind::bad, {}};
      if (rest_[size] == '\\') {
        is_plain = false;
        ++size;
      }
      ++size;
    }
    if (size >= rest_.size()) return {Kind::bad, {}};
    const std::string_view text = take(size);
    take(1);
    return {Kind::text, text, is_plain};
  }

  std::string_view rest_;
};

// --- what may be called, by its full name

constexpr std::string_view kOfRedis[] = {"error_reply", "status_reply", "sha1hex", "setresp",
                                         "replicate_commands"};
constexpr std::string_view kOfString[] = {"len", "lower", "sub", "upper"};
constexpr std::string_view kOfMath[] = {"abs", "ceil", "floor", "fmod",
                                        "max", "min",  "pow",   "sqrt"};
constexpr std::string_view kPlain[] = {"tonumber", "tostring", "type"};
// Commands without keys that touch nothing.
constexpr std::string_view kKeyless[] = {"TIME"};

// Rows that do more than visit the keys they name.
constexpr Flag kWide = Flag::no_script | Flag::all_keys | Flag::exclusive | Flag::control |
                       Flag::blocking | Flag::pubsub | Flag::admin;

bool is_narrow_row(const Command* row) {
  if (row == nullptr || row->run == nullptr || !row->subcommands.empty()) return false;
  const Keys& keys = row->keys;
  if (row->flags & kWide || keys.numkeys != 0 || !keys.behind.empty()) return false;
  return keys.first > 0 || has(kKeyless, row->name);
}

// Whether the row has a key in that place, of so many words.
bool is_key_place(const Keys& keys, int place, int words) {
  if (keys.first == 0 || place < keys.first) return false;
  const int last = keys.last < 0 ? words + keys.last : keys.last;
  return place <= last && (place - keys.first) % keys.step == 0;
}

// --- the parser. Once something was not understood, all it reads is the end.

class Parser {
 public:
  Parser(std::string_view text, const Registry& registry) : lexer_(text), registry_(registry) {
    advance();
  }

  Narrow read() {
    block();
    if (token_.kind != Kind::end) is_narrow_ = false;
    return {is_narrow_, is_narrow_ && may_grow_};
  }

 private:
  // What an expression is, as far as it matters.
  enum class Value : std::uint8_t { other, key, call };
  struct Local {
    std::string_view name;
    bool is_key;
  };
  // Counts how deep blocks and expressions nest.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kNarrowDepth) parser_.refuse();
    }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };

  void advance() {
    if (is_narrow_) token_ = lexer_.next();
    if (token_.kind == Kind::bad) refuse();
  }
  void refuse() {
    is_narrow_ = false;
    token_ = {};
  }
  bool is(std::string_view text) const {
    return (token_.kind == Kind::sign || token_.kind == Kind::keyword) && token_.text == text;
  }
  bool eat(std::string_view text) {
    if (!is(text)) return false;
    advance();
    return true;
  }
  void need(std::string_view text) {
    if (!eat(text)) refuse();
  }
  std::string_view need_name() {
    const std::string_view name = token_.text;
    if (token_.kind != Kind::name) refuse();
    advance();
    return name;
  }

  Local* find_local(std::string_view name) {
    const auto found = std::find_if(locals_.rbegin(), locals_.rend(),
                                    [&](const Local& one) { return one.name == name; });
    return found == locals_.rend() ? nullptr : &*found;
  }

  // --- statements

  void block() {
    const Level level(*this);
    const std::size_t outer = locals_.size();
    while (is_narrow_ && !ends_block()) {
      if (eat("return")) {
        if (!ends_block() && !is(";")) expressions();
        eat(";");
        break;
      }
      statement();
      eat(";");
    }
    locals_.resize(std::min(outer, locals_.size()));
  }

  bool ends_block() const {
    return token_.kind == Kind::end || is("end") || is("else") || is("elseif");
  }

  void statement() {
    if (eat("local")) return local();
    if (eat("if")) return branch();
    if (eat("do")) {
      block();
      return need("end");
    }
    if (token_.kind != Kind::name) return refuse();
    call_or_assignment();
  }

  void local() {
    std::vector<std::string_view> names;
    do {
      names.push_back(need_name());
    } while (eat(","));
    std::vector<Value> values;
    if (eat("=")) values = expressions();
    // Visible from here on, not in their own expressions.
    for (std::size_t i = 0; i < names.size(); ++i) {
      locals_.push_back({names[i], i < values.size() && values[i] == Value::key});
    }
  }

  void branch() {
    do {
      expression();
      need("then");
      block();
    } while (eat("elseif"));
    if (eat("else")) block();
    need("end");
  }

  void call_or_assignment() {
    if (target() == Value::call) return;
    while (eat(",")) {
      if (target() == Value::call) return refuse();
    }
    need("=");
    expressions();
  }

  // A call, or something that may be assigned to: a local, or a field of what is in one. The local
  // is no key from here on.
  Value target() {
    Local* local = token_.kind == Kind::name ? find_local(token_.text) : nullptr;
    const Value value = suffixed();
    if (value == Value::call) return value;
    if (local == nullptr) refuse();
    if (local != nullptr) local->is_key = false;
    return value;
  }

  // --- expressions

  std::vector<Value> expressions() {
    std::vector<Value> values;
    do {
      values.push_back(expression());
    } while (is_narrow_ && eat(","));
    return values;
  }

  Value expression() {
    const Level level(*this);
    Value value = operand();
    while (is_narrow_ && is_binary()) {
      if (is("..") && ++joins_ > kNarrowJoins) refuse();
      advance();
      operand();
      value = Value::other;
    }
    return value;
  }

  bool is_binary() const {
    constexpr std::string_view kBinary[] = {"and", "or", "..", "==", "~=", "<=", ">=", "<",
                                            ">",   "+",  "-",  "*",  "/",  "%",  "^"};
    return (token_.kind == Kind::sign || token_.kind == Kind::keyword) && has(kBinary, token_.text);
  }

  Value operand() {
    bool is_changed = false;
    while (is("-") || is("not") || is("#")) {
      const bool counts = is("#");
      is_changed = true;
      advance();
      if (counts && token_.kind == Kind::name && token_.text == "KEYS" && !find_local("KEYS")) {
        advance();
        return Value::other;
      }
    }
    const Value value = simple();
    return is_changed ? Value::other : value;
  }

  Value simple() {
    if (token_.kind == Kind::number || token_.kind == Kind::text || is("nil") || is("true") ||
        is("false")) {
      advance();
      return Value::other;
    }
    if (is("{")) {
      table();
      return Value::other;
    }
    return suffixed();
  }

  void table() {
    need("{");
    while (is_narrow_ && !is("}")) {
      if (eat("[")) {
        expression();
        need("]");
        need("=");
        expression();
      } else {
        field();
      }
      if (!eat(",") && !eat(";")) break;
    }
    need("}");
  }

  // name = expression, or an expression.
  void field() {
    const Lexer before = lexer_;
    const Token name = token_;
    if (name.kind == Kind::name) {
      advance();
      if (eat("=")) {
        expression();
        return;
      }
      if (!is_narrow_) return;
      lexer_ = before;
      token_ = name;
    }
    expression();
  }

  // A name, a call or an expression in brackets, and what is indexed of it.
  Value suffixed() {
    Value value = Value::other;
    if (eat("(")) {
      expression();
      need(")");
    } else if (token_.kind == Kind::name) {
      value = named();
    } else {
      refuse();
    }
    while (is_narrow_) {
      if (eat(".")) {
        need_name();
      } else if (eat("[")) {
        expression();
        need("]");
      } else {
        break;
      }
      value = Value::other;
    }
    // A call of anything that is not on the lists.
    if (is("(") || is("{") || is(":") || token_.kind == Kind::text) refuse();
    return value;
  }

  Value named() {
    const std::string_view name = need_name();
    if (const Local* local = find_local(name)) return local->is_key ? Value::key : Value::other;
    if (name == "KEYS") return key();
    if (name == "ARGV") return Value::other;
    if (name == "redis" || name == "server") return of_redis();
    if (name == "string" && of_library(kOfString)) return arguments();
    if (name == "math" && of_library(kOfMath)) return arguments();
    if (has(kPlain, name)) return arguments();
    refuse();
    return Value::other;
  }

  // KEYS[number] is a key; KEYS[anything] a string.
  Value key() {
    need("[");
    if (token_.kind == Kind::number) {
      const Lexer before = lexer_;
      const Token number = token_;
      advance();
      if (eat("]")) return Value::key;
      if (!is_narrow_) return Value::other;
      lexer_ = before;
      token_ = number;
    }
    expression();
    need("]");
    return Value::other;
  }

  template <std::size_t N>
  bool of_library(const std::string_view (&names)[N]) {
    need(".");
    const std::string_view name = need_name();
    return is_narrow_ && has(names, name);
  }

  Value of_redis() {
    need(".");
    const std::string_view name = need_name();
    if (name == "call" || name == "pcall") return command();
    if (!has(kOfRedis, name)) refuse();
    return arguments();
  }

  Value arguments() {
    need("(");
    if (!is(")")) expressions();
    need(")");
    return Value::call;
  }

  // ("NAME", arguments...)
  Value command() {
    need("(");
    const Token name = token_;
    if (name.kind != Kind::text || !name.is_plain) refuse();
    advance();
    std::vector<Value> values;
    if (eat(",")) values = expressions();
    need(")");
    if (!is_narrow_) return Value::call;
    const Command* row = registry_.find(name.text);
    if (!is_narrow_row(row)) {
      refuse();
      return Value::call;
    }
    const auto words = static_cast<int>(values.size()) + 1;
    for (int place = 1; place < words; ++place) {
      const bool is_key = values[static_cast<std::size_t>(place - 1)] == Value::key;
      if (is_key_place(row->keys, place, words) && !is_key) refuse();
    }
    may_grow_ = may_grow_ || row->flags & Flag::may_grow;
    return Value::call;
  }

  Lexer lexer_;
  const Registry& registry_;
  Token token_;
  std::vector<Local> locals_;
  int depth_ = 0;
  int joins_ = 0;
  bool is_narrow_ = true;
  bool may_grow_ = false;
};

}  // namespace

Narrow read_narrow(std::string_view text, const Registry& registry) {
  if (text.size() > kNarrowBytes) return {};
  return Parser(text, registry).read();
}

}  // namespace larder::server::scripting
