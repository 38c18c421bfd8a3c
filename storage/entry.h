// An entry: one cell that holds a key, its value and what is known about them.
//
//   byte 0      type in the low three bits, encoding in the next four (bit 7: the prefix's ninth)
//   byte 1      flags (below): which optional fields are there
//   bytes 2..4  eviction bits: 24 bits that only the policy reads (a clock, or a counter)
//   byte 5      length of the key, unless long_key
//   byte 6      length of the value, its low byte (inline bytes only)
//   byte 7      learned prefix id (0: none), its low byte
//   [6|8 bytes  deadline, milliseconds of the timeline]   if has_deadline; 8 if wide_deadline
//      six: 44 bits of it, two for the wheel's sweep (Shard), whether it follows the wall clock,
//      and the wall's epoch (Shard)
//   [4 bytes    length of the key]                    if long_key
//   [1 byte     length of the value, its high byte]   if long_value
//   the key
//   the value: inline bytes | 8-byte integer | 8-byte pointer to a Blob or an Object
//
// So a short key with a short value costs eight bytes, and six more for a deadline before the year
// 2527. Optional fields cost nothing when absent; a rebuild cost and memcached's CAS will be such.
// Fields after the first eight bytes are read with memcpy: they lie where they fall. Nothing but
// the shard's table points at an entry, so an entry may move (Heap::tidy) or be replaced by a
// bigger one: every pointer to it is void after the next change of the same shard.
//
// Must hold: type 7 is never used: a free cell is marked so (Heap::kFreeMark).
// Thread: part of a Shard; whoever holds the shard may call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/blob.h"
#include "storage/clock.h"
#include "storage/heap.h"
#include "storage/object.h"

namespace larder::storage {

enum class Type : std::uint8_t { string, list, set, zset, hash, stream };

enum class Encoding : std::uint8_t {
  integer,     // 8 bytes, two's complement; its text is what the user wrote
  embstr,      // short inline bytes (raw to the user once edited)
  raw,         // inline bytes
  listpack,    // inline: a small collection (types/packed.h)
  listpackex,  // inline: a small hash of whose fields some expire
  intset,      // inline: a set of integers, sorted
  blob,        // bytes outside, counted (raw to the user)
  quicklist,   // from here on an Object
  hashtable,
  skiplist,
  stream,
};

// Strings up to this length are called embstr by OBJECT ENCODING (Redis's figure).
inline constexpr std::size_t kEmbstrBytes = 44;

class Entry {
 public:
  enum Flags : std::uint8_t {
    has_deadline = 1,
    long_key = 2,
    long_value = 4,
    in_wheel = 8,  // the timer wheel will come by at or before the deadline, or that of a field
    edited = 16,   // APPEND or SETRANGE made this string: OBJECT ENCODING says raw however short it
                   // is
    wide_deadline = 32,
    fields_expire = 64,  // a hash, of whose fields some have a deadline (storage/field_expiry.cc)
  };

  struct Shape {
    Type type;
    Encoding encoding;
    Deadline deadline;
    std::size_t value_bytes;  // inline bytes; 8 for all else
  };

  // Key copied, value not yet written. Release with destroy().
  static Entry* make(Heap& heap, std::string_view key, const Shape& shape);
  // Frees the entry and drops what hangs on it.
  void destroy(Heap& heap);
  // The same entry in another cell; this one is void.
  Entry* move(Heap& heap);

  Type type() const { return static_cast<Type>(kind_ & 7); }
  Encoding encoding() const { return static_cast<Encoding>(kind_ >> 3 & 15); }
  bool has(Flags flag) const { return (flags_ & flag) != 0; }
  // All of it, or a field of it, dies some day.
  bool is_mortal() const { return (flags_ & (has_deadline | fields_expire)) != 0; }
  void set(Flags flag, bool on) {
    flags_ = static_cast<std::uint8_t>(on ? flags_ | flag : flags_ & ~flag);
  }

  std::string_view key() const { return {base() + key_offset(), key_size()}; }
  bool is_called(std::string_view key) const {
    return key_size() == key.size() && same_bytes(base() + key_offset(), key.data(), key.size());
  }
  std::size_t key_size() const {
    return has(long_key) ? load<std::uint32_t>(long_key_offset()) : key_size_;
  }
  Deadline deadline() const {
    if (!has(has_deadline)) return Deadline::never();
    const auto word = load<std::int64_t>(kDeadlineOffset);  // what comes behind six bytes is ours
    if (has(wide_deadline)) return Deadline::at(word);
    const std::int64_t ms = word & kMostNarrowMs;
    return (word & kFollowsWall) != 0 ? Deadline::following_wall(ms) : Deadline::at(ms);
  }
  // Only one of the same width as the deadline that is there already. Its wall epoch is 0, and no
  // sweep has seen it.
  void store_deadline(Deadline deadline) {
    const std::int64_t word = deadline.ms() | (deadline.follows_wall() ? kFollowsWall : 0);
    std::memcpy(base() + kDeadlineOffset, &word, deadline_bytes());
  }
  // Which of the last two positions of the wall clock a deadline that follows it is for: 0 or 1.
  void store_wall_epoch(unsigned epoch) {
    const unsigned others = load<std::uint8_t>(kMarksOffset) & 0x7fu;
    store(kMarksOffset, static_cast<std::uint8_t>(others | epoch << 7));
  }
  // It has a deadline that follows the wall clock, for the other epoch.
  bool is_behind_wall(unsigned epoch) const {
    if (!has_marks()) return false;
    return load<std::uint8_t>(kMarksOffset) >> 6 == (epoch != 0 ? 1u : 3u);
  }
  // The number (1 or 2) of the sweep of the wheel that has put its name in order; 0: none has, or
  // its deadline is too far away to say so.
  unsigned sweep() const {
    if (!has_marks()) return 0;
    return load<std::uint8_t>(kMarksOffset) >> 4 & 3u;
  }
  void store_sweep(unsigned number) {
    if (!has_marks()) return;
    const unsigned others = load<std::uint8_t>(kMarksOffset) & 0xcfu;
    store(kMarksOffset, static_cast<std::uint8_t>(others | number << 4));
  }
  // What a deadline takes: 0 (never), 6 or 8 bytes.
  static std::size_t deadline_bytes(Deadline deadline) {
    if (deadline.is_never()) return 0;
    return deadline.ms() >= 0 && deadline.ms() <= kMostNarrowMs ? 6 : 8;
  }
  std::size_t deadline_bytes() const {
    if (!has(has_deadline)) return 0;
    return has(wide_deadline) ? 8 : 6;
  }

