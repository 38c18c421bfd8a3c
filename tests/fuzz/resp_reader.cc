// Fuzz target: whatever bytes come and however they are cut, RespReader reads what the model reads.
//
// The first bytes of the input choose the limits, the batch size and the sizes of the pieces; the
// rest is the stream. Small limits are among them, so that "too big" is reached with few bytes.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/protocol/resp_feed.h"
#include "tests/protocol/resp_model.h"

using namespace larder::protocol;

namespace {

constexpr std::size_t kPieces = 6;
constexpr std::size_t kHead = kPieces + 2;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kHead) return 0;
  RespReader::Limits limits;
  limits.authenticated = (data[0] & 1) != 0;
  if ((data[0] & 2) != 0) limits.max_inline_bytes = 16;
  if ((data[0] & 4) != 0) limits.max_bulk_bytes = 32;
  if ((data[0] & 8) != 0) limits.max_words = 3;
  const std::size_t max_requests = std::size_t{1} + data[1] % 8;
  std::size_t sizes[kPieces];
  for (std::size_t i = 0; i < kPieces; ++i) sizes[i] = data[2 + i];
  const std::string_view stream(reinterpret_cast<const char*>(data) + kHead, size - kHead);

  const model::Outcome expected = model::read(stream, limits);
  const std::size_t whole[] = {stream.size()};
  const std::size_t single[] = {1};
  if (read_in_pieces(stream, whole, limits, max_requests) != expected) std::abort();
  if (read_in_pieces(stream, sizes, limits, max_requests) != expected) std::abort();
  if (read_in_pieces(stream, single, limits, max_requests) != expected) std::abort();
  return 0;
}
