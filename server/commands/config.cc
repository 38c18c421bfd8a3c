// CONFIG: the options while the server runs. What each may be, and whether it may change, is its
// row's business (options_table.cc).
#include "server/options.h"

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/engine/families.h"
#include "server/log.h"
#include "server/metrics/info.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

void get(Call& call) {
  const auto pairs = call.services.options.matching(call.words.subspan(2));
  call.reply.map(pairs.size());
  for (const auto& [name, value] : pairs) {
    call.reply.bulk(name);
    call.reply.bulk(value);
  }
}

// All of the changes or none.
void set(Call& call) {
  if (call.words.size() % 2 != 0) return call.reply.error(errors::syntax);
  std::vector<std::pair<std::string_view, std::string_view>> changes;
  for (std::size_t i = 2; i < call.words.size(); i += 2) {
    changes.emplace_back(call.word(i), call.word(i + 1));
  }
  if (const auto problem = call.services.options.set(changes)) return call.reply.error(*problem);
  call.reply.ok();
}

void resetstat(Call& call) {
  reset_statistics(call.services);
  call.reply.ok();
}

void rewrite(Call& call) {
  if (call.services.options.file.empty()) return call.reply.error(errors::config_no_file);
  if (const auto problem = call.services.options.rewrite()) return call.reply.error(*problem);
  call.services.log.notice("CONFIG REWRITE: the config file says now what the options are");
  call.reply.ok();
}

constexpr Flag kOperators = admin | no_script | loading | stale;

constexpr Command subcommands[] = {
    {.name = "GET",
     .arity = at_least(3),
     .flags = kOperators,
     .run = get,
     .summary = "The values of the options that match",
     .since = "2.0.0",
     .syntax = "parameter [parameter ...]"},
    help_row("5.0.0"),
    {.name = "RESETSTAT",
     .arity = exactly(2),
     .flags = kOperators | exclusive,
     .run = resetstat,
     .summary = "Begin the statistics of INFO anew",
     .since = "2.0.0"},
    {.name = "REWRITE",
     .arity = exactly(2),
     .flags = kOperators | exclusive,
     .run = rewrite,
     .summary = "Write the options of now into the config file",
     .since = "2.8.0"},
    {.name = "SET",
     .arity = at_least(4),
     .flags = kOperators | exclusive | touches_arguments,
     .run = set,
     .summary = "Change options, all of them or none",
     .since = "2.0.0",
     .syntax = "parameter value [parameter value ...]"},
};

constexpr Command table[] = {
    {.name = "CONFIG",
     .arity = at_least(2),
     .summary = "The options of the server",
     .since = "2.0.0",
     .subcommands = subcommands},
};

}  // namespace

const Family config_commands{"server", table};

}  // namespace larder::server
