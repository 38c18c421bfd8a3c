#include "protocol/rdb.h"

#include <liblzf/lzf.h>

#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "protocol/numbers.h"

namespace larder::protocol {
namespace {

constexpr std::size_t kVersionBytes = 2;
constexpr std::size_t kSumBytes = 8;
constexpr std::size_t kFrameBytes = kVersionBytes + kSumBytes;

// The first two bits of a length: how it is written.
constexpr unsigned kSixBits = 0;
constexpr unsigned kFourteenBits = 1;
constexpr unsigned kCoding = 3;
// And two whole bytes for longer ones, the highest byte first.
constexpr unsigned kFourBytes = 0x80;
constexpr unsigned kEightBytes = 0x81;
// How a string is coded.
constexpr unsigned kInteger8 = 0;
constexpr unsigned kInteger16 = 1;
constexpr unsigned kInteger32 = 2;
constexpr unsigned kLzf = 3;
// LZF makes at most 264 bytes of three.
constexpr std::uint64_t kMostLzfRatio = 264;
// The longest text of a 32-bit integer.
constexpr std::size_t kShortIntegerChars = 11;

// Bits reversed, as the sum is taken from the low end.
constexpr std::uint64_t kPolynomial = 0x95ac9329ac4bc9b5;

constexpr auto kSums = [] {
  std::array<std::uint64_t, 256> sums{};
  for (std::uint64_t byte = 0; byte < sums.size(); ++byte) {
    std::uint64_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? kPolynomial : 0);
    sums[byte] = sum;
  }
  return sums;
}();

void append_low_first(std::string& to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to += static_cast<char>(number >> (8 * i));
}

void append_high_first(std::string& to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) to += static_cast<char>(number >> (8 * i));
}

std::uint64_t read_low_first(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return number;
}

template <class Integer>
std::string text_of(std::uint64_t bits) {
  return integer_text(static_cast<Integer>(bits));
}

}  // namespace

std::uint64_t crc64(std::string_view bytes) {
  std::uint64_t sum = 0;
  for (const char c : bytes) sum = kSums[(sum ^ static_cast<unsigned char>(c)) & 0xff] ^ sum >> 8;
  return sum;
}

void RdbWriter::length(std::uint64_t length) {
  if (length < 1 << 6) {
    bytes_ += static_cast<char>(length);
  } else if (length < 1 << 14) {
    bytes_ += static_cast<char>(kFourteenBits << 6 | length >> 8);
    bytes_ += static_cast<char>(length);
  } else if (length <= UINT32_MAX) {
    bytes_ += static_cast<char>(kFourBytes);
    append_high_first(bytes_, length, 4);
  } else {
    bytes_ += static_cast<char>(kEightBytes);
    append_high_first(bytes_, length, 8);
  }
}

void RdbWriter::string(std::string_view text) {
  const auto integer = text.size() <= kShortIntegerChars ? parse_integer(text) : std::nullopt;
  if (!integer || *integer != static_cast<std::int32_t>(*integer)) {
    length(text.size());
    bytes_ += text;
    return;
  }
  const bool is_byte = *integer == static_cast<std::int8_t>(*integer);
  const bool is_short = *integer == static_cast<std::int16_t>(*integer);
  const unsigned coding = is_byte ? kInteger8 : is_short ? kInteger16 : kInteger32;
  bytes_ += static_cast<char>(kCoding << 6 | coding);
  append_low_first(bytes_, static_cast<std::uint64_t>(*integer), std::size_t{1} << coding);
}

void RdbWriter::number(double number) {
  append_low_first(bytes_, std::bit_cast<std::uint64_t>(number), sizeof number);
}

void RdbWriter::moment(std::uint64_t ms) {
  append_low_first(bytes_, ms, sizeof ms);
}

std::string RdbWriter::finish() {
  append_low_first(bytes_, version_, kVersionBytes);
  append_low_first(bytes_, crc64(bytes_), kSumBytes);
  return std::move(bytes_);
}

