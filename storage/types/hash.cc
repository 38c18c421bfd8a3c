#include "storage/types/hash.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "storage/ensure.h"

namespace larder::storage {
namespace {

using Words = std::span<const std::string_view>;

// Where the bytes of a change go in a packed hash: only the value, or field and value behind all.
struct Place {
  std::size_t begin;
  std::size_t removed;
  bool is_new;
};

// Writes into `text` what goes there.
Place place(const Packed& packed, std::string_view field, std::string_view value,
            std::string& text) {
  text.clear();
  const std::size_t at = packed.find(field, packed.begin(), 2);
  if (at == packed.end()) {
    text.reserve(Packed::most_bytes(field.size()) + Packed::most_bytes(value.size()));
    Packed::append(text, field);
    Packed::append(text, value);
    return {at, 0, true};
  }
  text.reserve(Packed::most_bytes(value.size()));
  Packed::append(text, value);
  const std::size_t begin = packed.next(at);
  return {begin, packed.next(begin) - begin, false};
}

// The head of a listpackex: 48 bits of the earliest deadline (0: never), two of the sweep's mark.
constexpr std::uint64_t kHeadDeadline = (std::uint64_t{1} << 48) - 1;
constexpr unsigned kHeadSweepShift = 48;

std::uint64_t head_of(const Entry& entry) {
  std::uint64_t head = 0;
  std::memcpy(&head, entry.value(), kFieldHeadBytes);
  return head;
}

void store_head(Entry& entry, std::uint64_t head) {
  std::memcpy(entry.value(), &head, kFieldHeadBytes);
}

const LargeHash& large_of(const Entry& entry) {
  return static_cast<const LargeHash&>(*entry.object());
}

void append_deadline(std::string& to, Deadline deadline) {
  Packed::append(to, deadline.is_never() ? 0 : deadline.ms());
}

}  // namespace

Deadline earliest_field_deadline(const Entry& entry) {
  if (!entry.is_inline()) return large_of(entry).earliest();
  const std::uint64_t ms = head_of(entry) & kHeadDeadline;
  return ms == 0 ? Deadline::never() : Deadline::at(static_cast<std::int64_t>(ms));
}

unsigned field_sweep(const Entry& entry) {
  if (!entry.is_inline()) return large_of(entry).times()->sweep;
  return static_cast<unsigned>(head_of(entry) >> kHeadSweepShift);
}

void store_field_sweep(Entry& entry, unsigned number) {
  if (!entry.is_inline()) {
    large_of(entry).times()->sweep = number;
    return;
  }
  store_head(entry, (head_of(entry) & kHeadDeadline) | std::uint64_t{number} << kHeadSweepShift);
}

void write_earliest_field_deadline(Entry& entry, Deadline earliest) {
  store_head(entry, earliest.is_never() ? 0 : static_cast<std::uint64_t>(earliest.ms()));
}

bool has_field_deadlines(const Entry& entry) {
  const bool may_have = entry.encoding() == Encoding::listpackex ||
                        (entry.type() == Type::hash && entry.has_object());
  return may_have && !earliest_field_deadline(entry).is_never();
}

std::optional<Bytes> HashView::find(std::string_view field) const {
  if (large_ != nullptr) {
    const HashField* there = large_->fields().find(field);
    if (there == nullptr) return std::nullopt;
    return Bytes(there->value());
  }
  const std::size_t at = packed_.find(field, packed_.begin(), step());
  if (at == packed_.end()) return std::nullopt;
  return packed_.at(packed_.next(at));
}

Deadline HashView::deadline_at(const Packed& packed, std::size_t at) {
  const std::int64_t ms = packed.at(at).as_integer().value_or(0);
  return ms == 0 ? Deadline::never() : Deadline::at(ms);
}

std::optional<Deadline> HashView::deadline(std::string_view field) const {
  if (large_ != nullptr) {
    const HashField* there = large_->fields().find(field);
    if (there == nullptr) return std::nullopt;
    return large_->deadline(*there);
  }
  const std::size_t at = packed_.find(field, packed_.begin(), step());
  if (at == packed_.end()) return std::nullopt;
  return is_timed_ ? deadline_at(packed_, packed_.next(packed_.next(at))) : Deadline::never();
}

Deadline HashView::earliest() const {
  if (large_ != nullptr) return large_->earliest();
  if (!is_timed_ || packed_.count() == 0) return Deadline::never();
  return deadline_at(packed_, packed_.nth(2));
}

// What of a large hash is counted outside of it: the earliest deadline.
template <class Edit>
std::size_t HashEdit::edit_large(Edit&& edit) {
  const auto& large = static_cast<const LargeHash&>(slot_.value()->object());
  const Deadline before = large.earliest();
  const std::size_t changed =
      slot_.change_object([&](Object& object) { return edit(static_cast<LargeHash&>(object)); });
  if (large.earliest() != before) slot_.field_deadlines_changed(before);
  return changed;
}

std::size_t HashEdit::set(Words pairs, Time time) {
  if (slot_.is_present() && !is_small()) {
    std::size_t added = 0;
    edit_large([&](LargeHash& large) {
      for (Words left = pairs; !left.empty(); left = left.subspan(2)) {
        added += large.set(left[0], left[1], time);
      }
      return pairs.size();
    });
    return added;
  }
  std::size_t added = 0;
  if (fits_small(pairs)) {
    pairs = slot_.is_present() ? fill_small(pairs, added, time) : fill_new(pairs, added);
  }
  return pairs.empty() ? added : added + enlarge(pairs, time);
}

// As far as the pairs themselves tell. So many at once count as that many fields, even if some are
// named twice.
bool HashEdit::fits_small(Words pairs) const {
  const CollectionLimits& limits = slot_.limits();
  return pairs.size() / 2 <= limits.hash_max_listpack_entries &&
         std::all_of(pairs.begin(), pairs.end(), [&](std::string_view word) {
           return word.size() <= limits.hash_max_listpack_value;
         });
}

bool HashEdit::has_room(std::size_t size_bytes, std::size_t elements, std::size_t fields) const {
  return fields <= slot_.limits().hash_max_listpack_entries && elements <= Packed::kMostElements &&
         size_bytes <= Packed::kMostBytes;
}

// Makes a packed hash of the pairs, and counts the new ones. Answers those that do not fit.
Words HashEdit::fill_new(Words pairs, std::size_t& added) {
  std::size_t most_bytes = Packed::kHeadBytes;
  for (const std::string_view word : pairs) most_bytes += Packed::most_bytes(word.size());
  std::string bytes;
  bytes.reserve(std::min(most_bytes, Packed::kMostBytes));
  bytes = Packed::kNone;
  std::string text;
  for (; !pairs.empty(); pairs = pairs.subspan(2)) {
    const Place where = place(Packed(bytes), pairs[0], pairs[1], text);
    const std::size_t fields = added + where.is_new;
    if (!has_room(bytes.size() - where.removed + text.size(), 2 * fields, fields)) break;
    bytes.replace(where.begin, where.removed, text);
    Packed::store_count(bytes.data(), 2 * fields);
    added += where.is_new;
  }
  if (added != 0) slot_.set_packed(Type::hash, Encoding::listpack, bytes);
  return pairs;
}

// The same for one that is there.
Words HashEdit::fill_small(Words pairs, std::size_t& added, Time time) {
  const bool has_times = is_timed();
  std::string text;
  for (; !pairs.empty(); pairs = pairs.subspan(2)) {
    const bool is_put = has_times ? put_timed(pairs[0], pairs[1], added, time)
                                  : put_small(pairs[0], pairs[1], added, text);
    if (!is_put) break;
  }
  return pairs;
}

// False: there is no room. `text` is for the bytes of it.
bool HashEdit::put_small(std::string_view field, std::string_view value, std::size_t& added,
                         std::string& text) {
  const Packed there = packed();
  const Place where = place(there, field, value, text);
  const std::size_t elements = there.count() + (where.is_new ? 2 : 0);
  if (!has_room(there.size_bytes() - where.removed + text.size(), elements, elements / 2)) {
    return false;
  }
  slot_.splice_packed(where.begin, where.removed, text, elements);
  added += where.is_new;
  return true;
}

// The same where fields have deadlines.
bool HashEdit::put_timed(std::string_view field, std::string_view value, std::size_t& added,
                         Time time) {
  const Packed there = packed();
  const std::size_t count = there.count();
  const std::size_t at = there.find(field, there.begin(), 3);
  std::string text;
  if (at == there.end()) {
    Packed::append(text, field);
    Packed::append(text, value);
    append_deadline(text, Deadline::never());
    if (!has_room(there.size_bytes() + text.size(), count + 3, count / 3 + 1)) return false;
    slot_.splice_packed(at, 0, text, count + 3);
    ++added;
    return true;
  }
  const std::size_t value_at = there.next(at);
  const std::size_t time_at = there.next(value_at);
  Packed::append(text, value);
  if (!has_room(there.size_bytes() - (time_at - value_at) + text.size(), count, count / 3)) {
    return false;
  }
  if (time == Time::kept || HashView::deadline_at(there, time_at).is_never()) {
    slot_.splice_packed(value_at, time_at - value_at, text, count);
  } else {
    move_timed(at, text, Deadline::never());
  }
  return true;
}

// Gives the field at a position this value (its bytes in the packed form) and this deadline, and
// puts it where it belongs: behind those that die no later.
void HashEdit::move_timed(std::size_t at, std::string_view value, Deadline deadline) {
  const Packed there = packed();
  const std::size_t value_at = there.next(at);
  const std::size_t behind = there.next(there.next(value_at));
  std::size_t target = there.begin();
  while (target < there.end()) {
    const std::size_t time_at = there.next(there.next(target));
    if (target != at && HashView::deadline_at(there, time_at) > deadline) break;
    target = there.next(time_at);
  }
  std::string field(there.slice(at, value_at));
  field.append(value);
  append_deadline(field, deadline);
  if (target > at) {
    const std::string inserted = std::string(there.slice(behind, target)) + field;
    slot_.splice_packed(at, target - at, inserted, there.count());
  } else {
    field.append(there.slice(target, at));
    slot_.splice_packed(target, behind - target, field, there.count());
  }
  note_earliest();
}

// Brings the head up to date.
void HashEdit::note_earliest() {
  slot_.store_field_deadline(HashView(*slot_.value()).earliest());
}

// Makes a packed hash one whose fields may have deadlines; a large one if it has no room for them.
void HashEdit::keep_times() {
  const Packed there = packed();
  const std::size_t fields = there.count() / 2;
  std::string bytes(kFieldHeadBytes, '\0');
  bytes.reserve(kFieldHeadBytes + there.size_bytes() + fields * Packed::most_bytes(0));
  bytes.append(Packed::kNone);
  for (std::size_t at = there.begin(); at < there.end();) {
    const std::size_t behind = there.next(there.next(at));
    bytes.append(there.slice(at, behind));
    append_deadline(bytes, Deadline::never());
    at = behind;
  }
  if (!has_room(bytes.size(), 3 * fields, 0)) {
    enlarge({}, Time::kept);
    return;
  }
  Packed::store_count(bytes.data() + kFieldHeadBytes, 3 * fields);
  slot_.set_packed(Type::hash, Encoding::listpackex, bytes);
}

void HashEdit::set_deadline(std::string_view field, Deadline deadline) {
  constexpr auto kMostMs = static_cast<std::int64_t>(kHeadDeadline);
  if (!deadline.is_never()) {
    deadline = Deadline::at(std::clamp<std::int64_t>(deadline.ms(), 1, kMostMs));
  }
  if (is_small() && !is_timed()) {
    if (deadline.is_never()) return;
    keep_times();
  }
  if (is_small()) {
    const Packed there = packed();
    if (has_room(there.size_bytes() + Packed::most_bytes(0), 0, 0)) {
      const std::size_t at = there.find(field, there.begin(), 3);
      ensure(at != there.end(), "only a field that is there gets a deadline");
      const std::size_t value_at = there.next(at);
      return move_timed(at, std::string(there.slice(value_at, there.next(value_at))), deadline);
    }
    enlarge({}, Time::kept);
  }
  edit_large([&](LargeHash& large) {
    large.set_deadline(field, deadline);
    return std::size_t{1};
  });
}

// A large hash of what is there and the pairs; how many of them are new.
std::size_t HashEdit::enlarge(Words pairs, Time time) {
  auto* large = new LargeHash(slot_.seed());
  if (slot_.is_present()) {
    HashView(*slot_.value())
        .each_with_deadline([&](const Bytes& field, const Bytes& value, Deadline deadline) {
          Bytes::Digits field_digits;
          Bytes::Digits value_digits;
          const std::string_view name = field.text(field_digits);
          large->set(name, value.text(value_digits));
          if (!deadline.is_never()) large->set_deadline(name, deadline);
        });
  }
  std::size_t added = 0;
  for (; !pairs.empty(); pairs = pairs.subspan(2)) added += large->set(pairs[0], pairs[1], time);
  slot_.set_object(Type::hash, Encoding::hashtable, large);
  return added;
}

std::size_t HashEdit::erase(Words fields) {
  if (!slot_.is_present()) return 0;
  return is_small() ? erase_small(fields) : erase_large(fields);
}

std::size_t HashEdit::erase_small(Words fields) {
  const std::size_t step = is_timed() ? 3 : 2;
  std::size_t erased = 0;
  for (const std::string_view field : fields) {
    const Packed there = packed();
    const std::size_t at = there.find(field, there.begin(), step);
    if (at == there.end()) continue;
    ++erased;
    const std::size_t left = there.count() - step;
    if (left == 0) {
      slot_.erase();
      return erased;
    }
    std::size_t behind = there.next(there.next(at));
    if (step == 3) behind = there.next(behind);
    slot_.splice_packed(at, behind - at, {}, left);
  }
  if (step == 3) note_earliest();
  return erased;
}

std::size_t HashEdit::erase_large(Words fields) {
  const std::size_t erased = edit_large([&](LargeHash& large) {
    std::size_t count = 0;
    for (const std::string_view field : fields) count += large.erase(field);
    return count;
  });
  if (slot_.value()->object().size() == 0) slot_.erase();
  return erased;
}

// They are in front.
std::size_t HashEdit::drop_due_small(std::int64_t now_ms) {
  const Packed there = packed();
  std::size_t dropped = 0;
  std::size_t at = there.begin();
  while (at < there.end()) {
    const std::size_t time_at = there.next(there.next(at));
    if (!HashView::deadline_at(there, time_at).has_passed(now_ms)) break;
    at = there.next(time_at);
    ++dropped;
  }
  if (at == there.end()) {
    slot_.erase();
    return dropped;
  }
  slot_.splice_packed(there.begin(), at - there.begin(), {}, there.count() - 3 * dropped);
  note_earliest();
  return dropped;
}

std::size_t HashEdit::drop_due(std::int64_t now_ms, std::size_t most) {
  if (is_small()) return drop_due_small(now_ms);
  const auto& large = static_cast<const LargeHash&>(slot_.value()->object());
  if (large.is_all_due(now_ms, most)) {
    const std::size_t dropped = large.size();
    slot_.erase();
    return dropped;
  }
  const std::size_t dropped =
      edit_large([&](LargeHash& hash) { return hash.drop_due(now_ms, most); });
  if (large.size() == 0) slot_.erase();
  return dropped;
}

}  // namespace larder::storage
