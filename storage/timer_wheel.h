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
// Names whose entries are gone, or have another deadline, are swept out when there are as many of
// them as of the others: slot after slot is taken out, the latest first, and its names are visited
// as if they had come up, and hung where they belong. The owner marks the entries of what it has
// kept, and drops a name that it meets again. The latest first, since a name is never hung earlier
// than where it was: so what was kept is behind the sweep, and not met again. (If the time that
// passes meanwhile brings it before the sweep again, its mark is taken away.) What comes up within
// seconds is left to do so. Without it a key that is set to live for a day and deleted, over and
// over, left four bytes behind each time, for a day.
//
// Must hold: an entry with a deadline has a name in a slot that comes up no later than a tick after
// its deadline.
// Cost: add O(1); advance O(names that come up); a sweep visits each name once, after as many adds.
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
      visited += work_off(due_, budget - visited, visit);
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
    walk(swept_out_);
    // Slots are rounded up: what is due in the middle of a tick hangs in the next one.
    const std::int64_t target = tick_of_now(now_ms) + 1;
    for (int ring = 0; ring < kRings; ++ring) {
      const std::int64_t here = tick_ >> (8 * ring);
      const std::int64_t last = std::min(target >> (8 * ring), here + std::int64_t{kSlots} - 1);
      for (std::int64_t at = here + 1; at <= last; ++at) {
        walk(rings_[static_cast<std::size_t>(ring)][Place{ring, at}.slot()]);
      }
    }
    return names;
  }

  // Goes on with a sweep, or begins one if that is worth it where `live` keys have a deadline:
  // visits at most `budget` names, which answer as in advance(). Answers how many; less than the
  // budget: done.
  template <class Visitor>
  std::size_t sweep(std::size_t live, std::size_t budget, Visitor&& visit) {
    if (sweep_ring_ == 0 && !begin_sweep(live)) return 0;
    std::size_t visited = 0;
    for (;;) {
      visited += work_off(swept_out_, budget - visited, visit);
      if (visited >= budget || !take_out_next_slot()) return visited;
    }
  }
  // The number of the sweep that goes on, or was the last: 1 and 2 in turn.
  unsigned sweep_number() const { return sweep_number_; }
  // What hangs at this deadline is not met again by the sweep that goes on.
  bool is_behind_sweep(Deadline deadline) const {
    const Place place = place_of(deadline);
    return place.ring > sweep_ring_ || (place.ring == sweep_ring_ && place.at >= sweep_at_);
  }

  // Every name with the time at which it comes up: for who audits.
  template <class Visitor>
  void each(Visitor&& visit) const {
    const auto walk = [&](const Chunk* chunk, std::int64_t tick) {
      for (; chunk != nullptr; chunk = chunk->next) {
        for (std::uint32_t i = 0; i < chunk->count; ++i) visit(chunk->names[i], tick * kTickMs);
      }
    };
    walk(due_, tick_);
    walk(swept_out_, tick_);
    for (int ring = 0; ring < kRings; ++ring) {
      const std::int64_t here = tick_ >> (8 * ring);
      for (std::int64_t at = here + 1; at <= here + std::int64_t{kSlots}; ++at) {
        const Place place{ring, at};
        walk(rings_[static_cast<std::size_t>(ring)][place.slot()], at << (8 * ring));
      }
    }
  }

  // To where it has turned.
  std::int64_t now_ms() const { return tick_ * kTickMs; }
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
  // Where a name hangs: `at` counts the ring's slots from the beginning of time.
  struct Place {
    int ring;
    std::int64_t at;
    std::size_t slot() const { return static_cast<std::size_t>(at) & (kSlots - 1); }
  };
  // What comes up so soon is not swept: eight seconds.
  static constexpr std::int64_t kSoonTicks = 1024;
  // Names without a key of which a wheel takes no notice.
  static constexpr std::size_t kFewNames = 1024;

  static std::int64_t tick_of_now(std::int64_t now_ms) { return now_ms / kTickMs; }
  // Rounded up: a slot comes up when everything in it is due.
  static std::int64_t tick_of(Deadline deadline) {
    const std::int64_t ms = deadline.ms();
    return ms / kTickMs + (ms % kTickMs > 0 ? 1 : 0);
  }

  // Takes names off a chain, at most `budget`, and hangs them where visit() wants. How many.
  template <class Visitor>
  std::size_t work_off(Chunk*& chain, std::size_t budget, Visitor&& visit) {
    std::size_t visited = 0;
    for (std::uint32_t name = 0; visited < budget && take(chain, name); ++visited) {
      const Deadline next = visit(name);
      if (!next.is_never()) add(name, next);
    }
    return visited;
  }
  Place place_of(Deadline deadline) const;
  bool take(Chunk*& chain, std::uint32_t& name);
  Chunk* take_slot(std::size_t ring, std::size_t slot);
  bool begin_sweep(std::size_t live);
  bool take_out_next_slot();
  bool step_towards(std::int64_t target);
  void hang(std::uint32_t name, std::size_t ring, std::size_t slot);
  int first_occupied(int ring, std::size_t from) const;  // slot at or after `from`, or -1

  std::array<std::array<Chunk*, kSlots>, kRings> rings_{};
  std::array<std::array<std::uint64_t, kSlots / 64>, kRings> occupied_{};
  Chunk* due_ = nullptr;  // names that have come up and are not visited yet
  std::int64_t tick_;     // everything before and at it has come up
  std::size_t size_ = 0;
  std::size_t chunks_ = 0;

  Chunk* swept_out_ = nullptr;  // names of the slot that the sweep is at, not visited yet
  int sweep_ring_ = 0;          // 0: none goes on
  std::int64_t sweep_at_ = 0;
  unsigned sweep_number_ = 2;
  std::size_t kept_ = 0;  // names that the last one left, or fewer
};

}  // namespace larder::storage
