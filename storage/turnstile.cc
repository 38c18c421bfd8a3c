#include "storage/turnstile.h"

#include <thread>

namespace larder::storage {

void Turnstile::enter_late(Seat& seat) {
  for (;;) {
    seat.inside_.store(false, std::memory_order_release);
    closed_.wait(true, std::memory_order_acquire);
    seat.inside_.store(true, std::memory_order_seq_cst);
    if (!closed_.load(std::memory_order_seq_cst)) return;
  }
}

void Turnstile::close() {
  closers_.lock();
  closed_.store(true, std::memory_order_seq_cst);
  for (Seat& seat : seats_) {
    // A batch takes microseconds; yielding rather than spinning lets it finish where cores are few.
    while (seat.inside_.load(std::memory_order_seq_cst)) std::this_thread::yield();
  }
}

void Turnstile::open() {
  closed_.store(false, std::memory_order_release);
  closed_.notify_all();
  closers_.unlock();
}

}  // namespace larder::storage
