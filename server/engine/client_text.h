// Clients as text: what CLIENT LIST and CLIENT INFO say of one, and which words may name one.
//
// Thread: the line of another loop's client only while every loop is held off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/engine/client.h"
#include "server/engine/registry.h"

namespace larder::server {

// Printable ASCII without spaces, or nothing: what such a line can show as one word.
bool is_client_word(std::string_view text);

// name=value pairs in the order of Redis 7.2, without a line end.
std::string client_line(const Client& client, const Registry& registry, std::int64_t now_ms);

}  // namespace larder::server
