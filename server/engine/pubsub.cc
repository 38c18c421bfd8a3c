#include "server/engine/pubsub.h"

#include <initializer_list>
#include <utility>

#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "storage/ensure.h"
#include "storage/glob.h"

namespace larder::server {
namespace {

// What a subscription takes beside its name: nodes of two maps, a place in a list.
constexpr std::size_t kSubscriptionBytes = 192;
// What a message in an inbox takes beside its words.
constexpr std::size_t kWaitingBytes = sizeof(SharedMessage) + sizeof(Message) + 16;

// A pattern hears no channel without a name, not even `*` does: so it is in Redis.
bool hears(std::string_view pattern, std::string_view channel) {
  return channel.empty() ? pattern.empty() : storage::glob_matches(pattern, channel);
}

SharedMessage written(Message::Kind kind, std::initializer_list<std::string_view> words) {
  auto message = std::make_shared<Message>(Message{.kind = kind, .bytes = {}, .ends = {}});
  std::size_t bytes = 0;
  for (const std::string_view word : words) bytes += word.size();
  message->bytes.reserve(bytes);
  message->ends.reserve(words.size());
  for (const std::string_view word : words) message->add(word);
  return message;
}

}  // namespace

Pubsub::Pubsub(std::uint64_t seed)
    : topics_{Topics(0, Hash{seed}), Topics(0, Hash{seed}), Topics(0, Hash{seed})} {}

Pubsub::~Pubsub() = default;

bool Pubsub::subscribe(Client& client, TopicKind kind, std::string_view name,
                       std::uint64_t most_bytes) {
  if (!client.subscriber) client.subscriber = std::make_unique<Subscriber>(client.inbox);
  Subscriber& subscriber = *client.subscriber;
  const storage::MutexLock lock(mutex_);
  auto found = topics(kind).find(name);
  if (found != topics(kind).end() && subscriber.places(kind).contains(&found->second)) return true;
  const std::size_t bytes = subscriber.name_bytes_ + name.size() + kSubscriptionBytes;
  if (bytes > most_bytes) return false;
  subscriber.name_bytes_ = bytes;
  if (found == topics(kind).end()) {
    found = topics(kind).emplace(std::string(name), Topic{}).first;
    found->second.name = found->first;
    if (kind != TopicKind::shard_channel) listened_.fetch_add(1, std::memory_order_release);
  }
  Topic& topic = found->second;
  if (!subscriber.listens()) clients_.fetch_add(1, std::memory_order_relaxed);
  subscriber.places(kind).emplace(&topic, topic.listeners.size());
  topic.listeners.push_back(&subscriber);
  return true;
}

// The last listener of the topic takes the place that becomes free.
void Pubsub::leave(Subscriber& subscriber, TopicKind kind, Topic& topic) {
  const auto place = subscriber.places(kind).find(&topic);
  ensure(place != subscriber.places(kind).end(), "who leaves a topic stands in its list");
  Subscriber* const last = topic.listeners.back();
  topic.listeners[place->second] = last;
  last->places(kind).find(&topic)->second = place->second;
  topic.listeners.pop_back();
  subscriber.places(kind).erase(&topic);
  if (!subscriber.listens()) clients_.fetch_sub(1, std::memory_order_relaxed);
  subscriber.name_bytes_ -= topic.name.size() + kSubscriptionBytes;
  if (!topic.listeners.empty()) return;
  topics(kind).erase(topics(kind).find(topic.name));
  if (kind != TopicKind::shard_channel) listened_.fetch_sub(1, std::memory_order_relaxed);
}

bool Pubsub::unsubscribe(Client& client, TopicKind kind, std::string_view name) {
  if (!client.subscriber) return false;
  Subscriber& subscriber = *client.subscriber;
  const storage::MutexLock lock(mutex_);
  const auto found = topics(kind).find(name);
  if (found == topics(kind).end() || !subscriber.places(kind).contains(&found->second)) {
    return false;
  }
  leave(subscriber, kind, found->second);
  return true;
}

std::vector<std::string> Pubsub::names_of(const Client& client, TopicKind kind) {
  std::vector<std::string> names;
  if (!client.subscriber) return names;
  const storage::MutexLock lock(mutex_);
  names.reserve(client.subscriber->count(kind));
  for (const auto& [topic, place] : client.subscriber->places(kind))
    names.emplace_back(topic->name);
  return names;
}

void Pubsub::forget(Client& client) {
  if (!client.subscriber) return;
  Subscriber& subscriber = *client.subscriber;
  {
    const storage::MutexLock lock(mutex_);
    for (const TopicKind kind :
         {TopicKind::channel, TopicKind::pattern, TopicKind::shard_channel}) {
      while (!subscriber.places(kind).empty()) {
        leave(subscriber, kind, *subscriber.places(kind).begin()->first);
      }
    }
    std::erase_if(client.inbox.messages_,
                  [](const SharedMessage& message) { return message->is_of_channel(); });
  }
  client.subscriber.reset();
}

Mail Pubsub::fetch(Client& client) {
  Mail mail;
  Inbox& inbox = client.inbox;
  if (!inbox.has_mail()) return mail;
  const storage::MutexLock lock(mutex_);
  mail.messages = std::exchange(inbox.messages_, {});
  mail.is_over_limit = inbox.is_over_limit_;
  inbox.bytes_ = 0;
  // Who was too slow once is closed: it stays so, and nobody posts it again.
  inbox.has_mail_.store(inbox.is_over_limit_, std::memory_order_release);
  return mail;
}

void Pubsub::send(Inbox& inbox, const SharedMessage& message) {
  const storage::MutexLock lock(mutex_);
  deliver(inbox, message);
}

void Pubsub::deliver(Inbox& inbox, const SharedMessage& message) {
  if (inbox.is_over_limit_) return;
  inbox.bytes_ += kWaitingBytes + message->bytes.size() + message->size() * sizeof(std::size_t);
  const std::uint64_t limit = inbox_limit_.load(std::memory_order_relaxed);
  if (limit != 0 && inbox.bytes_ > limit) {
    inbox.is_over_limit_ = true;
    inbox.messages_ = {};
  } else {
    inbox.messages_.push_back(message);
  }
  if (inbox.has_mail_.exchange(true, std::memory_order_release)) return;
  if (inbox.link_ != nullptr) inbox.link_->fetch_mail();
}

void Pubsub::deliver_to_all(const Topic& topic, const SharedMessage& message) {
  for (Subscriber* subscriber : topic.listeners) deliver(subscriber->inbox_, message);
}

std::size_t Pubsub::publish(std::string_view channel, std::string_view message) {
  if (is_idle()) return 0;
  const storage::MutexLock lock(mutex_);
  std::size_t receivers = 0;
  const auto found = topics(TopicKind::channel).find(channel);
  if (found != topics(TopicKind::channel).end()) {
    deliver_to_all(found->second, written(Message::Kind::channel, {channel, message}));
    receivers += found->second.listeners.size();
  }
  for (const auto& [pattern, topic] : topics(TopicKind::pattern)) {
    if (!hears(pattern, channel)) continue;
    deliver_to_all(topic, written(Message::Kind::pattern, {pattern, channel, message}));
    receivers += topic.listeners.size();
  }
  return receivers;
}

std::size_t Pubsub::publish_to_shard(std::string_view channel, std::string_view message) {
  const storage::MutexLock lock(mutex_);
  const auto found = topics(TopicKind::shard_channel).find(channel);
  if (found == topics(TopicKind::shard_channel).end()) return 0;
  deliver_to_all(found->second, written(Message::Kind::shard_channel, {channel, message}));
  return found->second.listeners.size();
}

std::vector<std::string> Pubsub::channels(TopicKind kind, std::string_view glob) {
  const storage::MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, topic] : topics(kind)) {
    if (storage::glob_matches(glob, name)) names.push_back(name);
  }
  return names;
}

