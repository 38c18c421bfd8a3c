#include "server/engine/registry.h"

#include <algorithm>

#include "server/engine/key_uses.h"
#include "storage/ensure.h"

namespace larder::server {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

// FNV-1a over the folded letters: names are short, and the table is probed with the client's own
// spelling.
std::uint64_t folded_hash(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(lower(c))) * 0x100000001b3ull;
  }
  return hash ^ (hash >> 32);
}

bool same_folded(std::string_view word, std::string_view upper_name) {
  if (word.size() != upper_name.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (lower(word[i]) != lower(upper_name[i])) return false;
  }
  return true;
}

}  // namespace

Registry::Registry(std::span<const Family* const> families)
    : families_(families), plain_(std::size_t{1} << kPlainBits) {
  for (const Family* family : families_) {
    for (const Command& command : family->commands) {
      ensure(find(command.name) == nullptr, "two rows have one name");
      commands_.push_back(&command);
      add_place(command, {numbered_.size(), family, nullptr});
      for (const Command& sub : command.subcommands) {
        add_place(sub, {numbered_.size(), family, &command});
      }
      index(command);
      index_plain(command);
    }
  }
  ensure(commands_.size() * 2 <= plain_.size(), "the table of plain names is half full at most");
}

void Registry::add_place(const Command& row, const Place& place) {
  numbered_.push_back(&row);
  places_.emplace(&row, place);
}

void Registry::index(const Command& command) {
  if (by_name_.size() < commands_.size() * 4) {
    by_name_.assign(std::max<std::size_t>(64, by_name_.size() * 2), Named{});
    for (const Command* known : commands_) index_one(*known);
  } else {
    index_one(command);
  }
}

void Registry::index_one(const Command& command) {
  std::size_t i = folded_hash(command.name) & (by_name_.size() - 1);
  while (by_name_[i].row != nullptr) i = (i + 1) & (by_name_.size() - 1);
  by_name_[i] = {&command, static_cast<std::uint32_t>(places_.at(&command).number)};
}

void Registry::index_plain(const Command& command) {
  const auto is_letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  const std::string_view name = command.name;
  if (name.empty() || name.size() > kMostLetters || !command.subcommands.empty()) return;
  if (command.run == nullptr || !std::all_of(name.begin(), name.end(), is_letter)) return;
  const std::uint64_t letters = packed(name);
  std::size_t i = plain_place(letters);
  while (plain_[i].row != nullptr) i = (i + 1) & (plain_.size() - 1);
  plain_[i] = {&command, static_cast<std::uint32_t>(places_.at(&command).number), letters};
}

const Registry::Named* Registry::find_named(std::string_view name) const {
  if (by_name_.empty()) return nullptr;
  std::size_t i = folded_hash(name) & (by_name_.size() - 1);
  while (by_name_[i].row != nullptr) {
    if (same_folded(name, by_name_[i].row->name)) return &by_name_[i];
    i = (i + 1) & (by_name_.size() - 1);
  }
  return nullptr;
}

const Command* Registry::find(std::string_view name) const {
  const Named* named = find_named(name);
  return named == nullptr ? nullptr : named->row;
}

Registry::Match Registry::match_oddly(Words words) const {
  const Named* named = find_named(words[0]);
  if (named == nullptr) return {};
  const Command* command = named->row;
  const auto match_of = [&](const Command& row, std::uint32_t number) -> Match {
    return {command, &row, number, row.run != nullptr && row.arity.admits(words.size())};
  };
  // A container that is also a command (COMMAND) runs when it stands alone.
  if (command->subcommands.empty() || words.size() < 2) return match_of(*command, named->number);
  for (std::uint32_t i = 0; i < command->subcommands.size(); ++i) {
    const Command& sub = command->subcommands[i];
    if (same_folded(words[1], sub.name)) return match_of(sub, named->number + 1 + i);
  }
  return {command, nullptr, named->number, false};
}

std::size_t Registry::number_of(const Command& row) const {
  return places_.at(&row).number;
}

const Family& Registry::family_of(const Command& row) const {
  return *places_.at(&row).family;
}

const Command* Registry::container_of(const Command& row) const {
  return places_.at(&row).container;
}

std::string Registry::full_name(const Command& row) const {
  const Command* container = places_.at(&row).container;
  if (container == nullptr) return lower(row.name);
  return lower(container->name) + "|" + lower(row.name);
}

namespace {

// What stands before the word behind which the keys are, and how many words belong to it: one of
// those may look like that word.
struct OptionBefore {
  std::string_view name;
  std::size_t words;
};
constexpr OptionBefore kOptionsBefore[] = {{"BLOCK", 1}, {"COUNT", 1}, {"GROUP", 2}};

std::size_t words_of_option(std::string_view word) {
  for (const OptionBefore& option : kOptionsBefore) {
    if (protocol::same_word(word, option.name)) return option.words;
  }
  return 0;
}

// The first half of the words behind that one.
std::vector<std::size_t> positions_behind(const Keys& keys, Words words) {
  std::vector<std::size_t> positions;
  std::size_t at = 1;
  while (at < words.size() && !protocol::same_word(words[at], keys.behind)) {
    at += 1 + words_of_option(words[at]);
  }
  if (at >= words.size()) return positions;
  const std::size_t count = (words.size() - at - 1) / 2;
  for (std::size_t i = 1; i <= count; ++i) positions.push_back(at + i);
  return positions;
}

bool has_two_accesses(const Command& row) {
  return row.second_access != Access::by_flags;
}

}  // namespace

Access access_of(const Command& row, std::size_t n) {
  const Access said = n != 0 && has_two_accesses(row) ? row.second_access : row.access;
  if (said != Access::by_flags) return said;
  return row.flags & Flag::writes ? Access::rw | Access::access | Access::update
                                  : Access::ro | Access::access;
}

std::vector<std::size_t> odd_positions(const Command& row, Words words) {
  const Keys& keys = row.keys;
  if (!keys.behind.empty()) return positions_behind(keys, words);
  std::vector<std::size_t> positions;
  const auto at = static_cast<std::size_t>(keys.numkeys);
  if (at >= words.size()) return positions;
  const auto count = storage::strict_integer(words[at]);
  const std::size_t left = words.size() - at - 1;
  if (!count || *count < 0 || static_cast<std::size_t>(*count) > left) return positions;
  // A key in front of those that are counted: where ZUNIONSTORE puts its result.
  if (keys.first < keys.numkeys) positions.push_back(static_cast<std::size_t>(keys.first));
  for (std::size_t i = 0; i < static_cast<std::size_t>(*count); ++i)
    positions.push_back(at + 1 + i);
  return positions;
}

std::vector<std::size_t> key_positions(const Command& command, Words words) {
  std::vector<std::size_t> positions;
  each_key(command, words, [&](std::size_t position, Access) {
    positions.push_back(position);
    return true;
  });
  return positions;
}

}  // namespace larder::server
