#include "protocol/request.h"

#include <algorithm>

namespace larder::protocol {

void RequestBatch::clear() {
  used_words_ = 0;
  ends_.clear();
  if (!texts_.empty()) texts_.clear();
  if (capacity_ <= kKeptWords) return;
  words_.reset();
  capacity_ = 0;
  ends_.shrink_to_fit();
}

// Doubles, so that adding words one request at a time stays linear.
void RequestBatch::grow(std::size_t count) {
  const std::size_t first = 64;
  const std::size_t wanted = std::max({first, capacity_ * 2, used_words_ + count});
  auto larger = std::make_unique_for_overwrite<std::string_view[]>(wanted);
  std::copy_n(words_.get(), used_words_, larger.get());
  words_ = std::move(larger);
  capacity_ = wanted;
}

}  // namespace larder::protocol
