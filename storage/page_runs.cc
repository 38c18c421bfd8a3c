#include "storage/page_runs.h"

#include <sys/mman.h>

#include "storage/ensure.h"
#include "storage/memory.h"
#include "storage/sanitizer.h"

namespace larder::storage {
namespace {

// Relaxed: set before there are threads.
std::atomic<std::size_t> reserve_of_process{PageRuns::kUsualReserveBytes};

void* map(std::size_t bytes) {
  void* run = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ensure(run != MAP_FAILED, "the machine has no memory left below the configured limit");
  return run;
}

}  // namespace

PageRuns& PageRuns::of_process() {
  static_assert(class_of(kMostRunBytes / kPage) == kClasses - 1);
  static_assert(pages_of(kClasses - 1) == kMostRunBytes / kPage);
  static auto* const runs = new PageRuns(reserve_of_process.load(std::memory_order_relaxed));
  return *runs;
}

void PageRuns::reserve_for_process(std::size_t bytes) {
  reserve_of_process.store(bytes, std::memory_order_relaxed);
}

void* PageRuns::allocate(std::size_t size_bytes) {
  if (kIsAddressSanitized) return storage::allocate(size_bytes);
  const std::size_t bytes = run_bytes(size_bytes);
  void* run = size_bytes > kMostRunBytes ? nullptr : take(bytes / kPage);
  return run != nullptr ? run : map(bytes);
}

// Null: no addresses are left.
void* PageRuns::take(std::size_t pages) {
  std::size_t first = 0;
  {
    const MutexLock lock(mutex_);
    Shelf& shelf = shelves_[class_of(pages)];
    if (!shelf.warm.empty()) {
      first = shelf.warm.back();
      shelf.warm.pop_back();
      warm_bytes_.fetch_sub(pages * kPage, std::memory_order_relaxed);
      return at(static_cast<Page>(first));
    }
    if (!shelf.cold.empty()) {
      first = shelf.cold.back();
      shelf.cold.pop_back();
    } else {
      if (!region_.commit((fresh_ + pages) * kPage)) return nullptr;
      first = fresh_;
      fresh_ += pages;
    }
  }
  // All at once costs the kernel less than page by page as they are touched.
  region_.populate(first * kPage, pages * kPage);
  return at(static_cast<Page>(first));
}

void PageRuns::release(void* memory, std::size_t size_bytes) noexcept {
  if (kIsAddressSanitized) return storage::release(memory);
  const std::size_t bytes = run_bytes(size_bytes);
  if (!is_ours(memory)) {
    munmap(memory, bytes);
    return;
  }
  const auto offset = static_cast<std::size_t>(static_cast<char*>(memory) - region_.data());
  const Run given{class_of(bytes / kPage), static_cast<Page>(offset / kPage)};
  if (bytes > kMostWarmRun) return cool(given);
  {
    const MutexLock lock(mutex_);
    shelves_[given.size_class].warm.push_back(given.page);
    warm_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  cool_to(kMostWarmBytes);
}

void PageRuns::cool_to(std::size_t bytes) noexcept {
  while (warm_bytes() > bytes) {
    Run victim{};
    {
      const MutexLock lock(mutex_);
      if (warm_bytes() <= bytes) return;
      victim = next_to_cool();
      warm_bytes_.fetch_sub(pages_of(victim.size_class) * kPage, std::memory_order_relaxed);
    }
    cool(victim);
  }
}

// The classes in turn, so that none that is not asked for any more keeps all the pages.
PageRuns::Run PageRuns::next_to_cool() {
  do {
    hand_ = (hand_ + 1) % kClasses;
  } while (shelves_[hand_].warm.empty());
  const Page page = shelves_[hand_].warm.back();
  shelves_[hand_].warm.pop_back();
  return {hand_, page};
}

// Outside the lock: nobody else knows of the run meanwhile.
void PageRuns::cool(const Run& run) {
  region_.forget(std::size_t{run.page} * kPage, pages_of(run.size_class) * kPage);
  const MutexLock lock(mutex_);
  shelves_[run.size_class].cold.push_back(run.page);
}

}  // namespace larder::storage
