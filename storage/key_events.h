// What happens to keys that no command has asked for, and who wants to hear of it: the storage room
// knows neither servers nor channels, only that somebody listens.
//
// Thread: heard() is called by whoever holds the key's shard, under its lock. The listener may take
// a mutex of its own (a service's: it comes behind shards in the lock order) and post to loops; it
// must not touch the store.
#pragma once

#include <cstdint>
#include <string_view>

namespace larder::storage {

enum class KeyEvent : std::uint8_t {
  made,            // there was no such key
  expired,         // its time had come, and it is dropped
  evicted,         // dropped for memory
  missed,          // a read has asked for it in vain
  fields_expired,  // of a hash, one or more fields
  emptied,         // dropped, since its last field has expired
};
constexpr std::uint32_t bit_of(KeyEvent event) {
  return 1u << static_cast<unsigned>(event);
}

class KeyListener {
 public:
  virtual ~KeyListener() = default;
  // `key` is a view that ends with the call.
  virtual void heard(KeyEvent event, std::uint32_t db, std::string_view key) = 0;
};

// Who answers for copies of keys elsewhere (client-side caches): it hears of every change, whatever
// made it. The same thread, the same locks.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // `actor`: whose visit it was (Visiting); kNobody: its time had come, or memory was short. `key`
  // is a view that ends with the call.
  virtual void key_changed(std::string_view key, std::uint64_t actor) = 0;
  // Databases were emptied or swapped, and no key of them was told of by itself. Alone.
  virtual void all_changed() = 0;
};

// Who asks for the keys that a call reads: told at the end of each visit, while the shard is still
// held, so that no change comes between what was read and the telling.
class KeyReader {
 public:
  virtual ~KeyReader() = default;
  virtual void has_read(std::string_view key) = 0;
};

inline constexpr std::uint64_t kNobody = 0;

// For whom keys are visited, where that matters to somebody.
struct Visiting {
  std::uint64_t actor = kNobody;
  KeyReader* reader = nullptr;  // null: what it reads matters to nobody
};

}  // namespace larder::storage
