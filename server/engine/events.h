// Keyspace events: what happened to a key, told to channels, as notify-keyspace-events asks for.
//
//   letters    K E                              which channels: by key, by event; neither: nothing
//              g $ l s h z t x e m n d          which classes; A is all but m and n
//   channels   __keyspace@<db>__:<key>          with the event's name as the message
//              __keyevent@<db>__:<event>        with the key as the message
//
// Commands tell what they did (Call::event) under the shard's lock, in the visit that did it: so
// the events of one key come in the order of its changes, whichever loops made them. What happens
// to keys without a command, and misses, the store tells (storage/key_events.h).
//
// Cost: a load and a test while the class is not asked for; an event that is asked for and that
// nobody listens to is not even spelled.
// Lock order: behind shards; takes pub/sub's mutex. Thread: any, inside the turnstile. What is
// asked for changes while every loop is held off (CONFIG SET), so it is read without a lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/key_events.h"

namespace larder::storage {
class Store;
}

namespace larder::server {

class Pubsub;

enum class EventClass : std::uint32_t {
  by_key = 1 << 0,    // K: the channels of keys
  by_event = 1 << 1,  // E: the channels of events
  generic = 1 << 2,   // g: del, expire, rename_from…
  string = 1 << 3,    // $
  list = 1 << 4,      // l
  set = 1 << 5,       // s
  hash = 1 << 6,      // h
  zset = 1 << 7,      // z
  expired = 1 << 8,   // x
  evicted = 1 << 9,   // e
  stream = 1 << 10,   // t
  module = 1 << 11,   // d: of Redis's modules; taken, and never happens
  created = 1 << 12,  // n: new
  missed = 1 << 13,   // m: keymiss
};

// A sum of classes.
using EventClasses = std::uint32_t;
constexpr EventClasses bit_of(EventClass what) {
  return static_cast<EventClasses>(what);
}

// The letters of notify-keyspace-events; nothing when one of them is none.
std::optional<EventClasses> parse_event_classes(std::string_view letters);
// As CONFIG GET says them: `A` for all classes it stands for, channels behind the classes.
std::string event_letters(EventClasses classes);

class Events final : public storage::KeyListener {
 public:
  Events(Pubsub& pubsub, storage::Store& store) : pubsub_(pubsub), store_(store) {}

  // Alone, or before the threads start.
  void want(EventClasses classes);
  bool wants(EventClass what) const { return (wanted_ & bit_of(what)) != 0; }

  // `name` as Redis calls it: "set", "rename_from".
  void tell(EventClass what, std::string_view name, std::uint32_t db, std::string_view key) {
    if (wants(what)) [[unlikely]]
      publish(name, db, key);
  }

  // From the store, for the classes it knows of.
  void heard(storage::KeyEvent event, std::uint32_t db, std::string_view key) override;

 private:
  void publish(std::string_view name, std::uint32_t db, std::string_view key);

  Pubsub& pubsub_;
  storage::Store& store_;
  EventClasses wanted_ = 0;  // 0 also while no channel is asked for
};

}  // namespace larder::server
