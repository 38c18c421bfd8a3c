#include "server/engine/client_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/engine/pubsub.h"
#include "server/engine/tracking.h"
#include "server/engine/transaction.h"

namespace larder::server {
namespace {

constexpr std::int64_t kSecondMs = 1000;

// One letter a property, in Redis's order; N when there is nothing to say.
std::string flags_of(const Client& client) {
  const Transaction* transaction = client.transaction.get();
  std::string flags;
  if (client.monitors) flags += 'O';
  if (is_listening(client)) flags += 'P';
  if (transaction != nullptr && transaction->is_open()) flags += 'x';
  if (client.is_paused || client.is_blocked) flags += 'b';
  const Tracker* tracker = client.tracker.get();
  if (tracker != nullptr) flags += 't';
  if (tracker != nullptr && tracker->is_broken()) flags += 'R';
  if (tracker != nullptr && tracker->modes().bcast) flags += 'B';
  if (transaction != nullptr && transaction->is_raised()) flags += 'd';
  if (client.close_after_reply) flags += 'c';
  if (client.is_unix) flags += 'U';
  if (client.no_evict) flags += 'e';
  if (client.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

std::size_t subscriptions(const Client& client, TopicKind kind) {
  return client.subscriber ? client.subscriber->count(kind) : 0;
}

std::string last_command_of(const Client& client, const Registry& registry) {
  return client.last_command == nullptr ? "NULL" : registry.full_name(*client.last_command);
}

}  // namespace

bool is_client_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

// The fields that speak of buffers Redis keeps apart (a fixed and a growing reply buffer, the words
// of a command, the queue of MULTI) say 0 where we keep no such buffer.
std::string client_line(const Client& client, const Registry& registry, std::int64_t now_ms) {
  const Transaction* transaction = client.transaction.get();
  const bool queues = transaction != nullptr && transaction->is_open();
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} "
      "multi={} watch={} qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll=0 "
      "omem={} tot-mem={} events={} cmd={} user={} redir={} resp={} lib-name={} lib-ver={}",
      client.id, client.address, client.local_address, client.socket, client.name,
      std::max<std::int64_t>(0, now_ms - client.created_ms) / kSecondMs,
      std::max<std::int64_t>(0, now_ms - client.active_ms) / kSecondMs, flags_of(client), client.db,
      subscriptions(client, TopicKind::channel), subscriptions(client, TopicKind::pattern),
      subscriptions(client, TopicKind::shard_channel),
      queues ? static_cast<std::int64_t>(transaction->queued().size()) : -1,
      transaction == nullptr ? 0 : transaction->watched().size(), client.input_bytes,
      client.input_free_bytes, transaction == nullptr ? 0 : transaction->queued_bytes(),
      client.output_bytes, client.output_bytes, client.memory_bytes,
      client.output_bytes == 0 ? "r" : "rw", last_command_of(client, registry), client.user,
      client.tracker ? static_cast<std::int64_t>(client.tracker->modes().redirect) : -1,
      client.protocol, client.library_name, client.library_version);
}

}  // namespace larder::server
