#include "server/engine/events.h"

#include <fmt/format.h>

#include "server/engine/pubsub.h"
#include "storage/store.h"

namespace larder::server {
namespace {

struct Letter {
  char letter;
  EventClass what;
};

// The classes that A stands for, in the order in which CONFIG GET says them.
constexpr Letter kClasses[] = {
    {'g', EventClass::generic}, {'$', EventClass::string},  {'l', EventClass::list},
    {'s', EventClass::set},     {'h', EventClass::hash},    {'z', EventClass::zset},
    {'x', EventClass::expired}, {'e', EventClass::evicted}, {'t', EventClass::stream},
    {'d', EventClass::module},
};
// Said only where A is not, as Redis does.
constexpr Letter kCreated = {'n', EventClass::created};
constexpr Letter kChannels[] = {
    {'K', EventClass::by_key}, {'E', EventClass::by_event}, {'m', EventClass::missed}};

constexpr EventClasses all_classes() {
  EventClasses all = 0;
  for (const Letter& known : kClasses) all |= bit_of(known.what);
  return all;
}

std::optional<EventClasses> classes_of(char letter) {
  if (letter == 'A') return all_classes();
  if (letter == kCreated.letter) return bit_of(kCreated.what);
  for (const Letter& known : kClasses) {
    if (known.letter == letter) return bit_of(known.what);
  }
  for (const Letter& known : kChannels) {
    if (known.letter == letter) return bit_of(known.what);
  }
  return std::nullopt;
}

struct StoreEvent {
  storage::KeyEvent event;
  EventClass what;
  std::string_view name;
};
// In the order of storage::KeyEvent.
constexpr StoreEvent kOfTheStore[] = {
    {storage::KeyEvent::made, EventClass::created, "new"},
    {storage::KeyEvent::expired, EventClass::expired, "expired"},
    {storage::KeyEvent::evicted, EventClass::evicted, "evicted"},
    {storage::KeyEvent::missed, EventClass::missed, "keymiss"},
    {storage::KeyEvent::fields_expired, EventClass::hash, "hexpired"},
    {storage::KeyEvent::emptied, EventClass::generic, "del"},
};

}  // namespace

std::optional<EventClasses> parse_event_classes(std::string_view letters) {
  EventClasses classes = 0;
  for (const char letter : letters) {
    const auto more = classes_of(letter);
    if (!more) return std::nullopt;
    classes |= *more;
  }
  return classes;
}

std::string event_letters(EventClasses classes) {
  std::string letters;
  const auto say = [&](const Letter& known) {
    if ((classes & bit_of(known.what)) != 0) letters += known.letter;
  };
  if ((classes & all_classes()) == all_classes()) {
    letters += 'A';
  } else {
    for (const Letter& known : kClasses) say(known);
    say(kCreated);
  }
  for (const Letter& known : kChannels) say(known);
  return letters;
}

void Events::want(EventClasses classes) {
  const bool has_channel =
      (classes & (bit_of(EventClass::by_key) | bit_of(EventClass::by_event))) != 0;
  wanted_ = has_channel ? classes : 0;
  std::uint32_t of_the_store = 0;
  for (const StoreEvent& known : kOfTheStore) {
    if (wants(known.what)) of_the_store |= storage::bit_of(known.event);
  }
  store_.listen(this, of_the_store);
}

void Events::heard(storage::KeyEvent event, std::uint32_t db, std::string_view key) {
  const StoreEvent& known = kOfTheStore[static_cast<std::size_t>(event)];
  tell(known.what, known.name, db, key);
}

void Events::publish(std::string_view name, std::uint32_t db, std::string_view key) {
  if (pubsub_.is_idle()) return;
  if (wants(EventClass::by_key)) pubsub_.publish(fmt::format("__keyspace@{}__:{}", db, key), name);
  if (wants(EventClass::by_event)) {
    pubsub_.publish(fmt::format("__keyevent@{}__:{}", db, name), key);
  }
}

}  // namespace larder::server
