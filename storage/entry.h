// An entry: one allocation that holds a key, its value and what is known about them.
//
//   byte 0      kind: type in the low four bits, encoding in the high four
//   byte 1      flags (below): which optional fields are there
//   bytes 2..4  eviction bits: 24 bits that only the policy reads (a clock, or a counter)
//   byte 5      rebuild cost, 8 bits (0: unknown)
//   bytes 6..7  learned prefix id (0: none)
//   [8 bytes    deadline, Unix milliseconds]          if has_deadline
//   1|4 bytes   length of the key                     4 if long_key
//   0|1|2 bytes length of the value                   inline bytes only: 2 if long_value
//   the key
//   the value: inline bytes | 8-byte integer | 8-byte pointer to a Blob
//
// Optional fields cost nothing when absent. Fields after the first eight bytes are read with
// memcpy: they lie where they fall. Nothing but the shard's table points at an entry, so an entry
// may be replaced by a bigger one at any time: every pointer to it is void after the next change of
// the same shard.
//
// Thread: part of a Shard; whoever holds the shard may call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/blob.h"
#include "storage/clock.h"

namespace larder::storage {

enum class Type : std::uint8_t { string, list, set, zset, hash, stream };

enum class Encoding : std::uint8_t {
  integer,  // 8 bytes, two's complement; its text is what the user wrote
  embstr,   // short inline bytes, never edited in place
  raw,      // inline bytes
  blob,     // bytes outside, counted (raw to the user)
};

// Strings up to this length are called embstr by OBJECT ENCODING (Redis's figure).
inline constexpr std::size_t kEmbstrBytes = 44;

class Entry {
 public:
  enum Flags : std::uint8_t {
    has_deadline = 1,
    long_key = 2,
    long_value = 4,
    in_wheel = 8,  // the timer wheel will come by at or before the deadline
    edited = 16,   // APPEND or SETRANGE made this string: OBJECT ENCODING says raw however short it
                   // is
  };

  struct Shape {
    Type type;
    Encoding encoding;
    Deadline deadline;
    std::size_t value_bytes;  // inline bytes; 8 for integer and blob
  };

  // Key copied, value not yet written. Release with destroy().
  static Entry* make(std::string_view key, const Shape& shape);
  // Frees the entry and drops its blob, if it has one.
  void destroy();

  Type type() const { return static_cast<Type>(kind_ & 15); }
  Encoding encoding() const { return static_cast<Encoding>(kind_ >> 4); }
  bool has(Flags flag) const { return (flags_ & flag) != 0; }
  void set(Flags flag, bool on) {
    flags_ = static_cast<std::uint8_t>(on ? flags_ | flag : flags_ & ~flag);
  }

  std::string_view key() const { return {base() + key_offset(), key_size()}; }
  std::size_t key_size() const {
    if (!has(long_key)) return static_cast<std::uint8_t>(base()[key_length_offset()]);
    return load<std::uint32_t>(key_length_offset());
  }
  Deadline deadline() const {
    return has(has_deadline) ? Deadline::at(load<std::int64_t>(8)) : Deadline::never();
  }
  // Only when has_deadline already: the field is there or it is not.
  void store_deadline(Deadline deadline) { store<std::int64_t>(8, deadline.unix_ms()); }

  std::size_t value_size() const;  // inline bytes, or 8
  char* value() { return base() + value_offset(); }
  const char* value() const { return base() + value_offset(); }
  std::string_view inline_bytes() const { return {value(), value_size()}; }
  std::int64_t integer() const { return load<std::int64_t>(value_offset()); }
  void store_integer(std::int64_t n) { store<std::int64_t>(value_offset(), n); }
  Blob* blob() const { return load<Blob*>(value_offset()); }
  void store_blob(Blob* blob) { store<Blob*>(value_offset(), blob); }
  // New inline bytes for the old ones without moving, if they fit the same footprint; false: make
  // another entry.
  bool rewrite_inline(std::string_view bytes, Encoding encoding);

  std::uint32_t eviction() const {
    return std::uint32_t{eviction_[0]} | std::uint32_t{eviction_[1]} << 8 |
           std::uint32_t{eviction_[2]} << 16;
  }
  void store_eviction(std::uint32_t bits) {
    eviction_[0] = static_cast<std::uint8_t>(bits);
    eviction_[1] = static_cast<std::uint8_t>(bits >> 8);
    eviction_[2] = static_cast<std::uint8_t>(bits >> 16);
  }
  // Carries over what belongs to the key and not to the value: eviction bits, cost, prefix, wheel
  // membership.
  void inherit(const Entry& older);

  std::size_t size_bytes() const { return value_offset() + value_size(); }
  // What it takes from the process, its blob included.
  std::size_t weight_bytes() const;

 private:
  Entry() = default;

  char* base() { return reinterpret_cast<char*>(this); }
  const char* base() const { return reinterpret_cast<const char*>(this); }
  template <class T>
  T load(std::size_t offset) const {
    T value;
    std::memcpy(&value, base() + offset, sizeof(T));
    return value;
  }
  template <class T>
  void store(std::size_t offset, T value) {
    std::memcpy(base() + offset, &value, sizeof(T));
  }
  bool is_inline() const { return encoding() == Encoding::embstr || encoding() == Encoding::raw; }
  std::size_t key_length_offset() const { return has(has_deadline) ? 16 : 8; }
  std::size_t value_length_offset() const { return key_length_offset() + (has(long_key) ? 4 : 1); }
  std::size_t value_length_bytes() const {
    if (!is_inline()) return 0;
    return has(long_value) ? 2 : 1;
  }
  std::size_t key_offset() const { return value_length_offset() + value_length_bytes(); }
  std::size_t value_offset() const { return key_offset() + key_size(); }
  void store_value_size(std::size_t size_bytes);

  std::uint8_t kind_;
  std::uint8_t flags_;
  std::uint8_t eviction_[3];
  std::uint8_t cost_;
  std::uint16_t prefix_;
};
static_assert(sizeof(Entry) == 8, "the fixed part of an entry is one word");

}  // namespace larder::storage
