// COMMAND: what the server says of its own commands, all of it told from their rows.
#include <string>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/command_info.h"
#include "server/commands/help.h"
#include "server/engine/categories.h"
#include "server/engine/families.h"
#include "server/engine/key_uses.h"
#include "server/engine/registry.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

void say_all(Call& call) {
  const Registry& registry = call.services.registry;
  call.reply.array(registry.command_count());
  for (const Command* row : registry.commands()) say_info(call.reply, registry, *row);
}

void command(Call& call) {
  say_all(call);
}

void count(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.services.registry.command_count()));
}

// COMMAND INFO [command-name ...]: a name that is none has its place in the answer all the same.
void info(Call& call) {
  const Words names = call.words.subspan(2);
  if (names.empty()) return say_all(call);
  const Registry& registry = call.services.registry;
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    const Command* row = find_row(registry, name);
    if (row == nullptr) {
      call.reply.null();
    } else {
      say_info(call.reply, registry, *row);
    }
  }
}

// COMMAND DOCS [command-name ...]: here names that are none are passed over.
void docs(Call& call) {
  const Registry& registry = call.services.registry;
  std::vector<const Command*> rows = registry.commands();
  if (call.words.size() > 2) {
    rows.clear();
    for (const std::string_view name : call.words.subspan(2)) {
      if (const Command* row = find_row(registry, name)) rows.push_back(row);
    }
  }
  call.reply.map(rows.size());
  for (const Command* row : rows) say_docs(call.reply, registry, *row);
}

bool is_in(const Registry& registry, const Command& row, std::string_view category) {
  for (const std::string_view own : categories_of(row, registry.family_of(row))) {
    if (own == category) return true;
  }
  return false;
}

template <class Wanted>
void say_names(Call& call, Wanted&& wanted) {
  const Registry& registry = call.services.registry;
  std::vector<std::string> names;
  for (std::size_t number = 0; number < registry.size(); ++number) {
    const Command& row = registry.row(number);
    std::string name = registry.full_name(row);
    if (wanted(row, name)) names.push_back(std::move(name));
  }
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

// COMMAND LIST [FILTERBY MODULE module-name|ACLCAT category|PATTERN pattern]
void list(Call& call) {
  const Registry& registry = call.services.registry;
  if (call.words.size() == 2) {
    return say_names(call, [](const Command&, const std::string&) { return true; });
  }
  Args args = call.args_from(2);
  if (call.words.size() != 5 || !args.eat("FILTERBY")) return call.reply.error(errors::syntax);
  if (args.eat("MODULE")) return call.reply.array(0);  // there are no modules
  if (args.eat("ACLCAT")) {
    const auto category = category_named(args.take());
    return say_names(call, [&](const Command& row, const std::string&) {
      return category && is_in(registry, row, *category);
    });
  }
  if (args.eat("PATTERN")) {
    const std::string_view pattern = args.take();
    return say_names(call, [pattern](const Command&, const std::string& name) {
      return storage::glob_matches(pattern, name, storage::Case::folded);
    });
  }
  call.reply.error(errors::syntax);
}

struct FoundKeys {
  const Command* row = nullptr;
  std::vector<std::size_t> positions = {};
  std::string_view problem = {};
};

FoundKeys keys_in(const Registry& registry, Words request) {
  const Registry::Match match = registry.match(request);
  if (match.row == nullptr) return {.problem = errors::command_invalid};
  const Command& row = *match.row;
  if (row.keys.none()) return {.problem = errors::command_no_keys};
  if (!row.arity.admits(request.size())) return {.problem = errors::command_bad_words};
  FoundKeys found{.row = &row, .positions = key_positions(row, request)};
  if (found.positions.empty() && !(row.flags & keys_optional)) {
    found.problem = errors::command_bad_keys;
  }
  return found;
}

// COMMAND GETKEYS command [arg ...]
void getkeys(Call& call) {
  const Words request = call.words.subspan(2);
  const FoundKeys found = keys_in(call.services.registry, request);
  if (!found.problem.empty()) return call.reply.error(found.problem);
  call.reply.array(found.positions.size());
  for (const std::size_t position : found.positions) call.reply.bulk(request[position]);
}

// COMMAND GETKEYSANDFLAGS command [arg ...]: each key with how it is used.
void getkeysandflags(Call& call) {
  const Words request = call.words.subspan(2);
  const FoundKeys found = keys_in(call.services.registry, request);
  if (!found.problem.empty()) return call.reply.error(found.problem);
  call.reply.array(found.positions.size());
  each_key(*found.row, request, [&](std::size_t position, Access access) {
    call.reply.array(2);
    call.reply.bulk(request[position]);
    say_access(call.reply, access);
    return true;
  });
}

constexpr Command subcommands[] = {
    {.name = "COUNT",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = count,
     .summary = "How many commands there are",
     .since = "2.8.13",
     .complexity = "O(1)"},
    {.name = "DOCS",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = docs,
     .summary = "What commands are for and what they take",
     .since = "7.0.0",
     .syntax = "[command-name [command-name ...]]",
     .complexity = "O(N) where N is the number of commands to look up",
     .tips = "nondeterministic_output_order"},
    {.name = "GETKEYS",
     .arity = at_least(4),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = getkeys,
     .summary = "Which words of a request are keys",
     .since = "2.8.13",
     .syntax = "command [arg [arg ...]]",
     .complexity = "O(N) where N is the number of words"},
    {.name = "GETKEYSANDFLAGS",
     .arity = at_least(4),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = getkeysandflags,
     .summary = "Which words of a request are keys, and how they are used",
     .since = "7.0.0",
     .syntax = "command [arg [arg ...]]",
     .complexity = "O(N) where N is the number of words"},
    help_row("5.0.0"),
    {.name = "INFO",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = info,
     .summary = "Arity, flags and key positions of commands",
     .since = "2.8.13",
     .syntax = "[command-name [command-name ...]]",
     .complexity = "O(N) where N is the number of commands to look up",
     .tips = "nondeterministic_output_order"},
    {.name = "LIST",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = list,
     .summary = "The names of commands",
     .since = "7.0.0",
     .syntax = "[FILTERBY <MODULE module-name|ACLCAT category|PATTERN pattern>]",
     .complexity = "O(N) where N is the number of commands",
     .tips = "nondeterministic_output_order"},
};

constexpr Command table[] = {
    {.name = "COMMAND",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = loading | stale,
     .run = command,
     .summary = "What commands there are and how they are called",
     .since = "2.8.13",
     .subcommands = subcommands,
     .complexity = "O(N) where N is the number of commands",
     .tips = "nondeterministic_output_order"},
};

}  // namespace

const Family introspection{"server", table, "connection"};

}  // namespace larder::server
