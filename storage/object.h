// An object: a collection that has outgrown its entry's cell (a quicklist, a dictionary, a skip
// list, a stream). The entry has a pointer to it.
//
// A hold is what an entry has on it: RENAME moves a value by handing the object over (hold, then
// drop), COPY copies it. The last to drop a large one leaves it to the reaper, so that DEL of ten
// million elements takes no longer than DEL of one.
// Must hold: weight_bytes() is what the process is charged for it, always: an object keeps the sum
// as it changes, it does not walk. Only the memory of malloc hangs on it, and nothing of a shard:
// it may die on another thread.
// Thread: whoever holds the shard of the entry.
#pragma once

#include <cstddef>
#include <cstdint>

namespace larder::storage {

class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  virtual std::size_t weight_bytes() const = 0;
  // Elements (fields, members, messages).
  virtual std::size_t size() const = 0;
  // Another one of the same content, with one holder.
  virtual Object* copy() const = 0;

  void hold() { ++holders_; }
  void drop();

 protected:
  Object() = default;
  virtual ~Object() = default;

 private:
  friend class Reaper;

  std::uint32_t holders_ = 1;
  Object* next_dead_ = nullptr;  // the reaper's list
};

}  // namespace larder::storage
