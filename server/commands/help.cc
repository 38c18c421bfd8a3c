#include "server/commands/help.h"

#include <fmt/format.h>

#include "server/engine/registry.h"
#include "server/engine/syntax.h"

namespace larder::server {

// A heading, then two lines a subcommand, HELP last; status lines, as people read them in
// redis-cli.
void help(Call& call) {
  const Command& container = *call.services.registry.match(call.words).container;
  call.reply.array(1 + 2 * container.subcommands.size());
  call.reply.simple(
      fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container.name));
  for (const Command& row : container.subcommands) {
    if (&row == &call.command) continue;
    const std::string syntax = plain_syntax(row.syntax);
    call.reply.simple(syntax.empty() ? std::string(row.name)
                                     : fmt::format("{} {}", row.name, syntax));
    call.reply.simple(fmt::format("    {}.", row.summary));
  }
  call.reply.simple("HELP");
  call.reply.simple("    Prints this help.");
}

}  // namespace larder::server
