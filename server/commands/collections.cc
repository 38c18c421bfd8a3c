#include "server/commands/collections.h"

#include <cstdint>
#include <limits>

namespace larder::server {

namespace errors = protocol::errors;

PopRequest read_pop_request(Args& args, const EndWords& ends) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  PopRequest request;
  const std::int64_t count = args.integer_between(1, kMost, errors::numkeys_not_positive);
  if (args.failed()) return request;
  request.names = args.take_words(static_cast<std::size_t>(count));
  request.from_last = args.eat(ends.last);
  if (!request.from_last && !args.eat(ends.first)) args.fail(errors::syntax);
  if (args.left() > 1 && args.eat("COUNT")) {
    request.most =
        static_cast<std::size_t>(args.integer_between(1, kMost, errors::count_not_positive));
  }
  if (args.more()) args.fail(errors::syntax);
  return request;
}

}  // namespace larder::server
