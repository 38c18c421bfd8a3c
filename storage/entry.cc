#include "storage/entry.h"

#include <new>

#include "storage/ensure.h"

namespace larder::storage {
namespace {

constexpr std::size_t kShortLength = 0xff;

}  // namespace

Entry* Entry::make(Heap& heap, std::string_view key, const Shape& shape) {
  Entry header;
  header.kind_ = 0;
  header.store_kind(shape.type, shape.encoding);
  header.flags_ = 0;
  header.store_eviction(0);
  header.key_size_ = static_cast<std::uint8_t>(key.size());
  header.value_size_ = 0;
  header.prefix_ = 0;
  const std::size_t deadline_bytes = Entry::deadline_bytes(shape.deadline);
  header.set(has_deadline, deadline_bytes != 0);
  header.set(wide_deadline, deadline_bytes == 8);
  header.set(long_key, key.size() > kShortLength);
  header.set(long_value, header.is_inline() && shape.value_bytes > kShortLength);
  ensure(!header.is_inline() || shape.value_bytes <= 0xffff, "long strings belong in a blob");

  // The header knows all of the layout but a long key's length, which is not stored yet.
  const std::size_t before_key = header.key_offset();
  void* cell = heap.allocate(before_key + key.size() + shape.value_bytes);
  Entry* entry = new (cell) Entry(header);
  if (deadline_bytes != 0) entry->store_deadline(shape.deadline);
  if (entry->has(long_key)) {
    entry->store<std::uint32_t>(entry->long_key_offset(), static_cast<std::uint32_t>(key.size()));
  }
  if (entry->is_inline()) entry->store_value_size(shape.value_bytes);
  std::memcpy(entry->base() + before_key, key.data(), key.size());
  return entry;
}

void Entry::destroy(Heap& heap) {
  if (encoding() == Encoding::blob) {
    blob()->drop_by_key();
  } else if (has_object()) {
    object()->drop();
  }
  heap.release(this, size_bytes());
}

Entry* Entry::move(Heap& heap) {
  const std::size_t size = size_bytes();
  auto* moved = static_cast<Entry*>(heap.allocate(size));
  std::memcpy(static_cast<void*>(moved), this, size);
  heap.release(this, size);
  return moved;
}

void Entry::store_value_size(std::size_t size_bytes) {
  value_size_ = static_cast<std::uint8_t>(size_bytes);
  if (has(long_value)) {
    store<std::uint8_t>(long_value_offset(), static_cast<std::uint8_t>(size_bytes >> 8));
  }
}

void Entry::hold_outside() const {
  if (encoding() == Encoding::blob) {
    blob()->keep();
  } else if (has_object()) {
    object()->hold();
  }
}

bool Entry::has_room_for(std::size_t bytes) const {
  if (!is_inline() || (bytes > kShortLength) != has(long_value)) return false;
  const std::size_t before = value_offset();
  const std::size_t size = value_size();
  return bytes == size || Heap::cell_bytes(before + bytes) == Heap::cell_bytes(before + size);
}

bool Entry::splice_inline(std::size_t at, std::size_t removed, std::string_view inserted) {
  const std::size_t before = value_size();
  const std::size_t after = before - removed + inserted.size();
  if (!has_room_for(after)) return false;
  char* const place = value() + at;
  std::memmove(place + inserted.size(), place + removed, before - at - removed);
  inserted.copy(place, inserted.size());  // which may be nothing, and point nowhere
  store_value_size(after);
  return true;
}

bool Entry::rewrite_inline(std::string_view bytes, Encoding encoding) {
  if (!has_room_for(bytes.size())) return false;
  store_kind(type(), encoding);
  store_value_size(bytes.size());
  std::memmove(value(), bytes.data(), bytes.size());
  return true;
}

void Entry::inherit(const Entry& older) {
  store_eviction(older.eviction());
  prefix_ = older.prefix_;
  kind_ = static_cast<std::uint8_t>((kind_ & 0x7f) | (older.kind_ & 0x80));
  set(in_wheel, older.has(in_wheel));
}

std::size_t Entry::weight_bytes() const {
  const std::size_t own = Heap::cell_bytes(size_bytes());
  if (encoding() == Encoding::blob) return own + blob()->weight_bytes();
  return has_object() ? own + object()->weight_bytes() : own;
}

}  // namespace larder::storage