std::size_t Pubsub::listeners(TopicKind kind, std::string_view name) {
  const storage::MutexLock lock(mutex_);
  const auto found = topics(kind).find(name);
  return found == topics(kind).end() ? 0 : found->second.listeners.size();
}

std::size_t Pubsub::count(TopicKind kind) {
  const storage::MutexLock lock(mutex_);
  return topics(kind).size();
}

bool is_listening(const Client& client) {
  return client.subscriber && client.subscriber->listens();
}

namespace {

constexpr std::string_view kInvalidations = "__redis__:invalidate";

constexpr std::string_view name_of(Message::Kind kind) {
  switch (kind) {
    case Message::Kind::channel: return "message";
    case Message::Kind::pattern: return "pmessage";
    case Message::Kind::shard_channel: return "smessage";
    case Message::Kind::invalidate:
    case Message::Kind::all_changed: return "invalidate";
    case Message::Kind::redir_broken: return "tracking-redir-broken";
  }
  return "";
}

void say_of_channel(protocol::Reply& reply, const SharedMessage& message) {
  const std::size_t last = message->size() - 1;
  reply.push(message->size() + 1);
  reply.bulk(name_of(message->kind));
  for (std::size_t i = 0; i < last; ++i) reply.bulk(message->word(i));
  const std::string_view payload = message->word(last);
  if (payload.size() < protocol::RespWriter::kCopiedPinBytes) return reply.bulk(payload);
  auto* holder = new SharedMessage(message);
  reply.pinned(protocol::Pin(payload, holder,
                             [](void* owner) { delete static_cast<SharedMessage*>(owner); }));
}

// In RESP3 a push. In RESP2 only who keeps it for another client and listens to channels can tell
// it from a reply: there it is a message of a channel of its own.
void say_invalidation(protocol::Reply& reply, const Client& client, const Message& message) {
  if (client.protocol > 2) {
    reply.push(2);
    reply.bulk(name_of(message.kind));
  } else if (message.is_redirected && is_listening(client)) {
    reply.push(3);
    reply.bulk(name_of(Message::Kind::channel));
    reply.bulk(kInvalidations);
  } else {
    return;
  }
  if (message.kind == Message::Kind::redir_broken) {
    return reply.integer(static_cast<std::int64_t>(message.id));
  }
  if (message.kind == Message::Kind::all_changed) return reply.null();
  reply.array(message.size());
  for (std::size_t i = 0; i < message.size(); ++i) reply.bulk(message.word(i));
}

}  // namespace

void say_mail(protocol::Reply& reply, const Client& client, const Mail& mail) {
  const Unmuted unmuted(reply);
  for (const SharedMessage& message : mail.messages) {
    if (message->is_of_channel()) {
      say_of_channel(reply, message);
    } else {
      say_invalidation(reply, client, *message);
    }
  }
}

}  // namespace larder::server
