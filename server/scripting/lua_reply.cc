#include "server/scripting/lua_reply.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "protocol/numbers.h"
#include "storage/ensure.h"

namespace larder::server::scripting {

void Recorder::clear() {
  pins_.clear();
  items_.clear();
  texts_.clear();
  if (items_.capacity() > kKeptItems) items_.shrink_to_fit();
  if (texts_.capacity() > kKeptBytes) texts_.shrink_to_fit();
}

void Recorder::add_text(Kind kind, std::string_view text) {
  texts_.append(text);
  add(kind, text.size());
}

void Recorder::pinned(protocol::Pin pin) {
  pins_.push_back(std::move(pin));
  add(Kind::pinned, pins_.size() - 1);
}

void Recorder::verbatim(std::string_view format, std::string_view text) {
  add_text(Kind::verbatim, text);
  std::copy_n(format.begin(), std::min<std::size_t>(format.size(), 3),
              items_.back().format.begin());
}

namespace {

void push_text(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

// {field = text}
void push_tagged(lua_State* lua, const char* field, std::string_view text) {
  lua_createtable(lua, 0, 1);
  push_text(lua, text);
  lua_setfield(lua, -2, field);
}

// A hint for a table's size: what was announced may be more than there is memory for.
int size_hint(std::size_t count) {
  return static_cast<int>(std::min<std::size_t>(count, 1u << 20));
}

}  // namespace

void push_error(lua_State* lua, std::string_view text) {
  lua_createtable(lua, 0, 2);
  push_text(lua, text);
  lua_setfield(lua, -2, "err");
  lua_pushboolean(lua, 1);
  lua_setfield(lua, -2, "ignore_error_stats_update");
}

// Walks the items once, in order; each push_ leaves one value on the stack.
struct Recorder::Builder {
  const Recorder& said;
  lua_State* lua;
  int resp;
  std::size_t next = 0;
  std::size_t text_at = 0;

  std::string_view take_text(const Item& item) {
    const std::string_view text(said.texts_.data() + text_at, item.payload);
    text_at += item.payload;
    return text;
  }

  void push_next() {
    ensure(next < said.items_.size(), "a command said less than it announced");
    const Item& item = said.items_[next++];
    luaL_checkstack(lua, 6, "reply nested too deeply");
    switch (item.kind) {
      case Kind::simple: return push_tagged(lua, "ok", take_text(item));
      case Kind::error: return push_error(lua, take_text(item));
      case Kind::null: return resp >= 3 ? lua_pushnil(lua) : lua_pushboolean(lua, 0);
      case Kind::integer: return push_integer(static_cast<std::int64_t>(item.payload));
      case Kind::bulk: return push_text(lua, take_text(item));
      case Kind::pinned: return push_text(lua, said.pins_[item.payload].bytes());
      case Kind::number: return push_number(std::bit_cast<double>(item.payload));
      case Kind::boolean: return push_boolean(item.payload != 0);
      case Kind::big_number: return push_big_number(take_text(item));
      case Kind::verbatim: return push_verbatim(item);
      case Kind::array: return push_array(item.payload);
      case Kind::map: return resp >= 3 ? push_map(item.payload) : push_array(item.payload * 2);
      case Kind::set: return resp >= 3 ? push_set(item.payload) : push_array(item.payload);
    }
  }

  void push_integer(std::int64_t value) { lua_pushnumber(lua, static_cast<lua_Number>(value)); }

  void push_number(double value) {
    if (resp < 3) {
      char text[protocol::kDoubleChars];
      return push_text(lua, {text, protocol::write_double(text, value)});
    }
    lua_createtable(lua, 0, 1);
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, "double");
  }

  void push_boolean(bool value) {
    if (resp >= 3) {
      lua_pushboolean(lua, value ? 1 : 0);
    } else {
      lua_pushnumber(lua, value ? 1 : 0);
    }
  }

  void push_big_number(std::string_view digits) {
    if (resp >= 3) return push_tagged(lua, "big_number", digits);
    push_text(lua, digits);
  }

  void push_verbatim(const Item& item) {
    const std::string_view text = take_text(item);
    if (resp < 3) return push_text(lua, text);
    lua_createtable(lua, 0, 1);
    push_tagged(lua, "string", text);
    lua_pushlstring(lua, item.format.data(), item.format.size());
    lua_setfield(lua, -2, "format");
    lua_setfield(lua, -2, "verbatim_string");
  }

