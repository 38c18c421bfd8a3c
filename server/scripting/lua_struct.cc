// struct: values as packed bytes and back, in the format language of Roberto Ierusalimschy's
// lua-struct.
//
//     > <    big, little endian (little)      b B    one byte, signed or not     f    float
//     !n     align up to n bytes (8)          h H    two bytes                   d    double
//     x      a zero byte                      l L T  eight bytes                 s    up to a zero
//     space  nothing                          in In  n bytes (4), up to 32       cn   n characters
//
// c0 packs a whole string; unpacking, its length is the number that was unpacked before it.
//
// Sizes are size_t everywhere; a number in a format is at most INT_MAX, so the sum of a format's
// sizes cannot overflow.

#include <cctype>
#include <climits>
#include <cstdint>
#include <cstring>

#include "server/scripting/lua_libraries.h"

namespace larder::server::scripting {
namespace {

constexpr std::size_t kMostIntegerBytes = 32;
constexpr std::size_t kNaturalAlignment = 8;

// Reads a format, option by option. Problems are raised as Lua errors.
class Format {
 public:
  Format(lua_State* lua, int index) : lua_(lua), at_(luaL_checkstring(lua, index)) {}

  bool more() const { return *at_ != '\0'; }
  bool is_big_endian() const { return is_big_endian_; }

  struct Option {
    char letter;
    std::size_t bytes;  // 0: s, c0 and what has no size
  };
  Option take() {
    const char letter = *at_++;
    return {letter, size_of(letter)};
  }

  // Zero bytes that go before an option at this position.
  std::size_t padding(const Option& option, std::size_t position) const {
    if (option.bytes == 0 || option.letter == 'c') return 0;
    const std::size_t alignment = option.bytes < alignment_ ? option.bytes : alignment_;
    return (alignment - position % alignment) % alignment;
  }

  // What is no value: byte order and alignment.
  void apply(const Option& option) {
    switch (option.letter) {
      case ' ': return;
      case '>': is_big_endian_ = true; return;
      case '<': is_big_endian_ = false; return;
      case '!': {
        const std::size_t alignment = number_or(kNaturalAlignment);
        if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
          luaL_error(lua_, "alignment %d is not a power of 2", static_cast<int>(alignment));
        }
        alignment_ = alignment;
        return;
      }
      default:
        luaL_argerror(lua_, 1, lua_pushfstring(lua_, "invalid format option '%c'", option.letter));
    }
  }

 private:
  std::size_t number_or(std::size_t otherwise) {
    if (!is_digit()) return otherwise;
    std::size_t number = 0;
    while (is_digit()) {
      number = number * 10 + static_cast<std::size_t>(*at_++ - '0');
      if (number > INT_MAX) luaL_error(lua_, "integral size overflow");
    }
    return number;
  }

  bool is_digit() const { return *at_ >= '0' && *at_ <= '9'; }

  std::size_t size_of(char letter) {
    switch (letter) {
      case 'b':
      case 'B':
      case 'x': return 1;
      case 'h':
      case 'H': return 2;
      case 'f': return 4;
      case 'l':
      case 'L':
      case 'T':
      case 'd': return 8;
      case 'c': return number_or(1);
      case 'i':
      case 'I': return integer_size();
      default: return 0;
    }
  }

  std::size_t integer_size() {
    const std::size_t bytes = number_or(4);
    if (bytes > kMostIntegerBytes) {
      luaL_error(lua_, "integral size %d is larger than limit of %d", static_cast<int>(bytes),
                 static_cast<int>(kMostIntegerBytes));
    }
    return bytes;
  }

  lua_State* lua_;
  const char* at_;
  std::size_t alignment_ = 1;
  bool is_big_endian_ = false;
};

bool is_integer(char letter) {
  return std::strchr("bBhHlLTiI", letter) != nullptr;
}

// The low 64 bits of a number's integer part; what has none is 0.
std::uint64_t bits_of(double number) {
  if (number < 0) {
    return number >= -0x1p63 ? static_cast<std::uint64_t>(static_cast<std::int64_t>(number))
                             : std::uint64_t{1} << 63;
  }
  return number < 0x1p64 ? static_cast<std::uint64_t>(number) : 0;
}

// Bytes in the order of the format, from the least significant one.
void add_bytes(TextBuffer& out, std::uint64_t bits, std::size_t bytes, bool is_big_endian) {
  char* to = out.reserve(bytes);
  for (std::size_t i = 0; i < bytes; ++i, bits >>= 8) {
    to[is_big_endian ? bytes - 1 - i : i] = static_cast<char>(bits & 0xFF);
  }
  out.commit(bytes);
}

std::uint64_t read_bytes(const char* from, std::size_t bytes, bool is_big_endian) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    bits = bits << 8 | static_cast<unsigned char>(from[is_big_endian ? i : bytes - 1 - i]);
  }
  return bits;
}

// A string argument: all of it, or its first bytes.
std::size_t add_string(lua_State* lua, TextBuffer& out, int argument, std::size_t bytes) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, argument, &size);
  if (bytes == 0) bytes = size;
  luaL_argcheck(lua, size >= bytes, argument + 1, "string too short");
  out.add({text, bytes});
  return bytes;
}