  bool is_inline() const {
    return encoding() >= Encoding::embstr && encoding() <= Encoding::intset;
  }
  std::size_t value_size() const {  // inline bytes, or 8
    if (!is_inline()) return 8;
    if (!has(long_value)) return value_size_;
    return value_size_ | static_cast<std::size_t>(load<std::uint8_t>(long_value_offset())) << 8;
  }
  char* value() { return base() + value_offset(); }
  const char* value() const { return base() + value_offset(); }
  std::string_view inline_bytes() const { return {value(), value_size()}; }
  std::int64_t integer() const { return load<std::int64_t>(value_offset()); }
  void store_integer(std::int64_t n) { store<std::int64_t>(value_offset(), n); }
  Blob* blob() const { return load<Blob*>(value_offset()); }
  void store_blob(Blob* blob) { store<Blob*>(value_offset(), blob); }
  Object* object() const { return load<Object*>(value_offset()); }
  void store_object(Object* object) { store<Object*>(value_offset(), object); }
  bool has_object() const { return encoding() >= Encoding::quicklist; }
  // Something hangs on it that does not go with its cell: a blob or an object.
  bool has_outside() const { return encoding() >= Encoding::blob; }
  // One more holder of what is outside, for another entry with the same value.
  void hold_outside() const;
  // New inline bytes for the old ones without moving, if they take a cell of the same size; false:
  // make another entry.
  bool rewrite_inline(std::string_view bytes, Encoding encoding);
  // The same for a part of them: `inserted` in the place of `removed` bytes at `at`.
  bool splice_inline(std::size_t at, std::size_t removed, std::string_view inserted);

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
  // What it takes from the process, with what hangs on it.
  std::size_t weight_bytes() const;

 private:
  static constexpr std::size_t kDeadlineOffset = 8;
  static constexpr std::int64_t kMostNarrowMs = Deadline::kLastFollowingMs;
  static constexpr std::int64_t kFollowsWall = std::int64_t{1} << 46;
  static constexpr std::size_t kMarksOffset = kDeadlineOffset + 5;

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
  // A deadline of six bytes, with room for what the wheel and the wall have to say.
  bool has_marks() const { return (flags_ & (has_deadline | wide_deadline)) == has_deadline; }
  void store_kind(Type type, Encoding encoding) {
    kind_ = static_cast<std::uint8_t>((kind_ & 0x80) | static_cast<unsigned>(type) |
                                      static_cast<unsigned>(encoding) << 3);
  }
  std::size_t long_key_offset() const { return kDeadlineOffset + deadline_bytes(); }
  std::size_t long_value_offset() const { return long_key_offset() + (has(long_key) ? 4 : 0); }
  // What the flags say of it, looked up: every visit of a key asks.
  std::size_t key_offset() const { return kKeyOffsets[flags_ & (kKeyOffsets.size() - 1)]; }
  std::size_t value_offset() const { return key_offset() + key_size(); }

  static constexpr auto kKeyOffsets = [] {
    std::array<std::uint8_t, 64> offsets{};
    for (std::size_t flags = 0; flags < offsets.size(); ++flags) {
      std::size_t offset = kDeadlineOffset;
      if ((flags & has_deadline) != 0) offset += (flags & wide_deadline) != 0 ? 8 : 6;
      offset += (flags & long_key) != 0 ? 4 : 0;
      offset += (flags & long_value) != 0 ? 1 : 0;
      offsets[flags] = static_cast<std::uint8_t>(offset);
    }
    return offsets;
  }();

  // Keys of 8 to 32 bytes, as nearly all are, are compared in words; calling memcmp costs more.
  static bool same_bytes(const char* a, const char* b, std::size_t size) {
    const auto differs = [a, b](std::size_t at) {
      std::uint64_t x;
      std::uint64_t y;
      std::memcpy(&x, a + at, sizeof x);
      std::memcpy(&y, b + at, sizeof y);
      return x ^ y;
    };
    if (size - 8 <= 8) return (differs(0) | differs(size - 8)) == 0;
    if (size - 16 <= 16) {
      return (differs(0) | differs(8) | differs(size - 16) | differs(size - 8)) == 0;
    }
    return std::memcmp(a, b, size) == 0;
  }
  void store_value_size(std::size_t size_bytes);
  bool has_room_for(std::size_t bytes) const;

  std::uint8_t kind_;
  std::uint8_t flags_;
  std::uint8_t eviction_[3];
  std::uint8_t key_size_;
  std::uint8_t value_size_;
  std::uint8_t prefix_;
};
static_assert(sizeof(Entry) == 8, "the fixed part of an entry is one word");

}  // namespace larder::storage
