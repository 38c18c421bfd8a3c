// Client-side caching (CLIENT TRACKING): who keeps copies of which keys, and who is told when such
// a key is not what it was.
//
//   a visit that reads for a tracking client --> remember(): key -> ids of clients
//   a change of a key, whatever made it      --> key_changed(): the ids are taken out, each is told
//   BCAST                                    --> keys by prefix, told together when a turn ends
//
// Nothing is lost between a read and its remembering: both are done in one visit, under the lock of
// the key's shard (storage::KeyReader), and so is a change and its telling. So of any two the later
// one sees the earlier one whole. The message waits in the inbox of the client (inbox.h) until its
// loop comes by, which is before its next command or behind the reply of the one that runs, and
// never between a read and its reply: whoever is told drops what it has, or is about to get. What a
// client has changed itself is told behind its own reply for the same reason.
//
// As in Redis a key is its name, whatever the database. An id is forgotten with the first change
// that is told, as the copy is then gone; ids of clients that have left stay behind as garbage
// until then, but a list that must grow is swept of them first: so no list has more than twice as
// many ids as there are tracking clients, and some. What nobody needs at all is dropped by upkeep.
// Beyond tracking-table-max-keys a key is dropped as if it had changed.
//
// Unlike Redis: SWAPDB tells everybody that all has changed (Redis says nothing, and leaves stale
// copies); a key whose time has come is told even with NOLOOP to who came by; what a client's
// script changes is its own doing with NOLOOP and BCAST, too; and what a read looks at without
// naming it (SORT_RO with BY or GET) is remembered.
//
// Must hold: a client's Tracker is in trackers_ exactly while the client has it. Who closes a
// connection forgets its client here before it goes, so an inbox is written to only while it lives.
// The store tells of changes while there is a tracker, and else not.
// Cost: nobody tracks: a test of a pointer for each change and for each visit. Somebody does: a
// change takes the lock of one of kStripes and probes; whoever is told, and BCAST, cost the
// service's mutex.
// Lock order: behind shards a stripe's mutex, then mutex_, then pub/sub's; the registry's comes
// before mutex_, and with no shard held. Thread: any; what concerns one client (enable, disable,
// Tracker::may_remember) is for its own loop.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/request.h"
#include "server/engine/inbox.h"
#include "storage/hash.h"
#include "storage/key_events.h"
#include "storage/mutex.h"

namespace larder::storage {
class Store;
}

namespace larder::server {

class Client;
class ClientRegistry;
struct Command;
class Pubsub;

// How a client wants to be told.
struct TrackingModes {
  bool bcast = false;          // of all keys with its prefixes, read or not
  bool optin = false;          // of what it reads behind CLIENT CACHING YES only
  bool optout = false;         // of all but what it reads behind CLIENT CACHING NO
  bool noloop = false;         // not of its own changes
  std::uint64_t redirect = 0;  // the client that is told instead; 0: itself
};

// A tracking client. Modes and prefixes are written by its own loop, under the service's mutex; its
// loop, and who is alone, read them without.
class Tracker {
 public:
  Tracker(std::uint64_t id, Inbox& inbox) : id_(id), inbox_(inbox) {}

  const TrackingModes& modes() const { return modes_; }
  const std::set<std::string, std::less<>>& prefixes() const { return prefixes_; }
  // Its redirection was found gone.
  bool is_broken() const { return is_broken_.load(std::memory_order_relaxed); }
  // The keys of the command that runs are for the table.
  bool may_remember() const {
    return !modes_.bcast && !(modes_.optin && !caching) && !(modes_.optout && caching);
  }

  // CLIENT CACHING was said: it holds for the next command, or transaction. Its loop's own.
  bool caching = false;

 private:
  friend class Tracking;
  const std::uint64_t id_;
  Inbox& inbox_;
  TrackingModes modes_;
  std::set<std::string, std::less<>> prefixes_;
  std::size_t prefix_bytes_ = 0;
  std::atomic<bool> is_broken_{false};  // relaxed: told, nothing hangs on it
};

class Tracking final : public storage::ChangeListener {
 public:
  Tracking(storage::Store& store, ClientRegistry& clients, Pubsub& pubsub, std::uint64_t seed);
  ~Tracking() override;

  // Somebody tracks. Any thread.
  bool is_on() const { return clients_tracking_.load(std::memory_order_relaxed) != 0; }

  // Of a client, by its own loop: from now on, or otherwise than before. Prefixes add to those it
  // has. What is to be refused was refused before, but for this.
  enum class Enabled : std::uint8_t { yes, no_such_target, too_many_prefixes };
  [[nodiscard]] Enabled enable(Client& client, const TrackingModes& modes,
                               std::span<const std::string_view> prefixes,
                               std::uint64_t most_prefix_bytes);
  void disable(Client& client);
  // The client goes: nobody is told through it any more.
  void forget(Client& client);