  void push_array(std::size_t count) {
    lua_createtable(lua, size_hint(count), 0);
    for (std::size_t i = 1; i <= count; ++i) {
      push_next();
      lua_rawseti(lua, -2, static_cast<int>(i));
    }
  }

  void push_map(std::size_t pairs) {
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, size_hint(pairs));
    for (std::size_t i = 0; i < pairs; ++i) {
      push_next();
      push_next();
      lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, "map");
  }

  void push_set(std::size_t count) {
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, size_hint(count));
    for (std::size_t i = 0; i < count; ++i) {
      push_next();
      lua_pushboolean(lua, 1);
      lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, "set");
  }
};

void Recorder::push_value(lua_State* lua, int resp) const {
  Builder{*this, lua, resp}.push_next();
}

namespace {

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* bytes = lua_tolstring(lua, index, &size);
  return {bytes, size};
}

// Errors and statuses end at the first NUL, as in Redis, whose texts are C strings.
std::string_view until_nul(std::string_view text) {
  return text.substr(0, text.find('\0'));
}

std::int64_t to_integer(double number) {
  // As the conversion of the machines Redis runs on answers where C leaves it open.
  if (!(number >= -0x1p63 && number < 0x1p63)) return INT64_MIN;
  return static_cast<std::int64_t>(number);
}

// A table that stands for something else than an array, by the field that says so.
enum class Shape : std::uint8_t { array, error, status, number, map, set, big_number, verbatim };

struct Field {
  const char* name;
  int type;  // another type: the field does not count
};
// The first seven in the order of precedence, as the shapes from error on; then what is inside of
// verbatim_string.
constexpr Field kFields[] = {
    {"err", LUA_TSTRING},
    {"ok", LUA_TSTRING},
    {"double", LUA_TNUMBER},
    {"map", LUA_TTABLE},
    {"set", LUA_TTABLE},
    {"big_number", LUA_TSTRING},
    {"verbatim_string", LUA_TTABLE},
    {"format", LUA_TSTRING},
    {"string", LUA_TSTRING},
};
constexpr int kShapes = 7;
constexpr int kFormat = 7;
constexpr int kString = 8;

// A Lua stack with the field names at hand.
struct Names {
  lua_State* lua;
  int first;

  // Pushes the raw field of the table on top if it has its type.
  bool push(int field) const {
    lua_pushvalue(lua, first + field);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == kFields[field].type) return true;
    lua_pop(lua, 1);
    return false;
  }

  // Of the table on top; for all but arrays also pushes what the field holds.
  Shape push_shape() const {
    for (int field = 0; field < kShapes; ++field) {
      if (!push(field)) continue;
      const auto shape = static_cast<Shape>(field + 1);
      if (shape != Shape::verbatim || (has(kFormat) && has(kString))) return shape;
      lua_pop(lua, 1);
    }
    return Shape::array;
  }

 private:
  bool has(int field) const {
    if (!push(field)) return false;
    lua_pop(lua, 1);
    return true;
  }
};

// Elements from 1 to the first that is not there. Table on top.
std::size_t length_of(lua_State* lua) {
  for (int i = 1;; ++i) {
    lua_rawgeti(lua, -1, i);
    const bool is_there = !lua_isnil(lua, -1);
    lua_pop(lua, 1);
    if (!is_there || i == INT_MAX) return static_cast<std::size_t>(i - 1);
  }
}

std::size_t pairs_of(lua_State* lua) {
  std::size_t pairs = 0;
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    lua_pop(lua, 1);
    ++pairs;
  }
  return pairs;
}

// Adds up a value before anything of it is said. Each call looks at the value on top of the stack
// and leaves it there.
class Measure {
 public:
  explicit Measure(Names names) : lua_(names.lua), names_(names) {}

  const char* problem() const { return problem_; }

