// The state of the server in a few lines for the log (SIGUSR1), of what INFO says.
#pragma once

#include <string>
#include <vector>

#include "server/engine/services.h"

namespace larder::server {

// Thread: as info_text(): any loop, while the others are held off.
std::vector<std::string> state_summary(const Services& services);

}  // namespace larder::server
