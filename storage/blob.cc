#include "storage/blob.h"

#include <cstring>
#include <new>

#include "storage/ensure.h"
#include "storage/page_runs.h"
#include "storage/reaper.h"

namespace larder::storage {
namespace {

// Relaxed: a sum; whoever asks wants to know about how much.
std::atomic<std::size_t> orphaned{0};

}  // namespace

Blob* Blob::make(std::size_t size_bytes, std::size_t capacity_bytes) {
  ensure(size_bytes <= capacity_bytes, "a blob holds at most its capacity");
  return new (PageRuns::of_process().allocate(sizeof(Blob) + capacity_bytes))
      Blob(size_bytes, capacity_bytes);
}

Blob* Blob::copy_of(std::string_view bytes, std::size_t capacity_bytes) {
  Blob* blob = make(bytes.size(), capacity_bytes);
  std::memcpy(blob->data(), bytes.data(), bytes.size());
  return blob;
}

void Blob::drop() {
  // acq_rel: the last to leave must see what the others did with the bytes before it frees them.
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::size_t size_bytes = sizeof(Blob) + capacity_;
    const bool is_orphan = keepers_.load(std::memory_order_relaxed) == kOrphan;
    if (is_orphan) orphaned.fetch_sub(size_bytes, std::memory_order_relaxed);
    this->~Blob();
    Reaper::free(this, size_bytes);
  }
}

void Blob::drop_by_key() {
  if (keepers_.fetch_sub(1, std::memory_order_relaxed) == 1 && is_shared()) {
    keepers_.store(kOrphan, std::memory_order_relaxed);
    orphaned.fetch_add(sizeof(Blob) + capacity_, std::memory_order_relaxed);
  }
  drop();
}

std::size_t Blob::orphaned_bytes() {
  return orphaned.load(std::memory_order_relaxed);
}

void Blob::resize(std::size_t size_bytes) {
  ensure(size_bytes <= capacity_, "a blob holds at most its capacity");
  size_ = size_bytes;
}

std::size_t Blob::weight_bytes() const {
  return PageRuns::run_bytes(sizeof(Blob) + capacity_);
}

}  // namespace larder::storage
