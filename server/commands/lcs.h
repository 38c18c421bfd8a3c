// LCS, the one command over strings that is an algorithm of its own. Its row stands in strings.cc.
#pragma once

#include "server/engine/command.h"

namespace larder::server {

// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]
void lcs(Call& call);

}  // namespace larder::server
