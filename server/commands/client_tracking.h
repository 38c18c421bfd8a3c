// CLIENT TRACKING and its kin: client-side caching, as one connection asks for it. The rows stand
// in client.cc, the work is the service's (engine/tracking.h).
#pragma once

namespace larder::server {

struct Call;

void client_tracking(Call& call);
void client_caching(Call& call);
void client_getredir(Call& call);
void client_trackinginfo(Call& call);

}  // namespace larder::server
