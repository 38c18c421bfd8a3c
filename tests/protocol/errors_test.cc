#include "protocol/errors.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace larder::protocol;
using namespace std::string_literals;
using namespace std::string_view_literals;

using List = std::vector<std::string_view>;

TEST_CASE("an unknown command is repeated with its arguments, cut as Redis cuts them") {
  CHECK(errors::unknown_command(List{"foo"}) ==
        "ERR unknown command 'foo', with args beginning with: ");
  CHECK(errors::unknown_command(List{"foo", "a", "b"}) ==
        "ERR unknown command 'foo', with args beginning with: 'a' 'b' ");
  const std::string longer(300, 'a');
  CHECK(errors::unknown_command(List{longer, longer, "b"}) ==
        "ERR unknown command '" + longer.substr(0, 128) + "', with args beginning with: '" +
            longer.substr(0, 128) + "' ");
  const std::string first(100, 'a');
  CHECK(errors::unknown_command(List{"x", first, first, first}) ==
        "ERR unknown command 'x', with args beginning with: '" + first + "' '" +
            first.substr(0, 25) + "' ");
  CHECK(errors::unknown_command(List{"f\0o"sv, "a\0b"sv}) ==
        "ERR unknown command 'f', with args beginning with: 'a' ");
}

TEST_CASE("texts with parts name them as Redis does") {
  CHECK(errors::wrong_arity("client|kill") ==
        "ERR wrong number of arguments for 'client|kill' command");
  CHECK(errors::unknown_subcommand("client", "Foo") ==
        "ERR unknown subcommand 'Foo'. Try CLIENT HELP.");
  CHECK(errors::invalid_expire("psetex") == "ERR invalid expire time in 'psetex' command");
  CHECK(errors::hello_syntax("auth") == "ERR Syntax error in HELLO option 'auth'");
  CHECK(errors::config_failed("port", errors::config_duplicate) ==
        "ERR CONFIG SET failed (possibly related to argument 'port') - duplicate parameter");
  CHECK(errors::client_unknown_type("x") == "ERR Unknown client type 'x'");
}
