// Locks, annotated so that clang checks who holds what (-Wthread-safety), and the reader-free
// "turnstile" is elsewhere (storage/turnstile.h).
//
// Mutex is one 32-bit word: 0 free, 1 held, 2 held with sleepers (Drepper, "Futexes are tricky",
// mutex 2). A holder of a shard is gone after some tens of nanoseconds, so a contender spins
// briefly before it asks the kernel to sleep. std::mutex does the same in 40 bytes behind two
// calls; a shard's lock should share the cache line of what it guards.
//
// Where one thread serves everything there is nobody to lock out, and the two locked instructions
// of a visit, each of which waits for all loads before it, are a good part of what a GET costs:
// such a thread says so (serve_one_thread), and then a lock is a mark.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage/ensure.h"

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

  // Whoever locks it from here on is one thread. Before it is locked for the first time.
  void serve_one_thread() { is_shared_ = false; }

  void lock() ACQUIRE() {
    if (!is_shared_) return mark(1);
    std::uint32_t free = 0;
    // Acquire: what the last holder wrote is seen by this one.
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      lock_contended();
    }
  }
  bool try_lock() TRY_ACQUIRE(true) {
    if (!is_shared_) {
      mark(1);
      return true;
    }
    std::uint32_t free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() RELEASE() {
    if (!is_shared_) return mark(0);
    // Release: what this holder wrote is seen by the next one.
    if (word_.exchange(0, std::memory_order_release) == 2) wake_one();
  }

 private:
  void mark(std::uint32_t held) NO_THREAD_SAFETY_ANALYSIS {
    ensure_hot(word_.load(std::memory_order_relaxed) != held, "one thread locks what is free");
    word_.store(held, std::memory_order_relaxed);
  }
  void lock_contended() NO_THREAD_SAFETY_ANALYSIS;  // takes *this by its word, not by lock()
  void wake_one();

  std::atomic<std::uint32_t> word_{0};
  bool is_shared_ = true;
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