  void value(int depth) {
    if (problem_ != nullptr) return;
    if (++words_ > kReplyWords) return fail("ERR reply of the script has too many elements");
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING: return add_bytes(lua_objlen(lua_, -1));
      case LUA_TTABLE: return table(depth);
      default: return;
    }
  }

 private:
  void fail(const char* problem) { problem_ = problem; }

  void add_bytes(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > kReplyBytes) fail("ERR reply of the script is too large");
  }

  void table(int depth) {
    if (depth >= kReplyDepth || lua_checkstack(lua_, 8) == 0) {
      return fail("ERR reached lua stack limit");
    }
    const Shape shape = names_.push_shape();
    switch (shape) {
      case Shape::array: return elements(depth);
      case Shape::map: pairs(depth, true); break;
      case Shape::set: pairs(depth, false); break;
      case Shape::number: break;
      case Shape::verbatim: verbatim(); break;
      default: add_bytes(lua_objlen(lua_, -1));
    }
    lua_pop(lua_, 1);
  }

  void elements(int depth) {
    for (int i = 1; problem_ == nullptr; ++i) {
      lua_rawgeti(lua_, -1, i);
      const bool is_there = !lua_isnil(lua_, -1);
      if (is_there) value(depth + 1);
      lua_pop(lua_, 1);
      if (!is_there) return;
    }
  }

  void pairs(int depth, bool with_values) {
    lua_pushnil(lua_);
    while (problem_ == nullptr && lua_next(lua_, -2) != 0) {
      if (with_values) value(depth + 1);
      lua_pop(lua_, 1);
      value(depth + 1);
    }
  }

  void verbatim() {
    names_.push(kString);
    add_bytes(lua_objlen(lua_, -1));
    lua_pop(lua_, 1);
  }

  lua_State* lua_;
  Names names_;
  const char* problem_ = nullptr;
  std::size_t words_ = 0;
  std::size_t bytes_ = 0;
};

// Says the value on top of the stack and leaves it there. It has been measured.
class Speaker {
 public:
  Speaker(Names names, int resp, protocol::Reply& reply)
      : lua_(names.lua), names_(names), reply_(reply), resp_(resp) {}

  void value() {
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING: return reply_.bulk(text_at(lua_, -1));
      case LUA_TNUMBER: return reply_.integer(to_integer(lua_tonumber(lua_, -1)));
      case LUA_TBOOLEAN: return boolean(lua_toboolean(lua_, -1) != 0);
      case LUA_TTABLE: return table();
      default: return reply_.null();
    }
  }

 private:
  void boolean(bool value) {
    if (resp_ >= 3) return reply_.boolean(value);
    if (value) return reply_.integer(1);
    reply_.null();
  }

  void table() {
    const Shape shape = names_.push_shape();
    switch (shape) {
      case Shape::array: return elements();
      case Shape::error: reply_.error(until_nul(text_at(lua_, -1))); break;
      case Shape::status: reply_.simple(until_nul(text_at(lua_, -1))); break;
      case Shape::number: reply_.number(lua_tonumber(lua_, -1)); break;
      case Shape::map: pairs(true); break;
      case Shape::set: pairs(false); break;
      case Shape::big_number: big_number(); break;
      case Shape::verbatim: verbatim(); break;
    }
    lua_pop(lua_, 1);
  }

  void elements() {
    const std::size_t count = length_of(lua_);
    reply_.array(count);
    for (std::size_t i = 1; i <= count; ++i) {
      lua_rawgeti(lua_, -1, static_cast<int>(i));
      value();
      lua_pop(lua_, 1);
    }
  }

  void pairs(bool with_values) {
    const std::size_t count = pairs_of(lua_);
    if (with_values) {
      reply_.map(count);
    } else {
      reply_.set(count);
    }
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      // The key is said from a copy: whoever converts a key in place confuses lua_next.
      lua_pushvalue(lua_, -2);
      value();
      lua_pop(lua_, 1);
      if (with_values) value();
      lua_pop(lua_, 1);
    }
  }

  void big_number() {
    std::string digits(text_at(lua_, -1));
    std::replace_if(
        digits.begin(), digits.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    reply_.big_number(digits);
  }

  void verbatim() {
    names_.push(kFormat);
    std::string format(text_at(lua_, -1).substr(0, 3));
    format.resize(3, ' ');
    lua_pop(lua_, 1);
    names_.push(kString);
    reply_.verbatim(format, text_at(lua_, -1));
    lua_pop(lua_, 1);
  }

  lua_State* lua_;
  Names names_;
  protocol::Reply& reply_;
  int resp_;
};

}  // namespace

void push_field_names(lua_State* lua) {
  for (const Field& field : kFields) lua_pushstring(lua, field.name);
}

void say_value(lua_State* lua, int index, int names, int resp, protocol::Reply& reply) {
  const int top = lua_gettop(lua);
  lua_checkstack(lua, 8);
  lua_pushvalue(lua, index);
  const Names names_at{lua, names};
  Measure measure(names_at);
  measure.value(0);
  lua_settop(lua, top + 1);
  if (measure.problem() != nullptr) {
    reply.error(measure.problem());
  } else {
    Speaker(names_at, resp, reply).value();
  }
  lua_settop(lua, top);
}

}  // namespace larder::server::scripting
