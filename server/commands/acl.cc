// ACL: the users, their rules, and what was refused to whom. The model is security/'s; here are its
// words. What changes users runs alone and closes the connections that must not go on: of users who
// are gone, and of those who listen to what they may not listen to any more.
//
// Thread: loop.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/help.h"
#include "server/engine/categories.h"
#include "server/engine/client_registry.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/engine/pubsub.h"
#include "server/engine/registry.h"
#include "server/log.h"
#include "server/options.h"
#include "server/security/users.h"
#include "storage/timeline.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;
using security::Denial;
using security::Selector;
using security::User;

constexpr std::int64_t kPasswordBits = 256;
constexpr std::int64_t kMostPasswordBits = 4096;
constexpr std::int64_t kRefusalsShown = 10;

void refuse_words(Call& call) {
  call.reply.error(errors::unknown_subcommand_or_arity("ACL", call.word(1)));
}

// --- who must go

// Some of what it listens to is forbidden to the user.
bool listens_beyond(Call& call, const Client& client, const User& user) {
  if (!is_listening(client)) return false;
  for (const TopicKind kind : {TopicKind::channel, TopicKind::pattern, TopicKind::shard_channel}) {
    for (const std::string& name : call.services.pubsub.names_of(client, kind)) {
      if (!user.may_listen(name, kind == TopicKind::pattern)) return true;
    }
  }
  return false;
}

// Alone. Each sees its end before the change is confirmed; who made it, behind the confirmation.
void close_forbidden(Call& call) {
  const security::Users::ByName users = call.services.users.all();
  call.services.clients.each([&](Client& client) {
    const auto user = users.find(client.user);
    if (user != users.end() && !listens_beyond(call, client, *user->second)) return;
    client.close_after_reply = true;
    if (&client != &call.client && client.link != nullptr) client.link->cut_off();
  });
}

// --- users

void setuser(Call& call) {
  if (const auto problem = call.services.users.set(call.word(2), call.words.subspan(3))) {
    return call.reply.error(*problem);
  }
  close_forbidden(call);
  call.reply.ok();
}

void deluser(Call& call) {
  std::int64_t removed = 0;
  for (const std::string_view name : call.words.subspan(2)) {
    if (name == security::kDefaultUser) {
      return call.reply.error(errors::acl_default_stays);
    }
  }
  for (const std::string_view name : call.words.subspan(2)) {
    if (call.services.users.remove(name)) ++removed;
  }
  close_forbidden(call);
  call.reply.integer(removed);
}

void say_selector(Reply& reply, const Selector& selector) {
  reply.bulk("commands");
  reply.bulk(selector.commands());
  reply.bulk("keys");
  reply.bulk(selector.keys());
  reply.bulk("channels");
  reply.bulk(selector.channels());
}

void getuser(Call& call) {
  const auto user = call.services.users.find(call.word(2));
  if (!user) return call.reply.null();
  Reply& reply = call.reply;
  reply.map(6);
  reply.bulk("flags");
  const auto flags = user->flags();
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.bulk(flag);
  reply.bulk("passwords");
  reply.array(user->hashes().size());
  for (const std::string& hash : user->hashes()) reply.bulk(hash);
  const auto& selectors = user->selectors();
  say_selector(reply, selectors.front());
  reply.bulk("selectors");
  reply.array(selectors.size() - 1);
  for (std::size_t i = 1; i < selectors.size(); ++i) {
    reply.map(3);
    say_selector(reply, selectors[i]);
  }
}

void list(Call& call) {
  const auto all = call.services.users.all();
  call.reply.array(all.size());
  for (const auto& [name, user] : all) call.reply.bulk(user->told());
}

void users(Call& call) {
  const auto all = call.services.users.all();
  call.reply.array(all.size());
  for (const auto& [name, user] : all) call.reply.bulk(name);
}

void whoami(Call& call) {
  call.reply.bulk(call.client.user);
}

// --- rules

// ACL CAT [category]
void cat(Call& call) {
  if (call.words.size() > 3) return refuse_words(call);
  if (call.words.size() == 2) {
    call.reply.array(all_categories().size());
    for (const std::string_view category : all_categories()) call.reply.bulk(category);
    return;
  }
  const auto category = category_named(call.word(2));
  if (!category) return call.reply.error(errors::acl_unknown_category(call.word(2)));
  const Registry& registry = call.services.registry;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < registry.size(); ++i) {
    const Command& row = registry.row(i);
    for (const std::string_view its : categories_of(row, registry.family_of(row))) {
      if (its == *category) names.push_back(registry.full_name(row));
    }
  }
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

