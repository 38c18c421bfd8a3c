// HELP of a command with subcommands, told from its rows: the row of HELP in any such table is run
// = help.
#pragma once

#include "server/engine/command.h"

namespace larder::server {

void help(Call& call);

// The HELP row itself, the same in every table but for what its category gives it.
inline constexpr Command help_row(std::string_view since) {
  return {.name = "HELP",
          .arity = exactly(2),
          .keys = no_keys(),
          .flags = Flag::loading | Flag::stale,
          .run = help,
          .summary = "Print what the subcommands are",
          .since = since,
          .complexity = "O(1)"};
}

}  // namespace larder::server
