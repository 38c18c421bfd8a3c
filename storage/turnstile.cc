#include "storage/turnstile.h"

#include <thread>

namespace larder::storage {

bool Turnstile::enter_late(Seat& seat) {
  for (;;) {
    seat.inside_.store(false, std::memory_order_release);
    const std::uint32_t state = state_.load(std::memory_order_acquire);
    if (state == kClosedForLong) return false;
    if (state == kClosed) state_.wait(kClosed, std::memory_order_acquire);
    seat.inside_.store(true, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == kOpen) return true;
  }
}

void Turnstile::close() {
  closers_.lock();
  state_.store(kClosed, std::memory_order_seq_cst);
  for (Seat& seat : seats_) {
    // A batch takes microseconds; yielding rather than spinning lets it finish where cores are few.
    while (seat.inside_.load(std::memory_order_seq_cst)) std::this_thread::yield();
  }
}

void Turnstile::wait_until_open() const {
  for (;;) {
    const std::uint32_t state = state_.load(std::memory_order_acquire);
    if (state == kOpen) return;
    state_.wait(state, std::memory_order_acquire);
  }
}

void Turnstile::mark_long() {
  if (state_.exchange(kClosedForLong, std::memory_order_release) == kClosed) state_.notify_all();
}

void Turnstile::open() {
  state_.store(kOpen, std::memory_order_release);
  state_.notify_all();
  closers_.unlock();
}

}  // namespace larder::storage
