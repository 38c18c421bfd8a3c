// The place of a bit as SETBIT, GETBIT and BITFIELD name it.
#pragma once

#include <cstdint>

#include "server/engine/command.h"

namespace larder::server {

// The next word: a bit within the longest string that proto-max-bulk-len allows. `field_bits`: "#3"
// is allowed too, and means three times so many.
std::uint64_t read_bit_offset(Args& args, const Call& call, unsigned field_bits = 0);

}  // namespace larder::server
