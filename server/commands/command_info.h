// A row as COMMAND INFO and COMMAND DOCS tell it. Everything is derived: from the flags, the key
// positions and the syntax line of the row, and from the family it stands in. Thread: any.
#pragma once

#include <string_view>

#include "protocol/reply.h"
#include "server/engine/command.h"
#include "server/engine/registry.h"

namespace larder::server {

// Ten elements: name, arity, flags, first key, last key, step, categories, tips, key specs,
// subcommands.
void say_info(protocol::Reply& reply, const Registry& registry, const Command& row);
// The name, then the map of what is known about it: half of a pair of COMMAND DOCS each.
void say_docs(protocol::Reply& reply, const Registry& registry, const Command& row);
// As words: RO access.
void say_access(protocol::Reply& reply, Access access);

// A row by the name COMMAND gives it: "get", "client|list", in any case. Null: there is none.
const Command* find_row(const Registry& registry, std::string_view full_name);

}  // namespace larder::server
