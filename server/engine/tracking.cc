#include "server/engine/tracking.h"

#include <algorithm>
#include <utility>

#include "server/engine/client.h"
#include "server/engine/client_registry.h"
#include "server/engine/command.h"
#include "server/engine/pubsub.h"
#include "storage/store.h"

namespace larder::server {
namespace {

// Keys that one read drops at the most where there are too many (the limit was lowered), and one
// step of upkeep: some tens of microseconds.
constexpr std::size_t kDropsPerRead = 8;
constexpr std::size_t kDropsPerTick = 256;
// A list that short is not worth sweeping.
constexpr std::size_t kFewIds = 4;
// Names of changed keys that are kept for the end of a turn; beyond it they are told at once.
constexpr std::size_t kMostChangedBytes = std::size_t{1} << 20;
// What one of them takes beside its name.
constexpr std::size_t kChangedKeyBytes = 96;
// And a prefix: nodes of two maps and a set.
constexpr std::size_t kPrefixBytes = 256;

}  // namespace

class Tracking::Letter {
 public:
  explicit Letter(Message message) : message_(std::move(message)) {}
  static Letter of_key(std::string_view key) {
    Letter letter(Message{.kind = Message::Kind::invalidate, .bytes = {}, .ends = {}});
    letter.message_.add(key);
    return letter;
  }

  const SharedMessage& direct() { return made(direct_, false); }
  const SharedMessage& redirected() { return made(redirected_, true); }

 private:
  const SharedMessage& made(SharedMessage& place, bool is_redirected) {
    if (!place) {
      auto message = std::make_shared<Message>(message_);
      message->is_redirected = is_redirected;
      place = std::move(message);
    }
    return place;
  }

