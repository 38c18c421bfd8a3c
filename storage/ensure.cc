#include "storage/ensure.h"

#include <cstdio>
#include <cstdlib>

namespace larder {

void broken(const char* sentence, const char* file, int line) noexcept {
  std::fprintf(stderr, "larder: broken promise: %s (%s:%d)\n", sentence, file, line);
  std::abort();
}

}  // namespace larder
