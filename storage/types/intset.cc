#include "storage/types/intset.h"

#include <bit>
#include <cstdint>

#include "storage/types/low_bytes.h"

namespace larder::storage {

std::int64_t Intset::at(std::size_t index) const {
  return integer_of_low_bytes(value_.substr(position(index), width()));
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
  // The bits that differ from the sign, and the sign.
  const auto bits = std::bit_width(static_cast<std::uint64_t>(integer ^ (integer >> 63))) + 1;
  return (static_cast<std::size_t>(bits) + 7) / 8;
}

void Intset::append(std::string& to, std::int64_t integer, std::size_t width) {
  append_low_bytes(to, static_cast<std::uint64_t>(integer), width);
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
