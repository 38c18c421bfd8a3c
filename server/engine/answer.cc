#include "server/engine/answer.h"

#include "protocol/errors.h"
#include "storage/ensure.h"

namespace larder::server {

namespace errors = protocol::errors;
using storage::Outcome;

std::string_view error_text(Outcome outcome) {
  switch (outcome) {
    case Outcome::absent: return errors::no_such_key;
    case Outcome::wrong_type: return errors::wrong_type;
    case Outcome::not_an_integer: return errors::not_an_integer;
    case Outcome::not_a_float: return errors::not_a_float;
    case Outcome::overflow: return errors::increment_overflow;
    case Outcome::not_finite: return errors::increment_nan;
    case Outcome::too_large: return errors::string_too_big;
    case Outcome::ok: break;
  }
  ensure(false, "only a problem has an error text");
  return {};
}

void answer_blob(protocol::Reply& reply, storage::Blob& blob) {
  blob.hold();
  reply.pinned(protocol::Pin(blob.bytes(), &blob,
                             [](void* owner) { static_cast<storage::Blob*>(owner)->drop(); }));
}

}  // namespace larder::server
