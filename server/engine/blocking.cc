#include "server/engine/blocking.h"

#include <algorithm>
#include <span>
#include <utility>

#include "protocol/errors.h"
#include "server/engine/lane.h"
#include "server/engine/tracking.h"
#include "storage/entry.h"
#include "storage/store.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Keyspace;
using storage::Store;

// Null when there is no such key. Its shard is held.
const storage::Entry* find(Keyspace& held, const Key& key) {
  return held.store().cell_of(key).shard.find(held.db(), key, held.now_ms());
}

std::vector<Key> keys_of(const Call& call, const WaitFor& wait) {
  std::vector<Key> keys;
  keys.reserve(wait.keys + 1);
  for (std::size_t i = 0; i < wait.keys; ++i) keys.push_back(call.key(wait.first_key + i));
  if (wait.destination != 0) keys.push_back(call.key(wait.destination));
  return keys;
}

// True: the reply was said. A key that others wait for and that has something is theirs: the caller
// goes to the end of its queue, and its lane sees to that queue.
bool take_at_once(Call& call, const WaitFor& wait, std::span<const Key> keys) {
  const bool may_wait = !call.in_exec && !call.in_script;
  for (std::size_t i = 0; i < wait.keys; ++i) {
    const storage::Entry* entry = find(call.keys, keys[i]);
    if (entry == nullptr) continue;
    if (entry->type() != wait.type) {
      call.reply.error(errors::wrong_type);
      return true;
    }
    storage::Shard& shard = call.services.store.cell_of(keys[i]).shard;
    if (may_wait && shard.waits.find(call.keys.db(), keys[i].bytes) != nullptr) {
      call.lane.ready.add(call.keys.db(), keys[i].bytes);
      return false;
    }
    if (wait.take(call, wait.first_key + i)) return true;
  }
  return false;
}

bool holds_all(Store& store, const storage::HeldShards& shards,
               std::span<const std::string_view> keys) {
  return std::all_of(keys.begin(), keys.end(), [&](std::string_view key) {
    return shards.has(store.shard_of(store.key(key)));
  });
}

// Whoever can be served of those who wait for a key whose shard is held. The answer: one who needs
// another shard as well, before the others may go on; or nobody.
const Sleeper* serve_queue(Lane& lane, Keyspace& held, const storage::HeldShards& shards,
                           const Key& key) {
  Store& store = held.store();
  storage::WaitTable& waits = store.cell_of(key).shard.waits;
  storage::WaitQueue* const queue = waits.find(held.db(), key.bytes);
  storage::WaitPlace* next = queue == nullptr ? nullptr : queue->first();
  while (next != nullptr) {
    storage::WaitPlace& place = *std::exchange(next, next->after);
    auto& sleeper = static_cast<Sleeper&>(*place.waiter);
    const storage::Entry* entry = find(held, key);
    if (entry == nullptr && !queue->has_minders()) return nullptr;
    const bool is_for_it = entry != nullptr && entry->type() == sleeper.type();
    if (!is_for_it && !sleeper.minds_absence()) continue;
    if (!holds_all(store, shards, sleeper.others())) return &sleeper;
    if (sleeper.try_to_serve(lane, held, key.bytes)) waits.remove(place);
  }
  return nullptr;
}

void serve_key(Store& store, Lane& lane, const storage::ReadyKeys::Name& name) {
  Keyspace keys(store, name.db, lane.now_ms);
  keys.tell(lane.ready);
  const Key key = store.key(name.key);
  std::vector<std::string> others;
  for (;;) {
    std::vector<Key> all{key};
    for (const std::string& other : others) all.push_back(store.key(other));
    Keyspace::Several held(keys, all);
    const Sleeper* incomplete = serve_queue(lane, *held, held.shards(), key);
    if (incomplete == nullptr) return;
    // Copies: once the shards are let go, so may the sleeper be.
    for (const std::string_view other : incomplete->others()) others.emplace_back(other);
  }
}

}  // namespace

Call with_keys(const Call& call, Keyspace& held) {
  return {.services = call.services,
          .lane = call.lane,
          .client = call.client,
          .command = call.command,
          .words = call.words,
          .keys = held,
          .reply = call.reply,
          .now_ms = call.now_ms,
          .in_script = call.in_script,
          .in_exec = call.in_exec,
          .first_hash = call.first_hash};
}

void take_or_wait(Call& call, const WaitFor& wait) {
  const std::vector<Key> keys = keys_of(call, wait);
  Keyspace::Several held(call.keys, keys);
  Call inside = with_keys(call, *held);
  if (take_at_once(inside, wait, keys)) return;
  if (call.in_exec || call.in_script) {
    return (wait.nothing == nullptr ? wait.give_up : wait.nothing)(call.reply);
  }
  wait_without_looking(call, inside, wait);
}