  Message message_;
  SharedMessage direct_;
  SharedMessage redirected_;
};

Tracking::Tracking(storage::Store& store, ClientRegistry& clients, Pubsub& pubsub,
                   std::uint64_t seed)
    : store_(store), registry_(clients), pubsub_(pubsub), seed_(seed) {
  for (auto& stripe : stripes_) stripe = std::make_unique<Stripe>(seed);
}

Tracking::~Tracking() = default;

Tracking::Enabled Tracking::enable(Client& client, const TrackingModes& modes,
                                   std::span<const std::string_view> prefixes,
                                   std::uint64_t most_prefix_bytes) {
  // Under the registry's lock, so that the target is still there when its inbox is noted: it leaves
  // the registry first, and is forgotten here then.
  bool has_target = modes.redirect == 0;
  registry_.each([&](Client& other) {
    if (other.id != modes.redirect && &other != &client) return;
    const storage::MutexLock lock(mutex_);
    has_inboxes_.store(true, std::memory_order_relaxed);
    inboxes_.emplace(other.id, &other.inbox);
    if (other.id == modes.redirect) has_target = true;
  });
  if (!has_target) return Enabled::no_such_target;

  const bool is_new = !client.tracker;
  if (is_new) client.tracker = std::make_unique<Tracker>(client.id, client.inbox);
  Tracker& tracker = *client.tracker;
  std::size_t bytes = tracker.prefix_bytes_;
  for (const std::string_view prefix : prefixes) bytes += prefix.size() + kPrefixBytes;
  const storage::MutexLock lock(mutex_);
  if (bytes > most_prefix_bytes) {
    if (is_new) client.tracker.reset();
    return Enabled::too_many_prefixes;
  }
  tracker.modes_ = modes;
  tracker.is_broken_.store(false, std::memory_order_relaxed);
  trackers_.emplace(client.id, &tracker);
  for (const std::string_view prefix : prefixes) {
    if (!tracker.prefixes_.emplace(prefix).second) continue;
    tracker.prefix_bytes_ += prefix.size() + kPrefixBytes;
    clubs_[std::string(prefix)].members.emplace(client.id, &tracker);
  }
  listen_if_needed();
  return Enabled::yes;
}

void Tracking::leave_prefixes(Tracker& tracker) {
  for (const std::string& prefix : tracker.prefixes_) {
    const auto club = clubs_.find(prefix);
    club->second.members.erase(tracker.id_);
    if (club->second.members.empty()) clubs_.erase(club);
  }
  tracker.prefixes_.clear();
}

void Tracking::disable(Client& client) {
  if (!client.tracker) return;
  {
    const storage::MutexLock lock(mutex_);
    leave_prefixes(*client.tracker);
    trackers_.erase(client.id);
    listen_if_needed();
  }
  client.tracker.reset();
}

void Tracking::forget(Client& client) {
  disable(client);
  // Whoever notes an inbox does so before its client leaves the registry.
  if (!has_inboxes_.load(std::memory_order_relaxed)) return;
  const storage::MutexLock lock(mutex_);
  inboxes_.erase(client.id);
  has_inboxes_.store(!inboxes_.empty(), std::memory_order_relaxed);
}

void Tracking::listen_if_needed() {
  clients_tracking_.store(trackers_.size(), std::memory_order_relaxed);
  has_clubs_.store(!clubs_.empty(), std::memory_order_relaxed);
  store_.listen_to_changes(trackers_.empty() ? nullptr : this);
}

Tracking::Stripe& Tracking::stripe_of(std::string_view key) {
  return *stripes_[storage::hash_bytes(key, seed_) >> 32 & (kStripes - 1)];
}

// Clients that have left, or turned their tracking off.
void Tracking::sweep(Ids& ids) {
  const storage::MutexLock lock(mutex_);
  const std::size_t before = ids.size();
  std::erase_if(ids, [&](std::uint64_t id) REQUIRES(mutex_) { return !trackers_.contains(id); });
  items_.fetch_sub(before - ids.size(), std::memory_order_relaxed);
}

void Tracking::remember(std::uint64_t id, std::string_view key) {
  Stripe& stripe = stripe_of(key);
  {
    const storage::MutexLock lock(stripe.mutex);
    auto found = stripe.keys.find(key);
    if (found == stripe.keys.end()) {
      found = stripe.keys.emplace(std::string(key), Ids{}).first;
      keys_.fetch_add(1, std::memory_order_relaxed);
    }
    Ids& ids = found->second;
    if (std::binary_search(ids.begin(), ids.end(), id)) return;
    if (ids.size() >= kFewIds && ids.size() == ids.capacity()) sweep(ids);
    ids.insert(std::lower_bound(ids.begin(), ids.end(), id), id);
    items_.fetch_add(1, std::memory_order_relaxed);
  }
  drop_surplus(key, kDropsPerRead);
}

Tracking::Ids Tracking::take(std::string_view key) {
  Stripe& stripe = stripe_of(key);
  const storage::MutexLock lock(stripe.mutex);
  const auto found = stripe.keys.find(key);
  if (found == stripe.keys.end()) return {};
  Ids ids = std::move(found->second);
  stripe.keys.erase(found);
  keys_.fetch_sub(1, std::memory_order_relaxed);
  items_.fetch_sub(ids.size(), std::memory_order_relaxed);
  return ids;
}

// Which one is chance: where its hash has put it.
std::optional<Tracking::Dropped> Tracking::drop_one(Stripe& stripe, std::string_view spared) {
  const storage::MutexLock lock(stripe.mutex);
  auto victim = stripe.keys.begin();
  if (victim != stripe.keys.end() && victim->first == spared) ++victim;
  if (victim == stripe.keys.end()) return std::nullopt;
  auto node = stripe.keys.extract(victim);
  keys_.fetch_sub(1, std::memory_order_relaxed);
  items_.fetch_sub(node.mapped().size(), std::memory_order_relaxed);
  return Dropped{std::move(node.key()), std::move(node.mapped())};
}

void Tracking::drop_surplus(std::string_view spared, std::size_t most) {
  const std::uint64_t limit = most_keys_.load(std::memory_order_relaxed);
  if (limit == 0) return;
  std::size_t fruitless = 0;
  while (keys() > limit && most != 0 && fruitless < kStripes) {
    Stripe& stripe = *stripes_[next_drop_.fetch_add(1, std::memory_order_relaxed) & (kStripes - 1)];
    const std::optional<Dropped> dropped = drop_one(stripe, spared);
    fruitless = dropped ? 0 : fruitless + 1;
    if (!dropped) continue;
    tell(dropped->ids, dropped->key, storage::kNobody);
    --most;
  }
}

void Tracking::tell(const Ids& ids, std::string_view key, std::uint64_t actor) {
  Letter letter = Letter::of_key(key);
  const storage::MutexLock lock(mutex_);
  for (const std::uint64_t id : ids) {
    const auto found = trackers_.find(id);
    if (found == trackers_.end()) continue;
    Tracker& tracker = *found->second;
    if (tracker.modes_.bcast || (tracker.modes_.noloop && id == actor)) continue;
    send(tracker, letter);
  }
}

void Tracking::send(Tracker& tracker, Letter& letter) {
  const std::uint64_t target = tracker.modes_.redirect;
  if (target == 0) return pubsub_.send(tracker.inbox_, letter.direct());
  const auto found = inboxes_.find(target);
  if (found != inboxes_.end()) return pubsub_.send(*found->second, letter.redirected());
  tracker.is_broken_.store(true, std::memory_order_relaxed);
  pubsub_.send(tracker.inbox_,
               std::make_shared<const Message>(Message{
                   .kind = Message::Kind::redir_broken, .bytes = {}, .ends = {}, .id = target}));
}

void Tracking::key_changed(std::string_view key, std::uint64_t actor) {
  const Ids ids = take(key);
  if (!ids.empty()) tell(ids, key, actor);
  if (has_clubs_.load(std::memory_order_relaxed)) note_for_prefixes(key, actor);
}

void Tracking::note_for_prefixes(std::string_view key, std::uint64_t actor) {
  const storage::MutexLock lock(mutex_);
  for (auto& [prefix, club] : clubs_) {
    if (!key.starts_with(prefix)) continue;
    const auto [place, is_new] = club.changed.insert_or_assign(std::string(key), actor);
    if (is_new) changed_bytes_ += key.size() + kChangedKeyBytes;
    has_changes_.store(true, std::memory_order_relaxed);
  }
  if (changed_bytes_ > kMostChangedBytes) broadcast_all();
}

void Tracking::broadcast() {
  const storage::MutexLock lock(mutex_);
  broadcast_all();
}

void Tracking::broadcast_all() {
  has_changes_.store(false, std::memory_order_relaxed);
  changed_bytes_ = 0;
  for (auto& [prefix, club] : clubs_) {
    if (!club.changed.empty()) broadcast(club);
  }
}

void Tracking::broadcast(Club& club) {
  Message all{.kind = Message::Kind::invalidate, .bytes = {}, .ends = {}};
  for (const auto& [key, actor] : club.changed) all.add(key);
  Letter letter(std::move(all));
  for (const auto& [id, tracker] : club.members) {
    const std::uint64_t own = id;
    const bool spares = tracker->modes_.noloop &&
                        std::any_of(club.changed.begin(), club.changed.end(),
                                    [&](const auto& changed) { return changed.second == own; });
    if (!spares) {
      send(*tracker, letter);
      continue;
    }
    Message others{.kind = Message::Kind::invalidate, .bytes = {}, .ends = {}};
    for (const auto& [key, actor] : club.changed) {
      if (actor != own) others.add(key);
    }
    if (others.size() == 0) continue;
    Letter of_others(std::move(others));
    send(*tracker, of_others);
  }
  club.changed.clear();
}

void Tracking::all_changed() {
  for (auto& stripe : stripes_) {
    const storage::MutexLock lock(stripe->mutex);
    keys_.fetch_sub(stripe->keys.size(), std::memory_order_relaxed);
    for (const auto& [key, ids] : stripe->keys) {
      items_.fetch_sub(ids.size(), std::memory_order_relaxed);
    }
    stripe->keys.clear();
  }
  Letter letter(Message{.kind = Message::Kind::all_changed, .bytes = {}, .ends = {}});
  const storage::MutexLock lock(mutex_);
  for (const auto& [id, tracker] : trackers_) send(*tracker, letter);
}

void Tracking::tidy() {
  if (keys() == 0) return;
  drop_surplus({}, kDropsPerTick);
  if (is_on()) return;
  for (std::size_t i = 0; i < kDropsPerTick; ++i) {
    drop_one(*stripes_[next_drop_.fetch_add(1, std::memory_order_relaxed) & (kStripes - 1)], {});
  }
}

std::size_t Tracking::prefixes() {
  const storage::MutexLock lock(mutex_);
  return clubs_.size();
}

TrackedVisits::TrackedVisits(Tracking& tracking, const Client& client, const Command& command)
    : tracking_(tracking), command_(command), visiting_{.actor = client.id} {
  // What scripts read (keys_optional) the commands in them do.
  const bool reads = command.flags & Flag::reads && !(command.flags & Flag::keys_optional);
  if (!reads || command.keys.none()) return;
  if (client.tracker && client.tracker->may_remember()) visiting_.reader = this;
}

void TrackedVisits::has_read(std::string_view key) {
  ++visits_;
  tracking_.remember(visiting_.actor, key);
}

void TrackedVisits::finish(protocol::Words words) {
  if (visiting_.reader == nullptr) return;
  const std::vector<std::size_t> positions = key_positions(command_, words);
  if (visits_ == positions.size()) return;
  for (const std::size_t i : positions) {
    tracking_.remember(visiting_.actor, words[i]);
  }
}

}  // namespace larder::server
