// CLIENT: what connections say of themselves, and what operators do to them.
//
// Rows that look at other clients are exclusive: clients live on their own loops and may be read by
// another one only while all are held off.
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/client_tracking.h"
#include "server/commands/help.h"
#include "server/engine/blocking.h"
#include "server/engine/client_registry.h"
#include "server/engine/client_text.h"
#include "server/engine/families.h"
#include "server/engine/pause.h"
#include "server/engine/pubsub.h"
#include "server/security/users.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using protocol::same_word;
using enum Flag;

// The classes of connections that LIST and KILL tell apart. There is no replication.
enum class Kind { normal, primary, replica, pubsub };

std::optional<Kind> kind_named(std::string_view name) {
  if (same_word(name, "NORMAL")) return Kind::normal;
  if (same_word(name, "SLAVE") || same_word(name, "REPLICA")) return Kind::replica;
  if (same_word(name, "PUBSUB")) return Kind::pubsub;
  if (same_word(name, "MASTER")) return Kind::primary;
  return std::nullopt;
}

Kind kind_of(const Client& client) {
  return is_listening(client) ? Kind::pubsub : Kind::normal;
}

void id(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.client.id));
}

void getname(Call& call) {
  if (call.client.name.empty()) return call.reply.null();
  call.reply.bulk(call.client.name);
}

// CLIENT SETNAME connection-name: the empty name takes it away.
void setname(Call& call) {
  if (!is_client_word(call.word(2))) return call.reply.error(errors::bad_client_name);
  call.client.name = call.word(2);
  call.reply.ok();
}

// CLIENT SETINFO LIB-NAME|LIB-VER value: the library a client is written with, for CLIENT LIST.
void setinfo(Call& call) {
  const bool is_name = same_word(call.word(2), "LIB-NAME");
  if (!is_name && !same_word(call.word(2), "LIB-VER")) {
    return call.reply.error(errors::client_info_syntax(call.word(2)));
  }
  if (!is_client_word(call.word(3))) {
    return call.reply.error(errors::client_info_value(is_name ? "lib-name" : "lib-ver"));
  }
  (is_name ? call.client.library_name : call.client.library_version) = call.word(3);
  call.reply.ok();
}

std::string line_of(const Call& call, const Client& client) {
  return client_line(client, call.services.registry, call.now_ms) + "\n";
}

void info(Call& call) {
  call.reply.verbatim("txt", line_of(call, call.client));
}

// Killed, and its own loop has not come by yet: nobody is told of it any more.
bool is_gone(const Client& client, const Call& call) {
  return client.close_after_reply && &client != &call.client;
}

// The clients with these ids, in the order asked for; ids of nobody are passed over.
std::string lines_by_id(Call& call, Args& args) {
  std::string lines;
  while (args.more()) {
    const std::int64_t wanted = args.integer(errors::client_bad_id);
    if (args.failed()) break;
    call.services.clients.each([&](const Client& client) {
      const bool is_wanted = client.id == static_cast<std::uint64_t>(wanted);
      if (is_wanted && !is_gone(client, call)) lines += line_of(call, client);
    });
  }
  return lines;
}

std::string lines_by_kind(Call& call, std::optional<Kind> kind) {
  std::string lines;
  call.services.clients.each([&](const Client& client) {
    const bool is_wanted = !kind || kind_of(client) == *kind;
    if (is_wanted && !is_gone(client, call)) lines += line_of(call, client);
  });
  return lines;
}

// CLIENT LIST [TYPE type | ID client-id [client-id ...]]
void list(Call& call) {
  Args args = call.args_from(2);
  std::string lines;
  if (call.words.size() == 4 && args.eat("TYPE")) {
    const std::string_view name = args.take();
    const std::optional<Kind> kind = kind_named(name);
    if (!kind) return call.reply.error(errors::client_unknown_type(name));
    lines = lines_by_kind(call, kind);
  } else if (call.words.size() > 3 && args.eat("ID")) {
    lines = lines_by_id(call, args);
  } else if (!args.more()) {
    lines = lines_by_kind(call, std::nullopt);
  }
  if (!args.finish()) return call.reply.error(args.problem());
  call.reply.verbatim("txt", lines);
}

