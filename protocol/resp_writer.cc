#include "protocol/resp_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/numbers.h"

namespace larder::protocol {
namespace {

// A sigil, a count or an integer, CR LF.
constexpr std::size_t kHeadBytes = 1 + kIntegerChars + 2;
// A bulk up to this size is written in one reserved stretch; a longer one may be spread over
// chunks, which wastes none.
constexpr std::size_t kWholeBytes = 2048;

char* put_line_end(char* out) {
  out[0] = '\r';
  out[1] = '\n';
  return out + 2;
}

// What follows the sigil for the counts 0 to 99: digits, CR LF, and in the last byte how many bytes
// those are.
struct ShortHead {
  char bytes[7];
  char size;
};
constexpr auto kShortHeads = [] {
  std::array<ShortHead, 100> heads{};
  for (std::size_t i = 0; i < heads.size(); ++i) {
    std::size_t at = 0;
    if (i >= 10) heads[i].bytes[at++] = static_cast<char>('0' + i / 10);
    heads[i].bytes[at++] = static_cast<char>('0' + i % 10);
    heads[i].bytes[at++] = '\r';
    heads[i].bytes[at++] = '\n';
    heads[i].size = static_cast<char>(at);
  }
  return heads;
}();
static_assert(sizeof(ShortHead) == 8 && 1 + sizeof(ShortHead) <= kHeadBytes);

// A sigil, a count and CR LF. Short counts are copied with their spare bytes: one load and one
// store.
inline char* put_head(char* out, char sigil, std::size_t count) {
  *out = sigil;
  if (count >= kShortHeads.size()) return put_line_end(write_unsigned(out + 1, count));
  std::memcpy(out + 1, &kShortHeads[count], sizeof(ShortHead));
  return out + 1 + kShortHeads[count].size;
}

char* put_text(char* out, std::string_view text) {
  return std::copy(text.begin(), text.end(), out);
}

// Most values are short: two copies of a fixed size, which overlap, are cheaper than a call.
inline char* put_bulk(char* out, std::string_view bytes) {
  constexpr std::size_t kStep = 16;
  const std::size_t size = bytes.size();
  if (size - kStep > kStep) return put_text(out, bytes);
  std::memcpy(out, bytes.data(), kStep);
  std::memcpy(out + size - kStep, bytes.data() + size - kStep, kStep);
  return out + size;
}

// A text that stands on one line.
char* put_one_line(char* out, std::string_view text) {
  return std::transform(text.begin(), text.end(), out,
                        [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
}

}  // namespace

void RespWriter::bulk(std::string_view bytes) {
  if (muted_) return;
  if (bytes.size() > kWholeBytes) {
    head('$', bytes.size());
    out_.append(bytes);
    fixed("\r\n");
    return;
  }
  char* at = put_head(out_.reserve(kHeadBytes + bytes.size() + 2), '$', bytes.size());
  out_.commit_until(put_line_end(put_bulk(at, bytes)));
}

void RespWriter::pinned(Pin pin) {
  if (muted_) return;
  if (pin.bytes().size() < kCopiedPinBytes) return bulk(pin.bytes());
  head('$', pin.bytes().size());
  out_.pin(std::move(pin));
  fixed("\r\n");
}

void RespWriter::integer(std::int64_t value) {
  if (muted_) return;
  if (value >= 0) return head(':', static_cast<std::size_t>(value));
  char* at = out_.reserve(kHeadBytes);
  *at = ':';
  out_.commit_until(put_line_end(write_integer(at + 1, value)));
}

void RespWriter::ok() {
  fixed("+OK\r\n");
}
void RespWriter::simple(std::string_view text) {
  line('+', text);
}

void RespWriter::error(std::string_view text) {
  ++errors_;
  const std::size_t end = text.find_last_not_of("\r\n");
  text = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
  last_error_code_ = text.substr(0, text.find(' '));
  line('-', text);
}

void RespWriter::null() {
  fixed(version_ == 2 ? "$-1\r\n" : "_\r\n");
}
void RespWriter::null_array() {
  fixed(version_ == 2 ? "*-1\r\n" : "_\r\n");
}

void RespWriter::number(double value) {
  char text[kDoubleChars];
  const std::string_view shown(text, write_double(text, value));
  if (version_ == 2) {
    bulk(shown);
  } else {
    line(',', shown);
  }
}

void RespWriter::boolean(bool value) {
  if (version_ == 2) return fixed(value ? ":1\r\n" : ":0\r\n");
  fixed(value ? "#t\r\n" : "#f\r\n");
}

void RespWriter::big_number(std::string_view digits) {
  if (version_ == 2) return bulk(digits);
  line('(', digits);
}

void RespWriter::verbatim(std::string_view format, std::string_view text) {
  if (version_ == 2) return bulk(text);
  if (muted_) return;
  head('=', text.size() + kFormatBytes + 1);
  char* at = out_.reserve(kFormatBytes + 1);
  at = std::fill_n(at, kFormatBytes, ' ') - kFormatBytes;
  put_text(at, format.substr(0, kFormatBytes));
  at[kFormatBytes] = ':';
  out_.commit(kFormatBytes + 1);
  out_.append(text);
  fixed("\r\n");
}

void RespWriter::array(std::size_t count) {
  head('*', count);
}
void RespWriter::set(std::size_t count) {
  head(version_ == 2 ? '*' : '~', count);
}
void RespWriter::push(std::size_t count) {
  head(version_ == 2 ? '*' : '>', count);
}

void RespWriter::map(std::size_t pairs) {
  if (version_ == 2) return head('*', pairs * 2);
  head('%', pairs);
}

void RespWriter::head(char sigil, std::size_t count) {
  if (muted_) return;
  out_.commit_until(put_head(out_.reserve(kHeadBytes), sigil, count));
}

void RespWriter::line(char sigil, std::string_view text) {
  if (muted_) return;
  char* at = out_.reserve(text.size() + 3);
  *at = sigil;
  out_.commit_until(put_line_end(put_one_line(at + 1, text)));
}

void RespWriter::fixed(std::string_view bytes) {
  if (muted_) return;
  out_.commit_until(put_text(out_.reserve(bytes.size()), bytes));
}

}  // namespace larder::protocol
