// Takes what was written out of its buffer, and turns RESP bytes back into replies. Strict about
// lengths, trusting otherwise.
#pragma once

#include <string>
#include <string_view>

#include "protocol/buffer.h"
#include "protocol/reply_tree.h"

namespace larder::testing {

// The first complete value of `bytes`, which loses it. Throws std::runtime_error on bytes that are
// no RESP.
protocol::Node take_reply(std::string_view& bytes);

// All that a buffer holds, which is empty then.
std::string take_bytes(protocol::OutputBuffer& output);

}  // namespace larder::testing
