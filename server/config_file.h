// Config files in redis.conf syntax: read at start, rewritten by CONFIG REWRITE (Options::rewrite).
//
//     # comment
//     directive word "quoted word" ...      case of the directive does not matter; the last one
//     wins include /etc/larder/conf.d/*.conf     read in its place, in the order of the names
//
// A redis.conf is taken as it is: what makes no sense here (files on disk, replicas, clusters) is
// passed over with one warning a directive, wherever else it stands. What nobody knows, and what
// cannot be read, is an error that ends the start, for a typing mistake in a limit must not go
// unseen.
//
// Thread: before the loops run; rewrite() alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/options.h"

namespace larder::server {

// Adds to the settings, and to the warnings. Throws std::runtime_error, whose text names file and
// line, repeats the line and says what is wrong with it.
void read_config_file(const std::string& path, Settings& settings,
                      std::vector<std::string>& warnings);

// A directive of Redis that is no option of Larder's; any case.
bool is_foreign_directive(std::string_view name);

}  // namespace larder::server
