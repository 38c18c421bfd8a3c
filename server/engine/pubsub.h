// Pub/sub: who listens to which channels and patterns, and the messages on their way to them.
//
//   publish() --> topics (name -> listeners) --> the inbox of each --> its loop --> its output
//                      one mutex over all of this            |
//                                     the first message of an inbox posts its link
//
// A client and its output belong to its loop, so a publisher on any thread leaves the message in
// the client's inbox, and the first one there asks the client's loop to fetch them all: a post a
// turn, not a post a message. The loop fetches them too before each command of the client, and
// unsubscribing takes them along. So there is one order of all messages, the order of the mutex:
// every listener sees it, whatever a publisher was answered comes before what it causes, and none
// comes behind the confirmation that one has stopped listening. What a client tells itself comes
// behind the reply of the command that said it.
//
// Invalidations (tracking.h) are left in the same inboxes.
//
// Slow listeners: an inbox that passes the limit (client-output-buffer-limit pubsub, hard) is
// emptied for good, and its session closes the connection when it finds that. What it has fetched
// and not sent is bounded by the session, by the same limit.
//
// Must hold: a listener stands in its topics' lists at the places it has noted; a topic without
// listeners is gone. Whoever closes a connection forgets its client here first, so a link is posted
// only while it lives.
// Cost: publishing with no listener at all is one load. Otherwise the mutex, a probe of the
// channel, and a glob match for each pattern.
// Lock order: mutex_ is a service's: behind shards, so that events are told from inside a visit;
// nothing is locked below it. Thread: any, but what concerns one client (subscribe, unsubscribe,
// forget, fetch, Subscriber's counts) is for its own loop, or for who is alone.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/reply.h"
#include "server/engine/inbox.h"
#include "storage/hash.h"
#include "storage/mutex.h"

namespace larder::server {

class Client;
class Subscriber;

// What one may listen to; three lists that know nothing of each other.
enum class TopicKind : std::uint8_t { channel, pattern, shard_channel };
inline constexpr std::size_t kTopicKinds = 3;

struct Topic {
  std::string_view name;  // the key of its map
  std::vector<Subscriber*> listeners;
};

// What the service keeps of one client; made at its first subscription.
class Subscriber {
 public:
  explicit Subscriber(Inbox& inbox) : inbox_(inbox) {}
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  std::size_t count(TopicKind kind) const { return places(kind).size(); }
  // Channels and patterns, as confirmations count them.
  std::size_t count() const { return count(TopicKind::channel) + count(TopicKind::pattern); }
  // It is in pub/sub mode: in RESP2 it may say little else.
  bool listens() const { return count() + count(TopicKind::shard_channel) != 0; }

 private:
  friend class Pubsub;
  // Where it stands in each topic's list. Which topics: for its own loop. Where: guarded by the
  // service.
  using Places = std::unordered_map<Topic*, std::size_t>;
  Places& places(TopicKind kind) { return places_[static_cast<std::size_t>(kind)]; }
  const Places& places(TopicKind kind) const { return places_[static_cast<std::size_t>(kind)]; }

  Inbox& inbox_;
  std::array<Places, kTopicKinds> places_;
  std::size_t name_bytes_ = 0;  // of all it listens to
};

class Pubsub {
 public:
  explicit Pubsub(std::uint64_t seed);
  Pubsub(const Pubsub&) = delete;
  Pubsub& operator=(const Pubsub&) = delete;
  ~Pubsub();

  // Nobody listens to anything but shard channels.
  bool is_idle() const { return listened_.load(std::memory_order_acquire) == 0; }

  // The bytes of messages that may wait in an inbox; 0: any number. Any thread.
  void limit_inbox(std::uint64_t bytes) { inbox_limit_.store(bytes, std::memory_order_relaxed); }

  // Of a client, by its own loop. False: its names would take more than `most_bytes` together.
  [[nodiscard]] bool subscribe(Client& client, TopicKind kind, std::string_view name,
                               std::uint64_t most_bytes);
  // False when it did not listen to that.
  bool unsubscribe(Client& client, TopicKind kind, std::string_view name);
  // What it listens to.
  std::vector<std::string> names_of(const Client& client, TopicKind kind);
  // It listens to nothing any more, and what its inbox has of channels is lost.
  void forget(Client& client);

  Mail fetch(Client& client);
  // Leaves a message in an inbox, whose client is not gone (the caller sees to that). Any thread.
  void send(Inbox& inbox, const SharedMessage& message);

  // Answers how many will get it; who listens to several patterns that match gets it several times.
  std::size_t publish(std::string_view channel, std::string_view message);
  std::size_t publish_to_shard(std::string_view channel, std::string_view message);

  // Channels somebody listens to, or those that a glob matches.
  std::vector<std::string> channels(TopicKind kind, std::string_view glob);
  std::size_t listeners(TopicKind kind, std::string_view name);
  std::size_t count(TopicKind kind);
  // Clients that listen to anything. Any thread.
  std::size_t clients() const { return clients_.load(std::memory_order_relaxed); }

 private:
  struct Hash {
    using is_transparent = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view name) const { return storage::hash_bytes(name, seed); }
  };
  using Topics = std::unordered_map<std::string, Topic, Hash, std::equal_to<>>;

  Topics& topics(TopicKind kind) REQUIRES(mutex_) {
    return topics_[static_cast<std::size_t>(kind)];
  }
  void leave(Subscriber& subscriber, TopicKind kind, Topic& topic) REQUIRES(mutex_);
  void deliver(Inbox& inbox, const SharedMessage& message) REQUIRES(mutex_);
  void deliver_to_all(const Topic& topic, const SharedMessage& message) REQUIRES(mutex_);

  storage::Mutex mutex_;
  std::array<Topics, kTopicKinds> topics_ GUARDED_BY(mutex_);
  // Channels and patterns. Release where somebody begins to listen: who was told so by its reply
  // and then publishes finds the topic.
  std::atomic<std::size_t> listened_{0};
  std::atomic<std::uint64_t> inbox_limit_{0};
  std::atomic<std::size_t> clients_{0};
};

// Whether the client listens to anything: Redis's pub/sub mode.
bool is_listening(const Client& client);

// What belongs to no request (messages, confirmations of SUBSCRIBE) is said even where CLIENT REPLY
// forbids replies.
class Unmuted {
 public:
  explicit Unmuted(protocol::Reply& reply) : reply_(reply), was_muted_(reply.muted()) {
    reply_.mute(false);
  }
  ~Unmuted() { reply_.mute(was_muted_); }
  Unmuted(const Unmuted&) = delete;
  Unmuted& operator=(const Unmuted&) = delete;

 private:
  protocol::Reply& reply_;
  bool was_muted_;
};

// Says the messages, as far as the client can hear them; large payloads are sent from where they
// lie.
void say_mail(protocol::Reply& reply, const Client& client, const Mail& mail);

}  // namespace larder::server