// ACL DRYRUN username command [arg ...]
void dryrun(Call& call) {
  const auto user = call.services.users.find(call.word(2));
  if (!user) return call.reply.error(errors::acl_unknown_user(call.word(2)));
  const Words request = call.words.subspan(3);
  const Registry& registry = call.services.registry;
  const Registry::Match match = registry.match(request);
  if (match.row == nullptr) return call.reply.error(errors::acl_unknown_command(request[0]));
  const std::string name = registry.full_name(*match.row);
  if (!match.row->arity.admits(request.size())) {
    return call.reply.error(errors::wrong_arity(name));
  }
  const security::Verdict verdict = user->judge(*match.row, match.number, request);
  const std::string_view word = request[verdict.word];
  switch (verdict.denial) {
    case Denial::key:
      return call.reply.bulk(
          fmt::format("This user has no permissions to access the '{}' key", word));
    case Denial::channel:
      return call.reply.bulk(
          fmt::format("This user has no permissions to access the '{}' channel", word));
    case Denial::command:
    case Denial::auth:
      return call.reply.bulk(
          fmt::format("This user has no permissions to run the '{}' command", name));
    case Denial::none: return call.reply.ok();
  }
}

// ACL GENPASS [bits]
void genpass(Call& call) {
  if (call.words.size() > 3) return refuse_words(call);
  std::int64_t bits = kPasswordBits;
  if (call.words.size() == 3) {
    const auto asked = protocol::parse_integer(call.word(2));
    if (!asked) return call.reply.error(errors::not_an_integer);
    bits = *asked;
  }
  if (bits <= 0 || bits > kMostPasswordBits) return call.reply.error(errors::acl_password_bits);
  call.reply.bulk(security::random_digits(static_cast<std::size_t>(bits)));
}

// --- ACL LOG

std::string_view name_of(Denial denial) {
  switch (denial) {
    case Denial::command: return "command";
    case Denial::key: return "key";
    case Denial::channel: return "channel";
    case Denial::auth: return "auth";
    case Denial::none: break;
  }
  return "unknown";
}

std::string_view name_of(security::Context context) {
  switch (context) {
    case security::Context::toplevel: return "toplevel";
    case security::Context::multi: return "multi";
    case security::Context::lua: return "lua";
  }
  return "unknown";
}

void say_pair(Reply& reply, std::string_view name, std::string_view value) {
  reply.bulk(name);
  reply.bulk(value);
}

void say_pair(Reply& reply, std::string_view name, std::int64_t value) {
  reply.bulk(name);
  reply.integer(value);
}

void say_entry(Reply& reply, const security::AclLog::Entry& entry, std::int64_t wall_ms) {
  reply.map(10);
  say_pair(reply, "count", static_cast<std::int64_t>(entry.count));
  say_pair(reply, "reason", name_of(entry.refusal.denial));
  say_pair(reply, "context", name_of(entry.refusal.context));
  say_pair(reply, "object", entry.refusal.object);
  say_pair(reply, "username", entry.refusal.user);
  reply.bulk("age-seconds");
  reply.number(static_cast<double>(wall_ms - entry.last_ms) / 1000);
  say_pair(reply, "client-info", entry.refusal.client);
  say_pair(reply, "entry-id", static_cast<std::int64_t>(entry.id));
  say_pair(reply, "timestamp-created", entry.first_ms);
  say_pair(reply, "timestamp-last-updated", entry.last_ms);
}

// ACL LOG [count|RESET]
void log(Call& call) {
  if (call.words.size() > 3) return refuse_words(call);
  std::int64_t most = kRefusalsShown;
  if (call.words.size() == 3) {
    if (protocol::same_word(call.word(2), "RESET")) {
      call.services.users.log().clear();
      return call.reply.ok();
    }
    const auto asked = protocol::parse_integer(call.word(2));
    if (!asked) return call.reply.error(errors::not_an_integer);
    most = std::max<std::int64_t>(*asked, 0);
  }
  const auto entries = call.services.users.log().latest(static_cast<std::size_t>(most));
  const std::int64_t wall_ms = call.services.timeline.wall_us(call.lane.now_us) / 1000;
  call.reply.array(entries.size());
  for (const auto& entry : entries) say_entry(call.reply, entry, wall_ms);
}

