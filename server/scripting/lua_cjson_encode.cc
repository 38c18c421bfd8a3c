#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "server/scripting/lua_cjson.h"
#include "server/scripting/lua_libraries.h"
#include "server/scripting/lua_sandbox.h"

namespace larder::server::scripting {
namespace {

// What stands for a character inside of a JSON string: 0 itself, 'u' four hexadecimal digits, else
// a backslash and this.
constexpr std::array<char, 256> make_escapes() {
  std::array<char, 256> escapes{};
  for (std::size_t c = 0; c < 32; ++c) escapes[c] = 'u';
  escapes[127] = 'u';
  escapes['\b'] = 'b';
  escapes['\t'] = 't';
  escapes['\n'] = 'n';
  escapes['\f'] = 'f';
  escapes['\r'] = 'r';
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  escapes['/'] = '/';
  return escapes;
}
constexpr std::array<char, 256> kEscapes = make_escapes();

class Encoder {
 public:
  Encoder(lua_State* lua, const JsonSettings& settings)
      : lua_(lua), settings_(settings), out_(lua) {}

  void push() const { out_.push(); }

  // Writes the value on top of the stack and leaves it there.
  void value(int depth) {
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING: return string();
      case LUA_TNUMBER: return number();
      case LUA_TBOOLEAN: return out_.add(lua_toboolean(lua_, -1) != 0 ? "true" : "false");
      case LUA_TTABLE: return table(depth + 1);
      case LUA_TNIL: return out_.add("null");
      case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(lua_, -1) == nullptr) return out_.add("null");
        break;
      default: break;
    }
    refuse(-1, "type not supported");
  }

 private:
  void refuse(int index, const char* why) {
    luaL_error(lua_, "Cannot serialise %s: %s", luaL_typename(lua_, index), why);
  }

  void string() {
    std::size_t size = 0;
    const char* bytes = lua_tolstring(lua_, -1, &size);
    out_.add('"');
    std::size_t plain = 0;  // from here to i nothing needs an escape
    for (std::size_t i = 0; i < size; ++i) {
      const auto c = static_cast<unsigned char>(bytes[i]);
      if (kEscapes[c] == 0) continue;
      out_.add({bytes + plain, i - plain});
      plain = i + 1;
      escape(c);
    }
    out_.add({bytes + plain, size - plain});
    out_.add('"');
  }

  void escape(unsigned char c) {
    constexpr char kDigits[] = "0123456789abcdef";
    char* to = out_.reserve(6);
    to[0] = '\\';
    to[1] = kEscapes[c];
    if (kEscapes[c] != 'u') return out_.commit(2);
    to[2] = to[3] = '0';
    to[4] = kDigits[c >> 4];
    to[5] = kDigits[c & 15];
    out_.commit(6);
  }

  void number() {
    const double number = lua_tonumber(lua_, -1);
    if (!std::isfinite(number)) {
      if (settings_.encode_invalid == InvalidNumbers::off) {
        refuse(-1, "must not be NaN or Inf");
      }
      if (settings_.encode_invalid == InvalidNumbers::null) return out_.add("null");
      if (std::isnan(number)) return out_.add(std::signbit(number) ? "-nan" : "nan");
    }
    constexpr std::size_t kMost = 32;
    char* to = out_.reserve(kMost);
    const auto end =
        std::to_chars(to, to + kMost, number, std::chars_format::general, settings_.precision);
    out_.commit(static_cast<std::size_t>(end.ptr - to));
  }

  void table(int depth) {
    const int deepest = settings_.encode_depth < kJsonDepth ? settings_.encode_depth : kJsonDepth;
    if (depth > deepest || lua_checkstack(lua_, 4) == 0) {
      luaL_error(lua_, "Cannot serialise, excessive nesting (%d)", depth);
    }
    const bool is_proxy = push_real(lua_, -1);  // a library's table shows what is in it
    const double length = array_length();
    if (length > 0) {
      array(length, depth);
    } else {
      object(depth);
    }
    if (is_proxy) lua_pop(lua_, 1);
  }

  // The highest index when the table's keys are indexes only and not too few for it; 0: it is an
  // object.
  double array_length() {
    double highest = 0;
    double items = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      const double key = lua_type(lua_, -1) == LUA_TNUMBER ? lua_tonumber(lua_, -1) : 0;
      if (!(key >= 1) || std::floor(key) != key) {
        lua_pop(lua_, 1);
        return 0;
      }
      if (key > highest) highest = key;
      ++items;
    }
    if (settings_.sparse_ratio > 0 && highest > items * settings_.sparse_ratio &&
        highest > settings_.sparse_safe) {
      if (!settings_.sparse_as_object) refuse(-1, "excessively sparse array");
      return 0;
    }
    return highest;
  }

  void array(double length, int depth) {
    out_.add('[');
    for (double i = 1; i <= length; ++i) {
      if (i > 1) out_.add(',');
      lua_pushnumber(lua_, i);
      lua_rawget(lua_, -2);
      value(depth);
      lua_pop(lua_, 1);
    }
    out_.add(']');
  }

  void object(int depth) {
    out_.add('{');
    bool is_first = true;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      if (!is_first) out_.add(',');
      is_first = false;
      key();
      value(depth);
      lua_pop(lua_, 1);
    }
    out_.add('}');
  }

  // The key below the value on top, written from a copy: a key converted in place confuses
  // lua_next.
  void key() {
    const int type = lua_type(lua_, -2);
    if (type != LUA_TSTRING && type != LUA_TNUMBER) {
      refuse(-2, "table key must be a number or string");
    }
    lua_pushvalue(lua_, -2);
    if (type == LUA_TNUMBER) {
      out_.add('"');
      number();
      out_.add("\":");
    } else {
      string();
      out_.add(':');
    }
    lua_pop(lua_, 1);
  }

  lua_State* lua_;
  const JsonSettings& settings_;
  TextBuffer out_;
};

}  // namespace

void encode_json(lua_State* lua, const JsonSettings& settings) {
  Encoder encoder(lua, settings);
  encoder.value(0);
  encoder.push();
}

}  // namespace larder::server::scripting
