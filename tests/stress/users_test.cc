// Users that change while others run commands as them: nobody is ever told anything but the answer
// under one set of rules or the next, and the thread sanitizer finds nothing.
#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#include "tests/support/guests.h"
#include "tests/support/many_lanes.h"

using namespace larder;

namespace {

constexpr std::size_t kThreads = 4;  // the first changes the rules
constexpr int kSteps = 3000;

}  // namespace

TEST_CASE("rules change under running commands") {
  testing::ManyLanes house(kThreads, 20261123);
  testing::Complaints complaints;
  {
    testing::Guest guest(house, 0);
    guest.say({"ACL", "SETUSER", "ann", "on", "nopass", "~a:*", "+@all"});
  }
  testing::on_threads(kThreads, [&](std::size_t number) {
    testing::Guest guest(house, number);
    if (number == 0) {
      for (int step = 0; step < kSteps; ++step) {
        const bool may = step % 2 == 0;
        complaints.expect(guest.say({"ACL", "SETUSER", "ann", may ? "-get" : "+get"}) == "OK",
                          "SETUSER is OK");
        if (step % 64 == 0) guest.say({"CONFIG", "SET", "acllog-max-len", may ? "8" : "16"});
        if (step % 64 == 1) guest.say({"ACL", "LOG"});
        if (step % 64 == 2) guest.say({"ACL", "LIST"});
      }
      return;
    }
    complaints.expect(guest.say({"AUTH", "ann", "x"}) == "OK", "ann signs in");
    for (int step = 0; step < kSteps; ++step) {
      const std::string got = guest.say({"GET", "a:1"});
      complaints.expect(got == "(nil)" || got.find("NOPERM") != std::string::npos,
                        "GET is answered under some rules");
      const std::string other = guest.say({"SET", "b:1", "x"});
      complaints.expect(other.find("one of the keys") != std::string::npos,
                        "a key that no rules allow stays closed");
      if (step % 16 == 0) guest.say({"AUTH", "ann", "x"});
      if (step % 16 == 1) guest.say({"AUTH", "nobody", "x"});
      if (step % 16 == 2) guest.say({"EVAL", "return redis.pcall('get','a:1')", "0"});
    }
  });
  INFO((complaints.first() == nullptr ? "" : complaints.first()));
  CHECK(complaints.first() == nullptr);
}
