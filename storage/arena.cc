#include "storage/arena.h"

#include <algorithm>

#include "storage/ensure.h"

namespace larder::storage {

Arena::Arena(std::size_t reserve_bytes)
    : region_(reserve_bytes, Region::kLargePage),
      numbers_(region_.reserved_bytes() / kSlabBytes * sizeof(std::uint32_t)) {
  region_.use_large_pages_from(kSmallPagesBytes);
}

Arena::~Arena() {
  if (!thread_.joinable()) return;
  is_ending_.store(true, std::memory_order_release);
  ring();
  thread_.join();
}

void Arena::run_ahead() {
  thread_ = std::thread([this] { work(); });
}

void Arena::ring() {
  bell_.fetch_add(1, std::memory_order_release);
  bell_.notify_one();
}

void Arena::work() {
  std::uint32_t heard = 0;
  while (!is_ending_.load(std::memory_order_acquire)) {
    bell_.wait(heard, std::memory_order_acquire);
    heard = bell_.load(std::memory_order_acquire);
    ready_next_page();
  }
}

// Of the pages behind the one in use, the first.
void Arena::ready_next_page() {
  std::size_t end = 0;
  {
    const MutexLock lock(mutex_);
    const std::size_t pages = (fresh_ + kSlabsPerPage - 1) / kSlabsPerPage + 1;
    end = pages * Region::kLargePage;
    if (end > ahead_until_.load(std::memory_order_relaxed)) return;
    if (end <= ready_bytes_.load(std::memory_order_relaxed) || !region_.commit(end)) return;
  }
  const std::size_t begin =
      std::max(ready_bytes_.load(std::memory_order_relaxed), end - Region::kLargePage);
  region_.populate(begin, end - begin);
  ready_bytes_.store(end, std::memory_order_relaxed);
}

std::size_t Arena::fresh_slab() {
  const std::size_t slab = fresh_++;
  faulted_.fetch_add(1, std::memory_order_relaxed);
  ensure(region_.commit(fresh_ * kSlabBytes) && numbers_.commit(fresh_ * sizeof(std::uint32_t)),
         "the store has outgrown the addresses reserved for it");
  const bool is_half_page = slab % kSlabsPerPage == kSlabsPerPage / 2;
  if (is_half_page && fresh_ * kSlabBytes >= kSmallPagesBytes - Region::kLargePage) ring();
  return slab;
}

char* Arena::take(std::uint32_t number) {
  const MutexLock lock(mutex_);
  std::size_t slab = 0;
  if (!warm_.empty()) {
    slab = warm_.back();
    warm_.pop_back();
  } else if (!cold_.empty()) {
    slab = cold_.back();
    cold_.pop_back();
    faulted_.fetch_add(1, std::memory_order_relaxed);
  } else {
    slab = fresh_slab();
  }
  numbers()[slab] = number;
  return region_.data() + slab * kSlabBytes;
}

void Arena::give(char* memory) {
  const auto slab = static_cast<std::size_t>(memory - region_.data()) / kSlabBytes;
  {
    const MutexLock lock(mutex_);
    numbers()[slab] = 0;
    if (warm_.size() < kWarmSlabs) return warm_.push_back(slab);
  }
  // Outside the lock: nobody else can have it yet.
  region_.forget(slab * kSlabBytes, kSlabBytes);
  const MutexLock lock(mutex_);
  cold_.push_back(slab);
}

void Arena::cool() {
  std::vector<std::size_t> slabs;
  {
    const MutexLock lock(mutex_);
    slabs.swap(warm_);
  }
  for (const std::size_t slab : slabs) region_.forget(slab * kSlabBytes, kSlabBytes);
  const MutexLock lock(mutex_);
  cold_.insert(cold_.end(), slabs.begin(), slabs.end());
}

std::size_t Arena::resident_bytes() {
  const Census slabs = census();
  const std::size_t used = (slabs.taken + slabs.warm + slabs.cold) * kSlabBytes;
  const std::size_t cold = (slabs.cold + forgotten_slabs_.load(std::memory_order_relaxed)) *
                           kSlabBytes;
  const std::size_t ready = ready_bytes_.load(std::memory_order_relaxed);
  std::size_t end = used;
  if (used > kSmallPagesBytes) {
    end = (used + Region::kLargePage - 1) / Region::kLargePage * Region::kLargePage;
  }
  if (ready > kSmallPagesBytes) end = std::max(end, ready);
  return end - std::min(end, cold);
}

void Arena::forget(char* slab) {
  region_.forget(static_cast<std::size_t>(slab - region_.data()), kSlabBytes);
  forgotten_slabs_.fetch_add(1, std::memory_order_relaxed);
}

Arena::Census Arena::census() {
  const MutexLock lock(mutex_);
  return {
      .taken = fresh_ - warm_.size() - cold_.size(), .warm = warm_.size(), .cold = cold_.size()};
}

}  // namespace larder::storage
