#include "storage/types/list.h"

#include <algorithm>
#include <vector>

#include "storage/ensure.h"

namespace larder::storage {
namespace {

// What a packed value has behind its head.
std::string_view run_of(std::string_view packed) {
  return packed.substr(Packed::kHeadBytes);
}

// The texts one behind the other as they shall lie: pushed from the left, the last comes first.
std::string spell(Side side, std::span<const std::string_view> texts) {
  std::string spelled;
  if (side == Side::right) {
    for (const std::string_view text : texts) Packed::append(spelled, text);
  } else {
    std::for_each(texts.rbegin(), texts.rend(),
                  [&](std::string_view text) { Packed::append(spelled, text); });
  }
  return spelled;
}

std::string spell(std::string_view text) {
  return spell(Side::right, {&text, 1});
}

}  // namespace

ListView::ListView(const Value& value) {
  ensure_hot(value.type() == Type::list, "only lists are seen as lists");
  if (value.is_inline()) {
    packed_ = value.inline_bytes();
    size_ = Packed(packed_).count();
  } else {
    chunks_ = static_cast<const Quicklist*>(&value.object());
    size_ = chunks_->size();
  }
}

ListView::Spot ListView::spot_of(std::size_t index) const {
  if (chunks_ == nullptr) {
    const std::size_t at = Packed(packed_).nth(static_cast<std::int64_t>(index));
    return {run_of(packed_), at - Packed::kHeadBytes, nullptr};
  }
  const Quicklist::Place place = chunks_->nth(index);
  return {place.chunk->run(), place.at, place.chunk};
}

bool ListView::step(Spot& spot, Side from) {
  if (spot.chunk == nullptr) return false;
  spot.chunk = from == Side::left ? spot.chunk->next : spot.chunk->previous;
  if (spot.chunk == nullptr) return false;
  spot.run = spot.chunk->run();
  spot.at = from == Side::left ? 0 : Packed(spot.run).before(spot.run.size());
  return true;
}

Bytes ListView::at(std::size_t index) const {
  const Spot spot = spot_of(index);
  return Packed(spot.run).at(spot.at);
}

std::size_t ListEdit::size() {
  return slot_.is_present() ? ListView(*slot_.value()).size() : 0;
}

std::string_view ListEdit::packed() {
  return slot_.is_present() ? slot_.value()->inline_bytes() : Packed::kNone;
}

template <class Edit>
decltype(auto) ListEdit::edit(Edit&& edit) {
  return slot_.edit_object([&](Object& object) { return edit(static_cast<Quicklist&>(object)); });
}

// Whether a packed list takes so many elements more. Redis looks at their texts; we also at what
// they become, since an entry has a bound.
bool ListEdit::stays_packed(std::size_t text_bytes, std::size_t spelled_bytes, std::size_t count) {
  const RunLimit limit(slot_.limits().list_max_listpack_size);
  const Packed there(packed());
  const std::size_t elements = there.count() + count;
  return limit.admits(run_of(packed()).size() + text_bytes, elements) &&
         elements <= Packed::kMostElements &&
         there.size_bytes() + spelled_bytes <= Packed::kMostBytes;
}

// From packed to a quicklist, which may be empty until something is pushed from that side.
void ListEdit::grow(Side side) {
  auto* chunks = new Quicklist(RunLimit(slot_.limits().list_max_listpack_size));
  const std::string_view there = packed();
  if (const std::size_t count = Packed(there).count(); count > 0) {
    chunks->push(side, run_of(there), count);
  }
  slot_.set_object(Type::list, Encoding::quicklist, chunks);
}

// Something was taken out: the key goes with the last element, and few elements are packed again.
void ListEdit::has_shrunk() {
  if (size() == 0) {
    slot_.erase();
    return;
  }
  if (is_packed()) return;
  const auto& chunks = static_cast<const Quicklist&>(slot_.value()->object());
  if (!chunks.is_small()) return;
  const std::string_view run = chunks.first()->run();
  if (run.size() + Packed::kHeadBytes > Packed::kMostBytes) return;
  if (chunks.size() > Packed::kMostElements) return;
  std::string value(Packed::kNone);
  value += run;
  Packed::store_count(value.data(), chunks.size());
  slot_.set_packed(Type::list, Encoding::listpack, value);
}

// Elements at an end of a packed list, or in a new one; there are `count` then.
void ListEdit::join(Side side, std::string_view spelled, std::size_t count) {
  if (slot_.is_present()) {
    const std::size_t at = side == Side::left ? Packed::kHeadBytes : packed().size();
    return slot_.splice_packed(at, 0, spelled, count);
  }
  std::string value(Packed::kNone);
  value += spelled;
  Packed::store_count(value.data(), count);
  slot_.set_packed(Type::list, Encoding::listpack, value);
}

std::size_t ListEdit::push(Side side, std::span<const std::string_view> texts) {
  if (is_packed()) {
    std::size_t text_bytes = 0;
    for (const std::string_view text : texts) text_bytes += text.size();
    const std::string spelled = spell(side, texts);
    const std::size_t count = Packed(packed()).count() + texts.size();
    if (stays_packed(text_bytes, spelled.size(), texts.size())) {
      join(side, spelled, count);
      return count;
    }
    grow(side);
  }
  return edit([&](Quicklist& chunks) {
    std::string spelled;
    for (const std::string_view text : texts) {
      spelled.clear();
      Packed::append(spelled, text);
      chunks.push(side, spelled);
    }
    return chunks.size();
  });
}

void ListEdit::drop(Side side, std::size_t count) {
  const std::size_t there = size();
  if (count == there) {
    slot_.erase();
    return;
  }
  if (!is_packed()) {
    edit([&](Quicklist& chunks) { chunks.drop(side, count); });
    return has_shrunk();
  }
  const Packed list(packed());
  const std::size_t left = there - count;
  const std::size_t edge = list.nth(static_cast<std::int64_t>(side == Side::left ? count : left));
  const std::size_t from = side == Side::left ? Packed::kHeadBytes : edge;
  const std::size_t to = side == Side::left ? edge : list.end();
  slot_.splice_packed(from, to - from, {}, left);
}

void ListEdit::keep(std::size_t from, std::size_t count) {
  if (count == 0) {
    slot_.erase();
    return;
  }
  const std::size_t behind = size() - from - count;
  if (behind > 0) drop(Side::right, behind);
  if (from > 0) drop(Side::left, from);
  if (behind + from > 0) return;
  // Nothing went, but who watches the key is to hear of it.
  if (is_packed()) return slot_.splice_packed(packed().size(), 0, {}, count);
  edit([](Quicklist&) {});
}

void ListEdit::set(std::size_t index, std::string_view text) {
  const std::string spelled = spell(text);
  if (is_packed() && !stays_packed(text.size(), spelled.size(), 1)) grow(Side::right);
  if (is_packed()) {
    const Packed list(packed());
    const std::size_t at = list.nth(static_cast<std::int64_t>(index));
    return slot_.splice_packed(at, list.next(at) - at, spelled, list.count());
  }
  edit([&](Quicklist& chunks) { chunks.replace(chunks.nth(index), spelled); });
  has_shrunk();
}

bool ListEdit::insert(Side side, std::string_view pivot, std::string_view text) {
  std::size_t index = 0;
  bool is_found = false;
  const ElementText wanted(pivot);
  ListView(*slot_.value()).walk(Side::left, 0, SIZE_MAX, [&](const Bytes& element) {
    is_found = wanted.is(element);
    if (!is_found) ++index;
    return !is_found;
  });
  if (!is_found) return false;
  if (side == Side::right) ++index;
  if (index == 0 || index == size()) {
    push(index == 0 ? Side::left : Side::right, text);
    return true;
  }
  const std::string spelled = spell(text);
  if (is_packed() && !stays_packed(text.size(), spelled.size(), 1)) grow(Side::right);
  if (is_packed()) {
    const Packed list(packed());
    const std::size_t at = list.nth(static_cast<std::int64_t>(index));
    slot_.splice_packed(at, 0, spelled, list.count() + 1);
    return true;
  }
  edit([&](Quicklist& chunks) { chunks.insert(chunks.nth(index), spelled); });
  return true;
}

std::size_t ListEdit::remove_packed(std::string_view text, std::size_t most, Side side) {
  const Packed list(packed());
  std::vector<std::size_t> found;
  for (std::size_t at = list.find(text, list.begin(), 1); at < list.end();) {
    found.push_back(at);
    at = list.find(text, list.next(at), 1);
  }
  const std::size_t removed = std::min(most, found.size());
  if (removed == 0) return 0;
  const auto first = found.begin() +
                     static_cast<std::ptrdiff_t>(side == Side::left ? 0 : found.size() - removed);
  const std::vector<std::size_t> gone(first, first + static_cast<std::ptrdiff_t>(removed));
  std::string rest;
  for (std::size_t i = 0; i < removed; ++i) {
    const std::size_t end = i + 1 < removed ? gone[i + 1] : list.end();
    rest += list.slice(list.next(gone[i]), end);
  }
  slot_.splice_packed(gone[0], list.end() - gone[0], rest, list.count() - removed);
  return removed;
}

std::size_t ListEdit::remove(std::string_view text, std::size_t most, Side side) {
  const std::size_t removed =
      is_packed() ? remove_packed(text, most, side)
                  : edit([&](Quicklist& chunks) { return chunks.remove(text, most, side); });
  if (removed > 0) has_shrunk();
  return removed;
}

}  // namespace larder::storage
