// Timer wheel: finds the keys whose time has come without looking at the others.
//
// Four rings of 256 slots; a slot of ring r spans 256^r ticks of 8 ms (2 s, 9 min, 37 h, 397 days
// for a whole ring). A name hangs in the ring of the highest byte in which its tick differs from
// the current one, and moves down as that byte is reached, so it is looked at four times in its
// life at the most. Beyond the last ring it waits in the farthest slot.
//
// What hangs in the wheel is a name (the low 32 bits of a hash), not a pointer: entries may move or
// go, and a name whose entry is gone is dropped when its slot comes up. The owner is asked about
// every name that comes up and answers the deadline it wants next, so the wheel itself need not
// store deadlines: four bytes a key instead of sixteen.
//
// Must hold: an entry with a deadline has a name in a slot that comes up no later than a tick after
// its deadline.
// Cost: add O(1); advance O(names that come up) and a word or two of bitmap per empty stretch,
// however long.
// Thread: part of a Shard; whoever holds the shard may call.
// Not an ordered map or heap: the commonest operation of a cache is to overwrite a key that has a
// deadline, and a name that is left behind costs nothing then. Not exact removal: it would need a
// back reference in every entry.
// Source: Varghese & Lauck, "Hashed and hierarchical timing wheels" (SOSP 1987).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/clock.h"

namespace larder::storage {

class TimerWheel {
 public:
  static constexpr std::int64_t kTickMs = 8;

  explicit TimerWheel(std::int64_t now_ms);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Come back to `name` at its deadline (a passed one: at the next advance).
  void add(std::uint32_t name, Deadline deadline);

  // Works off what is due at now_ms, at most `budget` names. visit(name) answers when it wants to
  // be called again (never: drop the name); it may not touch the wheel. Answers how many names it
  // visited; less than the budget: done.
  template <class Visitor>
  std::size_t advance(std::int64_t now_ms, std::size_t budget, Visitor&& visit) {
    std::size_t visited = 0;
    const std::int64_t target = tick_of_now(now_ms);
    for (;;) {
      std::uint32_t name = 0;
      while (visited < budget && take_due(name)) {
        ++visited;
        const Deadline next = visit(name);
        if (!next.is_never()) add(name, next);
      }
      if (visited >= budget || !step_towards(target)) return visited;
    }
  }

  // Visits the names that have come up and wait, and those that an advance to now_ms would bring up
  // (some of which are not due), `most` of them at the most; answers how many there are.
  template <class Visitor>
  std::size_t each_due(std::int64_t now_ms, std::size_t most, Visitor&& visit) const {
    std::size_t names = 0;
    const auto walk = [&](const Chunk* chunk) {
      for (; chunk != nullptr; chunk = chunk->next) {
        for (std::uint32_t i = 0; i < chunk->count && names + i < most; ++i) visit(chunk->names[i]);
        names += chunk->count;
      }
    };
    walk(due_);
    // Slots are rounded up: what is due in the middle of a tick hangs in the next one.
    const std::int64_t target = tick_of_now(now_ms) + 1;
    for (int ring = 0; ring < kRings; ++ring) {
      const std::int64_t here = tick_ >> (8 * ring);
      const std::int64_t last = std::min(target >> (8 * ring), here + std::int64_t{kSlots} - 1);
      for (std::int64_t at = here + 1; at <= last; ++at) {
        walk(rings_[static_cast<std::size_t>(ring)][static_cast<std::size_t>(at) & (kSlots - 1)]);
      }
    }
    return names;
  }

  std::size_t size() const { return size_; }
  std::size_t used_bytes() const;

 private:
  static constexpr int kRings = 4;
  static constexpr std::size_t kSlots = 256;
  // A chunk of names, one cache line.
  struct Chunk {
    Chunk* next;
    std::uint32_t count;
    std::array<std::uint32_t, 13> names;
  };
  static_assert(sizeof(Chunk) == 64);

  static std::int64_t tick_of_now(std::int64_t now_ms) { return now_ms / kTickMs; }
  // Rounded up: a slot comes up when everything in it is due.
  static std::int64_t tick_of(Deadline deadline) {
    const std::int64_t ms = deadline.ms();
    return ms / kTickMs + (ms % kTickMs > 0 ? 1 : 0);
  }

  bool take_due(std::uint32_t& name);
  bool step_towards(std::int64_t target);
  void hang(std::uint32_t name, int ring, std::size_t slot);
  int first_occupied(int ring, std::size_t from) const;  // slot at or after `from`, or -1

  std::array<std::array<Chunk*, kSlots>, kRings> rings_{};
  std::array<std::array<std::uint64_t, kSlots / 64>, kRings> occupied_{};
  Chunk* due_ = nullptr;  // names that have come up and are not visited yet
  std::int64_t tick_;     // everything before and at it has come up
  std::size_t size_ = 0;
  std::size_t chunks_ = 0;
};

}  // namespace larder::storage
