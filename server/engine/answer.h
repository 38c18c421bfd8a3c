// From the store's words to the user's: the one place where an Outcome becomes an error text and a
// string a reply.
#pragma once

#include "protocol/errors.h"
#include "protocol/reply.h"
#include "storage/outcome.h"
#include "storage/value.h"

namespace larder::server {

// The error a user reads for an Outcome other than ok.
std::string_view error_text(storage::Outcome outcome);
// A string as a bulk reply: small ones are copied, large ones pinned and sent from where they lie.
// Inside a visit.
void answer_blob(protocol::Reply& reply, storage::Blob& blob);
[[gnu::always_inline]] inline void answer_bytes(protocol::Reply& reply,
                                                const storage::Bytes& bytes) {
  if (bytes.blob() != nullptr) return answer_blob(reply, *bytes.blob());
  storage::Bytes::Digits digits;
  reply.bulk(bytes.text(digits));
}
// A string value or null as GET answers it: bulk, null, or WRONGTYPE. Inside a visit.
[[gnu::always_inline]] inline void answer_string(protocol::Reply& reply,
                                                 const storage::Value* value) {
  if (value == nullptr) return reply.null();
  if (!value->is_string()) return reply.error(protocol::errors::wrong_type);
  answer_bytes(reply, value->bytes());
}

}  // namespace larder::server
