#include "storage/watch.h"

#include <doctest/doctest.h>

using namespace larder::storage;

TEST_CASE("a flag is raised by its own key in its own database, for every watcher") {
  WatchTable watches;
  WatchFlag one;
  WatchFlag two;
  CHECK(watches.empty());
  watches.add(0, "tea", one);
  watches.add(0, "tea", one);  // twice is once
  watches.add(0, "tea", two);
  watches.key_changed(0, "coffee");
  watches.key_changed(1, "tea");
  CHECK_FALSE(one.is_raised());
  watches.key_changed(0, "tea");
  CHECK(one.is_raised());
  CHECK(two.is_raised());
}

TEST_CASE("who has gone is not told, and nothing is kept of it") {
  WatchTable watches;
  WatchFlag flag;
  watches.add(0, "tea", flag);
  watches.remove(0, "tea", flag);
  watches.remove(0, "tea", flag);
  watches.remove(3, "never", flag);
  CHECK(watches.empty());
  watches.key_changed(0, "tea");
  CHECK_FALSE(flag.is_raised());
}
