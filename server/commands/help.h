// HELP of a command that has subcommands (OBJECT HELP, CLIENT HELP): told from their rows.
#pragma once

#include "server/engine/command.h"

namespace larder::server {

// What to run in the HELP row of any container.
void help(Call& call);

}  // namespace larder::server
