// server/engine/monitors: the lines that MONITOR shows.
#include "server/engine/monitors.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "server/engine/transaction.h"

using namespace larder::server;

namespace {

struct FakeLink final : Link {
  std::vector<std::string> pushed;
  void cut_off() override {}
  void resume() override {}
  void push(std::string bytes) override { pushed.push_back(std::move(bytes)); }
};

struct Fixture {
  FakeLink link;
  Client watcher{1, &link, 0};
  Client worker{2, nullptr, 0};
  Monitors monitors;

  Fixture() {
    worker.address = "127.0.0.1:5000";
    worker.db = 3;
  }
  std::string shown(const std::vector<std::string_view>& words, bool hides = false,
                    bool from_script = false) {
    link.pushed.clear();
    monitors.show(1'700'000'000'000'042, worker, words, hides, from_script);
    return link.pushed.empty() ? "" : link.pushed.front();
  }
};

}  // namespace

TEST_CASE("a monitor sees moment, database, address and words") {
  Fixture f;
  CHECK_FALSE(f.monitors.any());
  CHECK(f.shown({"PING"}) == "");
  f.monitors.add(f.watcher);
  CHECK(f.monitors.any());
  CHECK(f.watcher.monitors);
  CHECK(f.shown({"SET", "k", "v"}) ==
        "+1700000000.000042 [3 127.0.0.1:5000] \"SET\" \"k\" \"v\"\r\n");
}

TEST_CASE("what does not print is escaped, so that a line stays a line") {
  Fixture f;
  f.monitors.add(f.watcher);
  CHECK(f.shown({std::string_view("a b\r\n\t\a\b\0\xff\"\\", 12)}) ==
        "+1700000000.000042 [3 127.0.0.1:5000] \"a b\\r\\n\\t\\a\\b\\x00\\xff\\\"\\\\\"\r\n");
}

TEST_CASE("scripts and unix sockets have their own words for the address") {
  Fixture f;
  f.monitors.add(f.watcher);
  CHECK(f.shown({"PING"}, false, true) == "+1700000000.000042 [3 lua] \"PING\"\r\n");
  f.worker.is_unix = true;
  f.worker.local_address = "/run/larder.sock";
  CHECK(f.shown({"PING"}) == "+1700000000.000042 [3 unix:/run/larder.sock] \"PING\"\r\n");
}

TEST_CASE("secrets are hidden") {
  Fixture f;
  f.monitors.add(f.watcher);
  CHECK(f.shown({"AUTH", "sesame"}, true) ==
        "+1700000000.000042 [3 127.0.0.1:5000] \"AUTH\" \"(redacted)\"\r\n");
}

TEST_CASE("who is added twice sees a line once; who is removed sees none") {
  Fixture f;
  f.monitors.add(f.watcher);
  f.monitors.add(f.watcher);
  f.shown({"PING"});
  CHECK(f.link.pushed.size() == 1);
  f.monitors.remove(f.watcher);
  f.monitors.remove(f.watcher);
  CHECK_FALSE(f.monitors.any());
  CHECK_FALSE(f.watcher.monitors);
  CHECK(f.shown({"PING"}) == "");
}
