// RespReader: bytes -> requests. Arrays of bulk strings, and inline lines for people with telnet.
//
// The caller hands over everything that is unread; the reader adds every complete request to a
// batch and says how many bytes those were. What is left is the beginning of one request. Of that
// the reader remembers how far it came, as offsets from the request's first byte (never as views:
// the buffer may move). So no byte is looked at twice, however the network cuts the stream, with
// one exception: a request that the fast way gave up on is begun once more by the patient way.
//
//     fast way      the whole request is there and has nothing odd: one pass, views straight
//                   into the batch. Off when a limit has fewer than two digits (tests have such),
//                   so that it need not compare short counts with the limits
//     patient way   everything else: partial, inline, unauthenticated, wrong. Resumes where it
//                   stopped
//
// The grammar is Redis 7.0.15's, with its leniency: the byte after a CR in a count line and the two
// bytes after a bulk are skipped unread, counts <= 0 are requests that say nothing, and a NUL in a
// count line or an inline line hides the rest of the line until the line is too long. README.md has
// the table.
//
// Must hold: the result does not depend on how the input was cut (tests cut it at every byte, the
// fuzzer anywhere), and nothing is allocated in proportion to what a client merely announces.
// Cost: O(bytes); a SET of 16 + 32 bytes in a pipeline is 150 instructions. Bounds: Limits.
// Thread: loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/request.h"

namespace larder::protocol {

class RespReader {
 public:
  // Redis's numbers; max_bulk_bytes is its proto-max-bulk-len.
  struct Limits {
    std::size_t max_words = 0x7fffffff;
    std::size_t max_bulk_bytes = std::size_t{512} * 1024 * 1024;
    std::size_t max_inline_bytes = std::size_t{64} * 1024;  // also the longest count line
    bool authenticated = true;
  };
  // What a client may send before it has said who it is.
  static constexpr std::size_t kUnauthenticatedWords = 10;
  static constexpr std::size_t kUnauthenticatedBulkBytes = 16384;

  enum class Status {
    complete,    // nothing is left
    need_more,   // what is left is the beginning of a request
    batch_full,  // max_requests were read and there is more
    problem,     // what is left is no request: run the batch, say problem(), close
  };
  struct Result {
    std::size_t consumed;  // these bytes are in the batch now (or said nothing)
    Status status;
  };

  // Reads as many complete requests as there are, at most `max_requests`, and adds them to the
  // batch as views into `input`. `input` begins at the first byte not consumed by the last call.
  // While the client is not authenticated at most one request a call is read, since that request
  // may authenticate it.
  Result read(std::string_view input, RequestBatch& batch, std::size_t max_requests);

  // After Status::problem: the error's full text, without '-'. The reader stays in that state until
  // reset().
  std::string_view problem() const { return problem_; }

  // After Status::need_more: how many bytes are missing at least to finish the bulk string being
  // read; 0 if unknown.
  std::size_t wanted_bytes() const { return wanted_bytes_; }

  // Of what it remembers of a partial request.
  std::size_t capacity_bytes() const { return slices_.capacity() * sizeof(Slice); }

  Limits& limits() { return limits_; }
  const Limits& limits() const { return limits_; }

  // Forgets a partial request and a problem.
  void reset();

 private:
  enum class Step { done, need_more, problem };
  enum class Form { unknown, line, array };
  struct Slice {
    std::size_t offset;
    std::size_t size;
  };
  static constexpr std::size_t kNoBulk = static_cast<std::size_t>(-1);
  // Slices kept between partial requests.
  static constexpr std::size_t kKeptSlices = 1024;

  const char* read_plain(const char* at, const char* end, RequestBatch& batch,
                         std::size_t full) const;
  Step read_patiently(std::string_view rest, RequestBatch& batch);
  Step read_line(std::string_view rest, RequestBatch& batch);
  Step read_array(std::string_view rest, RequestBatch& batch);
  Step read_word_count(std::string_view rest);
  Step read_bulk_size(std::string_view rest);
  Step find_line_end(std::string_view rest, char mark, std::string_view too_big);
  Step find_count_end(std::string_view rest, std::string_view too_big);
  Step split_line(std::string_view line, RequestBatch& batch);
  Step fail(std::string text);
  void forget_partial();

  Limits limits_;
  // The partial request; offsets count from its first byte.
  Form form_ = Form::unknown;
  std::size_t at_ = 0;       // first byte not understood
  std::size_t scanned_ = 0;  // a line's end was looked for up to here
  std::size_t words_left_ = 0;
  std::size_t bulk_bytes_ = kNoBulk;
  bool counted_ = false;  // the array's head has been read
  std::vector<Slice> slices_;
  std::size_t wanted_bytes_ = 0;
  std::string problem_;
};

}  // namespace larder::protocol
