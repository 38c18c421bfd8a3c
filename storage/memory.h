// Where what is neither a cell nor a blob lives (names in wheels, entries with long keys), and what
// it weighs.
//
// allocate/release are the one door to malloc. footprint() is what a request of that size takes
// from the process (glibc: 8 bytes of header, rounded up to 16, 32 at the least): budgets count
// footprints, since the limit is a promise about the process and not about our own sums.
#pragma once

#include <cstddef>

namespace larder::storage {

constexpr std::size_t footprint(std::size_t size_bytes) {
  const std::size_t with_header = (size_bytes + 8 + 15) & ~std::size_t{15};
  return with_header < 32 ? 32 : with_header;
}

// What may be used of an allocation of that size: the rounding belongs to whoever asked.
constexpr std::size_t usable(std::size_t size_bytes) {
  return footprint(size_bytes) - 8;
}

// Never null: out of memory below the budget ends the process with a sentence. 16-byte aligned.
void* allocate(std::size_t size_bytes);
void release(void* memory) noexcept;

}  // namespace larder::storage
