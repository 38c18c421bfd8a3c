// A list: what commands see of it. ListView reads a value, ListEdit changes a slot; only they know
// that a small list lies packed in its entry and a large one in a quicklist.
//
// A list leaves the packed form when what comes in would pass list-max-listpack-size, judged as
// Redis does by the text of the new elements before they are spelled; and comes back when it has
// shrunk to one chunk that is half full at most. The last element takes the key with it.
//
// Thread: whoever holds the shard. Cost: the ends O(1) (a packed list moves its bytes, 8 KB at the
// most by default); the rest as in quicklist.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/slot.h"
#include "storage/types/quicklist.h"
#include "storage/value.h"

namespace larder::storage {

// The longest element a list takes: its length is spelled in four bytes, and its chunk counts in
// them.
inline constexpr std::size_t kMostElementBytes = 0xffff'0000;

class ListView {
 public:
  static constexpr Type kType = Type::list;
  // A value of type list. Void after any change of it.
  explicit ListView(const Value& value);

  std::size_t size() const { return size_; }
  // The nth element, of those there are.
  Bytes at(std::size_t index) const;
  // visit(const Bytes&) -> whether to go on: from one side towards the other, without the first
  // `skipped` of them, which may be all, at most `most` elements.
  template <class Visit>
  void walk(Side from, std::size_t skipped, std::size_t most, Visit&& visit) const;

 private:
  struct Spot {
    std::string_view run;
    std::size_t at;
    const Quicklist::Chunk* chunk;  // null: packed
  };
  Spot spot_of(std::size_t index) const;
  // To the run that follows in that direction; false at the end.
  static bool step(Spot& spot, Side from);

  const Quicklist* chunks_ = nullptr;  // null: packed
  std::string_view packed_ = Packed::kNone;
  std::size_t size_;
};

class ListEdit {
 public:
  // The slot is empty, or holds a list.
  explicit ListEdit(Slot& slot) : slot_(slot) {}

  std::size_t size();
  // One behind the other, so that of several the last is the outermost. Makes the list where there
  // is none. Answers how many elements there are then.
  std::size_t push(Side side, std::span<const std::string_view> texts);
  std::size_t push(Side side, std::string_view text) { return push(side, {&text, 1}); }
  // Takes the outermost away, no more than there are.
  void drop(Side side, std::size_t count);
  // An element there is.
  void set(std::size_t index, std::string_view text);
  // Puts an element on that side of the first that has the pivot's text; false when none has.
  bool insert(Side side, std::string_view pivot, std::string_view text);
  // Takes elements of that text away, at most so many, the first from that side; answers how many.
  std::size_t remove(std::string_view text, std::size_t most, Side side);
  // Keeps `count` elements from the nth on, which are there; none: the key goes.
  void keep(std::size_t from, std::size_t count);

 private:
  bool is_packed() { return !slot_.is_present() || slot_.value()->is_inline(); }
  std::string_view packed();
  bool stays_packed(std::size_t text_bytes, std::size_t spelled_bytes, std::size_t count);
  void join(Side side, std::string_view spelled, std::size_t count);
  void grow(Side side);
  void has_shrunk();
  std::size_t remove_packed(std::string_view text, std::size_t most, Side side);
  template <class Edit>
  decltype(auto) edit(Edit&& edit);

  Slot& slot_;
};

template <class Visit>
void ListView::walk(Side from, std::size_t skipped, std::size_t most, Visit&& visit) const {
  if (most == 0 || skipped >= size_) return;
  Spot spot = spot_of(from == Side::left ? skipped : size_ - 1 - skipped);
  do {
    const Packed run(spot.run);
    if (from == Side::left) {
      for (std::size_t at = spot.at; at < run.end(); at = run.next(at)) {
        if (!visit(run.at(at)) || --most == 0) return;
      }
    } else {
      for (std::size_t at = spot.at;; at = run.before(at)) {
        if (!visit(run.at(at)) || --most == 0) return;
        if (at == 0) break;
      }
    }
  } while (step(spot, from));
}

// Text as elements are compared with it: an integer equals its own spelling.
class ElementText {
 public:
  explicit ElementText(std::string_view text) : text_(text), integer_(strict_integer(text)) {}
  bool is(const Bytes& element) const {
    return element.is_integer() ? integer_ == element.integer()
                                : !integer_ && element.view() == text_;
  }

 private:
  std::string_view text_;
  std::optional<std::int64_t> integer_;
};

}  // namespace larder::storage
