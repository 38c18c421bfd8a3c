// SORT and SORT_RO: the elements of a collection in another order, or what keys that are named for
// them hold.
//
//   BY weight_*->field    by what the key holds that has the element in the place of the star (or
//                         that field of it); a pattern without a star: in the order they lie
//   GET object_*          instead of an element what that key holds, null where it holds nothing;
//                         GET # is the element itself
//
// The collection is copied out in one visit, each key of a pattern is read in a visit of its own,
// and STORE is a last one: so another client may come between them, but not between the commands
// of a transaction or a script, which hold everybody off (all_keys).
// Numbers are compared as doubles, and where those are alike as text; text byte by byte (Redis asks
// the locale, which in the C locale says the same).
// Cost: O(N+M log M), a copy of all elements, and a visit for each key of a pattern. Thread: loop.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.h"
#include "server/commands/lists.h"
#include "server/engine/families.h"
#include "server/engine/registry.h"
#include "server/security/users.h"
#include "storage/types/hash.h"
#include "storage/types/set.h"
#include "storage/types/zset.h"

namespace larder::server {
namespace {

namespace errors = protocol::errors;
using storage::Bytes;
using storage::ListEdit;
using storage::ListView;
using storage::Slot;
using storage::Type;
using storage::Value;

// A key, or a field of one, for each element.
class Pattern {
 public:
  explicit Pattern(std::string_view text) : is_element_(text == "#") {
    const std::size_t star = text.find('*');
    names_keys_ = star != std::string_view::npos;
    if (!names_keys_) return;
    before_ = text.substr(0, star);
    behind_ = text.substr(star + 1);
    const std::size_t arrow = behind_.find("->");
    if (arrow == std::string_view::npos || arrow + 2 == behind_.size()) return;
    field_ = behind_.substr(arrow + 2);
    behind_ = behind_.substr(0, arrow);
  }

  bool names_keys() const { return names_keys_; }
  // What is there for that element.
  std::optional<std::string> look_up(Call& call, std::string_view element) const {
    if (is_element_) return std::string(element);
    if (!names_keys_) return std::nullopt;
    std::string name(before_);
    name.append(element).append(behind_);
    return call.keys.read(call.keys.key(name), [&](const Value* value) { return text_of(value); });
  }

 private:
  std::optional<std::string> text_of(const Value* value) const {
    if (value == nullptr) return std::nullopt;
    if (field_.empty()) {
      if (!value->is_string()) return std::nullopt;
      return value->bytes().to_string();
    }
    if (value->type() != Type::hash) return std::nullopt;
    const auto found = storage::HashView(*value).find(field_);
    return found ? std::optional(found->to_string()) : std::nullopt;
  }

  std::string_view before_;
  std::string_view behind_;
  std::string_view field_;
  bool is_element_;
  bool names_keys_ = false;
};

struct SortOptions {
  bool as_text = false;
  bool descends = false;
  std::int64_t start = 0;
  std::int64_t count = -1;  // negative: all
  std::optional<Pattern> by = {};
  bool keeps_order = false;  // some BY had no star
  std::vector<Pattern> gets = {};
  std::optional<std::string_view> target = {};
};

// Patterns lead to keys that the row does not name: who uses them must be allowed to read them all.
bool may_follow_patterns(Call& call) {
  return call.services.users.may_read_all_keys(
      call.client, call.command, call.services.registry.number_of(call.command), call.words);
}

SortOptions read_sort_options(Call& call, Args& args, bool may_store) {
  SortOptions options;
  while (args.more()) {
    const std::size_t behind = args.left() - 1;
    if (args.eat("ASC")) {
      options.descends = false;
    } else if (args.eat("DESC")) {
      options.descends = true;
    } else if (args.eat("ALPHA")) {
      options.as_text = true;
    } else if (behind >= 2 && args.eat("LIMIT")) {
      options.start = args.integer();
      options.count = args.integer();
    } else if (may_store && behind >= 1 && args.eat("STORE")) {
      options.target = args.take();
    } else if (behind >= 1 && args.eat("BY")) {
      options.by.emplace(args.take());
      options.keeps_order = options.keeps_order || !options.by->names_keys();
      if (options.by->names_keys() && !may_follow_patterns(call)) {
        args.fail(errors::sort_by_no_permission);
      }
    } else if (behind >= 1 && args.eat("GET")) {
      options.gets.emplace_back(args.take());
      if (!may_follow_patterns(call)) args.fail(errors::sort_get_no_permission);
    } else {
      args.fail(errors::syntax);
    }
  }
  return options;
}

struct Item {
  std::string text = {};
  std::optional<std::string> by = {};  // what is compared as text, where it is not `text`
  double score = 0;
};
using Items = std::vector<Item>;

// The elements in the order they lie, or nothing for a value that has none.
std::optional<Items> items_of(const Value* value) {
  Items items;
  if (value == nullptr) return items;
  const auto add = [&](const Bytes& element) {
    items.push_back({.text = element.to_string()});
    return true;
  };
  switch (value->type()) {
    case Type::list: ListView(*value).walk(Side::left, 0, SIZE_MAX, add); return items;
    case Type::set: storage::SetView(*value).each(add); return items;
    case Type::zset: {
      const storage::ZsetView zset(*value);
      zset.each(zset.all(), false, [&](const Bytes& member, double) { add(member); });
      return items;
    }
    default: return std::nullopt;
  }
}

// As strtod reads the whole text, which may be empty.
std::optional<double> score_of(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const double score = std::strtod(text.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(score)) return std::nullopt;
  return score;
}

// What every item is compared by. False when something is no number.
bool weigh(Call& call, Items& items, const SortOptions& options) {
  for (Item& item : items) {
    if (options.by) {
      item.by = options.by->look_up(call, item.text);
      if (!item.by) continue;
    }
    if (options.as_text) continue;
    const auto score = score_of(item.by ? *item.by : item.text);
    if (!score) return false;
    item.score = *score;
  }
  return true;
}

int compare(const Item& a, const Item& b, const SortOptions& options) {
  if (options.as_text && !options.by) return a.text.compare(b.text);
  if (options.as_text) {
    if (!a.by || !b.by) return static_cast<int>(a.by.has_value()) - b.by.has_value();
    return a.by->compare(*b.by);
  }
  if (a.score != b.score) return a.score < b.score ? -1 : 1;
  return a.text.compare(b.text);
}

// Puts the items in order. False when something is no number.
bool arrange(Call& call, Items& items, const SortOptions& options) {
  if (options.keeps_order) {
    if (options.descends) std::reverse(items.begin(), items.end());
    return true;
  }
  if (!weigh(call, items, options)) return false;
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    const int order = compare(a, b, options);
    return options.descends ? order > 0 : order < 0;
  });
  return true;
}

