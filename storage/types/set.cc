#include "storage/types/set.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "storage/ensure.h"
#include "storage/memory.h"
#include "storage/types/selection.h"

namespace larder::storage {
namespace {

std::size_t most_integers(const CollectionLimits& limits) {
  const std::size_t room = (Packed::kMostBytes - Intset::kHeadBytes) / sizeof(std::int64_t);
  return std::min(limits.set_max_intset_entries, room);
}

std::size_t most_texts(const CollectionLimits& limits) {
  return std::min(limits.set_max_listpack_entries, Packed::kMostElements);
}

bool fits_listpack(const CollectionLimits& limits, std::size_t count_before,
                   std::size_t text_bytes) {
  return count_before < most_texts(limits) && text_bytes <= limits.set_max_listpack_value;
}

std::string packed_element(std::string_view text) {
  std::string element;
  Packed::append(element, text);
  return element;
}

SetObject* object_of(const SetView& set, std::uint64_t seed) {
  auto* object = new SetObject(seed);
  Bytes::Digits digits;
  set.each([&](const Bytes& member) { object->add(member.text(digits)); });
  return object;
}

// The members of an intset and one that is no integer, as a listpack; nothing when they do not fit
// into one.
std::optional<std::string> packed_with(const SetView& integers, std::string_view text,
                                       const CollectionLimits& limits) {
  const std::size_t count = integers.size();
  if (!fits_listpack(limits, count, text.size())) return std::nullopt;
  std::string bytes(Packed::kNone);
  std::size_t longest = 0;
  integers.each([&](const Bytes& integer) {
    longest = std::max(longest, integer.size());
    Packed::append(bytes, integer.integer());
  });
  Packed::append(bytes, text);
  Packed::store_count(bytes.data(), count + 1);
  if (longest > limits.set_max_listpack_value || bytes.size() > Packed::kMostBytes)
    return std::nullopt;
  return bytes;
}

// A home of a set is what adding needs of a slot or a draft.

template <class Home>
void become_object_with(Home& home, std::string_view text) {
  SetObject* object = object_of(home.view(), home.seed());
  object->add(text);
  home.become(object);
}

template <class Home>
bool add_to_integers(Home& home, std::string_view text, const Intset& set) {
  const auto integer = strict_integer(text);
  if (!integer) {
    const auto packed = packed_with(home.view(), text, home.limits());
    packed ? home.become(Encoding::listpack, *packed) : become_object_with(home, text);
    return true;
  }
  const std::size_t index = set.lower_bound(*integer);
  if (set.is_at(index, *integer)) return false;
  if (set.size() >= most_integers(home.limits())) {
    become_object_with(home, text);
  } else if (Intset::width_of(*integer) > set.width()) {
    home.become(Encoding::intset, set.widened_with(*integer));
  } else {
    std::string bytes;
    Intset::append(bytes, *integer, set.width());
    home.splice(set.position(index), bytes);
  }
  return true;
}

template <class Home>
bool add_to_texts(Home& home, std::string_view text, const Packed& set) {
  if (set.find(text, set.begin(), 1) != set.end()) return false;
  const bool fits = fits_listpack(home.limits(), set.count(), text.size()) &&
                    set.size_bytes() + Packed::most_bytes(text.size()) <= Packed::kMostBytes;
  if (fits) {
    home.append(packed_element(text), set.count() + 1);
  } else {
    become_object_with(home, text);
  }
  return true;
}

// False when it is there already.
template <class Home>
bool add_inline(Home& home, std::string_view text) {
  const std::string_view bytes = home.bytes();
  if (home.view().encoding() == Encoding::intset) return add_to_integers(home, text, Intset(bytes));
  return add_to_texts(home, text, Packed(bytes));
}

struct SlotHome {
  SetView view() const { return SetView(*slot.value()); }
  std::string_view bytes() const { return slot.value()->inline_bytes(); }
  const CollectionLimits& limits() const { return slot.limits(); }
  std::uint64_t seed() const { return slot.seed(); }
  void splice(std::size_t at, std::string_view inserted) { slot.splice_inline(at, 0, inserted); }
  void append(std::string_view element, std::size_t count) {
    slot.splice_packed(bytes().size(), 0, element, count);
  }
  void become(Encoding encoding, std::string_view packed) {
    slot.set_packed(Type::set, encoding, packed);
  }
  void become(SetObject* object) { slot.set_object(Type::set, Encoding::hashtable, object); }

