// Hashes: fields and their values.
//
//   listpack   in the entry's cell: field, value, field, value... in the order they came
//   (packed.h);
//              up to hash-max-listpack-entries fields of hash-max-listpack-value bytes
//   hashtable  a LargeHash outside: a dictionary of HashFields, each one allocation with its value:
//              [next, two lengths] [field] [value]
//
// A hash becomes large when a field or value is too long or there are too many, and stays so.
// HashView reads a value, HashEdit changes a slot; nobody else knows the encodings.
//
// Must hold: there are no empty hashes: who takes the last field out has erased the key.
// Cost: packed: a walk, at most some hundred elements, and moving what lies behind. Large: a hash
// and a chain; 32 bytes a field beside field and value (header, malloc's own, bucket), and what
// rounding up to 16 takes.
// A value that takes the same allocation is written over the old one.
// Thread: whoever holds the shard.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/object.h"
#include "storage/slot.h"
#include "storage/types/bytes.h"
#include "storage/types/dictionary.h"
#include "storage/types/packed.h"
#include "storage/types/selection.h"
#include "storage/value.h"

namespace larder::storage {

// A field of a large hash. Field and value lie behind it in the same allocation.
struct HashField {
  // Of a field, and of a value: whoever takes longer ones from outside refuses them.
  static constexpr std::size_t kMostBytes = 0xffff'ffff;

  HashField* next;
  std::uint32_t name_bytes;
  std::uint32_t value_bytes;

  static HashField* make(std::string_view name, std::string_view value);
  static void destroy(HashField* field) { release(field); }

  char* text() { return reinterpret_cast<char*>(this + 1); }
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }
  std::string_view name() const { return {text(), name_bytes}; }
  std::string_view value() const { return {text() + name_bytes, value_bytes}; }
  static std::size_t size_bytes(std::size_t name_bytes, std::size_t value_bytes) {
    return sizeof(HashField) + name_bytes + value_bytes;
  }
  std::size_t size_bytes() const { return size_bytes(name_bytes, value_bytes); }
  // Another value, if it takes an allocation of the same size; else false.
  bool rewrite(std::string_view value);
};

class LargeHash final : public Object {
 public:
  explicit LargeHash(std::uint64_t seed) : seed_(seed), fields_(seed) {}

  std::size_t weight_bytes() const override {
    return footprint(sizeof(LargeHash)) + fields_.weight_bytes();
  }
  std::size_t size() const override { return fields_.size(); }
  Object* copy() const override;

  // True when the field is new.
  bool set(std::string_view field, std::string_view value);
  bool erase(std::string_view field) { return fields_.erase(field); }
  const Dictionary<HashField>& fields() const { return fields_; }

 private:
  std::uint64_t seed_;
  Dictionary<HashField> fields_;
};

// A hash as a visit sees it. What it hands out is void after the next change.
class HashView {
 public:
  static constexpr Type kType = Type::hash;
  explicit HashView(const Value& value)
      : large_(value.is_inline() ? nullptr : static_cast<const LargeHash*>(&value.object())),
        packed_(value.is_inline() ? value.inline_bytes() : Packed::kNone) {}

  std::size_t size() const { return large_ != nullptr ? large_->size() : packed_.count() / 2; }
  // The value of a field; nothing when there is no such field.
  std::optional<Bytes> find(std::string_view field) const;

  // visit(const Bytes& field, const Bytes& value)
  template <class Visit>
  void each(Visit&& visit) const {
    if (large_ != nullptr) {
      return large_->fields().each(
          [&](const HashField& field) { visit(Bytes(field.name()), Bytes(field.value())); });
    }
    for (std::size_t at = packed_.begin(); at < packed_.end();) {
      const std::size_t value = packed_.next(at);
      visit(packed_.at(at), packed_.at(value));
      at = packed_.next(value);
    }
  }
  // About `count` fields from the cursor on; answers the next cursor, 0 at the end. A packed hash
  // is visited as a whole.
  template <class Visit>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Visit&& visit) const {
    if (large_ == nullptr) {
      each(visit);
      return 0;
    }
    std::size_t seen = 0;
    std::size_t buckets_left = std::min(count, kMostScanned) * kBucketsPerField;
    do {
      cursor = large_->fields().scan_bucket(cursor, [&](const HashField& field) {
        ++seen;
        visit(Bytes(field.name()), Bytes(field.value()));
      });
    } while (cursor != 0 && seen < count && --buckets_left != 0);
    return cursor;
  }
  // One field, drawn by chance. draw(): 64 random bits.
  template <class Draw, class Visit>
  void random(Draw&& draw, Visit&& visit) const {
    if (large_ != nullptr) {
      const HashField& field = large_->fields().random(draw);
      return visit(Bytes(field.name()), Bytes(field.value()));
    }
    const std::size_t at = packed_.nth(static_cast<std::int64_t>(draw() % size() * 2));
    visit(packed_.at(at), packed_.at(packed_.next(at)));
  }
  // `count` of them, each drawn from all.
  template <class Draw, class Visit>
  void random_repeated(std::size_t count, Draw&& draw, Visit&& visit) const {
    if (large_ != nullptr || count == 1) {
      for (; count > 0; --count) random(draw, visit);
      return;
    }
    std::vector<std::pair<Bytes, Bytes>> all;
    all.reserve(size());
    each([&](const Bytes& field, const Bytes& value) { all.emplace_back(field, value); });
    for (; count > 0; --count) {
      const auto& [field, value] = all[draw() % all.size()];
      visit(field, value);
    }
  }
  // `count` different ones; not more than there are.
  template <class Draw, class Visit>
  void random_distinct(std::size_t count, Draw&& draw, Visit&& visit) const {
    const auto visit_field = [&](const HashField& field) {
      visit(Bytes(field.name()), Bytes(field.value()));
    };
    if (large_ != nullptr) return sample(large_->fields(), count, draw, visit_field);
    Selection selection(count, size(), draw);
    each([&](const Bytes& field, const Bytes& value) {
      if (selection.takes_next()) visit(field, value);
    });
  }

 private:
  // A scan goes through so many buckets for each field it was asked for, as Redis's.
  static constexpr std::size_t kBucketsPerField = 10;
  static constexpr std::size_t kMostScanned = 1 << 20;

  const LargeHash* large_;
  Packed packed_;
};

// A slot that holds a hash, or nothing.
class HashEdit {
 public:
  explicit HashEdit(Slot& slot) : slot_(slot) {}

  // Void after the next change.
  std::optional<Bytes> find(std::string_view field) {
    return slot_.is_present() ? HashView(*slot_.value()).find(field) : std::nullopt;
  }
  // Field, value, field, value...: how many fields are new.
  std::size_t set(std::span<const std::string_view> pairs);
  bool set(std::string_view field, std::string_view value) {
    const std::string_view pair[] = {field, value};
    return set(pair) != 0;
  }
  // How many of the fields were there. The last one takes the key with it.
  std::size_t erase(std::span<const std::string_view> fields);

 private:
  using Words = std::span<const std::string_view>;

  bool fits_small(Words pairs) const;
  bool has_room(std::size_t size_bytes, std::size_t elements) const;
  Words fill_new(Words pairs, std::size_t& added);
  Words fill_small(Words pairs, std::size_t& added);
  std::size_t enlarge(Words pairs);
  std::size_t erase_small(Words fields);
  std::size_t erase_large(Words fields);

  Slot& slot_;
};

}  // namespace larder::storage
