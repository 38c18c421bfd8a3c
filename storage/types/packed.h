// Packed: the elements of a small collection one behind the other, as they lie in the cell of their
// entry: the compact encoding of hashes (field, value, field, value...), lists, sets and sorted
// sets (member, score, ...).
//
//   [2 bytes: how many elements] element element ...
//   element: [head, with a small number or a length] [the bytes] [length of the two before, for who
//   comes from behind]
//
// Elements are spelled as in Redis's listpacks (its public specification), so that a dump is these
// bytes with another head and an end mark: text that is a 64-bit integer as INCR
// would write it takes 1 to 9 bytes, text of up to 63 bytes one more than itself, and each a byte
// or more behind.
//
// A position is an offset from the start of the value. Reads trust the bytes: what comes from
// outside (RESTORE) is read by each_of_listpack().
// Cost: finding is a walk; that is why collections leave this encoding when they grow (limits.h).
// Thread: whoever holds the shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "storage/types/bytes.h"

namespace larder::storage {

class Packed {
 public:
  static constexpr std::size_t kHeadBytes = 2;
  // What a packed collection may take in all; a larger one must be kept otherwise, whatever the
  // options say. An element as large as that has no place in one.
  static constexpr std::size_t kMostBytes = 60'000;
  static constexpr std::size_t kMostElements = 0xffff;

  // No elements.
  static constexpr std::string_view kNone{"\0\0", kHeadBytes};

  explicit Packed(std::string_view value) : value_(value) {}

  std::size_t count() const {
    std::uint16_t count = 0;
    std::memcpy(&count, value_.data(), sizeof count);
    return count;
  }
  std::size_t begin() const { return kHeadBytes; }
  std::size_t end() const { return value_.size(); }
  std::size_t size_bytes() const { return value_.size(); }

  // The element at a position that is not the end.
  Bytes at(std::size_t position) const;
  // Positions of the elements behind and before it. before(end()) is the last.
  std::size_t next(std::size_t position) const;
  std::size_t before(std::size_t position) const;
  // The position of the nth element; end() when there are not so many. Negative: from the end, -1
  // is the last; end() too when there are not so many. Walks from the nearer end.
  std::size_t nth(std::int64_t index) const;
  // The position of the element that has this text, among the first and every `step`th behind it,
  // from `from` on; end() when there is none.
  std::size_t find(std::string_view text, std::size_t from, std::size_t step) const;

  // The bytes of elements, for splicing.
  std::string_view slice(std::size_t from, std::size_t to) const {
    return value_.substr(from, to - from);
  }

  // visit(const Bytes&) of each element of a listpack that comes from outside, every byte of which
  // is checked. False: it is none, and what was visited means nothing.
  template <class Visit>
  static bool each_of_listpack(std::string_view listpack, Visit&& visit) {
    const auto stated = stated_count(listpack);
    if (!stated) return false;
    const Packed elements(listpack.substr(0, listpack.size() - 1));
    std::size_t count = 0;
    for (std::size_t at = kListpackHeadBytes; at < elements.end(); ++count) {
      const auto next = elements.checked_next(at);
      if (!next) return false;
      visit(elements.at(at));
      at = *next;
    }
    return *stated == kCountUnknown || *stated == count;
  }

  // Writes an element behind others.
  static void append(std::string& to, std::string_view text);
  static void append(std::string& to, std::int64_t integer);
  // What append() would add for it at the most, in bytes.
  static std::size_t most_bytes(std::size_t text_bytes) { return text_bytes + 10; }
  // Writes how many elements there are into the head of a value.
  static void store_count(char* value, std::size_t count) {
    const auto number = static_cast<std::uint16_t>(count);
    std::memcpy(value, &number, sizeof number);
  }

 private:
  // A listpack's head: its size in four bytes and the count in two, or that nobody counted.
  static constexpr std::size_t kListpackHeadBytes = 6;
  static constexpr std::size_t kCountUnknown = 0xffff;

  struct Head {
    std::size_t bytes;    // of the head itself
    std::size_t payload;  // of what follows it
  };
  Head head_at(std::size_t position) const;
  std::optional<std::size_t> checked_next(std::size_t position) const;
  // What the head of a listpack says of the count; nothing when it is no such head, or no end mark.
  static std::optional<std::size_t> stated_count(std::string_view listpack);
  unsigned char byte(std::size_t position) const {
    return static_cast<unsigned char>(value_[position]);
  }
  std::int64_t integer_at(std::size_t position) const;

  std::string_view value_;
};

}  // namespace larder::storage