int pack(lua_State* lua) {
  Format format(lua, 1);
  lua_pushnil(lua);  // an argument that is missing reads as nil
  TextBuffer out(lua);
  std::size_t position = 0;
  int argument = 2;
  while (format.more()) {
    const Format::Option option = format.take();
    const std::size_t padding = format.padding(option, position);
    for (std::size_t i = 0; i < padding; ++i) out.add('\0');
    position += padding + option.bytes;
    const bool big = format.is_big_endian();
    if (is_integer(option.letter)) {
      add_bytes(out, bits_of(luaL_checknumber(lua, argument++)), option.bytes, big);
    } else if (option.letter == 'x') {
      out.add('\0');
    } else if (option.letter == 'f') {
      const auto value = static_cast<float>(luaL_checknumber(lua, argument++));
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      add_bytes(out, bits, sizeof(bits), big);
    } else if (option.letter == 'd') {
      const double value = luaL_checknumber(lua, argument++);
      std::uint64_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      add_bytes(out, bits, sizeof(bits), big);
    } else if (option.letter == 'c') {
      const std::size_t added = add_string(lua, out, argument++, option.bytes);
      position += added - option.bytes;
    } else if (option.letter == 's') {
      position += add_string(lua, out, argument++, 0) + 1;
      out.add('\0');
    } else {
      format.apply(option);
    }
  }
  out.push();
  return 1;
}

// --- unpack

struct Data {
  const char* bytes;
  std::size_t size;
  std::size_t position;

  bool has(std::size_t count) const { return position <= size && count <= size - position; }
  const char* here() const { return bytes + position; }
};

void need(lua_State* lua, const Data& data, std::size_t count) {
  luaL_argcheck(lua, data.has(count), 2, "data string too short");
}

void push_integer(lua_State* lua, const Data& data, const Format::Option& option, bool big) {
  std::uint64_t bits = read_bytes(data.here(), option.bytes, big);
  const bool is_signed = std::islower(static_cast<unsigned char>(option.letter)) != 0;
  if (!is_signed) return lua_pushnumber(lua, static_cast<lua_Number>(bits));
  if (option.bytes > 0 && option.bytes < 8) {
    const std::uint64_t sign = std::uint64_t{1} << (option.bytes * 8 - 1);
    bits = (bits ^ sign) - sign;
  }
  lua_pushnumber(lua, static_cast<lua_Number>(static_cast<std::int64_t>(bits)));
}

void push_float(lua_State* lua, const Data& data, bool big) {
  const auto bits = static_cast<std::uint32_t>(read_bytes(data.here(), 4, big));
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  lua_pushnumber(lua, value);
}

void push_double(lua_State* lua, const Data& data, bool big) {
  const std::uint64_t bits = read_bytes(data.here(), 8, big);
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  lua_pushnumber(lua, value);
}

// The length before a c0: the value unpacked last, which it takes away.
std::size_t take_length(lua_State* lua, int results) {
  if (results == 0 || lua_isnumber(lua, -1) == 0) {
    luaL_error(lua, "format 'c0' needs a previous size");
  }
  const lua_Number length = lua_tonumber(lua, -1);
  lua_pop(lua, 1);
  return length >= 0 && length <= 0x1p53 ? static_cast<std::size_t>(length) : SIZE_MAX;
}

// A string up to a zero byte; answers how many bytes that were with it.
std::size_t push_until_zero(lua_State* lua, const Data& data) {
  const void* zero = std::memchr(data.here(), '\0', data.size - data.position);
  if (zero == nullptr) luaL_error(lua, "unfinished string in data");
  const auto length = static_cast<std::size_t>(static_cast<const char*>(zero) - data.here());
  lua_pushlstring(lua, data.here(), length);
  return length + 1;
}

// Pushes the value of one option; answers the bytes it took. `results` counts what is pushed.
std::size_t push_option(lua_State* lua, Format& format, const Data& data,
                        const Format::Option& option, int& results) {
  const bool big = format.is_big_endian();
  std::size_t bytes = option.bytes;
  switch (option.letter) {
    case 'f': push_float(lua, data, big); break;
    case 'd': push_double(lua, data, big); break;
    case 's': bytes = push_until_zero(lua, data); break;
    case 'c':
      if (bytes == 0) {
        bytes = take_length(lua, results--);
        need(lua, data, bytes);
      }
      lua_pushlstring(lua, data.here(), bytes);
      break;
    case 'x': return bytes;
    default:
      if (!is_integer(option.letter)) {
        format.apply(option);
        return 0;
      }
      push_integer(lua, data, option, big);
  }
  ++results;
  return bytes;
}

int unpack(lua_State* lua) {
  Format format(lua, 1);
  Data data{};
  data.bytes = luaL_checklstring(lua, 2, &data.size);
  const lua_Integer start = luaL_optinteger(lua, 3, 1);
  luaL_argcheck(lua, start != 0, 3, "offset must be 1 or greater");
  data.position = start < 0 ? SIZE_MAX : static_cast<std::size_t>(start) - 1;
  lua_settop(lua, 2);
  int results = 0;
  while (format.more()) {
    const Format::Option option = format.take();
    if (data.position <= data.size) data.position += format.padding(option, data.position);
    need(lua, data, option.bytes);
    luaL_checkstack(lua, 2, "too many results");
    data.position += push_option(lua, format, data, option, results);
  }
  lua_pushnumber(lua, static_cast<lua_Number>(data.position + 1));
  return results + 1;
}

int size(lua_State* lua) {
  Format format(lua, 1);
  std::size_t position = 0;
  while (format.more()) {
    const Format::Option option = format.take();
    position += format.padding(option, position);
    if (option.letter == 's') luaL_argerror(lua, 1, "option 's' has no fixed size");
    if (option.letter == 'c' && option.bytes == 0) {
      luaL_argerror(lua, 1, "option 'c0' has no fixed size");
    }
    if (std::isalnum(static_cast<unsigned char>(option.letter)) == 0) format.apply(option);
    position += option.bytes;
  }
  lua_pushnumber(lua, static_cast<lua_Number>(position));
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"pack", pack},
    {"unpack", unpack},
    {"size", size},
    {nullptr, nullptr},
};

}  // namespace

void open_struct(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
}

}  // namespace larder::server::scripting
