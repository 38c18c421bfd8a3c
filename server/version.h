// Who we say we are: our own version, and the Redis whose commands and answers clients may expect.
#pragma once

#include <string_view>

namespace larder::server {

inline constexpr std::string_view kLarderVersion = "0.1.0";
inline constexpr std::string_view kRedisVersion = "7.4.0";

}  // namespace larder::server
