#include "storage/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "storage/ensure.h"

namespace larder::storage {
namespace {

// A step of commit: enough to make system calls rare, little enough that an idle tail costs nothing
// that matters.
constexpr std::size_t kLargestStep = 256 * 1024;

constexpr std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

}  // namespace

// More is reserved than asked for where the start must lie at a large page; the rest is let go.
Region::Region(std::size_t reserve_bytes, std::size_t align)
    : reserved_bytes_(round_up(reserve_bytes, align)) {
  const std::size_t asked = reserved_bytes_ + align - kPage;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* address = mmap(nullptr, asked, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (address == MAP_FAILED) {
    is_promised_ = false;
    address = mmap(nullptr, asked, PROT_NONE, kFlags, -1, 0);
  }
  ensure(address != MAP_FAILED, "the machine gives no address space for a hash table");
  auto* first = static_cast<char*>(address);
  const std::size_t before = round_up(reinterpret_cast<std::uintptr_t>(first), align) -
                             reinterpret_cast<std::uintptr_t>(first);
  const std::size_t after = asked - before - reserved_bytes_;
  data_ = first + before;
  if (before != 0) munmap(first, before);
  if (after != 0) munmap(data_ + reserved_bytes_, after);
  // Even where the system would give all memory large pages: most regions hold little.
  madvise(data_, reserved_bytes_, MADV_NOHUGEPAGE);
}

Region::~Region() {
  if (data_ != nullptr) munmap(data_, reserved_bytes_);
}

Region::Region(Region&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      reserved_bytes_(std::exchange(other.reserved_bytes_, 0)),
      committed_bytes_(std::exchange(other.committed_bytes_, 0)),
      large_from_(other.large_from_),
      is_promised_(other.is_promised_) {}

Region& Region::operator=(Region&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(reserved_bytes_, other.reserved_bytes_);
  std::swap(committed_bytes_, other.committed_bytes_);
  std::swap(large_from_, other.large_from_);
  std::swap(is_promised_, other.is_promised_);
  return *this;
}

bool Region::commit(std::size_t bytes) {
  if (bytes <= committed_bytes_) return true;
  if (bytes > reserved_bytes_) return false;
  const std::size_t step = std::clamp(committed_bytes_, kPage, kLargestStep);
  const bool is_large = bytes > large_from_;
  const std::size_t whole = is_large ? kLargePage : kPage;
  const std::size_t wanted =
      std::min(round_up(std::max(bytes, committed_bytes_ + step), whole), reserved_bytes_);
  char* const more = data_ + committed_bytes_;
  if (!is_promised_) {
    ensure(mprotect(more, wanted - committed_bytes_, PROT_READ | PROT_WRITE) == 0,
           "the machine has no memory left for a hash table");
  }
  // Only a wish: a system without large pages gives small ones.
  if (is_large) madvise(more, wanted - committed_bytes_, MADV_HUGEPAGE);
  committed_bytes_ = wanted;
  return true;
}

void Region::populate(std::size_t offset, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  // Refused by systems before Linux 5.14: then the first touch does it.
  [[maybe_unused]] const int ignored = madvise(data_ + offset, bytes, MADV_POPULATE_WRITE);
#else
  static_cast<void>(offset + bytes);
#endif
}

void Region::forget(std::size_t offset, std::size_t bytes) {
  [[maybe_unused]] const int ignored = madvise(data_ + offset, bytes, MADV_DONTNEED);
}

}  // namespace larder::storage
