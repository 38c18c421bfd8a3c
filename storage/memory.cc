#include "storage/memory.h"

#include <cstdlib>

#include "storage/ensure.h"

namespace larder::storage {

void* allocate(std::size_t size_bytes) {
  void* memory = std::malloc(usable(size_bytes));
  ensure(memory != nullptr, "the machine has no memory left below the configured limit");
  return memory;
}

void release(void* memory) noexcept {
  std::free(memory);
}

}  // namespace larder::storage
