// Users as clients meet them: changes that reach who is connected, what is refused and noted, and
// who must wait. The wire transcripts acl*.txt have the words.
#include "server/security/users.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "server/security/refusals.h"
#include "tests/support/larder.h"

using namespace larder::testing;
using namespace larder::server;
using namespace larder::server::security;
using namespace std::chrono_literals;

namespace {

constexpr const char* kNoCommand =
    "(error) NOPERM this user has no permissions to run the 'get' command";
constexpr const char* kWrong =
    "(error) WRONGPASS invalid username-password pair or user is disabled.";

Settings with_password() {
  Settings settings = Larder::settings_for_tests();
  settings.requirepass = "sesame";
  return settings;
}

}  // namespace

TEST_CASE("rules that change reach who is connected") {
  Larder larder;
  CHECK(larder("ACL SETUSER ann on >pw ~* +@all") == "OK");
  CHECK(larder.on(2, "AUTH ann pw") == "OK");
  CHECK(larder.on(2, "GET k") == nil);
  CHECK(larder("ACL SETUSER ann -get") == "OK");
  CHECK(larder.on(2, "GET k") == kNoCommand);
  CHECK(larder("ACL SETUSER ann +get") == "OK");
  CHECK(larder.on(2, "GET k") == nil);
  CHECK(larder("GET k") == nil);
  CHECK(larder("ACL SETUSER default -get") == "OK");
  CHECK(larder("GET k") == kNoCommand);
  CHECK(larder("ACL SETUSER default +@all") == "OK");
  CHECK(larder("GET k") == nil);
}

TEST_CASE("who has not signed in may do nothing, whatever it said before") {
  Larder larder(with_password());
  const std::string no_auth = "(error) NOAUTH Authentication required.";
  CHECK(larder("GET k") == no_auth);
  CHECK(larder("AUTH wrong") == kWrong);
  CHECK(larder("GET k") == no_auth);
  CHECK(larder("HELLO 4") == "(error) NOPROTO unsupported protocol version");
  CHECK(larder("GET k") == no_auth);
  CHECK(larder("AUTH sesame") == "OK");
  CHECK(larder("GET k") == nil);
  CHECK(larder("RESET") == "RESET");
  CHECK(larder("GET k") == no_auth);
}

TEST_CASE("a password that is taken away lets all in, and one that is set asks the next") {
  Larder larder(with_password());
  CHECK(larder("AUTH sesame") == "OK");
  CHECK(larder.on(2, "GET k") == "(error) NOAUTH Authentication required.");
  CHECK(larder("CONFIG SET requirepass ''") == "OK");
  CHECK(larder.on(2, "GET k") == nil);
  CHECK(larder("CONFIG SET requirepass other") == "OK");
  CHECK(larder.on(3, "GET k") == "(error) NOAUTH Authentication required.");
  CHECK(larder.on(3, "AUTH sesame") == kWrong);
  CHECK(larder.on(3, "AUTH other") == "OK");
}

TEST_CASE("connections of a deleted user end, those of others do not") {
  Larder larder;
  larder("ACL SETUSER ann on nopass ~* +@all");
  larder("ACL SETUSER bob on nopass ~* +@all");
  larder.on(2, "AUTH ann x");
  larder.on(3, "AUTH bob x");
  CHECK(larder("ACL DELUSER ann") == "1");
  CHECK(larder.client(2).close_after_reply);
  CHECK_FALSE(larder.client(3).close_after_reply);
  CHECK_FALSE(larder.client(1).close_after_reply);
  // Made again it is another one.
  larder("ACL SETUSER ann on nopass ~* +@all");
  CHECK(larder.client(2).close_after_reply);
}

