#include "storage/types/hash.h"

#include <algorithm>
#include <cstring>
#include <new>
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

LargeHash& large_of(Object& object) {
  return static_cast<LargeHash&>(object);
}

}  // namespace

HashField* HashField::make(std::string_view name, std::string_view value) {
  ensure(name.size() <= kMostBytes && value.size() <= kMostBytes, "a field that was not refused");
  auto* field = new (allocate(size_bytes(name.size(), value.size()))) HashField{
      nullptr, static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())};
  std::memcpy(field->text(), name.data(), name.size());
  std::memcpy(field->text() + name.size(), value.data(), value.size());
  return field;
}

bool HashField::rewrite(std::string_view value) {
  if (footprint(size_bytes(name_bytes, value.size())) != footprint(size_bytes())) return false;
  std::memcpy(text() + name_bytes, value.data(), value.size());
  value_bytes = static_cast<std::uint32_t>(value.size());
  return true;
}

Object* LargeHash::copy() const {
  auto* twin = new LargeHash(seed_);
  fields_.each([&](const HashField& field) {
    twin->fields_.insert(HashField::make(field.name(), field.value()));
  });
  return twin;
}

bool LargeHash::set(std::string_view field, std::string_view value) {
  const auto make = [&] { return HashField::make(field, value); };
  const auto [there, is_new] = fields_.find_or_insert(field, make);
  if (!is_new && !there->rewrite(value)) fields_.replace(there, make());
  return is_new;
}

std::optional<Bytes> HashView::find(std::string_view field) const {
  if (large_ != nullptr) {
    const HashField* there = large_->fields().find(field);
    if (there == nullptr) return std::nullopt;
    return Bytes(there->value());
  }
  const std::size_t at = packed_.find(field, packed_.begin(), 2);
  if (at == packed_.end()) return std::nullopt;
  return packed_.at(packed_.next(at));
}

std::size_t HashEdit::set(Words pairs) {
  if (slot_.is_present() && !slot_.value()->is_inline()) {
    return slot_.edit_object([&](Object& object) {
      std::size_t added = 0;
      for (; !pairs.empty(); pairs = pairs.subspan(2)) {
        added += large_of(object).set(pairs[0], pairs[1]);
      }
      return added;
    });
  }
  std::size_t added = 0;
  if (fits_small(pairs)) {
    pairs = slot_.is_present() ? fill_small(pairs, added) : fill_new(pairs, added);
  }
  return pairs.empty() ? added : added + enlarge(pairs);
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

bool HashEdit::has_room(std::size_t size_bytes, std::size_t elements) const {
  return elements / 2 <= slot_.limits().hash_max_listpack_entries &&
         elements <= Packed::kMostElements && size_bytes <= Packed::kMostBytes;
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
    const std::size_t elements = 2 * (added + where.is_new);
    if (!has_room(bytes.size() - where.removed + text.size(), elements)) break;
    bytes.replace(where.begin, where.removed, text);
    Packed::store_count(bytes.data(), elements);
    added += where.is_new;
  }
  if (added != 0) slot_.set_packed(Type::hash, Encoding::listpack, bytes);
  return pairs;
}

// The same for one that is there.
Words HashEdit::fill_small(Words pairs, std::size_t& added) {
  std::string text;
  for (; !pairs.empty(); pairs = pairs.subspan(2)) {
    const Packed packed(slot_.value()->inline_bytes());
    const Place where = place(packed, pairs[0], pairs[1], text);
    const std::size_t elements = packed.count() + (where.is_new ? 2 : 0);
    if (!has_room(packed.size_bytes() - where.removed + text.size(), elements)) break;
    slot_.splice_packed(where.begin, where.removed, text, elements);
    added += where.is_new;
  }
  return pairs;
}

// A large hash of what is there and the pairs; how many of them are new.
std::size_t HashEdit::enlarge(Words pairs) {
  auto* large = new LargeHash(slot_.seed());
  if (slot_.is_present()) {
    HashView(*slot_.value()).each([&](const Bytes& field, const Bytes& value) {
      Bytes::Digits field_digits;
      Bytes::Digits value_digits;
      large->set(field.text(field_digits), value.text(value_digits));
    });
  }
  std::size_t added = 0;
  for (; !pairs.empty(); pairs = pairs.subspan(2)) added += large->set(pairs[0], pairs[1]);
  slot_.set_object(Type::hash, Encoding::hashtable, large);
  return added;
}

std::size_t HashEdit::erase(Words fields) {
  if (!slot_.is_present()) return 0;
  return slot_.value()->is_inline() ? erase_small(fields) : erase_large(fields);
}

std::size_t HashEdit::erase_small(Words fields) {
  std::size_t erased = 0;
  for (const std::string_view field : fields) {
    const Packed packed(slot_.value()->inline_bytes());
    const std::size_t at = packed.find(field, packed.begin(), 2);
    if (at == packed.end()) continue;
    ++erased;
    const std::size_t left = packed.count() - 2;
    if (left == 0) {
      slot_.erase();
      break;
    }
    slot_.splice_packed(at, packed.next(packed.next(at)) - at, {}, left);
  }
  return erased;
}

std::size_t HashEdit::erase_large(Words fields) {
  const std::size_t erased = slot_.change_object([&](Object& object) {
    std::size_t count = 0;
    for (const std::string_view field : fields) count += large_of(object).erase(field);
    return count;
  });
  if (slot_.value()->object().size() == 0) slot_.erase();
  return erased;
}

}  // namespace larder::storage
