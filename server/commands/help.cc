#include "server/commands/help.h"

#include <string>

#include "server/engine/registry.h"

namespace larder::server {

// CONTAINER HELP -> one status a line: a heading, then two lines a subcommand, as clients know it
// from Redis.
void help(Call& call) {
  const Command& container = *call.services.registry.find(call.word(0));
  call.reply.array(1 + 2 * container.subcommands.size());
  call.reply.simple(std::string(container.name) +
                    " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const Command& row : container.subcommands) {
    const std::string_view gap = row.syntax.empty() ? "" : " ";
    call.reply.simple(std::string(row.name).append(gap).append(row.syntax));
    call.reply.simple("    " + std::string(row.summary) + '.');
  }
}

}  // namespace larder::server
