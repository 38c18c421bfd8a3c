// Pub/sub: listening to channels, to patterns of channels and to shard channels, and speaking on
// them. Who listens to what is the service's (engine/pubsub.h).
//
// SUBSCRIBE and its kin have no reply: each channel they name is confirmed by a push of its own, or
// an array in RESP2, with the number of what the client listens to now. Confirmations, like
// messages, are said even where CLIENT REPLY forbids replies. What was published before a client
// stopped listening is read before the confirmation that it has.
//
// There is no cluster: shard channels are a third list of names, and SPUBLISH reaches all of it.
// Thread: loop.
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/help.h"
#include "server/engine/families.h"
#include "server/engine/pubsub.h"
#include "server/options.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using enum Flag;

// What a confirmation counts: shard channels for themselves, channels and patterns together.
std::int64_t counted(const Client& client, TopicKind kind) {
  if (!client.subscriber) return 0;
  const Subscriber& subscriber = *client.subscriber;
  const std::size_t count = kind == TopicKind::shard_channel ? subscriber.count(kind)
                                                             : subscriber.count();
  return static_cast<std::int64_t>(count);
}

// `name` missing: there was nothing to stop listening to.
void confirm(Call& call, TopicKind kind, std::string_view what,
             std::optional<std::string_view> name) {
  call.reply.push(3);
  call.reply.bulk(what);
  name ? call.reply.bulk(*name) : call.reply.null();
  call.reply.integer(counted(call.client, kind));
}

void listen(Call& call, TopicKind kind, std::string_view what) {
  const Unmuted unmuted(call.reply);
  const std::uint64_t most_bytes = call.services.options.settings.client_query_buffer_limit;
  for (const std::string_view name : call.words.subspan(1)) {
    if (!call.services.pubsub.subscribe(call.client, kind, name, most_bytes)) {
      return call.reply.error(errors::too_many_subscriptions);
    }
    confirm(call, kind, what, name);
  }
}

// What is on its way already goes first; but not into the middle of EXEC's reply.
void stop(Call& call, TopicKind kind, std::string_view what, std::string_view name) {
  const bool had_listened = call.services.pubsub.unsubscribe(call.client, kind, name);
  if (had_listened && !call.in_exec) {
    say_mail(call.reply, call.client, call.services.pubsub.fetch(call.client));
  }
  confirm(call, kind, what, name);
}

// No names: everything of this kind.
void stop_listening(Call& call, TopicKind kind, std::string_view what) {
  const Unmuted unmuted(call.reply);
  for (const std::string_view name : call.words.subspan(1)) stop(call, kind, what, name);
  if (call.words.size() > 1) return;
  const std::vector<std::string> names = call.services.pubsub.names_of(call.client, kind);
  for (const std::string& name : names) stop(call, kind, what, name);
  if (names.empty()) confirm(call, kind, what, std::nullopt);
}

void subscribe(Call& call) {
  listen(call, TopicKind::channel, "subscribe");
}

void psubscribe(Call& call) {
  listen(call, TopicKind::pattern, "psubscribe");
}

void ssubscribe(Call& call) {
  listen(call, TopicKind::shard_channel, "ssubscribe");
}

void unsubscribe(Call& call) {
  stop_listening(call, TopicKind::channel, "unsubscribe");
}

void punsubscribe(Call& call) {
  stop_listening(call, TopicKind::pattern, "punsubscribe");
}

void sunsubscribe(Call& call) {
  stop_listening(call, TopicKind::shard_channel, "sunsubscribe");
}

void publish(Call& call) {
  const std::size_t receivers = call.services.pubsub.publish(call.word(1), call.word(2));
  call.reply.integer(static_cast<std::int64_t>(receivers));
}

void spublish(Call& call) {
  const std::size_t receivers = call.services.pubsub.publish_to_shard(call.word(1), call.word(2));
  call.reply.integer(static_cast<std::int64_t>(receivers));
}

// Redis refuses too many words only here, in the words it has for an unknown subcommand.
void say_names(Call& call, TopicKind kind) {
  if (call.words.size() > 3) {
    return call.reply.error(errors::unknown_subcommand_or_arity("PUBSUB", call.word(1)));
  }
  const std::string_view glob = call.words.size() == 3 ? call.word(2) : "*";
  const std::vector<std::string> names = call.services.pubsub.channels(kind, glob);
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
}

void say_listeners(Call& call, TopicKind kind) {
  const Words names = call.words.subspan(2);
  call.reply.array(2 * names.size());
  for (const std::string_view name : names) {
    call.reply.bulk(name);
    call.reply.integer(static_cast<std::int64_t>(call.services.pubsub.listeners(kind, name)));
  }
}

void channels(Call& call) {
  say_names(call, TopicKind::channel);
}

void shardchannels(Call& call) {
  say_names(call, TopicKind::shard_channel);
}

void numsub(Call& call) {
  say_listeners(call, TopicKind::channel);
}

void shardnumsub(Call& call) {
  say_listeners(call, TopicKind::shard_channel);
}

void numpat(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.services.pubsub.count(TopicKind::pattern)));
}

