// A string value as a visit sees it: bytes, or an integer that is kept as one. Void when the visit
// ends.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/blob.h"

namespace larder::storage {

class Bytes {
 public:
  // Room for the text of any 64-bit integer.
  using Digits = std::array<char, 24>;

  explicit Bytes(std::string_view text) : text_(text) {}
  explicit Bytes(std::int64_t integer) : integer_(integer), is_integer_(true) {}
  explicit Bytes(Blob* blob) : text_(blob->bytes()), blob_(blob) {}

  bool is_integer() const { return is_integer_; }
  std::int64_t integer() const { return integer_; }
  // The blob behind a large string (take a hold to keep it past the visit), or null.
  Blob* blob() const { return blob_; }

  // The bytes of one that is no integer.
  std::string_view view() const { return text_; }
  // The bytes as the user wrote them; an integer is spelled into `digits`.
  std::string_view text(Digits& digits) const {
    if (!is_integer_) return text_;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), integer_).ptr;
    return {digits.data(), static_cast<std::size_t>(end - digits.data())};
  }
  std::size_t size() const {
    Digits digits;
    return is_integer_ ? text(digits).size() : text_.size();
  }
  std::string to_string() const {
    Digits digits;
    return std::string(text(digits));
  }
  // As a 64-bit integer, if the text is exactly one as INCR would write it.
  std::optional<std::int64_t> as_integer() const;

 private:
  std::string_view text_;
  std::int64_t integer_ = 0;
  Blob* blob_ = nullptr;
  bool is_integer_ = false;
};

// Bytes on their way into the store, viewed until they are stored. Large ones are copied to where
// they will lie at once: made before a shard is held, so that nobody waits for the copy.
class NewBytes {
 public:
  explicit NewBytes(std::string_view text)
      : text_(text), blob_(text.size() >= kPinnedBytes ? Blob::copy_of(text) : nullptr) {}
  ~NewBytes() {
    if (blob_ != nullptr) blob_->drop();
  }
  NewBytes(NewBytes&& other) noexcept : text_(other.text_), blob_(other.take_blob()) {}
  NewBytes& operator=(NewBytes&&) = delete;

  std::string_view text() const { return text_; }
  // The blob of large bytes, with its hold; null for short ones, and when it has been taken.
  Blob* take_blob() { return std::exchange(blob_, nullptr); }

 private:
  std::string_view text_;
  Blob* blob_;
};

// Strict: the whole text is what to_chars would print for the number ("-0", "+1", " 1" and "01" are
// not).
std::optional<std::int64_t> strict_integer(std::string_view text);

}  // namespace larder::storage
