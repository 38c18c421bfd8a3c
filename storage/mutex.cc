#include "storage/mutex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace larder::storage {
namespace {

// About a microsecond: longer than nearly every hold of a shard, shorter than a sleep and a
// wake-up.
constexpr int kSpins = 200;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void Mutex::lock_contended() {
  for (int spin = 0; spin < kSpins; ++spin) {
    relax();
    if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
  }
  // From here on we own the lock with "2", whether or not others sleep: one needless wake-up at the
  // most.
  while (word_.exchange(2, std::memory_order_acquire) != 0) {
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAIT_PRIVATE, 2, nullptr,
            nullptr, 0);
  }
}

void Mutex::wake_one() {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAKE_PRIVATE, 1, nullptr,
          nullptr, 0);
}

}  // namespace larder::storage