RdbReader::RdbReader(std::string_view payload, std::size_t most_bytes) : most_bytes_(most_bytes) {
  is_good_ = payload.size() >= kFrameBytes;
  if (!is_good_) return;
  const std::size_t summed = payload.size() - kSumBytes;
  const std::size_t value = payload.size() - kFrameBytes;
  const std::uint64_t version = read_low_first(payload.substr(value, kVersionBytes));
  const std::uint64_t sum = read_low_first(payload.substr(summed));
  is_framed_ = version <= kRdbNewestVersion && sum == crc64(payload.substr(0, summed));
  is_good_ = is_framed_;
  if (is_good_) rest_ = payload.substr(0, value);
}

std::string_view RdbReader::take(std::uint64_t bytes) {
  if (bytes > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

std::uint8_t RdbReader::byte() {
  const std::string_view one = take(1);
  return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
}

std::uint64_t RdbReader::low_first(std::size_t bytes) {
  return read_low_first(take(bytes));
}

RdbReader::Length RdbReader::read_length() {
  const unsigned first = byte();
  const auto high_first = [&](std::size_t bytes) {
    std::uint64_t number = 0;
    for (const char c : take(bytes)) number = number << 8 | static_cast<unsigned char>(c);
    return number;
  };
  switch (first >> 6) {
    case kSixBits: return {first, false};
    case kFourteenBits: return {(first & 0x3fu) << 8 | byte(), false};
    case kCoding: return {first & 0x3fu, true};
    default: break;
  }
  if (first == kFourBytes) return {high_first(4), false};
  if (first == kEightBytes) return {high_first(8), false};
  fail();
  return {};
}

std::uint64_t RdbReader::length() {
  const Length read = read_length();
  if (read.is_coding) fail();
  return is_good_ ? read.length : 0;
}

std::uint64_t RdbReader::count() {
  const std::uint64_t count = length();
  if (count > rest_.size()) fail();
  return is_good_ ? count : 0;
}

std::string RdbReader::string() {
  const Length read = read_length();
  if (!is_good_) return {};
  if (read.is_coding) return coded_string(static_cast<unsigned>(read.length));
  if (read.length > most_bytes_) fail();
  return std::string(take(read.length));
}

std::string RdbReader::coded_string(unsigned coding) {
  switch (coding) {
    case kInteger8: return text_of<std::int8_t>(low_first(1));
    case kInteger16: return text_of<std::int16_t>(low_first(2));
    case kInteger32: return text_of<std::int32_t>(low_first(4));
    case kLzf: return decompressed();
    default: fail(); return {};
  }
}

std::string RdbReader::decompressed() {
  const std::uint64_t packed_bytes = length();
  const std::uint64_t bytes = length();
  const std::string_view packed = take(packed_bytes);
  if (packed.empty() || bytes == 0 || bytes > most_bytes_ || bytes / kMostLzfRatio > packed_bytes) {
    fail();
    return {};
  }
  std::string text(bytes, '\0');
  const unsigned made = lzf_decompress(packed.data(), static_cast<unsigned>(packed.size()),
                                       text.data(), static_cast<unsigned>(text.size()));
  if (made != bytes) {
    fail();
    return {};
  }
  return text;
}

double RdbReader::number() {
  return std::bit_cast<double>(low_first(8));
}

// A byte of length, or one of three that stand for what is no number or has no end.
double RdbReader::number_as_text() {
  constexpr unsigned kNan = 253;
  constexpr unsigned kInfinity = 254;
  constexpr unsigned kMinusInfinity = 255;
  const unsigned first = byte();
  switch (first) {
    case kNan: return std::numeric_limits<double>::quiet_NaN();
    case kInfinity: return std::numeric_limits<double>::infinity();
    case kMinusInfinity: return -std::numeric_limits<double>::infinity();
    default: break;
  }
  const auto number = parse_double(take(first));
  if (!number) fail();
  return number.value_or(0);
}

}  // namespace larder::protocol
