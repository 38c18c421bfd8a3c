#include "storage/watch.h"

#include <algorithm>

namespace larder::storage {

void WatchTable::add(std::uint32_t db, std::string_view key, WatchFlag& flag) {
  std::vector<WatchFlag*>& flags = watchers_[Name{db, std::string(key)}];
  if (std::find(flags.begin(), flags.end(), &flag) == flags.end()) flags.push_back(&flag);
}

void WatchTable::remove(std::uint32_t db, std::string_view key, WatchFlag& flag) {
  const auto it = watchers_.find(Name{db, std::string(key)});
  if (it == watchers_.end()) return;
  std::erase(it->second, &flag);
  if (it->second.empty()) watchers_.erase(it);
}

void WatchTable::key_changed(std::uint32_t db, std::string_view key) {
  const auto it = watchers_.find(Name{db, std::string(key)});
  if (it == watchers_.end()) return;
  for (WatchFlag* flag : it->second) flag->raise();
}

}  // namespace larder::storage
