#include "storage/reaper.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "storage/ensure.h"
#include "storage/object.h"
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
  Reaper* const reaper = for_size(size_bytes);
  if (reaper == nullptr) return PageRuns::of_process().release(memory, size_bytes);
  Dead* const dead = new (memory) Dead{nullptr, size_bytes};
  reaper->take(reaper->list_, dead->next, dead);
}

void Reaper::free(Object* object) noexcept {
  Reaper* const reaper = for_size(object->weight_bytes());
  if (reaper == nullptr) return delete object;
  reaper->take(reaper->objects_, object->next_dead_, object);
}

// The reaper, if it shall free so much, which is counted then; null: it is freed in place.
Reaper* Reaper::for_size(std::size_t size_bytes) noexcept {
  if (size_bytes < kReapedBytes) return nullptr;
  // Acquire: the reaper is seen complete.
  Reaper* const reaper = the_one_.load(std::memory_order_acquire);
  if (reaper == nullptr) return nullptr;
  if (reaper->waiting_bytes_.load(std::memory_order_relaxed) >= kMostWaitingBytes) return nullptr;
  // Relaxed: counts. Raised first, so that the reaper never takes them below zero.
  reaper->waiting_bytes_.fetch_add(size_bytes, std::memory_order_relaxed);
  reaper->waiting_.fetch_add(1, std::memory_order_relaxed);
  return reaper;
}

template <class Link>
void Reaper::take(std::atomic<Link*>& list, Link*& next, Link* dead) noexcept {
  next = list.load(std::memory_order_relaxed);
  // Release: the reaper sees the link. It takes the whole list at once, so no link is ever compared
  // after it was freed.
  while (!list.compare_exchange_weak(next, dead, std::memory_order_release,
                                     std::memory_order_relaxed)) {
  }
  bell_.fetch_add(1, std::memory_order_release);
  bell_.notify_one();
}

void Reaper::work() {
  // Refused where the system says so: then it runs as the loops do.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
  for (;;) {
    const std::uint32_t heard = bell_.load(std::memory_order_acquire);
    Dead* dead = list_.exchange(nullptr, std::memory_order_acquire);
    Object* object = objects_.exchange(nullptr, std::memory_order_acquire);
    if (dead == nullptr && object == nullptr) {
      if (is_ending_.load(std::memory_order_acquire)) return;
      bell_.wait(heard, std::memory_order_acquire);
      continue;
    }
    while (dead != nullptr) reap(std::exchange(dead, dead->next));
    while (object != nullptr) reap(std::exchange(object, object->next_dead_));
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
  count_freed(size_bytes);
}

void Reaper::reap(Object* object) {
  const std::size_t weight_bytes = object->weight_bytes();
  delete object;
  count_freed(weight_bytes);
}

void Reaper::count_freed(std::size_t size_bytes) {
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
