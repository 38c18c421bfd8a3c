// The rows of all families by name. Frozen after start; any thread may ask.
//
// Every request asks, so the common case has a table of its own: a name of up to eight letters is
// one number, whose case is folded by one OR, and which is found by one multiplication and one
// comparison: 25 instructions, where hashing and comparing letter by letter took 160. Everything
// else (containers, names with '_' or digits, unknown words) goes by the odd way. What matched last
// was not worth remembering: two requests of a pipeline often alternate.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/engine/command.h"

namespace larder::server {

class Registry {
 public:
  explicit Registry(std::span<const Family* const> families);

  // Case-insensitive; null when there is no such command.
  const Command* find(std::string_view name) const;
  // The row that answers these words: the command, or its subcommand's row. Null: unknown.
  struct Match {
    const Command* container = nullptr;  // the row of the first word; null: unknown command
    const Command* row = nullptr;        // what to run; null: unknown subcommand
    std::uint32_t number = 0;            // of the row
    bool fits = false;                   // the row can be run with so many words
  };
  Match match(Words words) const {
    if (const Named* plain = find_plain(words[0])) [[likely]] {
      return {plain->row, plain->row, plain->number, plain->row->arity.admits(words.size())};
    }
    return match_oddly(words);
  }

  std::span<const Family* const> families() const { return families_; }
  std::size_t size() const { return numbered_.size(); }  // rows, subcommands included
  std::size_t number_of(const Command& row) const;       // 0..size()-1
  const Command& row(std::size_t number) const { return *numbered_[number]; }
  const Family& family_of(const Command& row) const;
  const Command* container_of(const Command& row) const;  // null: the row is no subcommand
  // "get", "config|get": as INFO commandstats and ACL name it.
  std::string full_name(const Command& row) const;
  std::size_t command_count() const { return commands_.size(); }  // containers and plain commands
  // By family, in table order.
  const std::vector<const Command*>& commands() const { return commands_; }

 private:
  struct Place {
    std::size_t number;
    const Family* family;
    const Command* container;  // null for a top-level row
  };
  // Open addressing, at most a quarter full: one probe finds nearly every name.
  struct Named {
    const Command* row = nullptr;
    std::uint32_t number = 0;
    std::uint64_t letters = 0;  // in plain_: the name, packed
  };
  // Names of up to eight letters and nothing else, as nearly all are.
  static constexpr std::size_t kMostLetters = 8;
  static constexpr int kPlainBits = 11;  // of plain_, for some hundred names

  // A word of one to eight bytes as one number, the case of letters ignored. Two words of letters
  // are the same name if and only if their numbers are.
  static std::uint64_t packed(std::string_view word) {
    const std::size_t size = word.size();
    const auto four = [&](std::size_t at) {
      std::uint32_t bytes = 0;
      std::memcpy(&bytes, word.data() + at, sizeof bytes);
      if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap32(bytes);
      return std::uint64_t{bytes};
    };
    const auto one = [&](std::size_t at) {
      return std::uint64_t{static_cast<unsigned char>(word[at])} << 8 * at;
    };
    const std::uint64_t bytes = size >= 4 ? four(0) | four(size - 4) << 8 * (size - 4)
                                          : one(0) | one(size / 2) | one(size - 1);
    return bytes | 0x2020202020202020ull >> (64 - 8 * size);
  }
  static std::size_t plain_place(std::uint64_t letters) {
    return static_cast<std::size_t>(letters * 0x9e3779b97f4a7c15ull >> (64 - kPlainBits));
  }
  // The row of a plain name without subcommands. Null says nothing: the word may be odd.
  const Named* find_plain(std::string_view name) const {
    if (name.size() - 1 >= kMostLetters) return nullptr;
    const std::uint64_t letters = packed(name);
    for (std::size_t i = plain_place(letters);; i = (i + 1) & (plain_.size() - 1)) {
      if (plain_[i].letters == letters) return &plain_[i];
      if (plain_[i].row == nullptr) return nullptr;
    }
  }

  Match match_oddly(Words words) const;
  const Named* find_named(std::string_view name) const;
  void index_plain(const Command& command);
  void add_place(const Command& row, const Place& place);
  void index(const Command& command);
  void index_one(const Command& command);

  std::span<const Family* const> families_;
  std::vector<const Command*> commands_;
  std::vector<const Command*> numbered_;
  std::unordered_map<const Command*, Place> places_;
  std::vector<Named> by_name_;
  std::vector<Named> plain_;  // half full at most
};

}  // namespace larder::server
