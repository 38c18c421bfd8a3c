// cmsgpack: Lua values as MessagePack and back.
//
// Numbers that are integers are written in the shortest integer form, others as float where that
// loses nothing, else as double. A table whose keys are exactly 1..n is an array, any other a map.
// Binary and extension types, which Lua has no value for, are refused when reading, as Redis does.

#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "server/scripting/lua_libraries.h"

namespace larder::server::scripting {
namespace {

// --- writing

class Packer {
 public:
  explicit Packer(lua_State* lua) : lua_(lua), out_(lua) {}

  void push() const { out_.push(); }

  // Writes the value on top of the stack and leaves it there.
  void value(int depth) {
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING: return string();
      case LUA_TBOOLEAN: return out_.add(lua_toboolean(lua_, -1) != 0 ? '\xC3' : '\xC2');
      case LUA_TNUMBER: return number(lua_tonumber(lua_, -1));
      case LUA_TTABLE: return table(depth);
      default: out_.add('\xC0');
    }
  }

 private:
  // A type byte and so many bytes of a number, the highest first.
  void tagged(unsigned char tag, std::uint64_t bits, int bytes) {
    char* to = out_.reserve(9);
    to[0] = static_cast<char>(tag);
    for (int i = bytes; i > 0; --i, bits >>= 8) to[i] = static_cast<char>(bits & 0xFF);
    out_.commit(static_cast<std::size_t>(bytes) + 1);
  }

  // The shortest of three headers for a count; `small` holds counts below `small_end`.
  void header(std::uint64_t count, unsigned small_end, unsigned small, unsigned tag16,
              unsigned tag32) {
    if (count < small_end) {
      out_.add(static_cast<char>(small | count));
    } else if (count <= UINT16_MAX) {
      tagged(static_cast<unsigned char>(tag16), count, 2);
    } else {
      tagged(static_cast<unsigned char>(tag32), count, 4);
    }
  }

  void string() {
    std::size_t size = 0;
    const char* bytes = lua_tolstring(lua_, -1, &size);
    if (size >= 32 && size <= UINT8_MAX) {
      tagged(0xD9, size, 1);
    } else {
      header(size, 32, 0xA0, 0xDA, 0xDB);
    }
    out_.add({bytes, size});
  }

  void number(double number) {
    if (number >= -0x1p63 && number < 0x1p63 && std::trunc(number) == number) {
      return integer(static_cast<std::int64_t>(number));
    }
    const auto narrow = static_cast<float>(number);
    if (static_cast<double>(narrow) == number) {
      std::uint32_t bits;
      std::memcpy(&bits, &narrow, sizeof(bits));
      return tagged(0xCA, bits, 4);
    }
    std::uint64_t bits;
    std::memcpy(&bits, &number, sizeof(bits));
    tagged(0xCB, bits, 8);
  }

  void integer(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= -32 && value <= 127) {
      out_.add(static_cast<char>(bits & 0xFF));
    } else if (value >= 0) {
      if (bits <= UINT8_MAX) return tagged(0xCC, bits, 1);
      if (bits <= UINT16_MAX) return tagged(0xCD, bits, 2);
      if (bits <= UINT32_MAX) return tagged(0xCE, bits, 4);
      tagged(0xCF, bits, 8);
    } else {
      if (value >= INT8_MIN) return tagged(0xD0, bits, 1);
      if (value >= INT16_MIN) return tagged(0xD1, bits, 2);
      if (value >= INT32_MIN) return tagged(0xD2, bits, 4);
      tagged(0xD3, bits, 8);
    }
  }

