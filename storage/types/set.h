// Sets: members, each once. The only place that knows how a set is kept:
//
//   intset     integers only, sorted, in the entry's cell (intset.h)
//   listpack   a few short members of any kind, in the order they came, in the cell (packed.h)
//   hashtable  all others: a dictionary outside, one allocation a member
//
// A set starts with what suits its first member and the number of those that come with it. An
// intset becomes a listpack when something else than an integer comes and all fit into one, a
// hashtable when not or when it has too many; a listpack becomes a hashtable when it has too many
// members or one too long (limits.h). None goes back. That is how Redis 7.4 does it.
//
//   SetView   looks at one, wherever it is kept       SetEdit   changes the one of a slot
//   SetDraft  makes one that no key has yet (the results of set algebra)
//
// Must hold: a key with a set has at least one member; who takes the last one erases the slot.
// Cost: compact sets are searched (an intset by halves), hashtables hashed. A sample of a hashtable
// walks it once where a third or more of it is wanted, and draws until enough are found where not.
// Thread: whoever holds the shard; a draft is its maker's alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "storage/slot.h"
#include "storage/types/bytes.h"
#include "storage/types/dictionary.h"
#include "storage/types/intset.h"
#include "storage/types/packed.h"

namespace larder::storage {

// One allocation: the link, the length, the bytes.
class SetMember {
 public:
  static SetMember* make(std::string_view bytes);
  static void destroy(SetMember* member) { release(member); }

  std::string_view name() const { return {bytes(), size_}; }
  std::size_t size_bytes() const { return kHeadBytes + size_; }

  SetMember* next = nullptr;

 private:
  explicit SetMember(std::size_t size) : size_(static_cast<std::uint32_t>(size)) {}

  // The bytes begin in what would be padding.
  static constexpr std::size_t kHeadBytes = sizeof(SetMember*) + sizeof(std::uint32_t);
  const char* bytes() const { return reinterpret_cast<const char*>(this) + kHeadBytes; }
  char* bytes() { return reinterpret_cast<char*>(this) + kHeadBytes; }

  std::uint32_t size_;
};

class SetObject final : public Object {
 public:
  explicit SetObject(std::uint64_t seed) : members(seed), seed_(seed) {}

  std::size_t weight_bytes() const override {
    return footprint(sizeof(SetObject)) + members.weight_bytes();
  }
  std::size_t size() const override { return members.size(); }
  SetObject* copy() const override;
  // False when it is there already.
  bool add(std::string_view member);

  Dictionary<SetMember> members;

 private:
  std::uint64_t seed_;
};

// Where random choices come from.
using Chance = std::mt19937_64;

class SetView {
 public:
  static constexpr Type kType = Type::set;
  // A value that is a set.
  explicit SetView(const Value& value)
      : SetView(value.encoding(), value.is_inline() ? value.inline_bytes() : std::string_view{},
                value.is_inline() ? nullptr : &static_cast<const SetObject&>(value.object())) {}
  // `bytes` of a compact encoding, else the object.
  SetView(Encoding encoding, std::string_view bytes, const SetObject* object)
      : bytes_(bytes), object_(object), encoding_(encoding) {}

  Encoding encoding() const { return encoding_; }
  std::size_t size() const;
  bool has(std::string_view member) const;
  bool has(const Bytes& member) const;

  // visit(Bytes) of every member; an intset's in their order.
  template <class Visit>
  void each(Visit&& visit) const {
    each_while([&](const Bytes& member) {
      visit(member);
      return true;
    });
  }
  // The same while visit(Bytes) is true; a few more may be visited after that, in vain.
  template <class Visit>
  void each_while(Visit&& visit) const;
  // Some members from the cursor on, about `count`; answers the next cursor, 0 at the end. All at
  // once of a compact set.
  template <class Visit>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Visit&& visit) const;

  // One member; each is nearly as likely as the others.
  Bytes random(Chance& chance) const;
  // visit(Bytes) of `count` different members, of which there are so many or more.
  using Visitor = std::function<void(const Bytes&)>;
  void sample(std::size_t count, Chance& chance, const Visitor& visit) const;

