#include "server/commands/bit_offset.h"

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/options.h"

namespace larder::server {

std::uint64_t read_bit_offset(Args& args, const Call& call, unsigned field_bits) {
  std::string_view word = args.take();
  const bool counts_fields = field_bits > 0 && word.starts_with('#');
  if (counts_fields) word.remove_prefix(1);
  const auto number = protocol::parse_integer(word);
  const std::uint64_t most_bits = call.services.options.settings.proto_max_bulk_len * 8;
  const std::uint64_t factor = counts_fields ? field_bits : 1;
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > (most_bits - 1) / factor) {
    args.fail(protocol::errors::bit_offset);
    return 0;
  }
  return static_cast<std::uint64_t>(*number) * factor;
}

}  // namespace larder::server