void wait_without_looking(Call& call, Call& inside, const WaitFor& wait) {
  auto sleeper = std::make_unique<Sleeper>(inside, wait);
  for (std::size_t i = 0; i < wait.keys; ++i) {
    call.services.store.wait(call.keys.db(), call.keys.key(inside.word(wait.first_key + i)),
                             *sleeper);
  }
  call.continue_with(std::move(sleeper));
}

void wait_for_time(Call& call, std::int64_t timeout_ms, void (*give_up)(Reply& reply)) {
  if (call.in_exec || call.in_script) return give_up(call.reply);
  const WaitFor wait{.keys = 0, .timeout_ms = timeout_ms, .give_up = give_up};
  call.continue_with(std::make_unique<Sleeper>(call, wait));
}

void serve_ready(Services& services, Lane& lane) {
  while (!lane.ready.empty()) serve_key(services.store, lane, lane.ready.take());
}

void wake_overdue(Lane& lane) {
  while (!lane.alarms.empty() && lane.alarms.begin()->first <= lane.now_ms) {
    Sleeper& sleeper = *lane.alarms.begin()->second;
    lane.alarms.erase(lane.alarms.begin());
    sleeper.alarm_ms_ = INT64_MAX;
    sleeper.wake(Sleeper::Why::timeout);
  }
}

std::int64_t next_alarm_ms(const Lane& lane) {
  return lane.alarms.empty() ? INT64_MAX : lane.alarms.begin()->first;
}

Sleeper::Sleeper(Call& call, const WaitFor& wait)
    : Waiter(wait.minds_absence),
      services_(call.services),
      lane_(call.lane),
      client_(call.client),
      wait_(wait) {
  std::size_t bytes = 0;
  for (const std::string_view word : call.words) bytes += word.size();
  bytes_.reserve(bytes);
  views_.reserve(call.words.size());
  for (const std::string_view word : call.words) {
    views_.emplace_back(bytes_.data() + bytes_.size(), word.size());
    bytes_ += word;
  }
  if (wait.timeout_ms != 0) {
    alarm_ms_ = call.now_ms + wait.timeout_ms;
    lane_.alarms.emplace(alarm_ms_, this);
  }
  client_.is_blocked = true;
  lane_.counters.blocked.add();
}

Sleeper::~Sleeper() {
  services_.store.stop_waiting(*this);
  if (alarm_ms_ != INT64_MAX) lane_.alarms.erase({alarm_ms_, this});
  client_.is_blocked = false;
  lane_.counters.blocked.subtract();
}

bool Sleeper::step(Call& call) {
  const storage::MutexLock lock(mutex_);
  switch (state_) {
    case State::asleep: return false;
    case State::served: protocol::replay(*reply_, call.reply); break;
    case State::unblocked: call.reply.error(errors::unblocked); break;
    case State::timed_out:
    case State::abandoned: wait_.give_up(call.reply); break;
  }
  return true;
}

// Links only post to their own loops.
bool Sleeper::wake(Why why) {
  const storage::MutexLock lock(mutex_);
  if (state_ != State::asleep) return false;
  state_ = why == Why::timeout ? State::timed_out : State::unblocked;
  if (client_.link != nullptr) client_.link->resume();
  return true;
}

void Sleeper::abandon() {
  const storage::MutexLock lock(mutex_);
  if (state_ == State::asleep) state_ = State::abandoned;
}

std::size_t Sleeper::position_of(std::string_view key) const {
  std::size_t i = wait_.first_key;
  while (views_[i] != key) ++i;
  return i;
}

bool Sleeper::try_to_serve(Lane& lane, Keyspace& keys, std::string_view key) {
  const storage::MutexLock lock(mutex_);
  if (state_ != State::asleep) return true;
  protocol::ReplyTree tree;
  Call call{.services = services_,
            .lane = lane,
            .client = client_,
            .command = *client_.last_command,
            .words = views_,
            .keys = keys,
            .reply = tree,
            .now_ms = keys.now_ms()};
  std::optional<TrackedVisits> tracked;
  if (services_.tracking.is_on()) {
    keys.act_for(tracked.emplace(services_.tracking, client_, *client_.last_command).visiting());
  }
  const bool is_served = wait_.take(call, position_of(key));
  keys.act_for(nullptr);
  if (!is_served) return false;
  reply_ = std::make_unique<const protocol::Node>(tree.take());
  state_ = State::served;
  if (client_.link != nullptr) client_.link->resume();
  return true;
}

}  // namespace larder::server