 private:
  Intset integers() const { return Intset(bytes_); }
  Packed texts() const { return Packed(bytes_); }

  std::string_view bytes_;
  const SetObject* object_;
  Encoding encoding_;
};

// A set that no key has. Thread: its maker's.
class SetDraft {
 public:
  // Starts as an intset, as algebra does.
  SetDraft(const CollectionLimits& limits, std::uint64_t seed) : limits_(limits), seed_(seed) {}
  // As suits a first member that comes with others, `expected` in all.
  SetDraft(const CollectionLimits& limits, std::uint64_t seed, std::string_view first,
           std::size_t expected);
  ~SetDraft() {
    if (object_ != nullptr) object_->drop();
  }
  SetDraft(const SetDraft&) = delete;
  SetDraft& operator=(const SetDraft&) = delete;

  bool add(std::string_view member);
  SetView view() const { return {encoding_, bytes_, object_}; }
  // Under the key of a slot, in the place of whatever is there; the deadline stays. Not empty. The
  // draft is void then.
  void put_into(Slot& slot);

 private:
  struct Home;

  const CollectionLimits& limits_;
  std::uint64_t seed_;
  Encoding encoding_ = Encoding::intset;
  std::string bytes_{Intset::kNone};
  SetObject* object_ = nullptr;
};

// The set of a slot, or that there is none yet. Nobody else changes the slot meanwhile.
class SetEdit {
 public:
  explicit SetEdit(Slot& slot) : slot_(slot) {}

  // How many of them were not there.
  std::size_t add(std::span<const std::string_view> members);
  bool add(std::string_view member) { return add(std::span(&member, 1)) != 0; }
  // How many of them were there. With the last member the slot is erased.
  std::size_t remove(std::span<const std::string_view> members);
  bool remove(std::string_view member) { return remove(std::span(&member, 1)) != 0; }
  // Takes a random member out; the set is there.
  std::string pop(Chance& chance);
  // Takes `count` of them out, fewer than there are: visit(Bytes) of each.
  void pop(std::size_t count, Chance& chance, const SetView::Visitor& visit);

 private:
  SetView view() const { return SetView(*slot_.value()); }
  std::size_t add_to_present(std::span<const std::string_view> members);
  std::size_t add_to_object(std::span<const std::string_view> members);
  bool remove_inline(std::string_view member);
  void pop_inline(std::size_t count, Chance& chance, const SetView::Visitor& visit);
  std::size_t remove_from_object(std::span<const std::string_view> members);

  Slot& slot_;
};

template <class Visit>
void SetView::each_while(Visit&& visit) const {
  if (encoding_ == Encoding::intset) {
    const std::size_t count = integers().size();
    for (std::size_t i = 0; i < count; ++i) {
      if (!visit(Bytes(integers().at(i)))) return;
    }
  } else if (encoding_ == Encoding::listpack) {
    for (std::size_t at = texts().begin(); at < texts().end(); at = texts().next(at)) {
      if (!visit(texts().at(at))) return;
    }
  } else {
    bool goes_on = true;
    std::uint64_t cursor = 0;
    do {
      cursor = object_->members.scan_bucket(cursor, [&](const SetMember& member) {
        goes_on = goes_on && visit(Bytes(member.name()));
      });
    } while (cursor != 0 && goes_on);
  }
}

template <class Visit>
std::uint64_t SetView::scan(std::uint64_t cursor, std::size_t count, Visit&& visit) const {
  if (encoding_ != Encoding::hashtable) {
    each(visit);
    return 0;
  }
  // Buckets without a member count too, or a sparse dictionary would be walked far.
  std::size_t seen = 0;
  do {
    std::size_t found = 0;
    cursor = object_->members.scan_bucket(cursor, [&](const SetMember& member) {
      ++found;
      visit(Bytes(member.name()));
    });
    seen += found == 0 ? 1 : found;
  } while (cursor != 0 && seen < count);
  return cursor;
}

}  // namespace larder::storage
