// JSON text to Lua values: a reader of tokens, and a recursive walk over them with a bounded depth.
//
// A text ends at its first NUL, as C's strings do and lua-cjson's do. Problems name the token and
// the character where it begins (for what is wrong inside of a string: where in the string).

#include <strings.h>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "server/scripting/lua_cjson.h"
#include "server/scripting/lua_libraries.h"

namespace larder::server::scripting {
namespace {

enum class Token : std::uint8_t {
  object_begin,
  object_end,
  array_begin,
  array_end,
  string,
  number,
  boolean,
  null,
  colon,
  comma,
  end,
  error,
};
constexpr const char* kNames[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                  "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                  "T_COLON",     "T_COMMA",   "T_END"};

class Decoder {
 public:
  Decoder(lua_State* lua, std::string_view text, const JsonSettings& settings)
      : lua_(lua),
        begin_(text.data()),
        end_(text.data() + text.size()),
        at_(text.data()),
        settings_(settings),
        unescaped_(lua) {}

  void run() {
    next();
    value(0);
    next();
    if (token_ != Token::end) complain("the end");
  }

 private:
  // --- tokens. After next(), token_ is the next one and its value, if it has one, is on the stack.

  void next() {
    while (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r') ++at_;
    index_ = position();
    switch (*at_) {
      case '{': return single(Token::object_begin);
      case '}': return single(Token::object_end);
      case '[': return single(Token::array_begin);
      case ']': return single(Token::array_end);
      case ':': return single(Token::colon);
      case ',': return single(Token::comma);
      case '\0': token_ = Token::end; return;
      case '"': return string();
      default: word();
    }
  }

  int position() const { return static_cast<int>(at_ - begin_); }

  void single(Token token) {
    token_ = token;
    ++at_;
  }

  void fail(const char* problem) {
    token_ = Token::error;
    problem_ = problem;
    index_ = position();
  }

  bool eat(const char* word) {
    const std::size_t size = std::strlen(word);
    if (std::strncmp(at_, word, size) != 0) return false;
    at_ += size;
    return true;
  }

  void word() {
    const bool takes_any = settings_.decode_invalid != InvalidNumbers::off;
    if (*at_ == '-' || (*at_ >= '0' && *at_ <= '9')) {
      if (!takes_any && is_no_json_number()) return fail("invalid number");
      return number();
    }
    if (eat("true")) return boolean(true);
    if (eat("false")) return boolean(false);
    if (eat("null")) {
      token_ = Token::null;
      lua_pushlightuserdata(lua_, nullptr);
      return;
    }
    if (takes_any && is_no_json_number()) return number();
    fail("invalid token");
  }

  void boolean(bool value) {
    token_ = Token::boolean;
    lua_pushboolean(lua_, value ? 1 : 0);
  }

  // What C reads as a number and JSON does not: a plus sign, hexadecimal, leading zeros, infinity,
  // nan.
  bool is_no_json_number() const {
    const char* p = at_;
    if (*p == '+') return true;
    if (*p == '-') ++p;
    if (*p == '0') return (p[1] | 0x20) == 'x' || (p[1] >= '0' && p[1] <= '9');
    if (*p <= '9') return false;
    return strncasecmp(p, "inf", 3) == 0 || strncasecmp(p, "nan", 3) == 0;
  }

  void number() {
    double value = 0;
    const char* stop = at_;
    if (!is_no_json_number()) {
      const auto read = std::from_chars(at_, end_, value);
      if (read.ec == std::errc()) stop = read.ptr;
    }
    if (stop == at_) {  // an odd form, or out of range
      char* end = nullptr;
      value = std::strtod(at_, &end);
      stop = end;
    }
    if (stop == at_) return fail("invalid number");
    at_ = stop;
    token_ = Token::number;
    lua_pushnumber(lua_, value);
  }

  // --- strings

  void string() {
    ++at_;
    const char* plain = at_;
    while (*at_ != '"' && *at_ != '\\' && *at_ != '\0') ++at_;
    if (*at_ == '"') {
      lua_pushlstring(lua_, plain, static_cast<std::size_t>(at_ - plain));
      ++at_;
      token_ = Token::string;
      return;
    }
    unescaped_.clear();
    unescaped_.add({plain, static_cast<std::size_t>(at_ - plain)});
    string_with_escapes();
  }

  void string_with_escapes() {
    while (*at_ != '"') {
      if (*at_ == '\0') return fail("unexpected end of string");
      if (*at_ != '\\') {
        unescaped_.add(*at_++);
      } else if (at_[1] == 'u') {
        if (!unicode_escape()) return fail("invalid unicode escape code");
      } else {
        const char c = plain_escape(at_[1]);
        if (c == '\0') return fail("invalid escape code");
        unescaped_.add(c);
        at_ += 2;
      }
    }
    ++at_;
    token_ = Token::string;
    unescaped_.push();
  }

  static char plain_escape(char letter) {
    switch (letter) {
      case '"':
      case '\\':
      case '/': return letter;
      case 'b': return '\b';
      case 't': return '\t';
      case 'n': return '\n';
      case 'f': return '\f';
      case 'r': return '\r';
      default: return '\0';
    }
  }

  // Four hexadecimal digits; -1: there are not.
  static int hex4(const char* digits) {
    int value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = digits[i];
      const char low = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        value = value * 16 + (c - '0');
      } else if (low >= 'a' && low <= 'f') {
        value = value * 16 + (low - 'a' + 10);
      } else {
        return -1;  // also at the NUL, so nothing behind it is read
      }
    }
    return value;
  }

  bool unicode_escape() {
    int code = hex4(at_ + 2);
    if (code < 0) return false;
    int length = 6;
    if ((code & 0xF800) == 0xD800) {
      if ((code & 0x400) != 0 || at_[6] != '\\' || at_[7] != 'u') return false;
      const int low = hex4(at_ + 8);
      if (low < 0 || (low & 0xFC00) != 0xDC00) return false;
      code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
      length = 12;
    }
    at_ += length;
    add_utf8(static_cast<unsigned>(code));
    return true;
  }

  void add_utf8(unsigned code) {
    char* to = unescaped_.reserve(4);
    const auto tail = [](unsigned bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
    if (code < 0x80) {
      to[0] = static_cast<char>(code);
      return unescaped_.commit(1);
    }
    if (code < 0x800) {
      to[0] = static_cast<char>(0xC0 | code >> 6);
      to[1] = tail(code);
      return unescaped_.commit(2);
    }
    if (code < 0x10000) {
      to[0] = static_cast<char>(0xE0 | code >> 12);
      to[1] = tail(code >> 6);
      to[2] = tail(code);
      return unescaped_.commit(3);
    }
    to[0] = static_cast<char>(0xF0 | code >> 18);
    to[1] = tail(code >> 12);
    to[2] = tail(code >> 6);
    to[3] = tail(code);
    unescaped_.commit(4);
  }

  // --- values

  void complain(const char* expected) {
    const char* found = token_ == Token::error ? problem_
                                               : kNames[static_cast<std::size_t>(token_)];
    luaL_error(lua_, "Expected %s but found %s at character %d", expected, found, index_ + 1);
  }

  // Pushes the value that begins with the token at hand.
  void value(int depth) {
    switch (token_) {
      case Token::string:
      case Token::number:
      case Token::boolean:
      case Token::null: return;
      case Token::object_begin: return object(depth + 1);
      case Token::array_begin: return array(depth + 1);
      default: complain("value");
    }
  }

  void descend(int depth) {
    const int deepest = settings_.decode_depth < kJsonDepth ? settings_.decode_depth : kJsonDepth;
    if (depth > deepest || lua_checkstack(lua_, 4) == 0) {
      luaL_error(lua_, "Found too many nested data structures (%d) at character %d", depth,
                 position());
    }
  }

  void array(int depth) {
    descend(depth);
    lua_newtable(lua_);
    next();
    if (token_ == Token::array_end) return;
    for (int i = 1;; ++i) {
      value(depth);
      lua_rawseti(lua_, -2, i);
      next();
      if (token_ == Token::array_end) return;
      if (token_ != Token::comma) complain("comma or array end");
      next();
    }
  }

  void object(int depth) {
    descend(depth);
    lua_newtable(lua_);
    next();
    if (token_ == Token::object_end) return;
    for (;;) {
      if (token_ != Token::string) complain("object key string");
      next();
      if (token_ != Token::colon) complain("colon");
      next();
      value(depth);
      lua_rawset(lua_, -3);
      next();
      if (token_ == Token::object_end) return;
      if (token_ != Token::comma) complain("comma or object end");
      next();
    }
  }

  lua_State* lua_;
  const char* begin_;
  const char* end_;
  const char* at_;
  const JsonSettings& settings_;
  TextBuffer unescaped_;
  Token token_ = Token::end;
  const char* problem_ = "";
  int index_ = 0;
};

}  // namespace

void decode_json(lua_State* lua, const JsonSettings& settings) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, 1, &size);
  if (size >= 2 && (text[0] == '\0' || text[1] == '\0')) {
    luaL_error(lua, "JSON parser does not support UTF-16 or UTF-32");
  }
  Decoder(lua, {text, size}, settings).run();
}

}  // namespace larder::server::scripting
