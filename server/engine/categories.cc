#include "server/engine/categories.h"

#include <algorithm>
#include <array>

namespace larder::server {
namespace {

// All there are, in the order in which COMMAND INFO lists them.
constexpr std::array<std::string_view, 21> kCategories = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
};

struct Chapter {
  std::string_view name;
  std::string_view category;
};
// Chapters whose category has another name.
constexpr Chapter kChapters[] = {
    {"generic", "keyspace"}, {"transactions", "transaction"}, {"sorted-set", "sortedset"}};

// Whether a line of names has that one: SORT is in the categories of all it sorts.
bool names(std::string_view line, std::string_view category) {
  for (std::size_t at = line.find(category); at != std::string_view::npos;
       at = line.find(category, at + 1)) {
    const std::size_t end = at + category.size();
    if ((at == 0 || line[at - 1] == ' ') && (end == line.size() || line[end] == ' ')) return true;
  }
  return false;
}

std::string_view category_of(const Family& family) {
  if (!family.category.empty()) return family.category;
  for (const Chapter& chapter : kChapters) {
    if (chapter.name == family.name) return chapter.category;
  }
  return family.name;
}

// Scripts are in @scripting alone: what they read and write is judged command by command.
bool follows_flags(std::string_view category, Flag flags, bool is_script) {
  if (category == "read") return (flags & Flag::reads) && !is_script;
  if (category == "write") return flags & Flag::writes;
  if (category == "pubsub") return flags & Flag::pubsub;
  if (category == "admin") return flags & (Flag::admin | Flag::operators);
  if (category == "fast") return flags & Flag::fast;
  if (category == "slow") return !(flags & Flag::fast);
  if (category == "blocking") return flags & Flag::blocking;
  if (category == "dangerous") return flags & (Flag::admin | Flag::dangerous);
  return false;
}

}  // namespace

std::span<const std::string_view> all_categories() {
  return kCategories;
}

std::vector<std::string_view> categories_of(const Command& row, const Family& family) {
  const std::string_view own = row.run == nullptr ? std::string_view{} : category_of(family);
  std::vector<std::string_view> found;
  for (const std::string_view category : kCategories) {
    if (names(own, category) || follows_flags(category, row.flags, own == "scripting")) {
      found.push_back(category);
    }
  }
  return found;
}

std::optional<std::string_view> category_named(std::string_view name) {
  const auto same = [name](std::string_view category) {
    return std::equal(name.begin(), name.end(), category.begin(), category.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  const auto* found = std::find_if(kCategories.begin(), kCategories.end(), same);
  if (found == kCategories.end()) return std::nullopt;
  return *found;
}

}  // namespace larder::server
