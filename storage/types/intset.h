// Intset: a set of integers as they lie in the cell of their entry, sorted.
//
//   [1 byte: width] integer integer ...     each of `width` bytes (1 to 8), the lowest first
//
// All are as wide as the widest that ever came: one that is too wide makes all of them wider, and
// none becomes narrower when it has gone. Redis knows 2, 4 and 8 bytes; with three for numbers
// below eight million, a set of fifty of them takes a quarter less. How many there are follows from
// the bytes.
//
// A change is told as a splice, which whoever owns the bytes does to them. Reads trust the bytes.
// Cost: finding is a binary search, inserting moves what lies behind; that is why sets leave this
// encoding when they grow (limits.h).
// Thread: whoever holds the shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace larder::storage {

class Intset {
 public:
  static constexpr std::size_t kHeadBytes = 1;
  // No integers, as narrow as they come.
  static constexpr std::string_view kNone{"\1", kHeadBytes};

  explicit Intset(std::string_view value) : value_(value) {}

  std::size_t width() const { return static_cast<unsigned char>(value_[0]); }
  std::size_t size() const { return (value_.size() - kHeadBytes) / width(); }
  std::int64_t at(std::size_t index) const;
  // The index of the first that is not less; size() when all are.
  std::size_t lower_bound(std::int64_t integer) const;
  // Is it the one at that index, which may be size()?
  bool is_at(std::size_t index, std::int64_t integer) const {
    return index < size() && at(index) == integer;
  }
  bool has(std::int64_t integer) const { return is_at(lower_bound(integer), integer); }

  // Where the integer of that index begins.
  std::size_t position(std::size_t index) const { return kHeadBytes + index * width(); }
  // What an integer needs: 1 to 8.
  static std::size_t width_of(std::int64_t integer);
  // Writes an integer behind others of that width.
  static void append(std::string& to, std::int64_t integer, std::size_t width);
  // All of them in another width, and one that is not there among them.
  std::string widened_with(std::int64_t integer) const;

 private:
  std::string_view value_;
};

}  // namespace larder::storage