// What a client must be to be killed; what is not said does not matter.
struct Victims {
  std::optional<std::int64_t> id;
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  std::optional<Kind> kind;
  std::optional<std::string_view> user;
  std::optional<std::int64_t> least_age_ms;
  bool spares_me = true;

  bool include(const Client& client, const Call& call) const {
    return (!id || client.id == static_cast<std::uint64_t>(*id)) &&
           (!address || client.address == *address) &&
           (!local_address || client.local_address == *local_address) &&
           (!kind || kind_of(client) == *kind) && (!user || client.user == *user) &&
           (!least_age_ms || call.now_ms - client.created_ms >= *least_age_ms) &&
           !(spares_me && &client == &call.client);
  }
};

// Whoever asks for its own end still reads the answer; the others have seen the end before it is
// said here, as clients that try a connection before they use it (phpredis) count on.
std::int64_t kill_all(Call& call, const Victims& victims) {
  std::int64_t found = 0;
  // Inside each(), where a client that goes by itself meanwhile is still there.
  call.services.clients.each([&](Client& client) {
    if (is_gone(client, call) || !victims.include(client, call)) return;
    ++found;
    client.close_after_reply = true;
    if (&client != &call.client && client.link != nullptr) client.link->cut_off();
  });
  return found;
}

std::optional<bool> yes_or_no(std::string_view word) {
  if (same_word(word, "YES")) return true;
  if (same_word(word, "NO")) return false;
  return std::nullopt;
}

void read_max_age(Victims& victims, Args& args) {
  constexpr std::int64_t kLongestSeconds = std::numeric_limits<std::int64_t>::max() / 1000;
  const std::int64_t seconds = args.integer_between(std::numeric_limits<std::int64_t>::min(),
                                                    kLongestSeconds, errors::client_bad_max_age);
  if (!args.failed() && seconds <= 0) args.fail(errors::client_max_age_not_positive);
  victims.least_age_ms = seconds * 1000;
}

// One option and its value. An option without a value is a syntax error whatever it is called.
void read_filter(Call& call, Victims& victims, Args& args) {
  if (args.left() < 2) return args.fail(errors::syntax);
  if (args.eat("ID")) {
    victims.id = args.integer_between(1, std::numeric_limits<std::int64_t>::max(),
                                      errors::client_id_not_positive);
  } else if (args.eat("TYPE")) {
    const std::string_view name = args.take();
    victims.kind = kind_named(name);
    if (!victims.kind) args.fail(errors::client_unknown_type(name));
  } else if (args.eat("ADDR")) {
    victims.address = args.take();
  } else if (args.eat("LADDR")) {
    victims.local_address = args.take();
  } else if (args.eat("USER")) {
    victims.user = args.take();
    if (!call.services.users.find(*victims.user)) {
      args.fail(errors::client_no_such_user(*victims.user));
    }
  } else if (args.eat("SKIPME")) {
    const std::optional<bool> spares = yes_or_no(args.take());
    if (!spares) return args.fail(errors::syntax);
    victims.spares_me = *spares;
  } else if (args.eat("MAXAGE")) {
    read_max_age(victims, args);
  } else {
    args.fail(errors::syntax);
  }
}

// CLIENT KILL ip:port, or CLIENT KILL with filters, all of which must hold.
void kill(Call& call) {
  Victims victims;
  if (call.words.size() == 3) {
    victims.address = call.word(2);
    victims.spares_me = false;
    if (kill_all(call, victims) == 0) return call.reply.error(errors::client_no_such);
    return call.reply.ok();
  }
  Args args = call.args_from(2);
  while (args.more()) read_filter(call, victims, args);
  if (!args.finish()) return call.reply.error(args.problem());
  call.reply.integer(kill_all(call, victims));
}

// ON or OFF, for a switch of the connection.
template <class Switch>
void turn(Call& call, Switch& what) {
  const std::string_view word = call.word(2);
  if (!same_word(word, "ON") && !same_word(word, "OFF")) return call.reply.error(errors::syntax);
  what = same_word(word, "ON");
  call.reply.ok();
}

