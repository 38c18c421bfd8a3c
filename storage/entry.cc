#include "storage/entry.h"

#include <new>

#include "storage/ensure.h"
#include "storage/memory.h"

namespace larder::storage {
namespace {

constexpr std::size_t kShortLength = 0xff;

}  // namespace

Entry* Entry::make(std::string_view key, const Shape& shape) {
  const bool is_text = shape.encoding == Encoding::embstr || shape.encoding == Encoding::raw;
  std::uint8_t flags = 0;
  if (!shape.deadline.is_never()) flags |= has_deadline;
  if (key.size() > kShortLength) flags |= long_key;
  if (is_text && shape.value_bytes > kShortLength) flags |= long_value;
  ensure(!is_text || shape.value_bytes <= 0xffff, "long strings belong in a blob");

  Entry header;
  header.kind_ = static_cast<std::uint8_t>(static_cast<unsigned>(shape.type) |
                                           static_cast<unsigned>(shape.encoding) << 4);
  header.flags_ = flags;
  header.store_eviction(0);
  header.cost_ = 0;
  header.prefix_ = 0;

  const std::size_t before_key = header.key_length_offset() + (flags & long_key ? 4 : 1) +
                                 (is_text ? (flags & long_value ? 2 : 1) : 0);
  Entry* entry = new (allocate(before_key + key.size() + shape.value_bytes))
      Entry(header);  // NOLINT
  if (flags & has_deadline) entry->store_deadline(shape.deadline);
  if (flags & long_key) {
    entry->store<std::uint32_t>(entry->key_length_offset(), static_cast<std::uint32_t>(key.size()));
  } else {
    entry->base()[entry->key_length_offset()] = static_cast<char>(key.size());
  }
  if (is_text) entry->store_value_size(shape.value_bytes);
  std::memcpy(entry->base() + before_key, key.data(), key.size());
  return entry;
}

void Entry::destroy() {
  if (encoding() == Encoding::blob) blob()->drop();
  release(this);
}

std::size_t Entry::value_size() const {
  if (!is_inline()) return 8;
  if (!has(long_value)) return static_cast<std::uint8_t>(base()[value_length_offset()]);
  return load<std::uint16_t>(value_length_offset());
}

void Entry::store_value_size(std::size_t size_bytes) {
  if (has(long_value)) {
    store<std::uint16_t>(value_length_offset(), static_cast<std::uint16_t>(size_bytes));
  } else {
    base()[value_length_offset()] = static_cast<char>(size_bytes);
  }
}

bool Entry::rewrite_inline(std::string_view bytes, Encoding encoding) {
  if (!is_inline() || (bytes.size() > kShortLength) != has(long_value)) return false;
  const std::size_t new_size = value_offset() + bytes.size();
  if (footprint(new_size) != footprint(size_bytes())) return false;
  kind_ = static_cast<std::uint8_t>((kind_ & 15) | static_cast<unsigned>(encoding) << 4);
  store_value_size(bytes.size());
  std::memmove(value(), bytes.data(), bytes.size());
  return true;
}

void Entry::inherit(const Entry& older) {
  store_eviction(older.eviction());
  cost_ = older.cost_;
  prefix_ = older.prefix_;
  set(in_wheel, older.has(in_wheel));
}

std::size_t Entry::weight_bytes() const {
  const std::size_t own = footprint(size_bytes());
  return encoding() == Encoding::blob ? own + blob()->weight_bytes() : own;
}

}  // namespace larder::storage
