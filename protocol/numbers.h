// Numbers as text, both ways, with Redis's strictness.
//
// A client sees whether "+1", " 1", "01" or "1e400" is a number, and how 0.1 is printed; so the
// rules here are Redis 7.0.15's and not a library's defaults. Floats are read and written by the C
// library in the C locale, which a program has that never calls setlocale.
//
// Thread: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larder::protocol {

// The longest text of an int64: "-9223372036854775808".
inline constexpr std::size_t kIntegerChars = 20;
// The longest text of a double: sign, 17 digits, point, "e-308".
inline constexpr std::size_t kDoubleChars = 32;
// A longer word is no float (Redis has this bound for long doubles only).
inline constexpr std::size_t kFloatWordBytes = 5 * 1024;

// Digits with an optional '-'. No spaces, no '+', no leading zeros, no "-0", nothing out of range.
std::optional<std::int64_t> parse_integer(std::string_view text);

// As parse_integer, for 0 ... 2^64-1.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// A cursor of the SCAN family. C's strtoul decides: the empty word is 0, '+', '-' (wrapping) and
// leading zeros pass, and a NUL ends it.
std::optional<std::uint64_t> parse_cursor(std::string_view text);

// The whole word as C's strtod reads it: decimal or hexadecimal, "inf" and "infinity" in any case,
// a leading '+'. No leading space, no NaN, no overflow and no underflow to zero.
std::optional<double> parse_double(std::string_view text);

// The same for the wider type in which INCRBYFLOAT and HINCRBYFLOAT count.
std::optional<long double> parse_long_double(std::string_view text);

// Writes the number and returns the end. `out` has room for kIntegerChars.
char* write_integer(char* out, std::int64_t value);
char* write_unsigned(char* out, std::uint64_t value);

// Writes as Redis replies a double: up to 17 significant digits, "inf", "-inf", "nan", "-0". `out`
// has room for kDoubleChars. Returns the end.
char* write_double(char* out, double value);

std::string integer_text(std::int64_t value);
std::string double_text(double value);

// As INCRBYFLOAT stores and replies: no exponent, at most 17 decimals, no trailing zeros, never
// "-0".
std::string long_double_text(long double value);

}  // namespace larder::protocol
