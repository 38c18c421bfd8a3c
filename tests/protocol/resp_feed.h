// Feeds a RespReader the way a session does: bytes arrive in pieces in an InputBuffer, whole
// requests are taken out as words, and what is left waits for the next piece. Shared by the tests
// and the fuzz target.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "protocol/buffer.h"
#include "protocol/resp_reader.h"
#include "tests/protocol/resp_model.h"

namespace larder::protocol {

inline void take_requests(const RequestBatch& batch, model::Outcome& outcome) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Words words = batch[i];
    outcome.requests.emplace_back(words.begin(), words.end());
  }
}

// Whether the reader stopped for good: it needs more, or there was a problem.
inline bool read_what_is_there(RespReader& reader, InputBuffer& input, std::size_t max_requests,
                               model::Outcome& outcome) {
  RequestBatch batch;
  while (true) {
    const auto [consumed, status] = reader.read(input.unread(), batch, max_requests);
    take_requests(batch, outcome);
    batch.clear();
    input.consume(consumed);
    outcome.consumed += consumed;
    outcome.status = status;
    outcome.problem = reader.problem();
    if (status != RespReader::Status::batch_full) return status == RespReader::Status::problem;
  }
}

// Reads `bytes`, delivered in pieces of the given sizes (the last size repeats).
inline model::Outcome read_in_pieces(std::string_view bytes, std::span<const std::size_t> sizes,
                                     const RespReader::Limits& limits,
                                     std::size_t max_requests = 1000) {
  RespReader reader;
  reader.limits() = limits;
  BlockPool pool;
  InputBuffer input(pool);
  model::Outcome outcome;
  std::size_t piece = 0;
  while (!bytes.empty()) {
    const std::size_t size = std::min(std::max<std::size_t>(sizes[piece], 1), bytes.size());
    if (piece + 1 < sizes.size()) ++piece;
    std::memcpy(input.writable(size).data(), bytes.data(), size);
    input.wrote(size);
    bytes.remove_prefix(size);
    if (read_what_is_there(reader, input, max_requests, outcome)) break;
  }
  return outcome;
}

}  // namespace larder::protocol
