// The first line of a script, when it is `#!lua flags=no-writes,allow-oom`: what the script says of
// itself (Redis 7).
//
// Scripts without such a line are of the old kind: they may write, and each of their commands is
// checked against the memory limit by itself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace larder::server::scripting {

struct Declared {
  bool has_line = false;
  bool no_writes = false;
  bool allow_oom = false;
  std::size_t skip = 0;  // bytes of the first line, without its line end
  std::string problem;   // an error text; empty: none
};
Declared read_shebang(std::string_view script);

}  // namespace larder::server::scripting
