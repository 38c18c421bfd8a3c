// Where slabs come from: one stretch of addresses for a whole store, in slabs of 32 KiB that the
// heaps of all shards and databases take and give.
//
//   |  small pages  | 2 MiB | 2 MiB | 2 MiB | ... reserved, not used yet
//   0               kSmallPagesBytes          fresh_
//
// Beyond the first few megabytes memory is asked for in the processor's large pages. With a million
// keys spread over pages of 4 KiB, nearly every GET waited for the page table, twice: with large
// pages the server's own time for a pipelined GET fell from 464 to 365 ns (of 1 M keys, in the same
// run). That is why slabs are shared: a heap of a shard is far too small for such pages, all of
// them together are not. Where the system gives no large pages, everything works on small ones.
//
// A large page is cleared by the system when it is first touched, which takes a quarter of a
// millisecond, and eight where the machine is a guest whose host has to find the memory first: too
// long for a loop that holds a shard. So a thread, where one is asked for, has the page behind the
// one in use touched when half of that is taken. Who outruns it waits as without it.
//
// A slab that is given back keeps its pages for whoever takes it next, up to kWarmSlabs; beyond
// that its pages go back to the system.
// Cost: take and give are a lock and a vector's end; every 64th take is a system call.
// Thread: any. It is the last lock: a shard may be held by the caller, nothing is locked below it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "storage/mutex.h"
#include "storage/region.h"

namespace larder::storage {

class Arena {
 public:
  static constexpr std::size_t kSlabBytes = std::size_t{32} * 1024;

  // reserve_bytes: addresses, and so a bound on the memory of all that takes from here.
  explicit Arena(std::size_t reserve_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Never null. Aligned to its size; what is in it is not defined. `number` is what the taker calls
  // it.
  char* take(std::uint32_t number);
  void give(char* slab);
  // The slab stays its taker's, who finds zeros in it; its pages go back to the system until it is
  // recalled, by who will use it again or give it.
  void forget(char* slab);
  void recall() { forgotten_slabs_.fetch_sub(1, std::memory_order_relaxed); }

  // Slabs that are kept with their pages lose them, for who would rather have the memory.
  void cool();

  // Starts the thread that has large pages ready. At most once.
  void run_ahead();
  // Beyond so many bytes it has none ready: they would lie idle. Any time.
  void run_ahead_until(std::size_t bytes) { ahead_until_.store(bytes, std::memory_order_relaxed); }

  // What the taker of the slab in which `cell` lies calls it; 0: it lies in none. For the taker.
  std::uint32_t number_of(const void* cell) const {
    const auto offset = static_cast<std::size_t>(static_cast<const char*>(cell) - region_.data());
    return offset < region_.reserved_bytes() ? numbers()[offset / kSlabBytes] : 0;
  }

  std::size_t reserved_slabs() const { return region_.reserved_bytes() / kSlabBytes; }
  // Slabs that somebody has, those kept with their pages, and those without.
  struct Census {
    std::size_t taken = 0;
    std::size_t warm = 0;
    std::size_t cold = 0;
  };
  Census census();
  // What all of it takes from the machine, large pages that were begun or are ready included.
  std::size_t resident_bytes();
  // Goes up with every slab that is taken which had no memory.
  std::uint64_t slabs_faulted() const { return faulted_.load(std::memory_order_relaxed); }

 private:
  // A server with little in it pays for the pages it touches, not for large ones.
  static constexpr std::size_t kSmallPagesBytes = std::size_t{8} << 20;
  static constexpr std::size_t kWarmSlabs = 32;

  std::uint32_t* numbers() const { return reinterpret_cast<std::uint32_t*>(numbers_.data()); }
  static constexpr std::size_t kSlabsPerPage = Region::kLargePage / kSlabBytes;

  std::size_t fresh_slab() REQUIRES(mutex_);
  void ring();
  void work();
  void ready_next_page();

  Region region_;
  Region numbers_;  // by slab; each is its taker's to read
  Mutex mutex_;
  std::size_t fresh_ GUARDED_BY(mutex_) = 0;  // slabs from here on were never taken
  std::vector<std::size_t> warm_ GUARDED_BY(mutex_);
  std::vector<std::size_t> cold_ GUARDED_BY(mutex_);
  // For those who come without the lock.
  std::atomic<std::size_t> forgotten_slabs_{0};
  std::atomic<std::uint64_t> faulted_{0};
  std::atomic<std::size_t> ahead_until_{SIZE_MAX};

  // Up to here large pages are there (none at first). Written by the thread alone.
  std::atomic<std::size_t> ready_bytes_{kSmallPagesBytes};
  std::atomic<std::uint32_t> bell_{0};  // rung when half of a large page is taken, and at the end
  std::atomic<bool> is_ending_{false};
  std::thread thread_;
};

}  // namespace larder::storage
