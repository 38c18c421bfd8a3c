// The server itself: its clock, its end, its place among others (it stands alone), and its picture.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/help.h"
#include "server/engine/families.h"
#include "server/engine/server_control.h"
#include "server/metrics/vitals.h"
#include "server/scripting/scripts.h"
#include "server/version.h"
#include "storage/clock.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

// TIME: seconds of the Unix epoch, and the microseconds of this second.
void time(Call& call) {
  constexpr std::int64_t kSecondUs = 1'000'000;
  const std::int64_t now_us = call.services.clock.wall().count();
  call.reply.array(2);
  call.reply.bulk(protocol::integer_text(now_us / kSecondUs));
  call.reply.bulk(protocol::integer_text(now_us % kSecondUs));
}

struct ShutdownOptions {
  bool saves = false;
  bool saves_not = false;
  bool now = false;
  bool force = false;
  bool abort = false;

  bool is_odd() const {
    return (saves && saves_not) || (abort && (saves || saves_not || now || force));
  }
};

ShutdownOptions shutdown_options(Args& args) {
  ShutdownOptions options;
  while (args.more()) {
    if (args.eat("NOSAVE"))
      options.saves_not = true;
    else if (args.eat("SAVE"))
      options.saves = true;
    else if (args.eat("NOW"))
      options.now = true;
    else if (args.eat("FORCE"))
      options.force = true;
    else if (args.eat("ABORT"))
      options.abort = true;
    else
      args.fail(errors::syntax);
  }
  if (options.is_odd()) args.fail(errors::syntax);
  return options;
}

// SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]. It is not answered: the connection closes. Nothing
// can be saved here, so SAVE is refused unless it is forced; and nothing is waited for (there are
// no replicas), so there is nothing to abort.
void shutdown(Call& call) {
  Args args = call.args_from(1);
  const ShutdownOptions options = shutdown_options(args);
  if (!args.finish()) return call.reply.error(args.problem());
  if (options.abort) return call.reply.error(errors::no_shutdown);
  if (options.saves && !options.force) return call.reply.error(errors::shutdown_failed);
  scripting::Scripts& scripts = call.services.scripts;
  const bool is_busy = scripts.is_running() && scripts.is_busy();
  if (is_busy && !options.saves_not) return call.reply.error(scripts.busy_error());
  call.client.close_after_reply = true;
  call.services.control.shut_down("a client asked for it (SHUTDOWN)");
  if (is_busy) scripts.request_stop();
}

// ROLE: a primary with no replicas, whose history of changes is not kept.
void role(Call& call) {
  call.reply.array(3);
  call.reply.bulk("master");
  call.reply.integer(0);
  call.reply.array(0);
}

void cluster(Call& call) {
  call.reply.error(errors::no_cluster);
}

// MODULE LIST: none can be loaded.
void module_list(Call& call) {
  call.reply.array(0);
}

// A larder: so many jars on so many shelves.
std::string drawing(std::int64_t jars, std::int64_t shelves) {
  static constexpr std::string_view kJar[] = {"  .-.  ", " [___] ", " |   | ", " |___| "};
  static constexpr std::string_view kLabels = "~=*+o#";
  const auto width = static_cast<std::size_t>(jars) * kJar[0].size();
  std::string picture = fmt::format(" {:_>{}} \n", "", width);
  std::size_t label = 0;
  for (std::int64_t shelf = 0; shelf < shelves; ++shelf) {
    for (const std::string_view row : kJar) {
      picture += '|';
      for (std::int64_t jar = 0; jar < jars; ++jar) {
        std::string part(row);
        if (row == kJar[2]) part[3] = kLabels[label++ % kLabels.size()];
        picture += part;
      }
      picture += "|\n";
    }
    picture += fmt::format("|{:=>{}}|\n", "", width);
  }
  return picture;
}

// LOLWUT [VERSION version] [jars [shelves]]. Every version shows the same picture.
void lolwut(Call& call) {
  constexpr std::int64_t kMostJars = 64;
  constexpr std::int64_t kMostShelves = 64;
  Args args = call.args_from(1);
  if (args.left() >= 2 && args.eat("VERSION")) args.integer();
  const auto within = [&args](std::int64_t otherwise, std::int64_t most) {
    if (!args.more()) return otherwise;
    return std::clamp<std::int64_t>(args.integer(), 1, most);
  };
  const std::int64_t jars = within(7, kMostJars);
  const std::int64_t shelves = within(3, kMostShelves);
  if (args.failed()) return call.reply.error(args.problem());
  call.reply.verbatim("txt", fmt::format("{}\nThe larder is full. Larder ver. {}\n",
                                         drawing(jars, shelves), kLarderVersion));
}

