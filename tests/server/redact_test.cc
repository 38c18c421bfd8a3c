// server/engine/redact: secrets are not shown.
#include "server/engine/redact.h"

#include <doctest/doctest.h>

using larder::server::redacted;
using Shown = std::vector<std::string_view>;

TEST_CASE("everything behind AUTH is hidden") {
  CHECK(redacted(Shown{"auth", "sesame"}) == Shown{"auth", "(redacted)"});
  CHECK(redacted(Shown{"AUTH", "me", "sesame"}) == Shown{"AUTH", "(redacted)", "(redacted)"});
}

TEST_CASE("of HELLO the two words behind AUTH are hidden, wherever it stands") {
  CHECK(redacted(Shown{"HELLO", "3", "AUTH", "me", "sesame", "SETNAME", "x"}) ==
        Shown{"HELLO", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "x"});
  CHECK(redacted(Shown{"HELLO", "3", "SETNAME", "x", "auth", "me"}) ==
        Shown{"HELLO", "3", "SETNAME", "x", "auth", "(redacted)"});
  CHECK(redacted(Shown{"HELLO", "3"}) == Shown{"HELLO", "3"});
  CHECK(redacted(Shown{}) == Shown{});
}
