// The ACL categories of a command, derived from its row and its family. Thread: any.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/engine/command.h"

namespace larder::server {

// In Redis's order.
std::span<const std::string_view> all_categories();
// In Redis's order, without '@': {"keyspace", "read", "fast"}.
std::vector<std::string_view> categories_of(const Command& row, const Family& family);
// The category's own spelling, for a name in any case.
std::optional<std::string_view> category_named(std::string_view name);

}  // namespace larder::server
