// server/engine/syntax: syntax lines become the argument trees of COMMAND DOCS.
#include "server/engine/syntax.h"

#include <doctest/doctest.h>

using namespace larder::server;

namespace {

std::string text_of(const std::vector<Argument>& arguments);

// name:type, @TOKEN, then ? optional, * multiple, + token comes again, (children).
std::string text_of(const Argument& argument) {
  std::string text = argument.name + ":" + std::string(name_of(argument.type));
  if (!argument.token.empty()) text += "@" + argument.token;
  if (argument.is_optional) text += "?";
  if (argument.is_multiple) text += "*";
  if (argument.repeats_token) text += "+";
  if (!argument.children.empty()) text += "(" + text_of(argument.children) + ")";
  return text;
}

std::string text_of(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) text += (text.empty() ? "" : " ") + text_of(argument);
  return text;
}

std::string tree(std::string_view syntax) {
  return text_of(parse_syntax(syntax));
}

}  // namespace

TEST_CASE("an empty line has no arguments") {
  CHECK(tree("") == "");
}

TEST_CASE("lower case names an argument, its type follows from its name") {
  CHECK(tree("key value") == "key:key value:string");
  CHECK(tree("cursor seconds unix-time-seconds pattern") ==
        "cursor:integer seconds:integer unix-time-seconds:unix-time pattern:pattern");
}

TEST_CASE("a line may say the type, and names may hold a colon") {
  CHECK(tree("key increment:double") == "key:key increment:double");
  CHECK(tree("ip:port") == "ip:port:string");
}

TEST_CASE("brackets with bars are alternatives, tokens introduce what follows them") {
  CHECK(tree("[NX|XX] [GET]") ==
        "nx_xx:oneof?(nx:pure-token@NX xx:pure-token@XX) get:pure-token@GET?");
  CHECK(tree("[EX seconds|PX milliseconds|KEEPTTL]") ==
        "seconds_milliseconds_keepttl:oneof?"
        "(seconds:integer@EX milliseconds:integer@PX keepttl:pure-token@KEEPTTL)");
  CHECK(tree("[LIMIT offset count]") == "offset_count:block@LIMIT?(offset:integer count:integer)");
  CHECK(tree("key COUNT count") == "key:key count:integer@COUNT");
}

TEST_CASE("what may come again is multiple") {
  CHECK(tree("key [key ...]") == "key:key*");
  CHECK(tree("key value [key value ...]") == "key_value:block*(key:key value:string)");
  CHECK(tree("[arg ...]") == "arg:string?*");
  CHECK(tree("[arg [arg ...]]") == "arg:string?*");
  CHECK(tree("[GET pattern [GET pattern ...]]") == "pattern:pattern@GET?*+");
  CHECK(tree("[ID client-id [client-id ...]]") == "client-id:integer@ID?*");
  CHECK(tree("numkeys [key [key ...]] [arg [arg ...]]") ==
        "numkeys:integer key:key?* arg:string?*");
}

TEST_CASE("outside of brackets a bar joins the two words beside it") {
  CHECK(tree("ON|OFF|SKIP") ==
        "on_off_skip:oneof(on:pure-token@ON off:pure-token@OFF skip:pure-token@SKIP)");
  CHECK(tree("timeout [WRITE|ALL]") ==
        "timeout:integer write_all:oneof?(write:pure-token@WRITE all:pure-token@ALL)");
}

TEST_CASE("angle brackets group without making optional") {
  CHECK(tree("<ip:port|[ID client-id]>") ==
        "ip:port_client-id:oneof(ip:port:string client-id:integer@ID?)");
  CHECK(tree("<ip:port|<[ID client-id]|[USER username]> ...>") ==
        "ip:port_client-id_username:oneof(ip:port:string "
        "client-id_username:oneof*(client-id:integer@ID? username:string@USER?))");
  CHECK(tree("[TYPE <NORMAL|PUBSUB>]") ==
        "normal_pubsub:oneof@TYPE?(normal:pure-token@NORMAL pubsub:pure-token@PUBSUB)");
}

TEST_CASE("people read a line without its types") {
  CHECK(plain_syntax("key increment:double [ip:port|x:integer]") == "key increment [ip:port|x]");
}
