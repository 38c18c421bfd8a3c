#include "storage/types/intset.h"

#include <limits>

namespace larder::storage {
namespace {

template <class Integer>
bool fits(std::int64_t integer) {
  return integer >= std::numeric_limits<Integer>::min() &&
         integer <= std::numeric_limits<Integer>::max();
}

}  // namespace

std::int64_t Intset::at(std::size_t index) const {
  const std::size_t begin = position(index);
  std::uint64_t number = 0;
  for (std::size_t i = width(); i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>(value_[begin + i]);
  }
  const auto unused = static_cast<int>(64 - 8 * width());
  return static_cast<std::int64_t>(number << unused) >> unused;
}

std::size_t Intset::lower_bound(std::int64_t integer) const {
  std::size_t from = 0;
  std::size_t to = size();
  while (from < to) {
    const std::size_t middle = (from + to) / 2;
    if (at(middle) < integer) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

std::size_t Intset::width_of(std::int64_t integer) {
  if (fits<std::int16_t>(integer)) return 2;
  return fits<std::int32_t>(integer) ? 4 : 8;
}

void Intset::append(std::string& to, std::int64_t integer, std::size_t width) {
  const auto number = static_cast<std::uint64_t>(integer);
  for (std::size_t i = 0; i < width; ++i) to += static_cast<char>(number >> (8 * i));
}

std::string Intset::widened_with(std::int64_t integer) const {
  const std::size_t wide = width_of(integer);
  std::string bytes;
  bytes.reserve(kHeadBytes + (size() + 1) * wide);
  bytes += static_cast<char>(wide);
  // It is too wide for the others: so it is less than all of them, or greater.
  if (integer < 0) append(bytes, integer, wide);
  for (std::size_t i = 0; i < size(); ++i) append(bytes, at(i), wide);
  if (integer >= 0) append(bytes, integer, wide);
  return bytes;
}

}  // namespace larder::storage