void no_evict(Call& call) {
  turn(call, call.client.no_evict);
}

void no_touch(Call& call) {
  turn(call, call.client.no_touch);
}

// CLIENT REPLY ON|OFF|SKIP. OFF and SKIP are not answered themselves.
void reply_mode(Call& call) {
  const std::string_view mode = call.word(2);
  if (same_word(mode, "ON")) {
    call.client.reply_mode = ReplyMode::on;
    call.reply.mute(false);
    call.reply.ok();
  } else if (same_word(mode, "OFF")) {
    call.client.reply_mode = ReplyMode::off;
    call.reply.mute(true);
  } else if (same_word(mode, "SKIP")) {
    if (call.client.reply_mode != ReplyMode::off) call.client.reply_mode = ReplyMode::skip_next;
  } else {
    call.reply.error(errors::syntax);
  }
}

std::optional<Pause::Kind> pause_mode(std::string_view word) {
  if (same_word(word, "ALL")) return Pause::Kind::all;
  if (same_word(word, "WRITE")) return Pause::Kind::writes;
  return std::nullopt;
}

// CLIENT PAUSE timeout [WRITE|ALL]
void pause(Call& call) {
  if (call.words.size() > 4) {
    return call.reply.error(errors::unknown_subcommand_or_arity("CLIENT", call.word(1)));
  }
  const auto kind = call.words.size() == 4 ? pause_mode(call.word(3)) : Pause::Kind::all;
  if (!kind) return call.reply.error(errors::client_pause_mode);
  const auto timeout_ms = protocol::parse_integer(call.word(2));
  if (!timeout_ms) return call.reply.error(errors::bad_timeout);
  if (*timeout_ms < 0) return call.reply.error(errors::negative_timeout);
  constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
  const std::int64_t until_ms = *timeout_ms > kEver - call.now_ms ? kEver
                                                                  : call.now_ms + *timeout_ms;
  call.services.pause.begin(*kind, until_ms, call.now_ms);
  call.reply.ok();
}

void unpause(Call& call) {
  call.services.pause.end();
  call.reply.ok();
}

// CLIENT UNBLOCK client-id [TIMEOUT|ERROR]: a command that waits has the answer of its timeout, or
// an error. Who is held back by a pause does not wait.
void unblock(Call& call) {
  if (call.words.size() > 4) {
    return call.reply.error(errors::unknown_subcommand_or_arity("CLIENT", call.word(1)));
  }
  if (call.words.size() == 4 && !same_word(call.word(3), "TIMEOUT") &&
      !same_word(call.word(3), "ERROR")) {
    return call.reply.error(errors::client_unblock_reason);
  }
  const auto wanted = protocol::parse_integer(call.word(2));
  if (!wanted) return call.reply.error(errors::not_an_integer);
  const bool is_error = call.words.size() == 4 && same_word(call.word(3), "ERROR");
  const Sleeper::Why why = is_error ? Sleeper::Why::unblocked : Sleeper::Why::timeout;
  bool was_asleep = false;
  call.services.clients.each([&](Client& client) {
    if (client.id != static_cast<std::uint64_t>(*wanted) || !client.work) return;
    Sleeper* sleeper = client.work->sleeper();
    was_asleep = sleeper != nullptr && sleeper->wake(why);
  });
  call.reply.integer(was_asleep ? 1 : 0);
}

constexpr Flag kOwn = no_script | loading | stale | keeps_caching;
constexpr Flag kOperators = kOwn | admin;