  // How many keys may be remembered; 0: any number. Any thread.
  void limit_keys(std::uint64_t keys) { most_keys_.store(keys, std::memory_order_relaxed); }
  // The client has read the key. Its shard is held.
  void remember(std::uint64_t id, std::string_view key);
  void key_changed(std::string_view key, std::uint64_t actor) override;
  void all_changed() override;

  // A turn of a loop has ended: those who track prefixes are told what has changed in it.
  void end_turn() {
    if (has_changes_.load(std::memory_order_relaxed)) [[unlikely]]
      broadcast();
  }
  // Drops some of what is over the limit, or what nobody needs. For upkeep.
  void tidy();

  std::size_t clients() const { return clients_tracking_.load(std::memory_order_relaxed); }
  std::size_t keys() const { return keys_.load(std::memory_order_relaxed); }
  // Pairs of a key and a client.
  std::size_t items() const { return items_.load(std::memory_order_relaxed); }
  std::size_t prefixes();

 private:
  static constexpr std::size_t kStripes = 32;

  struct Hash {
    using is_transparent = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view key) const { return storage::hash_bytes(key, seed); }
  };
  using Ids = std::vector<std::uint64_t>;  // rising
  using Keys = std::unordered_map<std::string, Ids, Hash, std::equal_to<>>;
  struct alignas(64) Stripe {
    explicit Stripe(std::uint64_t seed) : keys(0, Hash{seed}) {}
    storage::Mutex mutex;
    Keys keys GUARDED_BY(mutex);
  };
  // Who tracks a prefix, and the keys of this turn: each with who was the last to change it.
  struct Club {
    std::map<std::uint64_t, Tracker*> members;
    std::map<std::string, std::uint64_t, std::less<>> changed;
  };
  // A message, as who keeps for itself and who keeps for others hears it.
  class Letter;

  Stripe& stripe_of(std::string_view key);
  Ids take(std::string_view key);
  void sweep(Ids& ids);
  // A key of the stripe, and who has it; nothing if it has none but `spared`.
  struct Dropped {
    std::string key;
    Ids ids;
  };
  std::optional<Dropped> drop_one(Stripe& stripe, std::string_view spared);
  void drop_surplus(std::string_view spared, std::size_t most);
  void tell(const Ids& ids, std::string_view key, std::uint64_t actor);
  void send(Tracker& tracker, Letter& letter) REQUIRES(mutex_);
  void note_for_prefixes(std::string_view key, std::uint64_t actor);
  void broadcast();
  void broadcast_all() REQUIRES(mutex_);
  void broadcast(Club& club) REQUIRES(mutex_);
  void leave_prefixes(Tracker& tracker) REQUIRES(mutex_);
  void listen_if_needed() REQUIRES(mutex_);

  storage::Store& store_;
  ClientRegistry& registry_;
  Pubsub& pubsub_;
  const std::uint64_t seed_;
  std::array<std::unique_ptr<Stripe>, kStripes> stripes_;
  std::atomic<std::uint64_t> most_keys_{0};
  // Relaxed: sums. A key that is over the limit for a moment does no harm.
  std::atomic<std::size_t> keys_{0};
  std::atomic<std::size_t> items_{0};
  std::atomic<std::size_t> next_drop_{0};

  storage::Mutex mutex_;
  std::unordered_map<std::uint64_t, Tracker*> trackers_ GUARDED_BY(mutex_);
  // Of all who are told: trackers, and whom they redirect to.
  std::unordered_map<std::uint64_t, Inbox*> inboxes_ GUARDED_BY(mutex_);
  std::map<std::string, Club, std::less<>> clubs_ GUARDED_BY(mutex_);  // by prefix
  std::size_t changed_bytes_ GUARDED_BY(mutex_) = 0;                   // of all clubs
  // Copies of what the mutex guards, for who need not take it. Relaxed: whoever reads a key takes
  // its shard's lock between this and a change that must be told; whoever was answered that it
  // tracks a prefix tells others by ways of their own.
  std::atomic<std::size_t> clients_tracking_{0};
  std::atomic<bool> has_inboxes_{false};
  std::atomic<bool> has_clubs_{false};
  std::atomic<bool> has_changes_{false};
};

// For whom a command visits keys, while somebody tracks: its changes are the client's, and what it
// reads is remembered if the client wants that. Lives as long as the Keyspace it is given to.
class TrackedVisits final : public storage::KeyReader {
 public:
  TrackedVisits(Tracking& tracking, const Client& client, const Command& command);
  const storage::Visiting* visiting() const { return &visiting_; }
  void has_read(std::string_view key) override;
  // The command has run. Keys that it names and did not come to, since it was refused or knew
  // enough, are remembered all the same, as Redis does.
  void finish(protocol::Words words);

 private:
  Tracking& tracking_;
  const Command& command_;
  storage::Visiting visiting_;
  std::size_t visits_ = 0;
};

}  // namespace larder::server