  Slot& slot;
};

}  // namespace

SetMember* SetMember::make(std::string_view bytes) {
  auto* member = new (allocate(kHeadBytes + bytes.size())) SetMember(bytes.size());
  std::memcpy(member->bytes(), bytes.data(), bytes.size());
  return member;
}

bool SetObject::add(std::string_view member) {
  return members.find_or_insert(member, [&] { return SetMember::make(member); }).second;
}

SetObject* SetObject::copy() const {
  auto* another = new SetObject(seed_);
  members.each(
      [&](const SetMember& member) { another->members.insert(SetMember::make(member.name())); });
  return another;
}

std::size_t SetView::size() const {
  switch (encoding_) {
    case Encoding::intset: return integers().size();
    case Encoding::listpack: return texts().count();
    default: return object_->size();
  }
}

bool SetView::has(std::string_view member) const {
  switch (encoding_) {
    case Encoding::intset: {
      const auto integer = strict_integer(member);
      return integer && integers().has(*integer);
    }
    case Encoding::listpack: return texts().find(member, texts().begin(), 1) != texts().end();
    default: return object_->members.find(member) != nullptr;
  }
}

bool SetView::has(const Bytes& member) const {
  if (member.is_integer() && encoding_ == Encoding::intset) return integers().has(member.integer());
  Bytes::Digits digits;
  return has(member.text(digits));
}

Bytes SetView::random(Chance& chance) const {
  switch (encoding_) {
    case Encoding::intset: return Bytes(integers().at(chance() % size()));
    case Encoding::listpack:
      return texts().at(texts().nth(static_cast<std::int64_t>(chance() % size())));
    default: return Bytes(object_->members.random(chance).name());
  }
}

void SetView::sample(std::size_t count, Chance& chance, const Visitor& visit) const {
  if (encoding_ == Encoding::hashtable) {
    return storage::sample(object_->members, count, chance,
                           [&](const SetMember& member) { visit(Bytes(member.name())); });
  }
  Selection selection(count, size(), chance);
  each([&](const Bytes& member) {
    if (selection.takes_next()) visit(member);
  });
}

struct SetDraft::Home {
  SetView view() const { return draft.view(); }
  std::string_view bytes() const { return draft.bytes_; }
  const CollectionLimits& limits() const { return draft.limits_; }
  std::uint64_t seed() const { return draft.seed_; }
  void splice(std::size_t at, std::string_view inserted) { draft.bytes_.insert(at, inserted); }
  void append(std::string_view element, std::size_t count) {
    draft.bytes_ += element;
    Packed::store_count(draft.bytes_.data(), count);
  }
  void become(Encoding encoding, std::string bytes) {
    draft.encoding_ = encoding;
    draft.bytes_ = std::move(bytes);
  }
  void become(SetObject* object) {
    draft.encoding_ = Encoding::hashtable;
    draft.object_ = object;
    draft.bytes_.clear();
  }

