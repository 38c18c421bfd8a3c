#include "storage/types/zset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>

#include "storage/ensure.h"
#include "storage/memory.h"

namespace larder::storage {
namespace {

// Two elements a member.
constexpr std::size_t kStep = 2;
constexpr std::size_t kScoreChars = 32;
// Whole scores up to here are kept as integers (Redis's figure): well inside of int64.
constexpr double kMostWhole = 4'611'686'018'427'387'904.0;

double score_of(const Bytes& element) {
  if (element.is_integer()) return static_cast<double>(element.integer());
  const std::string_view text = element.view();
  double score = 0;
  std::from_chars(text.data(), text.data() + text.size(), score);
  return score;
}

void append_member(std::string& to, std::string_view member, double score) {
  Packed::append(to, member);
  if (std::fabs(score) <= kMostWhole && score == std::trunc(score)) {
    return Packed::append(to, static_cast<std::int64_t>(score));
  }
  char text[kScoreChars];
  const char* end = std::to_chars(text, text + sizeof text, score).ptr;
  Packed::append(to, std::string_view(text, static_cast<std::size_t>(end - text)));
}

std::size_t most_bytes(std::string_view member) {
  return Packed::most_bytes(member.size()) + Packed::most_bytes(kScoreChars);
}

std::size_t behind_member(const Packed& packed, std::size_t position) {
  return packed.next(packed.next(position));
}

// Where (score, member), which is not there, belongs.
std::size_t place_for(const Packed& packed, std::string_view member, double score) {
  std::size_t position = packed.begin();
  while (position < packed.end()) {
    const double other = score_of(packed.at(packed.next(position)));
    Bytes::Digits digits;
    if (other > score || (other == score && packed.at(position).text(digits) > member)) break;
    position = behind_member(packed, position);
  }
  return position;
}

LargeZset& large_of(Object& object) {
  return static_cast<LargeZset&>(object);
}

}  // namespace

bool NameRange::is_below(std::string_view name) const {
  if (min.kind != NameBound::Kind::at) return min.kind == NameBound::Kind::highest;
  return min.excludes ? name <= min.text : name < min.text;
}

bool NameRange::is_above(std::string_view name) const {
  if (max.kind != NameBound::Kind::at) return max.kind == NameBound::Kind::lowest;
  return max.excludes ? name >= max.text : name > max.text;
}

std::size_t LargeZset::weight_bytes() const {
  return footprint(sizeof *this) + by_name_.weight_bytes() + order_.weight_bytes();
}

LargeZset* LargeZset::copy() const {
  auto* other = new LargeZset(seed_);
  for (const Node* node = order_.first(); node != nullptr; node = node->after()) {
    other->insert(node->name(), node->score());
  }
  return other;
}

void LargeZset::insert(std::string_view member, double score) {
  Node* node = Node::make(member, score, order_.draw_levels());
  by_name_.insert(node);
  order_.insert(node);
}

void LargeZset::remove(Node* node) {
  order_.remove(node);
  by_name_.erase(node->name());
}

void LargeZset::remove(RankRange ranks) {
  order_.remove_ranks(ranks.first, ranks.count(),
                      [this](Node* node) { by_name_.erase(node->name()); });
}

double ZsetView::Cursor::score() const {
  return node_ ? node_->score() : score_of(packed_.at(packed_.next(position_)));
}

void ZsetView::Cursor::advance() {
  if (node_ != nullptr) {
    node_ = node_->after();
  } else {
    position_ = behind_member(packed_, position_);
  }
}

void ZsetView::Cursor::retreat() {
  if (node_ != nullptr) {
    node_ = node_->before();
  } else {
    position_ = packed_.before(packed_.before(position_));
  }
}

ZsetView::ZsetView(const Value& value) {
  ensure_hot(value.type() == Type::zset, "only sorted sets have scores");
  if (value.is_inline()) {
    packed_ = Packed(value.inline_bytes());
  } else {
    large_ = &large_of(value.object());
  }
}

std::optional<double> ZsetView::score(std::string_view member) const {
  if (large_ != nullptr) {
    const LargeZset::Node* node = large_->find(member);
    return node == nullptr ? std::nullopt : std::optional(node->score());
  }
  const std::size_t position = packed_.find(member, packed_.begin(), kStep);
  if (position == packed_.end()) return std::nullopt;
  return score_of(packed_.at(packed_.next(position)));
}

std::optional<Place> ZsetView::place(std::string_view member) const {
  if (large_ != nullptr) {
    const LargeZset::Node* node = large_->find(member);
    if (node == nullptr) return std::nullopt;
    return Place{large_->order().rank_of(*node), node->score()};
  }
  const std::size_t found = packed_.find(member, packed_.begin(), kStep);
  if (found == packed_.end()) return std::nullopt;
  std::size_t rank = 0;
  for (std::size_t position = packed_.begin(); position < found; ++rank) {
    position = behind_member(packed_, position);
  }
  return Place{rank, score_of(packed_.at(packed_.next(found)))};
}

// Of how many members, from the first on, is_before(name(), score) is true. The name is a function:
// spelling it costs.
template <class IsBefore>
std::size_t ZsetView::count_before(IsBefore&& is_before) const {
  if (large_ != nullptr) {
    return large_->order().count_before([&](const LargeZset::Node& node) {
      return is_before([&] { return Bytes(node.name()); }, node.score());
    });
  }
  std::size_t counted = 0;
  for (std::size_t position = packed_.begin(); position < packed_.end(); ++counted) {
    const Cursor cursor(nullptr, packed_, position);
    if (!is_before([&] { return cursor.member(); }, cursor.score())) break;
    position = behind_member(packed_, position);
  }
  return counted;
}

RankRange ZsetView::ranks(const ScoreRange& range) const {
  return {
      count_before([&](const auto&, double score) { return range.is_below(score); }),
      count_before([&](const auto&, double score) { return !range.is_above(score); }),
  };
}

RankRange ZsetView::ranks(const NameRange& range) const {
  Bytes::Digits digits;
  return {
      count_before([&](const auto& name, double) { return range.is_below(name().text(digits)); }),
      count_before([&](const auto& name, double) { return !range.is_above(name().text(digits)); }),
  };
}

ZsetView::Cursor ZsetView::at(std::size_t rank) const {
  if (large_ != nullptr) {
    const SkipList& order = large_->order();
    const SkipList::Node* node = rank == 0                  ? order.first()
                                 : rank + 1 == order.size() ? order.last()
                                                            : order.at(rank);
    return {node, packed_, 0};
  }
  return {nullptr, packed_, packed_.nth(static_cast<std::int64_t>(rank * kStep))};
}

void ZsetEdit::expect(std::size_t members, std::size_t longest_bytes) {
  const CollectionLimits& limits = slot_.limits();
  if (slot_.is_present() || (members <= limits.zset_max_listpack_entries &&
                             longest_bytes <= limits.zset_max_listpack_value)) {
    return;
  }
  slot_.set_object(Type::zset, Encoding::skiplist, new LargeZset(slot_.seed()));
}

// What is packed, as an object.
LargeZset* ZsetEdit::make_large() const {
  auto* large = new LargeZset(slot_.seed());
  const ZsetView view(*slot_.value());
  Bytes::Digits digits;
  view.each(view.all(), false,
            [&](const Bytes& member, double score) { large->insert(member.text(digits), score); });
  return large;
}

// Whether a packed set may have the member, which is new or not.
bool ZsetEdit::stays_packed(std::string_view member, bool is_new) const {
  const CollectionLimits& limits = slot_.limits();
  const std::size_t count = packed().count() + (is_new ? kStep : 0);
  if (packed().size_bytes() + most_bytes(member) > Packed::kMostBytes) return false;
  if (count > Packed::kMostElements) return false;
  return !is_new || (count / kStep <= limits.zset_max_listpack_entries &&
                     member.size() <= limits.zset_max_listpack_value);
}

ZsetEdit::Found ZsetEdit::find(std::string_view member) const {
  if (!slot_.is_present()) return {};
  if (!is_packed()) {
    LargeZset::Node* node = large_of(slot_.value()->object()).find(member);
    return node == nullptr ? Found{} : Found{node->score(), node, 0};
  }
  const std::size_t position = packed().find(member, packed().begin(), kStep);
  if (position == packed().end()) return {};
  return {score_of(packed().at(packed().next(position))), nullptr, position};
}

void ZsetEdit::put(std::string_view member, double score, const Found& found) {
  if (!slot_.is_present()) {
    expect(1, member.size());
    if (!slot_.is_present()) slot_.set_packed(Type::zset, Encoding::listpack, Packed::kNone);
  }
  if (!is_packed()) return put_large(member, score, found.node);
  if (!stays_packed(member, !found.score)) {
    slot_.set_object(Type::zset, Encoding::skiplist, make_large());
    return put_large(member, score, find(member).node);
  }
  if (found.score) erase_packed(found.position);
  std::string added;
  append_member(added, member, score);
  slot_.splice_packed(place_for(packed(), member, score), 0, added, packed().count() + kStep);
}

void ZsetEdit::put_large(std::string_view member, double score, LargeZset::Node* node) {
  slot_.edit_object([&](Object& object) {
    node == nullptr ? large_of(object).insert(member, score)
                    : large_of(object).rescore(node, score);
  });
}

void ZsetEdit::erase_packed(std::size_t position) {
  slot_.splice_packed(position, behind_member(packed(), position) - position, {},
                      packed().count() - kStep);
}

bool ZsetEdit::remove(std::string_view member) {
  const Found found = find(member);
  if (!found.score) return false;
  if (ZsetView(*slot_.value()).size() == 1) return slot_.erase();
  if (found.node == nullptr) {
    erase_packed(found.position);
  } else {
    slot_.edit_object([&](Object& object) { large_of(object).remove(found.node); });
  }
  return true;
}

void ZsetEdit::remove(RankRange ranks) {
  if (ranks.count() == 0) return;
  if (ranks.count() == ZsetView(*slot_.value()).size()) return static_cast<void>(slot_.erase());
  if (is_packed()) {
    const auto position_of = [&](std::size_t rank) {
      return packed().nth(static_cast<std::int64_t>(rank * kStep));
    };
    const std::size_t first = position_of(ranks.first);
    return slot_.splice_packed(first, position_of(ranks.end) - first, {},
                               packed().count() - kStep * ranks.count());
  }
  slot_.edit_object([&](Object& object) { large_of(object).remove(ranks); });
}

void ZsetEdit::store(Slot& slot, std::span<const Scored> members) {
  slot.erase();
  if (members.empty()) return;
  const CollectionLimits& limits = slot.limits();
  std::size_t bytes = Packed::kHeadBytes;
  std::size_t longest = 0;
  for (const Scored& scored : members) {
    bytes += most_bytes(scored.member);
    longest = std::max(longest, scored.member.size());
  }
  const bool fits = members.size() <= limits.zset_max_listpack_entries &&
                    longest <= limits.zset_max_listpack_value && bytes <= Packed::kMostBytes &&
                    members.size() * kStep <= Packed::kMostElements;
  if (fits) {
    std::string packed(Packed::kNone);
    for (const Scored& scored : members) append_member(packed, scored.member, scored.score);
    Packed::store_count(packed.data(), members.size() * kStep);
    return slot.set_packed(Type::zset, Encoding::listpack, packed);
  }
  auto* large = new LargeZset(slot.seed());
  for (const Scored& scored : members) large->insert(scored.member, scored.score);
  slot.set_object(Type::zset, Encoding::skiplist, large);
}

}  // namespace larder::storage
