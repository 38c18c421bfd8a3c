// What people read about the options and commands, printed from the tables that run: --help, the
// commented larder.conf, the manual page.
#pragma once

#include <string>
#include <string_view>

namespace larder::server {

struct Option;

// LARDER_MAXMEMORY_POLICY: the environment variable of an option, or of any word.
std::string environment_name(std::string_view option);

std::string help_text();
// packaging/larder.conf: every option with what it means, commented out at its default.
std::string config_text();
// larder.1, for man.
std::string manual_page();

}  // namespace larder::server
