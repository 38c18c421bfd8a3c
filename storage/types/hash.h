// Hashes: fields and their values, and of some when they die.
//
//   listpack    in the entry's cell: field, value, field, value... in the order they came
//               (packed.h); up to hash-max-listpack-entries fields of hash-max-listpack-value bytes
//   listpackex  the same where fields have had deadlines: [8 bytes: the earliest of them, and the
//               wheel's mark] and then field, value, deadline, field...: a deadline is milliseconds
//               of the timeline, or 0; those that die are in front, the earliest first
//   hashtable   a LargeHash outside (large_hash.h)
//
// A hash becomes large when a field or value is too long or there are too many, and stays so; one
// that has had deadlines stays listpackex until then. HashView reads a value, HashEdit changes a
// slot; nobody else knows the encodings (field_deadlines.h tells the shard what it must know).
// Neither looks at a clock: what is due was dropped when the hash was found (field_expiry.cc).
//
// Must hold: there are no empty hashes: who takes the last field out has erased the key. The head
// of a listpackex says the deadline of its first field.
// Cost: packed: a walk, at most some hundred elements, and moving what lies behind.
// Thread: whoever holds the shard.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/slot.h"
#include "storage/types/bytes.h"
#include "storage/types/field_deadlines.h"
#include "storage/types/large_hash.h"
#include "storage/types/packed.h"
#include "storage/types/selection.h"
#include "storage/value.h"

namespace larder::storage {

// A hash as a visit sees it. What it hands out is void after the next change.
class HashView {
 public:
  static constexpr Type kType = Type::hash;
  explicit HashView(const Value& value)
      : large_(value.is_inline() ? nullptr : static_cast<const LargeHash*>(&value.object())),
        packed_(packed_of(value)),
        is_timed_(value.encoding() == Encoding::listpackex) {}

  std::size_t size() const {
    if (large_ != nullptr) return large_->size();
    return is_timed_ ? packed_.count() / 3 : packed_.count() / 2;
  }
  // The value of a field; nothing when there is no such field.
  std::optional<Bytes> find(std::string_view field) const;
  // When a field dies, or never; nothing when there is no such field.
  std::optional<Deadline> deadline(std::string_view field) const;
  // Of all fields.
  Deadline earliest() const;

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
      if (is_timed_) at = packed_.next(at);
    }
  }
  // visit(const Bytes& field, const Bytes& value, Deadline)
  template <class Visit>
  void each_with_deadline(Visit&& visit) const {
    if (large_ != nullptr) {
      return large_->fields().each([&](const HashField& field) {
        visit(Bytes(field.name()), Bytes(field.value()), large_->deadline(field));
      });
    }
    for (std::size_t at = packed_.begin(); at < packed_.end();) {
      const std::size_t value = packed_.next(at);
      const std::size_t time = packed_.next(value);
      visit(packed_.at(at), packed_.at(value),
            is_timed_ ? deadline_at(packed_, time) : Deadline::never());
      at = is_timed_ ? packed_.next(time) : time;
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
    const std::size_t at = packed_.nth(static_cast<std::int64_t>(draw() % size() * step()));
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

  friend class HashEdit;

  static Packed packed_of(const Value& value) {
    if (!value.is_inline()) return Packed(Packed::kNone);
    const std::size_t head = value.encoding() == Encoding::listpackex ? kFieldHeadBytes : 0;
    return Packed(value.inline_bytes().substr(head));
  }
  static Deadline deadline_at(const Packed& packed, std::size_t at);
  // Elements to a field.
  std::size_t step() const { return is_timed_ ? 3 : 2; }

  const LargeHash* large_;
  Packed packed_;
  bool is_timed_;
};

// A slot that holds a hash, or nothing.
class HashEdit {
 public:
  explicit HashEdit(Slot& slot) : slot_(slot) {}

  // Void after the next change.
  std::optional<Bytes> find(std::string_view field) {
    return slot_.is_present() ? HashView(*slot_.value()).find(field) : std::nullopt;
  }
  // Field, value, field, value...: how many fields are new. Those that were there do not die any
  // more, or when they would have.
  using Time = LargeHash::Time;
  std::size_t set(std::span<const std::string_view> pairs, Time time = Time::dropped);
  bool set(std::string_view field, std::string_view value, Time time = Time::dropped) {
    const std::string_view pair[] = {field, value};
    return set(pair, time) != 0;
  }
  // How many of the fields were there. The last one takes the key with it.
  std::size_t erase(std::span<const std::string_view> fields);

  // When a field dies, or never; nothing when there is no such field.
  std::optional<Deadline> deadline(std::string_view field) {
    return slot_.is_present() ? HashView(*slot_.value()).deadline(field) : std::nullopt;
  }
  // The field must be there. One that is due already goes when the key is found the next time.
  void set_deadline(std::string_view field, Deadline deadline);
  // Takes out so many fields whose time has come, and the key with the last; how many they were.
  // (Of a small hash all.)
  std::size_t drop_due(std::int64_t now_ms, std::size_t most);

 private:
  using Words = std::span<const std::string_view>;

  // A packed hash with deadlines, as the changes of it need it.
  Packed packed() { return HashView::packed_of(*slot_.value()); }
  bool is_timed() { return slot_.value()->encoding() == Encoding::listpackex; }
  bool is_small() { return slot_.value()->is_inline(); }

  bool fits_small(Words pairs) const;
  bool has_room(std::size_t size_bytes, std::size_t elements, std::size_t fields) const;
  Words fill_new(Words pairs, std::size_t& added);
  Words fill_small(Words pairs, std::size_t& added, Time time);
  bool put_small(std::string_view field, std::string_view value, std::size_t& added,
                 std::string& text);
  bool put_timed(std::string_view field, std::string_view value, std::size_t& added, Time time);
  void move_timed(std::size_t at, std::string_view value, Deadline deadline);
  void keep_times();
  void note_earliest();
  std::size_t enlarge(Words pairs, Time time);
  std::size_t erase_small(Words fields);
  std::size_t erase_large(Words fields);
  std::size_t drop_due_small(std::int64_t now_ms);
  // edit(LargeHash&) -> how much it has changed; 0: nothing.
  template <class Edit>
  std::size_t edit_large(Edit&& edit);

  Slot& slot_;
};

}  // namespace larder::storage