constexpr Flag kListening = pubsub | no_script | loading | stale | while_listening;
constexpr Flag kAsking = pubsub | loading | stale;

constexpr Command subcommands[] = {
    {.name = "CHANNELS",
     .arity = at_least(2),
     .flags = kAsking,
     .run = channels,
     .summary = "The channels somebody listens to, or those that match",
     .since = "2.8.0",
     .syntax = "[pattern]",
     .complexity = "O(N) where N is the number of channels"},
    help_row("6.2.0"),
    {.name = "NUMPAT",
     .arity = exactly(2),
     .flags = kAsking,
     .run = numpat,
     .summary = "How many patterns are listened to",
     .since = "2.8.0",
     .complexity = "O(1)"},
    {.name = "NUMSUB",
     .arity = at_least(2),
     .flags = kAsking,
     .run = numsub,
     .summary = "How many listen to each channel, patterns apart",
     .since = "2.8.0",
     .syntax = "[channel [channel ...]]",
     .complexity = "O(N) where N is the number of channels asked for"},
    {.name = "SHARDCHANNELS",
     .arity = at_least(2),
     .flags = kAsking,
     .run = shardchannels,
     .summary = "The shard channels somebody listens to, or those that match",
     .since = "7.0.0",
     .syntax = "[pattern]",
     .complexity = "O(N) where N is the number of shard channels"},
    {.name = "SHARDNUMSUB",
     .arity = at_least(2),
     .flags = kAsking,
     .run = shardnumsub,
     .summary = "How many listen to each shard channel",
     .since = "7.0.0",
     .syntax = "[shardchannel [shardchannel ...]]",
     .complexity = "O(N) where N is the number of shard channels asked for"},
};

constexpr Command table[] = {
    {.name = "SUBSCRIBE",
     .arity = at_least(2),
     .flags = kListening,
     .run = subscribe,
     .summary = "Listen to channels",
     .since = "2.0.0",
     .syntax = "channel [channel ...]",
     .complexity = "O(N) where N is the number of channels",
     .topics = {.of = Topics::Of::channels}},
    {.name = "UNSUBSCRIBE",
     .arity = at_least(1),
     .flags = kListening,
     .run = unsubscribe,
     .summary = "Stop listening to channels, or to all of them",
     .since = "2.0.0",
     .syntax = "[channel [channel ...]]",
     .complexity = "O(N) where N is the number of channels"},
    {.name = "PSUBSCRIBE",
     .arity = at_least(2),
     .flags = kListening,
     .run = psubscribe,
     .summary = "Listen to all channels that match patterns",
     .since = "2.0.0",
     .syntax = "pattern [pattern ...]",
     .complexity = "O(N) where N is the number of patterns",
     .topics = {.of = Topics::Of::patterns}},
    {.name = "PUNSUBSCRIBE",
     .arity = at_least(1),
     .flags = kListening,
     .run = punsubscribe,
     .summary = "Stop listening to patterns, or to all of them",
     .since = "2.0.0",
     .syntax = "[pattern [pattern ...]]",
     .complexity = "O(N) where N is the number of patterns"},
    {.name = "SSUBSCRIBE",
     .arity = at_least(2),
     .flags = kListening,
     .run = ssubscribe,
     .summary = "Listen to shard channels",
     .since = "7.0.0",
     .syntax = "shardchannel [shardchannel ...]",
     .complexity = "O(N) where N is the number of shard channels",
     .channels = all_words(),
     .topics = {.of = Topics::Of::channels}},
    {.name = "SUNSUBSCRIBE",
     .arity = at_least(1),
     .flags = kListening,
     .run = sunsubscribe,
     .summary = "Stop listening to shard channels, or to all of them",
     .since = "7.0.0",
     .syntax = "[shardchannel [shardchannel ...]]",
     .complexity = "O(N) where N is the number of shard channels",
     .channels = all_words()},
    {.name = "PUBLISH",
     .arity = exactly(3),
     .flags = pubsub | loading | stale | fast | may_replicate,
     .run = publish,
     .summary = "Send a message to who listens to a channel",
     .since = "2.0.0",
     .syntax = "channel message",
     .complexity = "O(N+M) where N is the number of listeners and M the number of patterns",
     .topics = {.of = Topics::Of::channels, .only_first = true}},
    {.name = "SPUBLISH",
     .arity = exactly(3),
     .flags = pubsub | loading | stale | fast | may_replicate,
     .run = spublish,
     .summary = "Send a message to who listens to a shard channel",
     .since = "7.0.0",
     .syntax = "shardchannel message",
     .complexity = "O(N) where N is the number of listeners",
     .channels = first_key(),
     .topics = {.of = Topics::Of::channels, .only_first = true}},
    {.name = "PUBSUB",
     .arity = at_least(2),
     .summary = "What is listened to",
     .since = "2.8.0",
     .subcommands = subcommands,
     .complexity = "Depends on the subcommand"},
};

}  // namespace

// In no category but by the flags of the rows: HELP is not in @pubsub.
const Family pubsub_commands{"pubsub", table, "none"};

}  // namespace larder::server
