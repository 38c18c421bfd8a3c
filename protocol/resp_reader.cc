#include "protocol/resp_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "protocol/errors.h"
#include "protocol/line_words.h"
#include "protocol/numbers.h"

namespace larder::protocol {
namespace {

// The shortest bulk string, "$0" CR LF CR LF.
constexpr std::size_t kShortestBulk = 6;
// The fast way knows counts of one or two digits by heart; of longer ones it reads at most so many
// digits.
constexpr std::size_t kKnownCount = 99;
constexpr std::size_t kFastDigits = 9;

unsigned digit(std::uint32_t c) {
  return c - unsigned{'0'};
}
unsigned byte_of(char c) {
  return static_cast<unsigned char>(c);
}

// A count line of the fast way: where the next byte is, and the number. Null if it is not all there
// or not plain.
struct Count {
  const char* next;
  std::size_t value;
};
constexpr Count kNoCount{nullptr, 0};

// A count of any length. `at` is on the sigil. At most `most`.
Count read_long_count(const char* at, const char* end, std::size_t most) {
  const char* const stop = at + std::min<std::ptrdiff_t>(end - at, kFastDigits + 2);
  std::size_t value = 0;
  const unsigned first = digit(byte_of(*++at));
  if (first < 1 || first > 9) return kNoCount;
  while (at != stop && digit(byte_of(*at)) <= 9) value = value * 10 + digit(byte_of(*at++));
  if (at == stop || *at != '\r' || end - at < 2 || value > most) return kNoCount;
  return {at + 2, value};
}

// Four bytes as one number, the first in the lowest bits.
std::uint32_t load_four(const char* at) {
  std::uint32_t four = 0;
  std::memcpy(&four, at, sizeof(four));
  if constexpr (std::endian::native == std::endian::big) four = __builtin_bswap32(four);
  return four;
}

// A count line with its sigil. At least kShortestBulk bytes are there. The first four tell the two
// shapes that nearly all have, "$7\r\n" and "$16\r\n", with one comparison each.
inline Count read_count(char sigil, const char* at, const char* end, std::size_t most) {
  constexpr std::uint32_t kReturn = '\r';
  const std::uint32_t four = load_four(at);
  const std::uint32_t mark = byte_of(sigil);
  const unsigned first = digit((four >> 8) & 0xff);
  if ((four & 0x00ff00ff) == (mark | kReturn << 16)) {
    return first <= 9 ? Count{at + 4, first} : kNoCount;
  }
  const unsigned second = digit((four >> 16) & 0xff);
  if ((four & 0xff0000ff) == (mark | kReturn << 24)) {
    const bool plain = first - 1 <= 8 && second <= 9;
    return plain ? Count{at + 5, first * 10 + second} : kNoCount;
  }
  return *at == sigil ? read_long_count(at, end, most) : kNoCount;
}

std::size_t distance(const char* from, const char* to) {
  return static_cast<std::size_t>(to - from);
}

}  // namespace

RespReader::Result RespReader::read(std::string_view input, RequestBatch& batch,
                                    std::size_t max_requests) {
  wanted_bytes_ = 0;
  if (!problem_.empty()) return {0, Status::problem};
  const char* const begin = input.data();
  const char* const end = begin + input.size();
  const char* at = begin;
  const std::size_t most = limits_.authenticated ? max_requests
                                                 : std::min<std::size_t>(max_requests, 1);
  const std::size_t full = batch.size() + most;
  const bool hurried = limits_.authenticated && limits_.max_words >= kKnownCount &&
                       limits_.max_bulk_bytes >= kKnownCount;
  while (at != end) {
    if (hurried && form_ == Form::unknown) at = read_plain(at, end, batch, full);
    if (at == end) break;
    if (batch.size() == full) return {distance(begin, at), Status::batch_full};
    const Step step = read_patiently({at, distance(at, end)}, batch);
    if (step == Step::need_more) return {distance(begin, at), Status::need_more};
    if (step == Step::problem) return {distance(begin, at), Status::problem};
    at += at_;
    forget_partial();
  }
  return {distance(begin, at), Status::complete};
}

// The fast way: requests from `at` on that are there whole and plain, until the batch has `full`.
// Returns where it stopped: at a request that the patient way has to look at, of which nothing was
// added, or at the end. Room is asked for only as many words as the bytes that are there can hold.
const char* RespReader::read_plain(const char* at, const char* end, RequestBatch& batch,
                                   std::size_t full) const {
  for (std::size_t left = full - batch.size(); left > 0; --left) {
    if (distance(at, end) < kShortestBulk) return at;
    const Count count = read_count('*', at, end, limits_.max_words);
    const char* next = count.next;
    if (next == nullptr || count.value == 0) return at;
    if (distance(next, end) < count.value * kShortestBulk) return at;
    std::string_view* word = batch.room_for(count.value);
    for (std::string_view* const last = word + count.value; word != last; ++word) {
      if (distance(next, end) < kShortestBulk) return at;
      const Count size = read_count('$', next, end, limits_.max_bulk_bytes);
      if (size.next == nullptr || distance(size.next, end) < size.value + 2) return at;
      *word = {size.next, size.value};
      next = size.next + size.value + 2;
    }
    batch.add_request(count.value);
    at = next;
  }
  return at;
}

// The patient way: goes on with the request that begins `rest`, from where the last call stopped.
RespReader::Step RespReader::read_patiently(std::string_view rest, RequestBatch& batch) {
  if (form_ == Form::unknown) form_ = rest[0] == '*' ? Form::array : Form::line;
  return form_ == Form::array ? read_array(rest, batch) : read_line(rest, batch);
}

RespReader::Step RespReader::read_line(std::string_view rest, RequestBatch& batch) {
  const Step step = find_line_end(rest, '\n', errors::too_big_inline);
  if (step != Step::done) return step;
  at_ = scanned_ + 1;
  return split_line(rest.substr(0, scanned_), batch);  // a CR at its end is a space to the splitter
}

RespReader::Step RespReader::split_line(std::string_view line, RequestBatch& batch) {
  LineWords splitter(line);
  std::string_view* const words = batch.room_for(line.size() / 2 + 1);
  std::size_t count = 0;
  LineWords::Step step;
  while ((step = splitter.next()) == LineWords::Step::word) {
    if (splitter.quoted()) {
      words[count++] = batch.keep_text() = splitter.word();
    } else {
      words[count++] = splitter.word();
    }
  }
  if (step == LineWords::Step::unbalanced) return fail(std::string(errors::unbalanced_quotes));
  if (count > 0) batch.add_request(count);
  return Step::done;
}

RespReader::Step RespReader::read_array(std::string_view rest, RequestBatch& batch) {
  if (!counted_) {
    const Step step = read_word_count(rest);
    if (step != Step::done) return step;
  }
  while (words_left_ > 0) {
    if (bulk_bytes_ == kNoBulk) {
      const Step step = read_bulk_size(rest);
      if (step != Step::done) return step;
    }
    const std::size_t there = rest.size() - at_;
    if (there < bulk_bytes_ + 2) {
      wanted_bytes_ = bulk_bytes_ + 2 - there;
      return Step::need_more;
    }
    slices_.push_back({at_, bulk_bytes_});
    at_ = scanned_ = at_ + bulk_bytes_ + 2;
    bulk_bytes_ = kNoBulk;
    --words_left_;
  }
  if (slices_.empty()) return Step::done;
  std::string_view* word = batch.room_for(slices_.size());
  for (const Slice slice : slices_) *word++ = rest.substr(slice.offset, slice.size);
  batch.add_request(slices_.size());
  return Step::done;
}

RespReader::Step RespReader::read_word_count(std::string_view rest) {
  const Step step = find_count_end(rest, errors::too_big_count);
  if (step != Step::done) return step;
  const auto count = parse_integer(rest.substr(1, scanned_ - 1));
  if (!count || *count > static_cast<std::int64_t>(limits_.max_words)) {
    return fail(std::string(errors::bad_word_count));
  }
  if (!limits_.authenticated && *count > static_cast<std::int64_t>(kUnauthenticatedWords)) {
    return fail(std::string(errors::unauthenticated_words));
  }
  counted_ = true;
  words_left_ = static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
  at_ = scanned_ = scanned_ + 2;
  return Step::done;
}

RespReader::Step RespReader::read_bulk_size(std::string_view rest) {
  const Step step = find_count_end(rest, errors::too_big_bulk_count);
  if (step != Step::done) return step;
  if (rest[at_] != '$') return fail(errors::expected_bulk(rest[at_]));
  const auto size = parse_integer(rest.substr(at_ + 1, scanned_ - at_ - 1));
  if (!size || *size < 0 || *size > static_cast<std::int64_t>(limits_.max_bulk_bytes)) {
    return fail(std::string(errors::bad_bulk_size));
  }
  if (!limits_.authenticated && *size > static_cast<std::int64_t>(kUnauthenticatedBulkBytes)) {
    return fail(std::string(errors::unauthenticated_bulk));
  }
  bulk_bytes_ = static_cast<std::size_t>(*size);
  at_ = scanned_ = scanned_ + 2;
  return Step::done;
}

// Looks for `mark` in the line that begins at at_. Done: scanned_ is on it.
RespReader::Step RespReader::find_line_end(std::string_view rest, char mark,
                                           std::string_view too_big) {
  const std::size_t longest = limits_.max_inline_bytes;
  const std::size_t stop = std::min(rest.size(), at_ + longest + 1);
  while (scanned_ < stop && rest[scanned_] != mark && rest[scanned_] != '\0') ++scanned_;
  if (scanned_ < stop && rest[scanned_] == mark) return Step::done;
  if (rest.size() - at_ > longest) return fail(std::string(too_big));
  return Step::need_more;
}

// As find_line_end for a count, which ends with CR and one more byte.
RespReader::Step RespReader::find_count_end(std::string_view rest, std::string_view too_big) {
  const Step step = find_line_end(rest, '\r', too_big);
  if (step == Step::done && scanned_ + 1 >= rest.size()) return Step::need_more;
  return step;
}

RespReader::Step RespReader::fail(std::string text) {
  problem_ = std::move(text);
  return Step::problem;
}

void RespReader::forget_partial() {
  form_ = Form::unknown;
  at_ = scanned_ = words_left_ = 0;
  bulk_bytes_ = kNoBulk;
  counted_ = false;
  slices_.clear();
  if (slices_.capacity() > kKeptSlices) std::vector<Slice>().swap(slices_);
}

void RespReader::reset() {
  forget_partial();
  wanted_bytes_ = 0;
  problem_.clear();
}

}  // namespace larder::protocol