constexpr Command subcommands[] = {
    {.name = "CACHING",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOwn,
     .run = client_caching,
     .summary = "Say whether the next command's keys are tracked",
     .since = "6.0.0",
     .syntax = "YES|NO",
     .complexity = "O(1)"},
    {.name = "GETNAME",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOwn,
     .run = getname,
     .summary = "The name of this connection",
     .since = "2.6.9",
     .complexity = "O(1)"},
    {.name = "GETREDIR",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOwn,
     .run = client_getredir,
     .summary = "Where the invalidations of this connection go",
     .since = "6.0.0",
     .complexity = "O(1)"},
    help_row("5.0.0"),
    {.name = "ID",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOwn,
     .run = id,
     .summary = "The number of this connection",
     .since = "5.0.0",
     .complexity = "O(1)"},
    {.name = "INFO",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOwn,
     .run = info,
     .summary = "What CLIENT LIST says of this connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .tips = "nondeterministic_output"},
    {.name = "KILL",
     .arity = at_least(3),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = kill,
     .summary = "Close connections",
     .since = "2.4.0",
     .syntax = "<ip:port|<[ID client-id]|[TYPE <NORMAL|MASTER|SLAVE|REPLICA|PUBSUB>]|"
               "[USER username]|[ADDR ip:port]|[LADDR ip:port]|[SKIPME yes/no]|[MAXAGE maxage]> "
               "...>",
     .complexity = "O(N) where N is the number of connections"},
    {.name = "LIST",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = list,
     .summary = "A line for each connection",
     .since = "2.4.0",
     .syntax = "[TYPE <NORMAL|MASTER|REPLICA|PUBSUB>] [ID client-id [client-id ...]]",
     .complexity = "O(N) where N is the number of connections",
     .tips = "nondeterministic_output"},
    {.name = "NO-EVICT",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOperators,
     .run = no_evict,
     .summary = "Keep this connection when memory of connections is short",
     .since = "7.0.0",
     .syntax = "ON|OFF",
     .complexity = "O(1)"},
    {.name = "NO-TOUCH",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOwn,
     .run = no_touch,
     .summary = "Let reads of this connection leave recency and frequency alone",
     .since = "7.2.0",
     .syntax = "ON|OFF",
     .complexity = "O(1)"},
    {.name = "PAUSE",
     .arity = at_least(3),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = pause,
     .summary = "Hold back the commands of all connections for some time",
     .since = "2.9.50",
     .syntax = "timeout [WRITE|ALL]",
     .complexity = "O(1)"},
    {.name = "REPLY",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOwn,
     .run = reply_mode,
     .summary = "Say which commands of this connection are answered",
     .since = "3.2.0",
     .syntax = "ON|OFF|SKIP",
     .complexity = "O(1)"},
    {.name = "SETINFO",
     .arity = exactly(4),
     .keys = no_keys(),
     .flags = kOwn,
     .run = setinfo,
     .summary = "Say which library the client is written with",
     .since = "7.2.0",
     .syntax = "<LIB-NAME libname|LIB-VER libver>",
     .complexity = "O(1)"},
    {.name = "SETNAME",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = kOwn,
     .run = setname,
     .summary = "Name this connection",
     .since = "2.6.9",
     .syntax = "connection-name",
     .complexity = "O(1)"},
    {.name = "TRACKING",
     .arity = at_least(3),
     .keys = no_keys(),
     .flags = kOwn,
     .run = client_tracking,
     .summary = "Ask to be told when keys that were read have changed",
     .since = "6.0.0",
     .syntax = "ON|OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
               "[OPTOUT] [NOLOOP]",
     .complexity = "O(1)"},
    {.name = "TRACKINGINFO",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOwn,
     .run = client_trackinginfo,
     .summary = "Whether this connection is sent invalidations",
     .since = "6.2.0",
     .complexity = "O(1)"},
    {.name = "UNBLOCK",
     .arity = at_least(3),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = unblock,
     .summary = "End the waiting of a blocked connection",
     .since = "5.0.0",
     .syntax = "client-id [TIMEOUT|ERROR]",
     .complexity = "O(log N) where N is the number of connections"},
    {.name = "UNPAUSE",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = kOperators | exclusive,
     .run = unpause,
     .summary = "End a pause",
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of connections held back"},
};

constexpr Command table[] = {
    {.name = "CLIENT",
     .arity = at_least(2),
     .keys = no_keys(),
     .summary = "Connections: names, a list, pauses",
     .since = "2.4.0",
     .subcommands = subcommands,
     .complexity = "Depends on subcommand."},
};

}  // namespace

const Family client_commands{"connection", table};

}  // namespace larder::server
