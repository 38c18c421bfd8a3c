// Locks, annotated so that clang checks who holds what (-Wthread-safety), and the reader-free
// "turnstile" is elsewhere (storage/turnstile.h).
//
// Mutex is one 32-bit word: 0 free, 1 held, 2 held with sleepers (Drepper, "Futexes are tricky",
// mutex 2). A holder of a shard is gone after some tens of nanoseconds, so a contender spins
// briefly before it asks the kernel to sleep. std::mutex does the same in 40 bytes behind two
// calls; a shard's lock should share the cache line of what it guards.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__clang__)
#define LARDER_ANNOTATION(x) __attribute__((x))
#else
#define LARDER_ANNOTATION(x)
#endif
#define CAPABILITY(x) LARDER_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY LARDER_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) LARDER_ANNOTATION(guarded_by(x))
#define REQUIRES(...) LARDER_ANNOTATION(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) LARDER_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) LARDER_ANNOTATION(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) LARDER_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS LARDER_ANNOTATION(no_thread_safety_analysis)

namespace larder::storage {

class CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() {
    std::uint32_t free = 0;
    // Acquire: what the last holder wrote is seen by this one.
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      lock_contended();
    }
  }
  bool try_lock() TRY_ACQUIRE(true) {
    std::uint32_t free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() RELEASE() {
    // Release: what this holder wrote is seen by the next one.
    if (word_.exchange(0, std::memory_order_release) == 2) wake_one();
  }

 private:
  void lock_contended() NO_THREAD_SAFETY_ANALYSIS;  // takes *this by its word, not by lock()
  void wake_one();

  std::atomic<std::uint32_t> word_{0};
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace larder::storage
