#include "server/engine/families.h"

#include <array>

namespace larder::server {

std::span<const Family* const> all_families() {
  static constexpr std::array kFamilies{
      &strings,
      &counters,
      &keys,
      &expiry,
      &scan,
      &transactions,
  };
  return kFamilies;
}

}  // namespace larder::server
