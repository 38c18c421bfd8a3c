// server/engine/pause: who is held back until when.
#include "server/engine/pause.h"

#include <doctest/doctest.h>

#include "server/engine/transaction.h"

using namespace larder::server;
using Kind = Pause::Kind;

namespace {

struct FakeLink final : Link {
  int resumed = 0;
  void cut_off() override {}
  void resume() override { ++resumed; }
  void push(std::string) override {}
};

}  // namespace

TEST_CASE("a pause ends by itself") {
  Pause pause;
  CHECK(pause.kind(0) == Kind::none);
  pause.begin(Kind::all, 1000, 0);
  CHECK(pause.kind(999) == Kind::all);
  CHECK(pause.kind(1000) == Kind::none);
}

TEST_CASE("of two pauses in force the stricter and the longer win") {
  Pause pause;
  pause.begin(Kind::all, 1000, 0);
  pause.begin(Kind::writes, 2000, 10);
  CHECK(pause.kind(1500) == Kind::all);
  pause.begin(Kind::all, 100, 20);
  CHECK(pause.until_ms() == 2000);
}

TEST_CASE("a pause that is over does not count any more") {
  Pause pause;
  pause.begin(Kind::all, 1000, 0);
  pause.begin(Kind::writes, 1200, 1000);
  CHECK(pause.kind(1100) == Kind::writes);
  CHECK(pause.until_ms() == 1200);
}

TEST_CASE("who is held back is woken once, by the end or by time") {
  Pause pause;
  FakeLink link;
  Client client(1, &link, 0);
  pause.begin(Kind::all, 1000, 0);
  pause.hold_back(client);
  pause.hold_back(client);
  pause.wake_if_over(999);
  CHECK(link.resumed == 0);
  pause.wake_if_over(1000);
  pause.wake_if_over(1001);
  CHECK(link.resumed == 1);

  pause.begin(Kind::all, 3000, 2000);
  pause.hold_back(client);
  pause.end();
  CHECK(link.resumed == 2);
  CHECK(pause.kind(2000) == Kind::none);
}

TEST_CASE("who is gone is not woken") {
  Pause pause;
  FakeLink link;
  Client client(1, &link, 0);
  pause.begin(Kind::all, 1000, 0);
  pause.hold_back(client);
  pause.forget(client);
  pause.end();
  CHECK(link.resumed == 0);
}
