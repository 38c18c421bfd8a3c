// What others may see of a request that carries secrets: MONITOR and the slow log show "(redacted)"
// in their place.
//
// Only rows flagged touches_arguments come here: AUTH (everything behind the name), HELLO (the
// two words behind AUTH), ACL SETUSER (everything), CONFIG SET (the value of requirepass). Views
// into the request and into a constant: good as long as the request is. Thread: any.
#pragma once

#include <string_view>
#include <vector>

#include "protocol/request.h"

namespace larder::server {

std::vector<std::string_view> redacted(protocol::Words words);

}  // namespace larder::server
