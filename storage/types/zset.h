// Sorted sets: members, each with a score, in the order of (score, member).
//
// Small ones are packed in their entry (member, score, member, score..., sorted; a whole score as a
// number, another as the shortest text that reads back): everything is a walk. Large ones are an
// object: a skip list for the order and a dictionary for the names, over the same nodes. What
// commands see is the same for both: a place is a rank, and a range of scores or of names is turned
// into a range of ranks first. So counting, walking, and removing are each written once.
//
// A ZsetView reads, a ZsetEdit changes; they alone know the encodings. A set becomes large by
// zset-max-listpack-entries and -value, and stays so.
//
// Must hold: no score is NaN (whoever computes one asks first). There are no empty sorted sets: who
// takes the last member out erases the key.
// Cost: packed: O(n), with a small n; large: O(log n), and O(1) for a member by name.
// Thread: whoever holds the shard. Views and cursors are void after the next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "storage/object.h"
#include "storage/slot.h"
#include "storage/types/bytes.h"
#include "storage/types/dictionary.h"
#include "storage/types/packed.h"
#include "storage/types/skip_list.h"
#include "storage/value.h"

namespace larder::storage {

struct ScoreRange {
  double min;
  double max;
  bool excludes_min = false;
  bool excludes_max = false;

  bool is_below(double score) const { return excludes_min ? score <= min : score < min; }
  bool is_above(double score) const { return excludes_max ? score >= max : score > max; }
};

// An end of a range of names: before all, behind all, or at a text.
struct NameBound {
  enum class Kind : std::uint8_t { lowest, at, highest };

  Kind kind;
  bool excludes = false;
  std::string_view text = {};
};

// Of use where all scores are the same.
struct NameRange {
  NameBound min;
  NameBound max;

  bool is_below(std::string_view name) const;
  bool is_above(std::string_view name) const;
};

// Half open.
struct RankRange {
  std::size_t first = 0;
  std::size_t end = 0;

  std::size_t count() const { return end > first ? end - first : 0; }
};

struct Place {
  std::size_t rank;
  double score;
};

// A member that has been taken out, or is to be put in.
struct Scored {
  std::string member;
  double score;
};
// Their order in a sorted set.
inline bool operator<(const Scored& a, const Scored& b) {
  return a.score < b.score || (a.score == b.score && a.member < b.member);
}

// The object of a large one.
class LargeZset final : public Object {
 public:
  using Node = SkipList::Node;

  explicit LargeZset(std::uint64_t seed) : seed_(seed), by_name_(seed), order_(seed) {}

  std::size_t weight_bytes() const override;
  std::size_t size() const override { return order_.size(); }
  LargeZset* copy() const override;

  const SkipList& order() const { return order_; }
  Node* find(std::string_view member) const { return by_name_.find(member); }
  // The member must not be there yet.
  void insert(std::string_view member, double score);
  void rescore(Node* node, double score) { order_.rescore(node, score); }
  void remove(Node* node);
  void remove(RankRange ranks);
  // Some members; answers the next cursor, 0 at the end (Dictionary::scan_bucket).
  template <class Visitor>
  std::uint64_t scan_bucket(std::uint64_t cursor, Visitor&& visit) const {
    return by_name_.scan_bucket(cursor, std::forward<Visitor>(visit));
  }

 private:
  std::uint64_t seed_;
  Dictionary<Node> by_name_;
  SkipList order_;
};

class ZsetView {
 public:
  static constexpr Type kType = Type::zset;
  // Stands on a member; moves to its neighbours, of which there must be one.
  class Cursor {
   public:
    Bytes member() const { return node_ ? Bytes(node_->name()) : packed_.at(position_); }
    double score() const;
    void advance();
    void retreat();

   private:
    friend class ZsetView;
    Cursor(const SkipList::Node* node, Packed packed, std::size_t position)
        : node_(node), packed_(packed), position_(position) {}

    const SkipList::Node* node_;  // null: it is packed
    Packed packed_;
    std::size_t position_;
  };

  // Of a value that is a sorted set.
  explicit ZsetView(const Value& value);

  std::size_t size() const { return large_ ? large_->size() : packed_.count() / 2; }
  std::optional<double> score(std::string_view member) const;
  std::optional<Place> place(std::string_view member) const;
  RankRange all() const { return {0, size()}; }
  // The ranks of the members in a range; it may be empty in odd ways (count() == 0).
  RankRange ranks(const ScoreRange& range) const;
  RankRange ranks(const NameRange& range) const;

  // Of a rank below size().
  Cursor at(std::size_t rank) const;
  // visit(const Bytes& member, double score) for all in the range, which must be within all().
  template <class Visitor>
  void each(RankRange range, bool backwards, Visitor&& visit) const {
    std::size_t left = range.count();
    if (left == 0) return;
    Cursor cursor = at(backwards ? range.end - 1 : range.first);
    for (;; backwards ? cursor.retreat() : cursor.advance()) {
      visit(cursor.member(), cursor.score());
      if (--left == 0) return;
    }
  }
  // The same for about `count`, in no order, from a cursor on: all of a packed one, whatever is
  // asked. Answers the next cursor, 0 at the end. Who is there from the first call to the last is
  // visited at least once.
  template <class Visitor>
  std::uint64_t scan(std::uint64_t cursor, std::size_t count, Visitor&& visit) const {
    if (large_ == nullptr) {
      each(all(), false, visit);
      return 0;
    }
    std::size_t seen = 0;
    for (std::size_t buckets = 0; seen < count && buckets / kEmptyBucketShare < count; ++buckets) {
      cursor = large_->scan_bucket(cursor, [&](const LargeZset::Node& node) {
        visit(Bytes(node.name()), node.score());
        ++seen;
      });
      if (cursor == 0) break;
    }
    return cursor;
  }

 private:
  // A scan looks at so many buckets for each member it is asked for, at the most.
  static constexpr std::size_t kEmptyBucketShare = 10;

  template <class IsBefore>
  std::size_t count_before(IsBefore&& is_before) const;

  const LargeZset* large_ = nullptr;  // null: it is packed
  Packed packed_{Packed::kNone};
};

class ZsetEdit {
 public:
  // Of a slot that has a sorted set, or nothing.
  explicit ZsetEdit(Slot& slot) : slot_(slot) {}

  // So many members of up to that length are about to be put: a set that is not there yet is made
  // in the encoding they need.
  void expect(std::size_t members, std::size_t longest_bytes);
  // A member, and where it is. Void after the next change.
  struct Found {
    std::optional<double> score;  // nothing: it is not there
    LargeZset::Node* node = nullptr;
    std::size_t position = 0;  // when the set is packed
  };
  Found find(std::string_view member) const;
  // Adds the member, or gives it that score.
  void put(std::string_view member, double score) { put(member, score, find(member)); }
  // The same for who has looked for it.
  void put(std::string_view member, double score, const Found& found);
  // False when it is not there. The last one takes the key with it.
  bool remove(std::string_view member);
  void remove(RankRange ranks);

  // In the place of whatever was there, without its deadline: these, in their order and each once.
  // None: nothing is left.
  static void store(Slot& slot, std::span<const Scored> members);

 private:
  Packed packed() const { return Packed(slot_.value()->inline_bytes()); }
  bool is_packed() const { return slot_.value()->is_inline(); }
  LargeZset* make_large() const;
  bool stays_packed(std::string_view member, bool is_new) const;
  void put_large(std::string_view member, double score, LargeZset::Node* node);
  void erase_packed(std::size_t position);

  Slot& slot_;
};

}  // namespace larder::storage
