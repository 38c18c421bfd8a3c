#include "protocol/numbers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace larder::protocol {
namespace {

// So many decimal digits fit any 64-bit integer.
constexpr std::size_t kSafeDigits = 18;

// Whether the characters are the shortest way to write an unsigned number.
bool is_plain_number(std::string_view digits) {
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return false;
  return digits[0] != '0' || digits.size() == 1;
}

// "00" to "99".
constexpr auto kPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[i * 2] = static_cast<char>('0' + i / 10);
    pairs[i * 2 + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

char* put_pair(char* out, unsigned below_100) {
  std::memcpy(out, &kPairs[std::size_t{below_100} * 2], 2);
  return out + 2;
}

char* put_four(char* out, unsigned below_10000) {
  return put_pair(put_pair(out, below_10000 / 100), below_10000 % 100);
}

char* put_up_to_two(char* out, unsigned below_100) {
  if (below_100 >= 10) return put_pair(out, below_100);
  *out = static_cast<char>('0' + below_100);
  return out + 1;
}

char* put_up_to_four(char* out, unsigned below_10000) {
  if (below_10000 < 100) return put_up_to_two(out, below_10000);
  return put_pair(put_up_to_two(out, below_10000 / 100), below_10000 % 100);
}

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

// What strtod and strtold share in Redis's eyes: the whole word, nothing before it, a value that is
// a number and was neither too big nor too small to hold.
template <typename Float, Float (*Convert)(const char*, char**)>
std::optional<Float> parse_float(std::string_view text) {
  if (text.empty() || text.size() >= kFloatWordBytes || is_space(text[0])) return std::nullopt;
  char word[kFloatWordBytes];
  std::memcpy(word, text.data(), text.size());
  word[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const Float value = Convert(word, &end);
  if (end != word + text.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || std::fpclassify(value) == FP_ZERO)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  // Most are a few digits: a plain loop takes 30 instructions for four, from_chars and the checks
  // around it 150.
  if (!text.empty() && text.size() <= kSafeDigits && text[0] >= '1' && text[0] <= '9') {
    std::int64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  }
  const bool negative = !text.empty() && text[0] == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (!is_plain_number(digits) || (negative && digits[0] == '0')) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (stop != end || problem != std::errc{}) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  if (!is_plain_number(text)) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (stop != end || problem != std::errc{}) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_cursor(std::string_view text) {
  text = text.substr(0, text.find('\0'));  // where C's strings end
  if (text.empty()) return 0;
  const bool negative = text[0] == '-';
  const std::string_view digits = text.substr(negative || text[0] == '+' ? 1 : 0);
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, problem] = std::from_chars(digits.data(), end, value);
  if (stop != end || problem != std::errc{}) return std::nullopt;
  return negative ? std::uint64_t{0} - value : value;
}

// Most words are plain decimals, which from_chars reads without a copy and to the same bit; the
// rest is for strtod.
std::optional<double> parse_double(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (stop == end && problem == std::errc{} && !text.empty() && std::isfinite(value)) return value;
  return parse_float<double, std::strtod>(text);
}

std::optional<long double> parse_long_double(std::string_view text) {
  return parse_float<long double, std::strtold>(text);
}

// Up to eight digits, which most counters and sizes have, are two halves of four; longer numbers
// are the library's.
char* write_unsigned(char* out, std::uint64_t value) {
  if (value < 10'000) return put_up_to_four(out, static_cast<unsigned>(value));
  if (value >= 100'000'000) return std::to_chars(out, out + kIntegerChars, value).ptr;
  const auto whole = static_cast<unsigned>(value);
  return put_four(put_up_to_four(out, whole / 10'000), whole % 10'000);
}

char* write_integer(char* out, std::int64_t value) {
  if (value >= 0) return write_unsigned(out, static_cast<std::uint64_t>(value));
  *out = '-';
  return write_unsigned(out + 1, std::uint64_t{0} - static_cast<std::uint64_t>(value));
}

char* write_double(char* out, double value) {
  if (std::isnan(value)) return std::copy_n("nan", 3, out);
  if (std::isinf(value))
    return value > 0 ? std::copy_n("inf", 3, out) : std::copy_n("-inf", 4, out);
  // Whole numbers of up to 15 digits look the same as integers, and most scores are such.
  constexpr double kWhole = 1e15;
  if (std::fabs(value) < kWhole && value == std::trunc(value) && !std::signbit(value)) {
    return write_integer(out, static_cast<std::int64_t>(value));
  }
  return std::to_chars(out, out + kDoubleChars, value, std::chars_format::general, 17).ptr;
}

std::string integer_text(std::int64_t value) {
  char text[kIntegerChars];
  return {text, write_integer(text, value)};
}

std::string double_text(double value) {
  char text[kDoubleChars];
  return {text, write_double(text, value)};
}

std::string long_double_text(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // The longest: a sign, every digit before the point, the point and 17 decimals.
  char text[std::numeric_limits<long double>::max_exponent10 + 24];
  const int length = std::snprintf(text, sizeof(text), "%.17Lf", value);
  std::string_view shown(text, static_cast<std::size_t>(length));
  shown.remove_suffix(shown.size() - 1 - shown.find_last_not_of('0'));
  if (shown.ends_with('.')) shown.remove_suffix(1);
  if (shown == "-0") return "0";
  return std::string(shown);
}

}  // namespace larder::protocol