  void table(int depth) {
    if (depth >= kMsgpackPackDepth) return out_.add('\xC0');
    luaL_checkstack(lua_, 4, "cmsgpack.pack");
    std::uint64_t pairs = 0;
    if (is_array(pairs)) {
      header(pairs, 16, 0x90, 0xDC, 0xDD);
      for (std::uint64_t i = 1; i <= pairs; ++i) {
        lua_rawgeti(lua_, -1, static_cast<int>(i));
        value(depth + 1);
        lua_pop(lua_, 1);
      }
      return;
    }
    header(pairs, 16, 0x80, 0xDE, 0xDF);
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pushvalue(lua_, -2);
      value(depth + 1);
      lua_pop(lua_, 1);
      value(depth + 1);
      lua_pop(lua_, 1);
    }
  }

  // Counts the pairs. True: their keys are 1..n.
  bool is_array(std::uint64_t& pairs) {
    bool only_indexes = true;
    double highest = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      ++pairs;
      if (lua_type(lua_, -1) == LUA_TNUMBER) {
        const double index = lua_tonumber(lua_, -1);
        if (index < 1 || index > INT_MAX || std::trunc(index) != index) only_indexes = false;
        if (index > highest) highest = index;
      } else {
        only_indexes = false;
      }
    }
    return only_indexes && highest == static_cast<double>(pairs);
  }

  lua_State* lua_;
  TextBuffer out_;
};

int pack(lua_State* lua) {
  const int arguments = lua_gettop(lua);
  if (arguments == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  if (lua_checkstack(lua, arguments) == 0) {
    return luaL_argerror(lua, 0, "Too many arguments for MessagePack pack.");
  }
  Packer packer(lua);
  for (int i = 1; i <= arguments; ++i) {
    lua_pushvalue(lua, i);
    packer.value(0);
    lua_pop(lua, 1);
  }
  packer.push();
  return 1;
}

// --- reading

class Unpacker {
  // Elements of an array that are made room for at once.
  static constexpr std::uint64_t kReserved = 4096;

 public:
  Unpacker(lua_State* lua, std::string_view bytes) : lua_(lua), left_(bytes) {}

  std::size_t left() const { return left_.size(); }

  // Pushes the next value.
  void push_value(int depth) {
    const unsigned tag = take_tag();
    if (tag <= 0x7F) return push_signed(static_cast<std::int64_t>(tag));
    if (tag <= 0x8F) return push_map(tag & 0x0F, depth);
    if (tag <= 0x9F) return push_array(tag & 0x0F, depth);
    if (tag <= 0xBF) return push_string(tag & 0x1F);
    if (tag >= 0xE0) return push_signed(static_cast<std::int8_t>(tag));
    switch (tag) {
      case 0xC0: return lua_pushnil(lua_);
      case 0xC2: return lua_pushboolean(lua_, 0);
      case 0xC3: return lua_pushboolean(lua_, 1);
      case 0xCA: return push_float();
      case 0xCB: return push_double();
      case 0xCC: return push_signed(static_cast<std::int64_t>(take(1)));
      case 0xCD: return push_signed(static_cast<std::int64_t>(take(2)));
      case 0xCE: return push_signed(static_cast<std::int64_t>(take(4)));
      // As Redis: the highest bit of an unsigned number is taken for a sign.
      case 0xCF: return push_signed(static_cast<std::int64_t>(take(8)));
      case 0xD0: return push_signed(static_cast<std::int8_t>(take(1)));
      case 0xD1: return push_signed(static_cast<std::int16_t>(take(2)));
      case 0xD2: return push_signed(static_cast<std::int32_t>(take(4)));
      case 0xD3: return push_signed(static_cast<std::int64_t>(take(8)));
      case 0xD9: return push_string(take(1));
      case 0xDA: return push_string(take(2));
      case 0xDB: return push_string(take(4));
      case 0xDC: return push_array(take(2), depth);
      case 0xDD: return push_array(take(4), depth);
      case 0xDE: return push_map(take(2), depth);
      case 0xDF: return push_map(take(4), depth);
      default: luaL_error(lua_, "Bad data format in input.");
    }
  }

 private:
  void need(std::size_t bytes) {
    if (left_.size() < bytes) luaL_error(lua_, "Missing bytes in input.");
  }

  unsigned take_tag() { return static_cast<unsigned>(take(1)); }

  std::uint64_t take(std::size_t bytes) {
    need(bytes);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      bits = bits << 8 | static_cast<unsigned char>(left_[i]);
    }
    left_.remove_prefix(bytes);
    return bits;
  }

  void push_signed(std::int64_t value) { lua_pushnumber(lua_, static_cast<lua_Number>(value)); }

  void push_float() {
    const auto bits = static_cast<std::uint32_t>(take(4));
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    lua_pushnumber(lua_, value);
  }

  void push_double() {
    const std::uint64_t bits = take(8);
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    lua_pushnumber(lua_, value);
  }

  void push_string(std::uint64_t size) {
    need(size);
    lua_pushlstring(lua_, left_.data(), size);
    left_.remove_prefix(size);
  }

  void descend(int depth) {
    if (depth >= kMsgpackDepth) luaL_error(lua_, "Found too many nested data structures.");
    luaL_checkstack(lua_, 4, "in function cmsgpack.unpack");
  }

  void push_array(std::uint64_t count, int depth) {
    descend(depth);
    need(static_cast<std::size_t>(count));  // an element has a byte at least
    lua_createtable(lua_, static_cast<int>(count < kReserved ? count : kReserved), 0);
    for (std::uint64_t i = 1; i <= count; ++i) {
      push_value(depth + 1);
      lua_rawseti(lua_, -2, static_cast<int>(i));
    }
  }

  void push_map(std::uint64_t count, int depth) {
    descend(depth);
    need(static_cast<std::size_t>(count) * 2);
    lua_newtable(lua_);
    for (std::uint64_t i = 0; i < count; ++i) {
      push_value(depth + 1);
      push_value(depth + 1);
      lua_rawset(lua_, -3);
    }
  }

  lua_State* lua_;
  std::string_view left_;
};

