#include "server/engine/client.h"

#include "server/engine/command.h"
#include "server/engine/pubsub.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"

namespace larder::server {

Client::Client(std::uint64_t its_id, Link* its_link, std::int64_t now_ms)
    : id(its_id), link(its_link), created_ms(now_ms), active_ms(now_ms), inbox(its_link) {}

Client::~Client() = default;

}  // namespace larder::server
