// A stretch of reserved address space that fills from the front: growing never moves what is there.
//
// Reserving costs nothing but addresses: where the system counts promises strictly, they are made
// in steps, by commit(). It says how far memory is used, in steps that double up to a bound.
// Because the start never moves, another thread may compute an address in it and prefetch while the
// owner grows it.
//
// Large pages (2 MiB, where the system has them) are used from an offset on if asked for: what is
// behind it is committed in steps of their size, so one is there as soon as its first byte is
// touched.
// Thread: whoever holds the owner; data() may be read by anyone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace larder::storage {

class Region {
 public:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kLargePage = std::size_t{2} << 20;

  // align: of the start, kPage or kLargePage.
  explicit Region(std::size_t reserve_bytes, std::size_t align = kPage);
  ~Region();
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;

  char* data() const { return data_; }
  std::size_t committed_bytes() const { return committed_bytes_; }
  std::size_t reserved_bytes() const { return reserved_bytes_; }
  // At least the first `bytes` can be used, fresh ones zero. False: the reserve is too small,
  // nothing changed.
  bool commit(std::size_t bytes);
  // Has the system find memory for committed pages now, not when they are first touched. Safe while
  // others use them.
  void populate(std::size_t offset, std::size_t bytes);
  // Before the first commit, for a region that starts at a large page.
  void use_large_pages_from(std::size_t offset) { large_from_ = offset; }
  // The pages go back to the system; the addresses stay usable, and read as zero. Whole pages only.
  void forget(std::size_t offset, std::size_t bytes);

 private:
  char* data_ = nullptr;
  std::size_t reserved_bytes_ = 0;
  std::size_t committed_bytes_ = 0;
  std::size_t large_from_ = SIZE_MAX;
  bool is_promised_ = true;  // all of it can be touched; else what is committed
};

}  // namespace larder::storage