// Pushes up to `limit` values from `offset` on; with `tells_where` also, first, where to go on (-1:
// at the end).
int unpack_from(lua_State* lua, lua_Integer limit, lua_Integer offset, bool tells_where) {
  std::size_t size = 0;
  const char* bytes = luaL_checklstring(lua, 1, &size);
  if (offset < 0 || limit < 0) {
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (static_cast<std::size_t>(offset) > size) {
    return luaL_error(lua, "Start offset %d greater than input length %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  lua_settop(lua, 1);
  Unpacker unpacker(lua, std::string_view(bytes, size).substr(static_cast<std::size_t>(offset)));
  int results = 0;
  for (; unpacker.left() > 0 && results < limit; ++results) {
    luaL_checkstack(lua, 1,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    unpacker.push_value(0);
  }
  if (!tells_where) return results;
  const auto next = static_cast<lua_Integer>(size - unpacker.left());
  lua_pushnumber(lua, static_cast<lua_Number>(unpacker.left() == 0 ? -1 : next));
  lua_insert(lua, 2);
  return results + 1;
}

int unpack_all(lua_State* lua) {
  return unpack_from(lua, INT_MAX, 0, false);
}

int unpack_one(lua_State* lua) {
  return unpack_from(lua, 1, luaL_optinteger(lua, 2, 0), true);
}

int unpack_limit(lua_State* lua) {
  const lua_Integer limit = luaL_checkinteger(lua, 2);
  const lua_Integer offset = luaL_optinteger(lua, 3, 0);
  // As Redis: no limit and no offset is plain unpack.
  if (limit == 0 && offset == 0) return unpack_all(lua);
  return unpack_from(lua, limit, offset, true);
}

constexpr luaL_Reg kFunctions[] = {
    {"pack", pack},
    {"unpack", unpack_all},
    {"unpack_one", unpack_one},
    {"unpack_limit", unpack_limit},
    {nullptr, nullptr},
};

}  // namespace

void open_cmsgpack(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
  lua_pushliteral(lua, "cmsgpack");
  lua_setfield(lua, -2, "_NAME");
  lua_pushliteral(lua, "lua-cmsgpack 0.4.0");  // whose functions these are
  lua_setfield(lua, -2, "_VERSION");
  lua_pushliteral(lua, "the authors of Larder");
  lua_setfield(lua, -2, "_COPYRIGHT");
  lua_pushliteral(lua, "MessagePack for Lua");
  lua_setfield(lua, -2, "_DESCRIPTION");
}

}  // namespace larder::server::scripting