constexpr Command cluster_row(std::string_view name, Arity arity, std::string_view summary,
                              std::string_view since, std::string_view syntax = "",
                              std::string_view tips = "nondeterministic_output") {
  return {.name = name,
          .arity = arity,
          .keys = no_keys(),
          .flags = stale,
          .run = cluster,
          .summary = summary,
          .since = since,
          .syntax = syntax,
          .complexity = "O(1)",
          .tips = tips};
}

// What clients ask to find out whether this is a cluster. It is not, and that is the answer to
// each.
constexpr Command cluster_subcommands[] = {
    cluster_row("COUNTKEYSINSLOT", exactly(3), "How many keys a slot has", "3.0.0", "slot", ""),
    cluster_row("HELP", exactly(2), "Print what the subcommands are", "5.0.0", "", ""),
    cluster_row("GETKEYSINSLOT", exactly(4), "Keys of a slot", "3.0.0", "slot count"),
    cluster_row("INFO", exactly(2), "The state of the cluster", "3.0.0"),
    cluster_row("KEYSLOT", exactly(3), "The slot of a key", "3.0.0", "key:string", ""),
    cluster_row("LINKS", exactly(2), "The links between nodes", "7.0.0"),
    cluster_row("MYID", exactly(2), "The name of this node", "3.0.0", "", ""),
    cluster_row("NODES", exactly(2), "The nodes of the cluster", "3.0.0"),
    cluster_row("SHARDS", exactly(2), "The shards of the cluster", "7.0.0"),
    cluster_row("SLOTS", exactly(2), "Which node has which slots", "3.0.0"),
};

// LASTSAVE: when the data were last on disk. They never are; as of a Redis that has not saved yet
// it is when the server began.
void lastsave(Call& call) {
  call.reply.integer(call.services.vitals.started_at_seconds());
}

// SAVE, BGREWRITEAOF: a cache keeps nothing on disk, and says so rather than OK.
void refuse_to_save(Call& call) {
  call.reply.error(errors::nothing_is_saved);
}

// BGSAVE [SCHEDULE]
void bgsave(Call& call) {
  Args args = call.args_from(1);
  args.eat("SCHEDULE");
  if (!args.finish()) return call.reply.error(args.problem());
  refuse_to_save(call);
}

constexpr Command module_subcommands[] = {
    help_row("5.0.0"),
    {.name = "LIST",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = admin | no_script,
     .run = module_list,
     .summary = "The modules that are loaded",
     .since = "4.0.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output_order"},
};

constexpr Command table[] = {
    {.name = "TIME",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = loading | stale | fast,
     .run = time,
     .summary = "What time it is",
     .since = "2.6.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "SHUTDOWN",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = admin | no_script | loading | stale | no_multi | allow_busy,
     .run = shutdown,
     .summary = "End the server",
     .since = "1.0.0",
     .syntax = "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",
     .complexity = "O(1)"},
    {.name = "ROLE",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = no_script | loading | stale | fast | dangerous | operators,
     .run = role,
     .summary = "Whether this is a primary or a replica",
     .since = "2.8.12",
     .complexity = "O(1)"},
    {.name = "CLUSTER",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "Whether this is a cluster (it is not)",
     .since = "3.0.0",
     .subcommands = cluster_subcommands,
     .complexity = "Depends on subcommand."},
    {.name = "MODULE",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "Modules that are loaded (none can be)",
     .since = "4.0.0",
     .subcommands = module_subcommands,
     .complexity = "Depends on subcommand."},
    {.name = "SAVE",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = admin | no_script | no_multi,
     .run = refuse_to_save,
     .summary = "Write the data to disk (an error: nothing is kept there)",
     .since = "1.0.0",
     .complexity = "O(1)"},
    {.name = "BGSAVE",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = admin | no_script,
     .run = bgsave,
     .summary = "Write the data to disk in the background (an error: nothing is kept there)",
     .since = "1.0.0",
     .syntax = "[SCHEDULE]",
     .complexity = "O(1)"},
    {.name = "BGREWRITEAOF",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = admin | no_script,
     .run = refuse_to_save,
     .summary = "Rewrite the file of changes (an error: there is none)",
     .since = "1.0.0",
     .complexity = "O(1)"},
    {.name = "LASTSAVE",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = loading | stale | fast | dangerous | operators,
     .run = lastsave,
     .summary = "When the data were last written to disk: never, so when the server began",
     .since = "1.0.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "LOLWUT",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = reads | fast,
     .run = lolwut,
     .summary = "A picture of a larder, and its version",
     .since = "5.0.0",
     .syntax = "[VERSION version] [jars:integer] [shelves:integer]",
     .complexity = "O(N) where N is the number of jars"},
};

}  // namespace

const Family server_commands{"server", table};

}  // namespace larder::server