TEST_CASE("ACL LOG counts what is like, and remembers so many") {
  AclLog log;
  log.limit(2);
  const auto refusal = [](const char* object) {
    return Refusal{Denial::key, Context::toplevel, object, "ann", "client"};
  };
  log.add(refusal("a"), 1000);
  log.add(refusal("a"), 2000);
  REQUIRE(log.latest(10).size() == 1);
  CHECK(log.latest(10)[0].count == 2);
  CHECK(log.latest(10)[0].first_ms == 1000);
  CHECK(log.latest(10)[0].last_ms == 2000);
  log.add(refusal("a"), 2000 + 60'001);  // too long ago
  CHECK(log.latest(10).size() == 2);
  log.add(refusal("b"), 70'000);
  REQUIRE(log.latest(10).size() == 2);
  CHECK(log.latest(10)[0].refusal.object == "b");
  CHECK(log.latest(1).size() == 1);
  log.add(refusal("a"), 70'000);  // comes to the front
  CHECK(log.latest(1)[0].refusal.object == "a");
  CHECK(log.count(Denial::key) == 5);
  log.add({Denial::key, Context::toplevel, std::string(1 << 20, 'x'), "ann", "client"}, 80'000);
  CHECK(log.latest(1)[0].refusal.object.size() == 1024);
  log.clear();
  CHECK(log.latest(10).empty());
}

TEST_CASE("who fails too often waits, twice as long each time, and nobody else") {
  GuessGuard guard;
  const std::string guesser = "10.0.0.1:1234";
  std::int64_t now_ms = 1'000'000;
  for (int i = 1; i < 5; ++i) {
    CHECK(guard.note_failure(guesser, now_ms) == static_cast<std::uint64_t>(i));
    CHECK(guard.wait_ms(guesser, now_ms) == 0);
  }
  std::int64_t wait_ms = GuessGuard::kFirstWaitMs;
  for (int i = 0; i < 12; ++i) {
    guard.note_failure(guesser, now_ms);
    CHECK(guard.wait_ms("10.0.0.1:99", now_ms) == wait_ms);
    CHECK(guard.wait_ms("10.0.0.2:1234", now_ms) == 0);
    CHECK(guard.wait_ms("127.0.0.1:1234", now_ms) == 0);
    now_ms += wait_ms;
    CHECK(guard.wait_ms(guesser, now_ms) == 0);
    wait_ms = std::min(wait_ms * 2, GuessGuard::kLongestWaitMs);
  }
  now_ms += GuessGuard::kForgetMs + 1;
  CHECK(guard.note_failure(guesser, now_ms) == 1);
  guard.limit(0);
  for (int i = 0; i < 20; ++i) guard.note_failure(guesser, now_ms);
  CHECK(guard.wait_ms(guesser, now_ms) == 0);
}

TEST_CASE("a site of IPv6 is one source, a unix socket is none") {
  CHECK(source_of("1.2.3.4:5") == "1.2.3.4");
  CHECK(source_of("[2001:db8::1]:5") == source_of("[2001:db8::ffff]:6"));
  CHECK(source_of("[2001:db8::1]:5") != source_of("[2001:db8:0:1::1]:5"));
  CHECK(source_of("[::1]:5") != source_of("[fe80::1%eth0]:5"));
  CHECK(source_of("/run/larder.sock:0").empty());
  CHECK(source_of("").empty());
  GuessGuard guard;
  for (int i = 0; i < 20; ++i) guard.note_failure("/run/larder.sock:0", 1);
  CHECK(guard.wait_ms("/run/larder.sock:0", 1) == 0);
}

TEST_CASE("so many sources are known at a time, and the oldest goes first") {
  GuessGuard guard;
  guard.limit(1);
  const auto address = [](std::size_t i) {
    return std::to_string(i >> 8) + ".0.0." + std::to_string(i & 255) + ":1";
  };
  for (std::size_t i = 0; i <= GuessGuard::kMostSources; ++i) {
    guard.note_failure(address(i), static_cast<std::int64_t>(i));
  }
  CHECK(guard.sources() == GuessGuard::kMostSources);
  const auto now_ms = static_cast<std::int64_t>(GuessGuard::kMostSources);
  CHECK(guard.wait_ms(address(0), now_ms) == 0);
  CHECK(guard.wait_ms(address(GuessGuard::kMostSources), now_ms) > 0);
}

TEST_CASE("while an address waits its passwords are not looked at") {
  Larder larder(with_password());
  CHECK(larder.on(2, "AUTH sesame") == "OK");
  for (int i = 0; i < 5; ++i) CHECK(larder("AUTH wrong") == kWrong);
  const std::string waits =
      "(error) WRONGPASS too many failures from this address, try again in 1 s";
  CHECK(larder("AUTH sesame") == waits);
  CHECK(larder("HELLO 3 AUTH default sesame") == waits);
  CHECK(larder.on(2, "GET k") == nil);  // who is in stays in
  larder.advance(1s);
  CHECK(larder("AUTH wrong") == kWrong);
  larder.advance(1s);
  CHECK(larder("AUTH sesame") == waits);
  larder.advance(1s);
  CHECK(larder("AUTH sesame") == "OK");
  CHECK(larder("GET k") == nil);
}

TEST_CASE("users come from a file whole, or not at all") {
  const std::string path = "acl_test_" + std::to_string(getpid()) + ".acl";
  Settings settings = Larder::settings_for_tests();
  settings.aclfile = path;
  Larder larder(settings);
  larder("ACL SETUSER ann on >pw ~a:* +@read (&c +publish)");
  larder("ACL SETUSER bob on nopass ~* +@all");
  CHECK(larder("ACL SAVE") == "OK");
  const std::string before = larder("ACL LIST");
  larder.on(2, "AUTH bob x");
  larder("ACL SETUSER eve on nopass ~* +@all");
  larder.on(3, "AUTH eve x");
  CHECK(larder("ACL LOAD") == "OK");
  CHECK(larder("ACL LIST") == before);
  CHECK_FALSE(larder.client(2).close_after_reply);
  CHECK(larder.client(3).close_after_reply);

  std::ofstream(path) << "user ann on\n\nusr bob\nuser ann off\nuser a\tb on\n"
                      << "user carl +foo ~* ~x >secret\nuser dan (+get\n";
  const std::string said = larder("ACL LOAD");
  for (const char* part : {":3: line should start with user keyword.", ":4: WARNING: Duplicate",
                           ":5: username", ":6: Error in applying operation '+foo'",
                           ":6: Adding a pattern", ":7: Unmatched", "no change"}) {
    CHECK_MESSAGE(said.find(part) != std::string::npos, part);
  }
  CHECK(said.find("secret") == std::string::npos);
  CHECK(larder("ACL LIST") == before);
  std::remove(path.c_str());
  CHECK(larder("ACL LOAD").find("opening file") != std::string::npos);
}
