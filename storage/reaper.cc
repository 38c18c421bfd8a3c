#include "storage/reaper.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "storage/ensure.h"
#include "storage/page_runs.h"

namespace larder::storage {
namespace {

constexpr std::uintptr_t kPage = 4096;

// A tenth of a loop's share where they want the same core, and room at once for a loop that wakes.
constexpr int kNiceness = 10;

}  // namespace

std::atomic<Reaper*> Reaper::the_one_{nullptr};

Reaper::Reaper() : thread_([this] { work(); }) {
  ensure(the_one_.exchange(this, std::memory_order_release) == nullptr,
         "there is one reaper in a process");
}

Reaper::~Reaper() {
  the_one_.store(nullptr, std::memory_order_release);
  is_ending_.store(true, std::memory_order_release);
  bell_.fetch_add(1, std::memory_order_release);
  bell_.notify_one();
  thread_.join();
}

void Reaper::free(void* memory, std::size_t size_bytes) noexcept {
  // Acquire: the reaper is seen complete.
  Reaper* const reaper = size_bytes < kReapedBytes ? nullptr
                                                   : the_one_.load(std::memory_order_acquire);
  if (reaper == nullptr || !reaper->take(memory, size_bytes))
    PageRuns::of_process().release(memory, size_bytes);
}

bool Reaper::take(void* memory, std::size_t size_bytes) noexcept {
  if (waiting_bytes_.load(std::memory_order_relaxed) >= kMostWaitingBytes) return false;
  // Relaxed: counts. Raised first, so that the reaper never takes them below zero.
  waiting_bytes_.fetch_add(size_bytes, std::memory_order_relaxed);
  waiting_.fetch_add(1, std::memory_order_relaxed);
  Dead* const dead = new (memory) Dead{list_.load(std::memory_order_relaxed), size_bytes};
  // Release: the reaper sees the link. It takes the whole list at once, so no link is ever compared
  // after it was freed.
  while (!list_.compare_exchange_weak(dead->next, dead, std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
  bell_.fetch_add(1, std::memory_order_release);
  bell_.notify_one();
  return true;
}

void Reaper::work() {
  // Refused where the system says so: then it runs as the loops do.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
  for (;;) {
    const std::uint32_t heard = bell_.load(std::memory_order_acquire);
    Dead* dead = list_.exchange(nullptr, std::memory_order_acquire);
    if (dead == nullptr) {
      if (is_ending_.load(std::memory_order_acquire)) return;
      bell_.wait(heard, std::memory_order_acquire);
      continue;
    }
    while (dead != nullptr) reap(std::exchange(dead, dead->next));
  }
}

// The pages first, from the end, then what is left of the run. Its first page holds the link.
void Reaper::reap(Dead* dead) {
  const std::size_t size_bytes = dead->size_bytes;
  const auto begin = reinterpret_cast<std::uintptr_t>(dead);
  const std::uintptr_t first = (begin + sizeof(Dead) + kPage - 1) & ~(kPage - 1);
  std::uintptr_t end = (begin + size_bytes) & ~(kPage - 1);
  if (size_bytes > kStepBytes) {
    while (end > first) {
      const std::uintptr_t step = std::min(kStepBytes, end - first);
      end -= step;
      madvise(reinterpret_cast<void*>(end), step, MADV_DONTNEED);
    }
  }
  PageRuns::of_process().release(dead, size_bytes);
  waiting_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  // Release: who sees it counted sees that it waits no more.
  freed_.fetch_add(1, std::memory_order_release);
}

Reaper::Counts Reaper::counts() {
  const Reaper* const reaper = the_one_.load(std::memory_order_acquire);
  if (reaper == nullptr) return {};
  const std::uint64_t freed = reaper->freed_.load(std::memory_order_acquire);
  return {.waiting = reaper->waiting_.load(std::memory_order_relaxed),
          .waiting_bytes = reaper->waiting_bytes_.load(std::memory_order_relaxed),
          .freed = freed};
}

void Reaper::reset_counts() {
  Reaper* const reaper = the_one_.load(std::memory_order_acquire);
  if (reaper != nullptr) reaper->freed_.store(0, std::memory_order_relaxed);
}

}  // namespace larder::storage
