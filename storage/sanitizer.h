// What the address sanitizer must be told by those who hand out memory that is not malloc's: which
// of it is free. Without the sanitizer nothing is left of it.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define LARDER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LARDER_ASAN
#endif
#endif

#ifdef LARDER_ASAN
extern "C" void __asan_poison_memory_region(void const volatile* address, std::size_t size);
extern "C" void __asan_unpoison_memory_region(void const volatile* address, std::size_t size);
#endif

namespace larder::storage {

#ifdef LARDER_ASAN
inline constexpr bool kIsAddressSanitized = true;
inline void forbid_touching(void* memory, std::size_t size_bytes) {
  __asan_poison_memory_region(memory, size_bytes);
}
inline void allow_touching(void* memory, std::size_t size_bytes) {
  __asan_unpoison_memory_region(memory, size_bytes);
}
#else
inline constexpr bool kIsAddressSanitized = false;
inline void forbid_touching(void* /*memory*/, std::size_t /*size_bytes*/) {}
inline void allow_touching(void* /*memory*/, std::size_t /*size_bytes*/) {}
#endif

}  // namespace larder::storage