// The part that LIMIT asks for.
std::span<const Item> limited(const Items& items, const SortOptions& options) {
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t start = std::clamp<std::int64_t>(options.start, 0, size);
  const std::int64_t left = size - start;
  const std::int64_t count = options.count < 0 ? left : std::min(options.count, left);
  return std::span(items).subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(count));
}

// tell(std::optional<std::string_view>) of every word of the answer.
template <class Tell>
void each_word(Call& call, std::span<const Item> items, const SortOptions& options, Tell&& tell) {
  for (const Item& item : items) {
    if (options.gets.empty()) tell(std::optional<std::string_view>(item.text));
    for (const Pattern& pattern : options.gets) tell(pattern.look_up(call, item.text));
  }
}

void store(Call& call, std::span<const Item> items, const SortOptions& options) {
  std::vector<std::string> texts;
  each_word(call, items, options,
            [&](const auto& word) { texts.emplace_back(word ? *word : std::string_view()); });
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::string_view name = *options.target;
  call.keys.update(call.keys.key(name), [&](Slot& slot) {
    const bool was_there = slot.erase();
    if (!views.empty()) ListEdit(slot).push(Side::right, views);
    tell_stored(call, slot, was_there, views.size(), EventClass::list, "sortstore");
  });
}

void sort_with(Call& call, bool may_store) {
  Args args = call.args_from(2);
  SortOptions options = read_sort_options(call, args, may_store);
  if (!args.finish()) return call.reply.error(args.problem());
  bool is_set = false;
  auto items = call.keys.read(call.key(), [&](const Value* value) {
    is_set = value != nullptr && value->type() == Type::set;
    return items_of(value);
  });
  // What is stored, or seen by a script, must not hang on where the members of a set lie.
  if (options.keeps_order && is_set && (options.target || call.in_script)) {
    options.keeps_order = false;
    options.as_text = true;
    options.by.reset();
  }
  if (!items) return call.reply.error(errors::wrong_type);
  if (!arrange(call, *items, options)) return call.reply.error(errors::sort_not_a_number);
  const std::span<const Item> part = limited(*items, options);
  if (options.target) return store(call, part, options);
  call.reply.array(part.size() * std::max<std::size_t>(options.gets.size(), 1));
  each_word(call, part, options,
            [&](const auto& word) { word ? call.reply.bulk(*word) : call.reply.null(); });
}

void sort(Call& call) {
  sort_with(call, true);
}

void sort_ro(Call& call) {
  sort_with(call, false);
}

using enum Flag;

// Where the result goes: behind the last STORE that is an option, and not the value of one.
std::vector<std::size_t> targets_of_sort(Words words) {
  std::vector<std::size_t> targets;
  for (std::size_t i = 2; i + 1 < words.size(); ++i) {
    if (protocol::same_word(words[i], "STORE")) {
      targets.assign(1, ++i);
    } else if (protocol::same_word(words[i], "BY") || protocol::same_word(words[i], "GET")) {
      ++i;
    } else if (protocol::same_word(words[i], "LIMIT")) {
      i += 2;
    }
  }
  return targets;
}

constexpr Command table[] = {
    {.name = "SORT",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = writes | may_grow | dangerous | all_keys,
     .run = sort,
     .summary = "The elements of a collection in order, or what keys named for them hold",
     .since = "1.0.0",
     .syntax = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] "
               "[ALPHA] [STORE destination]",
     .complexity = "O(N+M*log(M)) where N is the number of elements and M of those returned",
     .access = Access::ro | Access::access,
     .targets = targets_of_sort},
    {.name = "SORT_RO",
     .arity = at_least(2),
     .keys = first_key(),
     .flags = reads | dangerous | all_keys,
     .run = sort_ro,
     .summary = "SORT without STORE",
     .since = "7.0.0",
     .syntax = "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] "
               "[ALPHA]",
     .complexity = "O(N+M*log(M)) where N is the number of elements and M of those returned",
     .access = Access::ro | Access::access},
};

}  // namespace

const Family sorting{"generic", table, "set sortedset list"};

}  // namespace larder::server
