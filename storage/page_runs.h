// Where large values lie: runs of whole pages, whose memory goes back to the system when they are
// freed.
//
// malloc keeps what is freed between two things that stay: with a hundredth of the values at 100 KB
// and the sizes of the others changing, the process took 1.8 times its limit
// (tools/bench/limit.py). Addresses are plenty and only pages count: a run is carved once out of a
// large stretch of addresses, belongs to its class of sizes from then on, and has no pages while it
// is free. Nothing is split, merged or moved, and nothing is lost but the tail of the last page.
//
//   up to 128 KiB   a class for each number of pages
//   up to 64 MiB    16 classes for each doubling, so at most a 17th is lost
//   above           a mapping of its own; so too when the addresses are used up
//
// A few free runs keep their pages (are warm): a value that goes is mostly followed by one of its
// size, and the kernel takes its time to clear fresh pages.
// There is one set of runs for the process, as there is one malloc: replies hold blobs, and know no
// store. Under the address sanitizer malloc serves instead, which notices more.
// Thread: any. The lock is held for a few loads and stores; pages come and go outside of it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/mutex.h"
#include "storage/region.h"

namespace larder::storage {

class PageRuns {
 public:
  static constexpr std::size_t kPage = Region::kPage;
  static constexpr std::size_t kMostRunBytes = std::size_t{64} << 20;
  // Free runs that keep their pages: how large one may be, and all of them.
  static constexpr std::size_t kMostWarmRun = std::size_t{256} << 10;
  static constexpr std::size_t kMostWarmBytes = std::size_t{1} << 20;
  static constexpr std::size_t kUsualReserveBytes = std::size_t{64} << 30;

  // reserve_bytes: addresses; what does not fit is mapped.
  explicit PageRuns(std::size_t reserve_bytes) : region_(reserve_bytes) {}
  PageRuns(const PageRuns&) = delete;
  PageRuns& operator=(const PageRuns&) = delete;

  // The one of the process. Never destroyed: blobs may outlive everything.
  static PageRuns& of_process();
  // Its addresses: a few times the memory there is, since a class may keep as many runs as it once
  // had at the same time. Before it is asked for; else it has kUsualReserveBytes.
  static void reserve_for_process(std::size_t bytes);

  // What a request of that size takes, in bytes.
  static constexpr std::size_t run_bytes(std::size_t size_bytes) {
    const std::size_t pages = std::max<std::size_t>(1, (size_bytes + kPage - 1) / kPage);
    const std::size_t step = size_bytes > kMostRunBytes ? 1 : step_of(pages);
    return (pages + step - 1) / step * step * kPage;
  }

  // Never null: out of memory below the budget ends the process with a sentence. Aligned to a page;
  // what is in it is not defined.
  void* allocate(std::size_t size_bytes);
  // The same size as was asked for.
  void release(void* run, std::size_t size_bytes) noexcept;

  // Free runs lose their pages until no more than so many bytes of them are left.
  void cool_to(std::size_t bytes) noexcept;
  // Of free runs that keep their pages.
  std::size_t warm_bytes() const { return warm_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kFinePages = 32;
  static constexpr std::size_t kStepsADoubling = 16;
  static constexpr std::size_t kClasses = 177;

  using Page = std::uint32_t;  // the number of a run's first one
  struct Shelf {               // the free runs of a class
    std::vector<Page> warm;
    std::vector<Page> cold;
  };
  struct Run {
    std::size_t size_class;
    Page page;
  };

  // Of how many pages a class of such runs is a multiple.
  static constexpr std::size_t step_of(std::size_t pages) {
    return pages <= kFinePages ? 1 : std::bit_ceil(pages) / 2 / kStepsADoubling;
  }
  static constexpr std::size_t class_of(std::size_t pages) {
    const std::size_t step = step_of(pages);
    return static_cast<std::size_t>(std::countr_zero(step)) * kStepsADoubling + pages / step;
  }
  static constexpr std::size_t pages_of(std::size_t size_class) {
    if (size_class <= kFinePages) return size_class;
    const std::size_t doublings = (size_class - 1) / kStepsADoubling - 1;
    return (size_class - doublings * kStepsADoubling) << doublings;
  }

  char* at(Page page) const { return region_.data() + std::size_t{page} * kPage; }
  bool is_ours(const void* run) const {
    return static_cast<std::size_t>(static_cast<const char*>(run) - region_.data()) <
           region_.reserved_bytes();
  }
  void* take(std::size_t pages);
  Run next_to_cool() REQUIRES(mutex_);
  void cool(const Run& run);

  Region region_;
  std::atomic<std::size_t> warm_bytes_{0};
  Mutex mutex_;
  std::size_t fresh_ GUARDED_BY(mutex_) = 0;  // pages from here on were never used
  std::array<Shelf, kClasses> shelves_ GUARDED_BY(mutex_);
  std::size_t hand_ GUARDED_BY(mutex_) = 0;  // whose warm runs are next to lose their pages
};

}  // namespace larder::storage
