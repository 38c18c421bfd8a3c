// The rows of all families by name. Frozen after start; any thread may ask.
#pragma once

#include <cstdint>
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
    std::size_t number = 0;              // of the row
  };
  Match match(Words words) const;

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
    std::size_t number = 0;
  };
  const Named* find_named(std::string_view name) const;
  void add_place(const Command& row, const Place& place);
  void index(const Command& command);
  void index_one(const Command& command);

  std::span<const Family* const> families_;
  std::vector<const Command*> commands_;
  std::vector<const Command*> numbered_;
  std::unordered_map<const Command*, Place> places_;
  std::vector<Named> by_name_;
};

}  // namespace larder::server
