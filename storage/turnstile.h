// The turnstile: ordinary work passes through by the dozen, and now and then somebody closes it to
// be alone.
//
// A loop enters before it runs a batch of commands and leaves after it. What must see the whole
// keyspace stand still (FLUSHALL, SWAPDB, a script that may touch any key, CONFIG SET, CLIENT LIST)
// closes the turnstile: new entries wait, those inside finish their batch, then the closer is
// alone. This is one flag per loop, each in its own cache line, not a lock per shard: entering
// costs one exchange on a line nobody else writes.
//
//   loop:    inside = true;  open?  yes -> go on     no -> inside = false, wait, again
//   closer:  closed = true;  wait until every other seat is not inside
//
// A closer that stays long (a script that ran past its threshold) says so with mark_long(); who
// waits then is turned away and can answer "busy" instead of hanging.
//
// Must hold: both sides store their own flag before they read the other's, in one total order
// (seq_cst), so at least one of them sees the other. A thread that is inside leaves before it
// closes.
// Thread: seats are handed out before the threads start; after that any thread uses its own seat.
// Not a shared_mutex: its readers all write one line.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "storage/mutex.h"

namespace larder::storage {

class Turnstile {
 public:
  class alignas(64) Seat {
    friend class Turnstile;
    std::atomic<bool> inside_{false};
  };

  // Before the threads start. Lives as long as the turnstile.
  Seat& take_seat() { return seats_.emplace_back(); }

  // False: somebody stays alone for long; the caller is not inside.
  bool enter(Seat& seat) {
    seat.inside_.store(true, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == kOpen) [[likely]]
      return true;
    return enter_late(seat);
  }
  void leave(Seat& seat) { seat.inside_.store(false, std::memory_order_release); }
  // Somebody waits to be alone: a long batch should leave soon.
  bool is_wanted() const { return state_.load(std::memory_order_relaxed) != kOpen; }

  // Alone from return until open(). The caller must not be inside.
  void close() NO_THREAD_SAFETY_ANALYSIS;
  void open() NO_THREAD_SAFETY_ANALYSIS;
  // Returns when nobody is alone, were it only for a moment.
  void wait_until_open() const;
  // By the closer, between close() and open().
  void mark_long();

 private:
  static constexpr std::uint32_t kOpen = 0;
  static constexpr std::uint32_t kClosed = 1;
  static constexpr std::uint32_t kClosedForLong = 2;

  bool enter_late(Seat& seat);

  std::deque<Seat> seats_;
  Mutex closers_;
  alignas(64) std::atomic<std::uint32_t> state_{kOpen};
};

}  // namespace larder::storage
