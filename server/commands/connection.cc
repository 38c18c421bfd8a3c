// Connections: who a client is, which version of RESP it speaks, which database it uses.
#include <fmt/format.h>

#include <climits>
#include <string>

#include "protocol/errors.h"
#include "protocol/numbers.h"
#include "server/commands/shared_args.h"
#include "server/engine/blocking.h"
#include "server/engine/client_text.h"
#include "server/engine/families.h"
#include "server/engine/lane.h"
#include "server/engine/monitors.h"
#include "server/engine/pubsub.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"
#include "server/log.h"
#include "server/options.h"
#include "server/security/users.h"
#include "server/version.h"

namespace larder::server {
namespace errors = protocol::errors;
namespace {

using enum Flag;

// Why the client does not become that user; empty: it is now.
std::string sign_in(Call& call, std::string_view name, std::string_view password) {
  security::Users& users = call.services.users;
  Client& client = call.client;
  const std::string_view address = client.is_unix ? std::string_view{} : client.address;
  const std::int64_t wait_ms = users.guesses().wait_ms(address, call.now_ms);
  if (wait_ms == 0 && users.sign_in(name, password)) {
    client.authenticated = true;
    client.user = name;
    client.rights = {};
    return {};
  }
  call.lane.counters.auth_failures.add();
  if (wait_ms != 0) return errors::sign_in_backs_off((wait_ms + 999) / 1000);
  const std::uint64_t failures = users.guesses().note_failure(address, call.now_ms);
  // A name that is nobody's may be a password in the wrong place.
  call.services.log.warning(
      fmt::format("Authentication failed from {} as {}: failure {} of its address", client.address,
                  users.find(name) ? fmt::format("user '{}'", name) : "an unknown user", failures));
  security::note_failed_sign_in(
      call.services, call.lane, client, call.word(0), name,
      call.in_exec ? security::Context::multi : security::Context::toplevel);
  return std::string(errors::wrong_pass);
}

// AUTH [username] password
void auth(Call& call) {
  if (call.words.size() > 3) return call.reply.error(errors::syntax);
  const bool names_user = call.words.size() == 3;
  const auto user = call.services.users.find(security::kDefaultUser);
  if (!names_user && user->needs_no_password()) {
    return call.reply.error(errors::auth_without_password);
  }
  const std::string_view name = names_user ? call.word(1) : security::kDefaultUser;
  const std::string problem = sign_in(call, name, call.words.back());
  if (!problem.empty()) return call.reply.error(problem);
  call.reply.ok();
}

struct HelloOptions {
  std::string_view user;
  std::string_view password;
  bool signs_in = false;
};

void say_hello(Call& call) {
  call.reply.version(call.client.protocol);
  call.reply.map(7);
  call.reply.bulk("server");
  call.reply.bulk("redis");  // clients compare this word
  call.reply.bulk("version");
  call.reply.bulk(kRedisVersion);
  call.reply.bulk("proto");
  call.reply.integer(call.client.protocol);
  call.reply.bulk("id");
  call.reply.integer(static_cast<std::int64_t>(call.client.id));
  call.reply.bulk("mode");
  call.reply.bulk("standalone");
  call.reply.bulk("role");
  call.reply.bulk("master");
  call.reply.bulk("modules");
  call.reply.array(0);
}

// The options behind the version. A name is taken at once, as Redis does, even if a later option is
// wrong.
HelloOptions hello_options(Call& call, Args& args) {
  HelloOptions options;
  while (args.more()) {
    const std::string_view option = args.take();
    if (protocol::same_word(option, "AUTH") && args.left() >= 2) {
      options.user = args.take();
      options.password = args.take();
      options.signs_in = true;
    } else if (protocol::same_word(option, "SETNAME") && args.left() >= 1) {
      const std::string_view name = args.take();
      if (!is_client_word(name)) {
        args.fail(errors::bad_client_name);
      } else {
        call.client.name = name;
      }
    } else {
      args.fail(errors::hello_syntax(option));
    }
  }
  return options;
}

// HELLO [protover [AUTH username password] [SETNAME clientname]]
void hello(Call& call) {
  Args args = call.args_from(1);
  int version = 0;
  if (args.more()) {
    const std::int64_t asked = args.integer(errors::proto_not_an_integer);
    if (!args.failed() && (asked < 2 || asked > 3)) args.fail(errors::no_proto);
    version = static_cast<int>(asked);
  }
  const HelloOptions options = hello_options(call, args);
  if (!args.finish()) return call.reply.error(args.problem());
  if (options.signs_in) {
    const std::string problem = sign_in(call, options.user, options.password);
    if (!problem.empty()) return call.reply.error(problem);
  }
  if (!call.client.authenticated && !call.services.users.lets_all_in()) {
    return call.reply.error(errors::hello_needs_auth);
  }
  if (version != 0) call.client.protocol = version;
  say_hello(call);
}

// SELECT index
void select(Call& call) {
  const auto db = protocol::parse_integer(call.word(1));
  if (!db) return call.reply.error(errors::not_an_integer);
  if (*db < INT_MIN || *db > INT_MAX) {
    return call.reply.error(errors::out_of_range_between(INT_MIN, INT_MAX));
  }
  const auto databases = call.services.options.settings.databases;
  if (*db < 0 || static_cast<std::uint64_t>(*db) >= databases) {
    return call.reply.error(errors::bad_db_index);
  }
  call.client.db = static_cast<std::uint32_t>(*db);
  call.keys.select(call.client.db);
  call.reply.ok();
}

// PING [message]. A RESP2 client that listens to channels reads nothing but arrays.
void ping(Call& call) {
  if (call.words.size() > 2) return call.reply.error(errors::wrong_arity("ping"));
  if (!call.in_script && call.client.protocol == 2 && is_listening(call.client)) {
    call.reply.array(2);
    call.reply.bulk("pong");
    return call.reply.bulk(call.words.size() == 2 ? call.word(1) : "");
  }
  if (call.words.size() == 2) return call.reply.bulk(call.word(1));
  call.reply.simple("PONG");
}

// ECHO message
void echo(Call& call) {
  call.reply.bulk(call.word(1));
}

void quit(Call& call) {
  call.client.close_after_reply = true;
  call.reply.ok();
}

// RESET: the connection as it was when it was made, so that a pool can hand it on.
void reset(Call& call) {
  Client& client = call.client;
  client.transaction.reset();
  call.services.monitors.remove(client);
  call.services.pubsub.forget(client);
  call.services.tracking.disable(client);
  client.name.clear();
  client.user = security::kDefaultUser;
  client.authenticated = call.services.users.lets_all_in();
  client.rights = {};
  client.db = 0;
  client.protocol = 2;
  client.reply_mode = ReplyMode::on;
  client.no_evict = false;
  client.no_touch = false;
  call.reply.version(client.protocol);
  call.reply.mute(false);
  call.reply.simple("RESET");
}

void say_no_replica(Reply& reply) {
  reply.integer(0);
}

// WAIT numreplicas timeout: how many replicas have the last write. There are none: who wants one
// waits in vain.
void wait(Call& call) {
  Args args = call.args_from(1);
  const std::int64_t wanted = args.integer();
  const std::int64_t timeout_ms = read_timeout(args, call, TimeUnit::milliseconds);
  if (!args.finish()) return call.reply.error(args.problem());
  if (wanted <= 0) return say_no_replica(call.reply);
  wait_for_time(call, timeout_ms, say_no_replica);
}

// Of the file of changes, and of replicas.
void say_nowhere(Reply& reply) {
  reply.array(2);
  reply.integer(0);
  reply.integer(0);
}

// WAITAOF numlocal numreplicas timeout: the same for what is on disk. There is no file of changes,
// so none can be waited for.
void waitaof(Call& call) {
  Args args = call.args_from(1);
  const std::int64_t local = args.integer();
  if (!args.failed() && (local < 0 || local > 1)) args.fail(errors::out_of_range_between(0, 1));
  const std::int64_t wanted = args.integer();
  if (!args.failed() && wanted < 0) args.fail(errors::not_positive);
  const std::int64_t timeout_ms = read_timeout(args, call, TimeUnit::milliseconds);
  if (!args.finish()) return call.reply.error(args.problem());
  if (local != 0) return call.reply.error(errors::waitaof_without_aof);
  if (wanted == 0) return say_nowhere(call.reply);
  wait_for_time(call, timeout_ms, say_nowhere);
}

// READONLY, READWRITE: for replicas of a cluster.
void needs_cluster(Call& call) {
  call.reply.error(errors::no_cluster);
}

constexpr Command table[] = {
    {.name = "AUTH",
     .arity = at_least(2),
     .keys = no_keys(),
     .flags = no_script | loading | stale | fast | no_auth | allow_busy | touches_arguments,
     .run = auth,
     .summary = "Sign in",
     .since = "1.0.0",
     .syntax = "[username] password",
     .complexity = "O(1)"},
    {.name = "HELLO",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = no_script | loading | stale | fast | no_auth | allow_busy | touches_arguments,
     .run = hello,
     .summary = "Agree on the version of RESP, and sign in",
     .since = "6.0.0",
     .syntax = "[protover [AUTH username password] [SETNAME clientname]]",
     .complexity = "O(1)"},
    {.name = "SELECT",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = loading | stale | fast,
     .run = select,
     .summary = "Use another database on this connection",
     .since = "1.0.0",
     .syntax = "index",
     .complexity = "O(1)"},
    {.name = "PING",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = fast | while_listening,
     .run = ping,
     .summary = "Ask whether the server is there",
     .since = "1.0.0",
     .syntax = "[message]",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "ECHO",
     .arity = exactly(2),
     .keys = no_keys(),
     .flags = loading | stale | fast,
     .run = echo,
     .summary = "Hear back what was said",
     .since = "1.0.0",
     .syntax = "message",
     .complexity = "O(1)"},
    {.name = "QUIT",
     .arity = at_least(1),
     .keys = no_keys(),
     .flags = no_script | loading | stale | fast | no_auth | allow_busy | control | while_listening,
     .run = quit,
     .summary = "Close the connection",
     .since = "1.0.0",
     .complexity = "O(1)"},
    {.name = "RESET",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = no_script | loading | stale | fast | no_auth | allow_busy | control | while_listening,
     .run = reset,
     .summary = "Make the connection as it was when it was new",
     .since = "6.2.0",
     .complexity = "O(1)"},
    {.name = "WAIT",
     .arity = exactly(3),
     .keys = no_keys(),
     .flags = no_script,
     .run = wait,
     .summary = "Wait until replicas have the last write (there are none)",
     .since = "3.0.0",
     .syntax = "numreplicas timeout",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {.name = "WAITAOF",
     .arity = exactly(4),
     .keys = no_keys(),
     .flags = no_script,
     .run = waitaof,
     .summary = "Wait until the last write is in the file of changes (there is none)",
     .since = "7.2.0",
     .syntax = "numlocal numreplicas timeout",
     .complexity = "O(1)",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {.name = "READONLY",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = loading | stale | fast,
     .run = needs_cluster,
     .summary = "Read from a replica of a cluster",
     .since = "3.0.0",
     .complexity = "O(1)"},
    {.name = "READWRITE",
     .arity = exactly(1),
     .keys = no_keys(),
     .flags = loading | stale | fast,
     .run = needs_cluster,
     .summary = "Read from the primary of a cluster again",
     .since = "3.0.0",
     .complexity = "O(1)"},
};

}  // namespace

const Family connection{"connection", table};

}  // namespace larder::server