// --- the file

void load(Call& call) {
  const std::string& path = call.services.options.settings.aclfile;
  if (path.empty()) return call.reply.error(errors::acl_no_file);
  if (const auto problem = security::load_users(call.services.users, path)) {
    call.services.log.warning(*problem);
    return call.reply.error("ERR " + *problem);
  }
  close_forbidden(call);
  call.reply.ok();
}

void save(Call& call) {
  const std::string& path = call.services.options.settings.aclfile;
  if (path.empty()) return call.reply.error(errors::acl_no_file);
  if (const auto problem = security::save_users(call.services.users, path)) {
    call.services.log.warning(*problem);
    return call.reply.error(errors::acl_not_saved);
  }
  call.reply.ok();
}

constexpr Flag kAnybody = no_script | loading | stale;
constexpr Flag kOperators = admin | kAnybody;
constexpr Flag kChanges = kOperators | exclusive;

constexpr Command subcommands[] = {
    {.name = "CAT",
     .arity = at_least(2),
     .flags = kAnybody,
     .run = cat,
     .summary = "The categories of commands, or the commands of one",
     .since = "6.0.0",
     .syntax = "[category]",
     .complexity = "O(N) where N is the number of commands"},
    {.name = "DELUSER",
     .arity = at_least(3),
     .flags = kChanges,
     .run = deluser,
     .summary = "Remove users, and close their connections",
     .since = "6.0.0",
     .syntax = "username [username ...]",
     .complexity = "O(N) where N is the number of connections"},
    {.name = "DRYRUN",
     .arity = at_least(4),
     .flags = kOperators,
     .run = dryrun,
     .summary = "Whether a user may run a command, without running it",
     .since = "7.0.0",
     .syntax = "username command [arg [arg ...]]",
     .complexity = "O(1)"},
    {.name = "GENPASS",
     .arity = at_least(2),
     .flags = kAnybody,
     .run = genpass,
     .summary = "Random digits for a password",
     .since = "6.0.0",
     .syntax = "[bits]",
     .complexity = "O(1)"},
    {.name = "GETUSER",
     .arity = exactly(3),
     .flags = kOperators,
     .run = getuser,
     .summary = "The rules of a user",
     .since = "6.0.0",
     .syntax = "username",
     .complexity = "O(N) where N is the number of rules"},
    help_row("6.0.0"),
    {.name = "LIST",
     .arity = exactly(2),
     .flags = kOperators,
     .run = list,
     .summary = "All users, as an ACL file says them",
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of users"},
    {.name = "LOAD",
     .arity = exactly(2),
     .flags = kChanges,
     .run = load,
     .summary = "Take the users from the ACL file",
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of users"},
    {.name = "LOG",
     .arity = at_least(2),
     .flags = kOperators,
     .run = log,
     .summary = "The latest refusals, or forget them",
     .since = "6.0.0",
     .syntax = "[count|RESET]",
     .complexity = "O(N) where N is the number of entries"},
    {.name = "SAVE",
     .arity = exactly(2),
     .flags = kOperators,
     .run = save,
     .summary = "Write the users into the ACL file",
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of users"},
    {.name = "SETUSER",
     .arity = at_least(3),
     .flags = kChanges | touches_arguments,
     .run = setuser,
     .summary = "Make a user, or change its rules",
     .since = "6.0.0",
     .syntax = "username [rule [rule ...]]",
     .complexity = "O(N) where N is the number of rules and connections"},
    {.name = "USERS",
     .arity = exactly(2),
     .flags = kOperators,
     .run = users,
     .summary = "The names of all users",
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of users"},
    {.name = "WHOAMI",
     .arity = exactly(2),
     .flags = kAnybody,
     .run = whoami,
     .summary = "The user of this connection",
     .since = "6.0.0",
     .complexity = "O(1)"},
};

constexpr Command table[] = {
    {.name = "ACL",
     .arity = at_least(2),
     .summary = "Users, and what they may do",
     .since = "6.0.0",
     .subcommands = subcommands},
};

}  // namespace

// In no category but by the flags of the rows.
const Family acl_commands{"server", table, "none"};

}  // namespace larder::server
