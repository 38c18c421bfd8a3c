// A large hash: a dictionary of its fields, and, if some of them expire, who is next.
//
//   field   one allocation: [next, two lengths] [name] [value] [4 bytes: its place among the times,
//           if it has a deadline]
//   times   a binary heap of (deadline, field): the earliest is on top; made with the first
//           deadline and gone with the last
//
// Every field knows its place in the heap, so that its deadline is found, changed and taken away
// without a second table; a field that gets its first deadline, or loses it, is allocated anew.
// Must hold: heap[field.place()].field is the field, for all that have a deadline; a heap is not
// empty.
// Cost: 32 bytes a field beside name and value (header, malloc's own, bucket), and what rounding
// up to 16 takes; a deadline takes 16 to 32 more, and O(log n). Hashes without deadlines have a
// null pointer. Thread: whoever holds the shard.
// Not an ordered tree: only the earliest is ever asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "storage/clock.h"
#include "storage/object.h"
#include "storage/types/dictionary.h"

namespace larder::storage {

// A field of a large hash. Name and value lie behind it in the same allocation.
struct HashField {
  // Of a name, and of a value: whoever takes longer ones from outside refuses them.
  static constexpr std::size_t kMostBytes = 0x7fff'ffff;

  HashField* next;
  std::uint32_t name_bytes;
  std::uint32_t value_bytes : 31;
  std::uint32_t has_deadline : 1;

  static HashField* make(std::string_view name, std::string_view value, bool has_deadline);
  static void destroy(HashField* field) { release(field); }

  char* text() { return reinterpret_cast<char*>(this + 1); }
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view name() const { return {text(), name_bytes}; }
  std::string_view value() const { return {text() + name_bytes, value_bytes}; }
  static std::size_t size_bytes(std::size_t name_bytes, std::size_t value_bytes,
                                bool has_deadline) {
    return sizeof(HashField) + name_bytes + value_bytes +
           (has_deadline ? sizeof(std::uint32_t) : 0);
  }
  std::size_t size_bytes() const { return size_bytes(name_bytes, value_bytes, has_deadline); }
  // Only with a deadline: where it is in the heap.
  std::uint32_t place() const {
    std::uint32_t place = 0;
    std::memcpy(&place, text() + name_bytes + value_bytes, sizeof place);
    return place;
  }
  void store_place(std::uint32_t place) {
    std::memcpy(text() + name_bytes + value_bytes, &place, sizeof place);
  }
  void store_value_size(std::size_t bytes) {
    value_bytes = static_cast<std::uint32_t>(bytes) & std::uint32_t{kMostBytes};
  }
  // Another value, if it takes an allocation of the same size; else false.
  bool rewrite(std::string_view value);
};
static_assert(sizeof(HashField) == 16);

// The fields of one hash that have a deadline, the earliest on top.
class FieldTimes {
 public:
  struct Time {
    std::int64_t deadline_ms;
    HashField* field;
  };

  std::size_t weight_bytes() const {
    return footprint(sizeof(FieldTimes)) +
           (heap_.capacity() == 0 ? 0 : footprint(heap_.capacity() * sizeof(Time)));
  }
  std::size_t size() const { return heap_.size(); }
  const Time& earliest() const { return heap_.front(); }
  std::int64_t deadline_ms(const HashField& field) const {
    return heap_[field.place()].deadline_ms;
  }

  bool are_all_due(std::int64_t now_ms) const;
  void add(HashField& field, std::int64_t deadline_ms);
  void change(HashField& field, std::int64_t deadline_ms);
  void remove(const HashField& field);
  // The same field has been allocated anew.
  void moved(const HashField& older, HashField& newer);

  // The mark of the wheel's sweep (field_deadlines.h).
  unsigned sweep = 0;

 private:
  void put(std::size_t at, Time time);
  void rise(std::size_t at, Time time);
  void sink(std::size_t at, Time time);

  std::vector<Time> heap_;
};

class LargeHash final : public Object {
 public:
  explicit LargeHash(std::uint64_t seed) : seed_(seed), fields_(seed) {}

  std::size_t weight_bytes() const override {
    return footprint(sizeof(LargeHash)) + fields_.weight_bytes() +
           (times_ == nullptr ? 0 : times_->weight_bytes());
  }
  std::size_t size() const override { return fields_.size(); }
  Object* copy() const override;

  // What becomes of the deadline of a field that gets another value.
  enum class Time : std::uint8_t { dropped, kept };
  // True when the field is new.
  bool set(std::string_view field, std::string_view value, Time time = Time::dropped);
  bool erase(std::string_view field);
  const Dictionary<HashField>& fields() const { return fields_; }

  Deadline deadline(const HashField& field) const {
    return field.has_deadline ? Deadline::at(times_->deadline_ms(field)) : Deadline::never();
  }
  // Never: none of them.
  Deadline earliest() const {
    return times_ == nullptr ? Deadline::never() : Deadline::at(times_->earliest().deadline_ms);
  }
  // Null when there are no deadlines.
  FieldTimes* times() const { return times_.get(); }
  // The field must be there.
  void set_deadline(std::string_view field, Deadline deadline);
  // No field is left at that time. Not found out (false) for who may drop only `most` of very many.
  bool is_all_due(std::int64_t now_ms, std::size_t most) const;
  // Erases so many fields whose time has come; how many they were.
  std::size_t drop_due(std::int64_t now_ms, std::size_t most);

 private:
  void renew(HashField* there, std::string_view value, bool has_deadline);
  void forget_time(const HashField& field);

  std::uint64_t seed_;
  Dictionary<HashField> fields_;
  std::unique_ptr<FieldTimes> times_;
};

}  // namespace larder::storage
