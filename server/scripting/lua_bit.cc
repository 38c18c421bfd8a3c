// bit: operations on 32-bit integers, as Mike Pall's BitOp defines them.

#include <bit>
#include <cstdint>

#include "server/scripting/lua_libraries.h"

namespace larder::server::scripting {
namespace {

// A number modulo 2^32, rounded to the nearest integer: added to 2^52 + 2^51, it lies in the low
// bits of the mantissa.
std::uint32_t word_at(lua_State* lua, int index) {
  const double sum = luaL_checknumber(lua, index) + 6755399441055744.0;
  return static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(sum));
}

int answer(lua_State* lua, std::uint32_t word) {
  lua_pushnumber(lua, static_cast<std::int32_t>(word));
  return 1;
}

int to_bit(lua_State* lua) {
  return answer(lua, word_at(lua, 1));
}

int not_bits(lua_State* lua) {
  return answer(lua, ~word_at(lua, 1));
}

int swap_bytes(lua_State* lua) {
  return answer(lua, __builtin_bswap32(word_at(lua, 1)));
}

template <class Combine>
int fold(lua_State* lua, Combine combine) {
  std::uint32_t word = word_at(lua, 1);
  for (int i = lua_gettop(lua); i > 1; --i) word = combine(word, word_at(lua, i));
  return answer(lua, word);
}

int and_bits(lua_State* lua) {
  return fold(lua, [](std::uint32_t a, std::uint32_t b) { return a & b; });
}

int or_bits(lua_State* lua) {
  return fold(lua, [](std::uint32_t a, std::uint32_t b) { return a | b; });
}

int xor_bits(lua_State* lua) {
  return fold(lua, [](std::uint32_t a, std::uint32_t b) { return a ^ b; });
}

template <class Shift>
int shift(lua_State* lua, Shift by) {
  const std::uint32_t word = word_at(lua, 1);
  return answer(lua, by(word, static_cast<int>(word_at(lua, 2) & 31)));
}

int shift_left(lua_State* lua) {
  return shift(lua, [](std::uint32_t word, int n) { return word << n; });
}

int shift_right(lua_State* lua) {
  return shift(lua, [](std::uint32_t word, int n) { return word >> n; });
}

int shift_arithmetic(lua_State* lua) {
  return shift(lua, [](std::uint32_t word, int n) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(word) >> n);
  });
}

int rotate_left(lua_State* lua) {
  return shift(lua, [](std::uint32_t word, int n) { return std::rotl(word, n); });
}

int rotate_right(lua_State* lua) {
  return shift(lua, [](std::uint32_t word, int n) { return std::rotr(word, n); });
}

// tohex(x [, n]): the lowest n digits (8), in upper case for a negative n.
int to_hex(lua_State* lua) {
  constexpr std::int64_t kDigits = 8;
  std::uint32_t word = word_at(lua, 1);
  std::int64_t digits = kDigits;
  if (!lua_isnone(lua, 2)) digits = static_cast<std::int32_t>(word_at(lua, 2));
  const char* alphabet = digits < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
  if (digits < 0) digits = -digits;
  if (digits > kDigits) digits = kDigits;
  char text[kDigits];
  for (std::int64_t i = digits; i-- > 0; word >>= 4) text[i] = alphabet[word & 15];
  lua_pushlstring(lua, text, static_cast<std::size_t>(digits));
  return 1;
}

constexpr luaL_Reg kFunctions[] = {
    {"tobit", to_bit},       {"bnot", not_bits},
    {"band", and_bits},      {"bor", or_bits},
    {"bxor", xor_bits},      {"lshift", shift_left},
    {"rshift", shift_right}, {"arshift", shift_arithmetic},
    {"rol", rotate_left},    {"ror", rotate_right},
    {"bswap", swap_bytes},   {"tohex", to_hex},
    {nullptr, nullptr},
};

}  // namespace

void open_bit(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kFunctions);
}

}  // namespace larder::server::scripting
