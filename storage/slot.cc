#include "storage/slot.h"

#include <algorithm>
#include <cstring>

#include "storage/ensure.h"
#include "storage/eviction_lfu.h"
#include "storage/shard.h"
#include "storage/ticks.h"
#include "storage/types/field_deadlines.h"
#include "storage/types/packed.h"

namespace larder::storage {
namespace {

// Room that APPEND and SETRANGE leave behind a large string, so that growing it is not a copy each
// time: as much again, but no more than this (Redis's figure).
constexpr std::size_t kMostSpareBytes = 1024 * 1024;

std::size_t roomy(std::size_t size_bytes) {
  return size_bytes + std::min(size_bytes, kMostSpareBytes);
}

bool sum_overflows(std::int64_t a, std::int64_t b, std::int64_t& sum) {
  return __builtin_add_overflow(a, b, &sum);
}

}  // namespace

void Slot::count_lookup() {
  shard_.count_lookup(db_, key_, entry_, now_ms_, true);
}

bool Slot::erase() {
  if (entry_ == nullptr) return false;
  shard_.erase(db_, key_, entry_);
  entry_ = nullptr;
  return true;
}

// Puts a new entry in the place of the old one, or of nothing.
void Slot::put(Entry* newer) {
  if (entry_ == nullptr) {
    shard_.insert(db_, key_, newer, now_ms_);
  } else {
    shard_.replace(db_, key_, entry_, newer, now_ms_);
    shard_.touch(newer, now_ms_);
  }
  entry_ = newer;
}

void Slot::set_integer(std::int64_t integer, Deadline deadline) {
  if (deadline.has_passed(now_ms_)) return static_cast<void>(erase());
  if (entry_ != nullptr && entry_->type() == Type::string &&
      entry_->encoding() == Encoding::integer && entry_->deadline() == deadline) {
    entry_->store_integer(integer);
    shard_.touch(entry_, now_ms_);
    return shard_.rewritten(db_, key_);
  }
  Entry* newer =
      Entry::make(shard_.heap(db_), key_.bytes, {Type::string, Encoding::integer, deadline, 8});
  newer->store_integer(integer);
  put(newer);
}

void Slot::set_bytes(NewBytes& bytes, Deadline deadline) {
  Blob* blob = bytes.take_blob();
  if (blob == nullptr) return set_bytes(bytes.text(), deadline);
  put_blob(blob, deadline);
}

void Slot::put_blob(Blob* blob, Deadline deadline) {
  if (deadline.has_passed(now_ms_)) {
    blob->drop();
    erase();
    return;
  }
  Entry* newer =
      Entry::make(shard_.heap(db_), key_.bytes, {Type::string, Encoding::blob, deadline, 8});
  newer->store_blob(blob);
  put(newer);
}

void Slot::set_bytes(std::string_view bytes, Deadline deadline) {
  if (deadline.has_passed(now_ms_)) return static_cast<void>(erase());
  if (const auto integer = strict_integer(bytes)) return set_integer(*integer, deadline);
  if (bytes.size() >= kPinnedBytes) {
    const LongestTimer timer(shard_.counters.longest_hold_ticks);
    return put_blob(Blob::copy_of(bytes), deadline);
  }
  const Encoding encoding = bytes.size() <= kEmbstrBytes ? Encoding::embstr : Encoding::raw;
  if (entry_ != nullptr && entry_->type() == Type::string && entry_->deadline() == deadline) {
    if (entry_->rewrite_inline(bytes, encoding)) {
      entry_->set(Entry::edited, false);
      shard_.touch(entry_, now_ms_);
      return shard_.rewritten(db_, key_);
    }
  }
  if (entry_ == nullptr) shard_.prefetch_ghost(db_, key_.hash);
  Entry* newer =
      Entry::make(shard_.heap(db_), key_.bytes, {Type::string, encoding, deadline, bytes.size()});
  std::memcpy(newer->value(), bytes.data(), bytes.size());
  put(newer);
}

void Slot::set_raw(std::string_view bytes, Deadline deadline) {
  if (bytes.size() >= kPinnedBytes || deadline.has_passed(now_ms_)) {
    return set_bytes(bytes, deadline);
  }
  if (entry_ != nullptr && entry_->type() == Type::string && entry_->deadline() == deadline &&
      entry_->rewrite_inline(bytes, Encoding::raw)) {
    entry_->set(Entry::edited, true);
    shard_.touch(entry_, now_ms_);
    return shard_.rewritten(db_, key_);
  }
  Entry* newer = Entry::make(shard_.heap(db_), key_.bytes,
                             {Type::string, Encoding::raw, deadline, bytes.size()});
  newer->set(Entry::edited, true);
  std::memcpy(newer->value(), bytes.data(), bytes.size());
  put(newer);
}

void Slot::set_deadline(Deadline deadline) {
  ensure(entry_ != nullptr, "only a key that is there gets a deadline");
  if (deadline.has_passed(now_ms_)) return static_cast<void>(erase());
  entry_ = shard_.set_deadline(db_, key_, entry_, deadline, now_ms_);
}

void Slot::was_used_before(std::int64_t idle_ms) {
  if (!is_lfu(shard_.rules().eviction.policy)) shard_.was_used_before(entry_, idle_ms, now_ms_);
}

void Slot::is_used_often(unsigned frequency) {
  if (is_lfu(shard_.rules().eviction.policy)) {
    entry_->store_eviction(lfu::bits_of_frequency(frequency, now_ms_));
  }
}

Result<std::size_t> Slot::append(std::string_view tail, std::size_t max_bytes) {
  if (entry_ != nullptr && entry_->type() != Type::string) return Outcome::wrong_type;
  const std::size_t size = entry_ == nullptr ? 0 : Value(*entry_).bytes().size();
  if (entry_ == nullptr) {
    set_bytes(tail, Deadline::never());
    return tail.size();
  }
  return edit(size, tail, max_bytes);
}

Result<std::size_t> Slot::set_range(std::size_t offset, std::string_view bytes,
                                    std::size_t max_bytes) {
  if (entry_ != nullptr && entry_->type() != Type::string) return Outcome::wrong_type;
  if (bytes.empty()) return entry_ == nullptr ? 0 : Value(*entry_).bytes().size();
  return edit(offset, bytes, max_bytes);
}

// Writes bytes at an offset of the string, zeros in any gap.
Result<std::size_t> Slot::edit(std::size_t offset, std::string_view bytes, std::size_t max_bytes) {
  if (offset > max_bytes || bytes.size() > max_bytes - offset) return Outcome::too_large;
  const LongestTimer timer(shard_.counters.longest_hold_ticks);
  const std::span<char> opened = open_before(offset + bytes.size(), offset);
  std::memcpy(opened.data() + offset, bytes.data(), bytes.size());
  return opened.size();
}

Result<std::span<char>> Slot::open(std::size_t least_bytes) {
  if (entry_ != nullptr && entry_->type() != Type::string) return Outcome::wrong_type;
  ensure(least_bytes > 0, "an open string has bytes to write into");
  const LongestTimer timer(shard_.counters.longest_hold_ticks);
  return open_before(least_bytes, least_bytes);
}

std::span<char> Slot::open_before(std::size_t least_bytes, std::size_t kept) {
  Bytes::Digits digits;
  const std::string_view before = entry_ == nullptr ? std::string_view("")
                                                    : Value(*entry_).bytes().text(digits);
  const std::size_t old_size = before.size();
  const std::size_t size = std::max(old_size, least_bytes);
  char* data = open_in_place(size);
  if (data == nullptr) data = open_copy(before, size);
  if (kept > old_size) std::memset(data + old_size, 0, kept - old_size);
  return {data, size};
}

// The bytes where they lie, when they are ours alone and have the room; else null.
char* Slot::open_in_place(std::size_t size_bytes) {
  if (entry_ == nullptr || entry_->encoding() == Encoding::integer) return nullptr;
  char* data = nullptr;
  if (entry_->encoding() == Encoding::blob) {
    Blob* blob = entry_->blob();
    if (blob->is_shared() || size_bytes > blob->capacity()) return nullptr;
    blob->resize(size_bytes);
    data = blob->data();
  } else {
    if (entry_->value_size() != size_bytes) return nullptr;
    entry_->set(Entry::edited, true);
    data = entry_->value();
  }
  shard_.touch(entry_, now_ms_);
  shard_.rewritten(db_, key_);
  return data;
}

char* Slot::open_copy(std::string_view before, std::size_t size_bytes) {
  const bool to_blob = size_bytes >= kPinnedBytes;
  Entry* newer = Entry::make(shard_.heap(db_), key_.bytes,
                             {Type::string, to_blob ? Encoding::blob : Encoding::raw, deadline(),
                              to_blob ? 8 : size_bytes});
  newer->set(Entry::edited, true);
  char* data = newer->value();
  if (to_blob) {
    Blob* blob = Blob::make(size_bytes, before.empty() ? size_bytes : roomy(size_bytes));
    newer->store_blob(blob);
    data = blob->data();
  }
  std::memcpy(data, before.data(), before.size());
  put(newer);
  return data;
}

Result<std::int64_t> Slot::increment(std::int64_t by) {
  std::int64_t sum = by;
  if (entry_ != nullptr) {
    if (entry_->type() != Type::string) return Outcome::wrong_type;
    const auto before = Value(*entry_).bytes().as_integer();
    if (!before) return Outcome::not_an_integer;
    if (sum_overflows(*before, by, sum)) return Outcome::overflow;
  }
  set_integer(sum, deadline());
  return sum;
}

void Slot::set_packed(Type type, Encoding encoding, std::string_view bytes) {
  const bool may_expire = encoding == Encoding::listpackex;
  if (!may_expire && entry_ != nullptr && entry_->type() == type &&
      !entry_->has(Entry::fields_expire) && entry_->rewrite_inline(bytes, encoding)) {
    shard_.touch(entry_, now_ms_);
    return shard_.rewritten(db_, key_);
  }
  Entry* newer =
      Entry::make(shard_.heap(db_), key_.bytes, {type, encoding, deadline(), bytes.size()});
  std::memcpy(newer->value(), bytes.data(), bytes.size());
  if (may_expire) newer->set(Entry::fields_expire, has_field_deadlines(*newer));
  put(newer);
}

void Slot::splice_packed(std::size_t at, std::size_t removed, std::string_view inserted,
                         std::size_t count) {
  const std::size_t head = entry_->encoding() == Encoding::listpackex ? kFieldHeadBytes : 0;
  Packed::store_count(entry_->value() + head, count);
  splice_inline(head + at, removed, inserted);
}

void Slot::splice_inline(std::size_t at, std::size_t removed, std::string_view inserted) {
  ensure(entry_ != nullptr && entry_->is_inline(), "only what lies in its entry is spliced there");
  if (entry_->splice_inline(at, removed, inserted)) {
    shard_.touch(entry_, now_ms_);
    return shard_.rewritten(db_, key_);
  }
  const std::string_view before = entry_->inline_bytes();
  const std::size_t size = before.size() - removed + inserted.size();
  Entry* newer = Entry::make(shard_.heap(db_), key_.bytes,
                             {entry_->type(), entry_->encoding(), deadline(), size});
  newer->set(Entry::fields_expire, entry_->has(Entry::fields_expire));
  char* value = newer->value();
  std::memcpy(value, before.data(), at);
  inserted.copy(value + at, inserted.size());  // which may be nothing, and point nowhere
  std::memcpy(value + at + inserted.size(), before.data() + at + removed,
              before.size() - at - removed);
  put(newer);
}

void Slot::set_object(Type type, Encoding encoding, Object* object) {
  Entry* newer = Entry::make(shard_.heap(db_), key_.bytes, {type, encoding, deadline(), 8});
  newer->store_object(object);
  if (type == Type::hash) newer->set(Entry::fields_expire, has_field_deadlines(*newer));
  put(newer);
}

void Slot::store_field_deadline(Deadline earliest) {
  const Deadline before = earliest_field_deadline(*entry_);
  if (before == earliest) return;
  write_earliest_field_deadline(*entry_, earliest);
  field_deadlines_changed(before);
}

void Slot::field_deadlines_changed(Deadline before) {
  shard_.field_deadlines_changed(db_, key_, entry_, before, now_ms_);
}

void Slot::object_weighs(std::size_t weight_bytes, std::size_t before_bytes) {
  shard_.touch(entry_, now_ms_);
  shard_.object_weighs(db_, static_cast<std::ptrdiff_t>(weight_bytes - before_bytes));
}

void Slot::tell_change() {
  shard_.rewritten(db_, key_);
}

const CollectionLimits& Slot::limits() const {
  return shard_.rules().collections;
}

std::uint64_t Slot::seed() const {
  return shard_.rules().seed;
}

void Slot::move_from(Slot& source) {
  const Entry& from = *source.entry_;
  from.hold_outside();
  put_value_of(from, from.has_object() ? from.object() : nullptr);
  source.erase();
}

// Both names share one blob, and whoever edits it later copies first; an object is copied now.
void Slot::copy_from(const Slot& source) {
  const Entry& from = *source.entry_;
  if (from.encoding() == Encoding::blob) from.blob()->keep();
  put_value_of(from, from.has_object() ? from.object()->copy() : nullptr);
}

// Under this key, another entry with the value of that one: the caller has a hold for it on what is
// outside.
void Slot::put_value_of(const Entry& from, Object* object) {
  Entry* newer = Entry::make(shard_.heap(db_), key_.bytes,
                             {from.type(), from.encoding(), from.deadline(), from.value_size()});
  std::memcpy(newer->value(), from.value(), from.value_size());
  newer->set(Entry::edited, from.has(Entry::edited));
  newer->set(Entry::fields_expire, from.has(Entry::fields_expire));
  if (object != nullptr) newer->store_object(object);
  put(newer);
}

}  // namespace larder::storage
