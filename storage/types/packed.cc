#include "storage/types/packed.h"

#include "storage/types/low_bytes.h"

namespace larder::storage {
namespace {

// First bytes of elements. Those with a number or a length in them are masks.
constexpr unsigned kSmallText = 0x80;   // 10llllll
constexpr unsigned kThirteen = 0xc0;    // 110nnnnn nnnnnnnn
constexpr unsigned kMediumText = 0xe0;  // 1110llll llllllll
constexpr unsigned kLongText = 0xf0;    // and four bytes of length
constexpr unsigned kInteger16 = 0xf1;   // and so many bytes, the lowest first
constexpr unsigned kInteger24 = 0xf2;
constexpr unsigned kInteger32 = 0xf3;
constexpr unsigned kInteger64 = 0xf4;

constexpr std::size_t kMostSmallText = 63;
constexpr std::size_t kMostMediumText = 4095;

constexpr char kListpackEnd = '\xff';

std::size_t integer_bytes(unsigned first) {
  switch (first) {
    case kInteger16: return 2;
    case kInteger24: return 3;
    case kInteger32: return 4;
    default: return 8;
  }
}

// The format changes to three bytes one early, and so on; dumps must agree to the byte.
std::size_t back_length_bytes(std::size_t size) {
  if (size <= 127) return 1;
  if (size < 16'383) return 2;
  if (size < 2'097'151) return 3;
  return size < 268'435'455 ? 4 : 5;
}

// Seven bits a byte, the highest first; all but the first of them are marked, so that who reads
// backwards knows when to stop.
void append_back_length(std::string& to, std::size_t size) {
  const std::size_t bytes = back_length_bytes(size);
  for (std::size_t i = bytes; i-- > 0;) {
    const std::size_t seven = size >> (7 * i) & 0x7f;
    to += static_cast<char>(i + 1 == bytes ? seven : seven | 0x80);
  }
}

bool fits_in(std::int64_t integer, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return integer >= -half && integer < half;
}

void append_wide_integer(std::string& to, std::int64_t integer) {
  const unsigned first = fits_in(integer, 16)   ? kInteger16
                         : fits_in(integer, 24) ? kInteger24
                         : fits_in(integer, 32) ? kInteger32
                                                : kInteger64;
  to += static_cast<char>(first);
  append_low_bytes(to, static_cast<std::uint64_t>(integer), integer_bytes(first));
}

}  // namespace

Packed::Head Packed::head_at(std::size_t position) const {
  const unsigned first = byte(position);
  if (first < kSmallText) return {1, 0};
  if (first < kThirteen) return {1, first & 0x3f};
  if (first < kMediumText) return {2, 0};
  if (first < kLongText) return {2, (first & 0x0f) << 8 | byte(position + 1)};
  if (first == kLongText) {
    std::uint32_t size = 0;
    std::memcpy(&size, value_.data() + position + 1, sizeof size);
    return {5, size};
  }
  return {1, integer_bytes(first)};
}

std::int64_t Packed::integer_at(std::size_t position) const {
  const unsigned first = byte(position);
  if (first < kSmallText) return first;
  if (first < kMediumText) {
    const auto number = static_cast<std::int64_t>((first & 0x1f) << 8 | byte(position + 1));
    return number < 4096 ? number : number - 8192;
  }
  return integer_of_low_bytes(value_.substr(position + 1, integer_bytes(first)));
}

Bytes Packed::at(std::size_t position) const {
  const unsigned first = byte(position);
  const bool is_text = (first >= kSmallText && first < kThirteen) ||
                       (first >= kMediumText && first <= kLongText);
  if (!is_text) return Bytes(integer_at(position));
  const Head head = head_at(position);
  return Bytes(value_.substr(position + head.bytes, head.payload));
}

std::size_t Packed::next(std::size_t position) const {
  const Head head = head_at(position);
  const std::size_t size = head.bytes + head.payload;
  return position + size + back_length_bytes(size);
}

std::size_t Packed::before(std::size_t position) const {
  std::size_t size = 0;
  std::size_t bytes = 0;
  unsigned seven = 0;
  do {
    seven = byte(position - 1 - bytes);
    size |= static_cast<std::size_t>(seven & 0x7f) << (7 * bytes);
    ++bytes;
  } while ((seven & 0x80) != 0);
  return position - bytes - size;
}

std::size_t Packed::nth(std::int64_t index) const {
  const auto elements = static_cast<std::int64_t>(count());
  if (index < 0) index += elements;
  if (index < 0 || index >= elements) return end();
  if (index <= elements / 2) {
    std::size_t position = begin();
    for (; index > 0; --index) position = next(position);
    return position;
  }
  std::size_t position = end();
  for (; index < elements; ++index) position = before(position);
  return position;
}

std::size_t Packed::find(std::string_view text, std::size_t from, std::size_t step) const {
  const auto integer = strict_integer(text);
  for (std::size_t position = from; position < end();) {
    const Bytes element = at(position);
    if (element.is_integer() ? integer == element.integer() : !integer && element.view() == text) {
      return position;
    }
    for (std::size_t i = 0; i < step && position < end(); ++i) position = next(position);
  }
  return end();
}

void Packed::append(std::string& to, std::int64_t integer) {
  const std::size_t begin = to.size();
  if (integer >= 0 && integer < 128) {
    to += static_cast<char>(integer);
  } else if (fits_in(integer, 13)) {
    const auto bits = static_cast<unsigned>(integer) & 0x1fffu;
    to += static_cast<char>(kThirteen | bits >> 8);
    to += static_cast<char>(bits);
  } else {
    append_wide_integer(to, integer);
  }
  append_back_length(to, to.size() - begin);
}

void Packed::append(std::string& to, std::string_view text) {
  if (const auto integer = strict_integer(text)) return append(to, *integer);
  const std::size_t begin = to.size();
  const std::size_t size = text.size();
  if (size <= kMostSmallText) {
    to += static_cast<char>(kSmallText | size);
  } else if (size <= kMostMediumText) {
    to += static_cast<char>(kMediumText | size >> 8);
    to += static_cast<char>(size);
  } else {
    to += static_cast<char>(kLongText);
    append_low_bytes(to, size, 4);
  }
  to += text;
  append_back_length(to, to.size() - begin);
}

// Where the element ends that begins here, if it is spelled as it should be and lies within the
// value.
std::optional<std::size_t> Packed::checked_next(std::size_t position) const {
  constexpr unsigned kLastFirstByte = kInteger64;
  if (byte(position) > kLastFirstByte) return std::nullopt;
  const std::size_t left = end() - position;
  const std::size_t head_bytes =
      byte(position) == kLongText                                               ? 5
      : (byte(position) & kThirteen) == kThirteen && byte(position) < kLongText ? 2
                                                                                : 1;
  if (left < head_bytes) return std::nullopt;
  const Head head = head_at(position);
  if (left - head.bytes < head.payload) return std::nullopt;
  const std::size_t size = head.bytes + head.payload;
  std::string back;
  append_back_length(back, size);
  if (left - size < back.size() || value_.substr(position + size, back.size()) != back) {
    return std::nullopt;
  }
  return position + size + back.size();
}

std::optional<std::size_t> Packed::stated_count(std::string_view listpack) {
  if (listpack.size() < kListpackHeadBytes + 1 || listpack.back() != kListpackEnd) return {};
  std::uint32_t size = 0;
  std::uint16_t count = 0;
  std::memcpy(&size, listpack.data(), sizeof size);
  std::memcpy(&count, listpack.data() + sizeof size, sizeof count);
  return size == listpack.size() ? std::optional<std::size_t>(count) : std::nullopt;
}

}  // namespace larder::storage