  SetDraft& draft;
};

SetDraft::SetDraft(const CollectionLimits& limits, std::uint64_t seed, std::string_view first,
                   std::size_t expected)
    : SetDraft(limits, seed) {
  if (expected <= most_integers(limits) && strict_integer(first)) return;
  Home home{*this};
  if (expected <= most_texts(limits)) {
    home.become(Encoding::listpack, std::string(Packed::kNone));
  } else {
    home.become(new SetObject(seed));
  }
}

bool SetDraft::add(std::string_view member) {
  if (object_ != nullptr) return object_->add(member);
  Home home{*this};
  return add_inline(home, member);
}

void SetDraft::put_into(Slot& slot) {
  if (object_ != nullptr) {
    slot.set_object(Type::set, Encoding::hashtable, std::exchange(object_, nullptr));
  } else {
    slot.set_packed(Type::set, encoding_, bytes_);
  }
}

std::size_t SetEdit::add(std::span<const std::string_view> members) {
  if (slot_.is_present()) return add_to_present(members);
  SetDraft draft(slot_.limits(), slot_.seed(), members.front(), members.size());
  std::size_t added = 0;
  for (const std::string_view member : members) added += draft.add(member);
  draft.put_into(slot_);
  return added;
}

std::size_t SetEdit::add_to_present(std::span<const std::string_view> members) {
  if (view().encoding() == Encoding::hashtable) return add_to_object(members);
  const std::size_t coming = members.size();
  // What is there already changes nothing, and nobody is told of a change.
  const auto is_there = [&](std::string_view member) { return view().has(member); };
  members = {std::find_if_not(members.begin(), members.end(), is_there), members.end()};
  if (members.empty()) return 0;

  SlotHome home{slot_};
  std::size_t added = 0;
  // Many at once are not made room for step by step.
  const bool is_intset = view().encoding() == Encoding::intset;
  const std::size_t most = is_intset ? most_integers(slot_.limits()) : most_texts(slot_.limits());
  if (coming > most) {
    home.become(object_of(view(), slot_.seed()));
  }
  while (!members.empty() && view().encoding() != Encoding::hashtable) {
    added += add_inline(home, members.front());
    members = members.subspan(1);
  }
  return members.empty() ? added : added + add_to_object(members);
}

std::size_t SetEdit::add_to_object(std::span<const std::string_view> members) {
  return slot_.change_object([&](Object& object) {
    std::size_t added = 0;
    for (const std::string_view member : members)
      added += static_cast<SetObject&>(object).add(member);
    return added;
  });
}

std::size_t SetEdit::remove(std::span<const std::string_view> members) {
  std::size_t removed = 0;
  if (view().encoding() == Encoding::hashtable) return remove_from_object(members);
  for (const std::string_view member : members) {
    removed += remove_inline(member);
    if (!slot_.is_present()) break;
  }
  return removed;
}

bool SetEdit::remove_inline(std::string_view member) {
  const SetView set = view();
  if (!set.has(member)) return false;
  if (set.size() == 1) return slot_.erase();
  const std::string_view bytes = slot_.value()->inline_bytes();
  if (set.encoding() == Encoding::intset) {
    const Intset integers(bytes);
    const std::size_t index = integers.lower_bound(*strict_integer(member));
    slot_.splice_inline(integers.position(index), integers.width(), {});
  } else {
    const Packed texts(bytes);
    const std::size_t at = texts.find(member, texts.begin(), 1);
    slot_.splice_packed(at, texts.next(at) - at, {}, texts.count() - 1);
  }
  return true;
}

std::size_t SetEdit::remove_from_object(std::span<const std::string_view> members) {
  const std::size_t removed = slot_.change_object([&](Object& object) {
    std::size_t taken = 0;
    for (const std::string_view member : members)
      taken += static_cast<SetObject&>(object).members.erase(member);
    return taken;
  });
  if (view().size() == 0) slot_.erase();
  return removed;
}

std::string SetEdit::pop(Chance& chance) {
  std::string member = view().random(chance).to_string();
  remove(member);
  return member;
}

void SetEdit::pop(std::size_t count, Chance& chance, const SetView::Visitor& visit) {
  const SetView set = view();
  ensure(count < set.size(), "who pops all of a set erases it");
  if (count == 0) return;
  if (set.encoding() != Encoding::hashtable) return pop_inline(count, chance, visit);
  slot_.edit_object([&](Object& object) {
    auto& members = static_cast<SetObject&>(object).members;
    for (std::size_t i = 0; i < count; ++i) {
      const SetMember& member = members.random(chance);
      visit(Bytes(member.name()));
      members.erase(member.name());
    }
  });
}

// What stays is written anew.
void SetEdit::pop_inline(std::size_t count, Chance& chance, const SetView::Visitor& visit) {
  const SetView set = view();
  const bool is_intset = set.encoding() == Encoding::intset;
  const std::string_view bytes = slot_.value()->inline_bytes();
  std::string rest(bytes.substr(0, is_intset ? Intset::kHeadBytes : Packed::kHeadBytes));
  Selection selection(count, set.size(), chance);
  set.each([&](const Bytes& member) {
    if (selection.takes_next()) return visit(member);
    if (is_intset) {
      Intset::append(rest, member.integer(), Intset(bytes).width());
    } else if (member.is_integer()) {
      Packed::append(rest, member.integer());
    } else {
      Packed::append(rest, member.view());
    }
  });
  if (!is_intset) Packed::store_count(rest.data(), set.size() - count);
  slot_.set_packed(Type::set, set.encoding(), rest);
}

}  // namespace larder::storage
