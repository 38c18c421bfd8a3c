#include <doctest/doctest.h>

#include "tests/support/larder.h"

using larder::server::Settings;
using larder::testing::Larder;
using larder::testing::nil;

namespace {

constexpr const char* kWrongPass =
    "(error) WRONGPASS invalid username-password pair or user is disabled.";

Settings with_password() {
  Settings settings = Larder::settings_for_tests();
  settings.requirepass = "sesame";
  settings.auth_failure_limit = 0;
  return settings;
}

}  // namespace

TEST_CASE("HELLO changes the spelling of its own answer already") {
  Larder larder;
  CHECK(larder.bytes_of({"HELLO", "3"}).substr(0, 4) == "%7\r\n");
  CHECK(larder.bytes_of({"GET", "none"}) == "_\r\n");
  CHECK(larder.bytes_of({"HELLO", "2"}).substr(0, 5) == "*14\r\n");
  CHECK(larder.bytes_of({"GET", "none"}) == "$-1\r\n");
}

TEST_CASE("HELLO is a map with what clients look for") {
  Larder larder;
  CHECK(larder("HELLO 3") ==
        "{server: redis, version: 7.4.0, proto: 3, id: 1, mode: standalone, role: master, "
        "modules: []}");
}

TEST_CASE("a HELLO that is refused changes nothing but the name") {
  Larder larder;
  CHECK(larder("HELLO 4") == "(error) NOPROTO unsupported protocol version");
  CHECK(larder("HELLO 3 FOO") == "(error) ERR Syntax error in HELLO option 'FOO'");
  CHECK(larder("HELLO 3 AUTH nobody x") == kWrongPass);
  CHECK(larder.client(1).protocol == 2);
  CHECK(larder("HELLO 3 SETNAME me AUTH nobody x") == kWrongPass);
  CHECK(larder("CLIENT GETNAME") == "me");
}

TEST_CASE("with a password nothing but signing in is answered") {
  Larder larder(with_password());
  CHECK(larder("PING") == "(error) NOAUTH Authentication required.");
  CHECK(larder("HELLO 3").starts_with("(error) NOAUTH HELLO must be called with"));
  CHECK(larder("AUTH wrong") == kWrongPass);
  CHECK(larder("AUTH sesam") == kWrongPass);
  CHECK(larder("AUTH sesamesesame") == kWrongPass);
  CHECK(larder("AUTH \"\"") == kWrongPass);
  CHECK(larder("AUTH nobody sesame") == kWrongPass);
  CHECK(larder("AUTH sesame") == "OK");
  CHECK(larder("PING") == "PONG");
  CHECK(larder("AUTH wrong") == kWrongPass);
  CHECK(larder("PING") == "PONG");
  CHECK(larder.on(2, "PING").starts_with("(error) NOAUTH"));
  CHECK(larder.on(2, "HELLO 3 AUTH default sesame").starts_with("{server: redis"));
  CHECK(larder("INFO stats").find("auth_failures:6\r\n") != std::string::npos);
}

TEST_CASE("without a password the default user may say any, and others none") {
  Larder larder;
  CHECK(larder("AUTH x").starts_with("(error) ERR AUTH <password> called without any password"));
  CHECK(larder("AUTH default x") == "OK");
  CHECK(larder("AUTH nobody x") == kWrongPass);
}

TEST_CASE("RESET makes a connection as new") {
  Larder larder(with_password());
  larder("HELLO 3 AUTH default sesame SETNAME me");
  larder("SELECT 5");
  larder("CLIENT NO-TOUCH ON");
  larder("CLIENT NO-EVICT ON");
  larder("MULTI");
  CHECK(larder("RESET") == "RESET");
  const larder::server::Client& client = larder.client(1);
  CHECK(client.protocol == 2);
  CHECK(client.db == 0);
  CHECK(client.name.empty());
  CHECK_FALSE(client.no_touch);
  CHECK_FALSE(client.no_evict.load());
  CHECK(client.transaction == nullptr);
  CHECK(larder("PING").starts_with("(error) NOAUTH"));
}

TEST_CASE("RESET forgets watched keys") {
  Larder larder;
  larder("WATCH k");
  larder.on(2, "SET k v");
  larder("RESET");
  larder("MULTI");
  larder("PING");
  CHECK(larder("EXEC") == "[PONG]");
}

TEST_CASE("SELECT chooses a database for this connection only") {
  Larder larder;
  CHECK(larder("SELECT 3") == "OK");
  larder("SET k v");
  CHECK(larder.on(2, "GET k") == nil);
  CHECK(larder("SELECT 16") == "(error) ERR DB index is out of range");
  CHECK(larder("SELECT -1") == "(error) ERR DB index is out of range");
  CHECK(larder("SELECT x") == "(error) ERR value is not an integer or out of range");
  CHECK(larder("GET k") == "v");
  larder("MULTI");
  larder("SELECT 4");
  larder("SET k w");
  CHECK(larder("EXEC") == "[OK, OK]");
  CHECK(larder("GET k") == "w");
}

TEST_CASE("QUIT closes after its answer") {
  Larder larder;
  CHECK(larder("QUIT") == "OK");
  CHECK(larder.client(1).close_after_reply);
}

TEST_CASE("no replicas have the last write, and who wants none does not wait") {
  Larder larder;
  CHECK(larder("WAIT 0 0") == "0");
  CHECK(larder("WAIT x 0") == "(error) ERR value is not an integer or out of range");
  CHECK(larder("WAIT 0 x") == "(error) ERR timeout is not an integer or out of range");
  CHECK(larder("WAIT 0 -1") == "(error) ERR timeout is negative");
}
