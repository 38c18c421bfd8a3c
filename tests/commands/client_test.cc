#include <doctest/doctest.h>

#include <chrono>

#include "tests/support/larder.h"

using larder::testing::Larder;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("CLIENT INFO is one line with the fields of Redis 7.2 in their order") {
  Larder larder;
  larder("CLIENT SETNAME me");
  larder("CLIENT SETINFO LIB-NAME lib");
  larder("CLIENT SETINFO LIB-VER 1.2");
  larder.advance(90s);
  CHECK(
      larder("CLIENT INFO") ==
      "id=1 addr=127.0.0.1:50001 laddr=127.0.0.1:6379 fd=-1 name=me age=90 idle=0 flags=N db=0 "
      "sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 "
      "obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=client|info user=default redir=-1 resp=2 "
      "lib-name=lib lib-ver=1.2\n");
}

TEST_CASE("CLIENT LIST tells of the others what they do") {
  Larder larder;
  larder.on(2, "HELLO 3");
  larder.on(2, "SELECT 7");
  larder.on(2, "WATCH a b");
  larder.on(2, "MULTI");
  larder.on(2, "SET a 1");
  larder.on(3, "CLIENT NO-EVICT ON");
  larder.on(3, "CLIENT NO-TOUCH ON");
  larder.advance(5s);
  const std::string list = larder("CLIENT LIST");
  CHECK(contains(list, " idle=5 flags=x db=7 "));
  CHECK(contains(list, " multi=1 watch=2 "));
  CHECK(contains(list, " cmd=multi user=default redir=-1 resp=3 "));
  CHECK(contains(list, " flags=eT "));
  CHECK(contains(list, " cmd=client|no-touch "));
  larder("SELECT 7");
  larder("SET a 2");
  CHECK(contains(larder("CLIENT LIST"), " flags=xd "));
}

TEST_CASE("CLIENT LIST by id is in the order asked for, by type all are normal") {
  Larder larder;
  larder("PING");
  larder.on(2, "CLIENT SETNAME two");
  const std::string two_first = larder("CLIENT LIST ID 2 1 99");
  CHECK(two_first.starts_with("id=2 "));
  CHECK(contains(two_first, "\nid=1 "));
  CHECK(contains(larder("CLIENT LIST TYPE NORMAL"), "name=two"));
  CHECK(larder("CLIENT LIST TYPE pubsub") == "");
  CHECK(larder("CLIENT LIST TYPE x") == "(error) ERR Unknown client type 'x'");
  CHECK(larder("CLIENT LIST ID 1 x") == "(error) ERR Invalid client ID");
}

TEST_CASE("CLIENT INFO and CLIENT LIST are verbatim text in RESP3") {
  Larder larder;
  larder("HELLO 3");
  CHECK(larder.bytes_of({"CLIENT", "LIST", "TYPE", "pubsub"}) == "=4\r\ntxt:\r\n");
}

TEST_CASE("CLIENT KILL by address ends one, and even itself") {
  Larder larder;
  larder.on(2, "PING");
  CHECK(larder("CLIENT KILL 127.0.0.1:50002") == "OK");
  CHECK(larder.client(2).close_after_reply);
  CHECK_FALSE(larder.client(1).close_after_reply);
  CHECK(larder("CLIENT KILL 127.0.0.1:1") == "(error) ERR No such client");
  CHECK(larder("CLIENT KILL 127.0.0.1:50001") == "OK");
  CHECK(larder.client(1).close_after_reply);
}

TEST_CASE("CLIENT KILL with filters ends those that all of them fit, sparing itself") {
  Larder larder;
  larder("PING");
  larder.on(2, "PING");
  larder.advance(100s);
  larder.on(3, "PING");
  CHECK(larder("CLIENT KILL ID 2 TYPE pubsub") == "0");
  CHECK(larder("CLIENT KILL USER default MAXAGE 101") == "0");
  CHECK(larder("CLIENT KILL MAXAGE 100") == "1");
  CHECK(larder.client(2).close_after_reply);
  CHECK_FALSE(larder.client(3).close_after_reply);
  CHECK(larder("CLIENT KILL ID 1") == "0");
  CHECK(larder("CLIENT KILL LADDR 127.0.0.1:6379 SKIPME no") == "2");
  CHECK(larder("CLIENT KILL MAXAGE 0") == "(error) ERR maxage should be greater than 0");
  CHECK(larder("CLIENT KILL MAXAGE x") == "(error) ERR maxage is not an integer or out of range");
  CHECK(larder("CLIENT KILL MAXAGE 9223372036854775807") ==
        "(error) ERR maxage is not an integer or out of range");
}

TEST_CASE("names that a line of CLIENT LIST could not show are refused") {
  Larder larder;
  for (const std::string name : {"a b", "a\nb", "\x7f", "\xff", "tab\t"}) {
    CHECK(larder.say({"CLIENT", "SETNAME", name}) ==
          "(error) ERR Client names cannot contain spaces, newlines or special characters.");
    CHECK(larder.say({"CLIENT", "SETINFO", "lib-name", name}) ==
          "(error) ERR lib-name cannot contain spaces, newlines or special characters.");
  }
  CHECK(larder("CLIENT GETNAME") == "(nil)");
}

TEST_CASE("CLIENT REPLY silences a connection and gives it its voice back") {
  Larder larder;
  CHECK(larder.bytes_of({"CLIENT", "REPLY", "OFF"}) == "");
  CHECK(larder.bytes_of({"CLIENT", "REPLY", "ON"}) == "+OK\r\n");
  CHECK(larder.bytes_of({"CLIENT", "REPLY", "SKIP"}) == "");
}

TEST_CASE("CLIENT PAUSE holds back writes, or all, until its time is over or UNPAUSE") {
  Larder larder;
  CHECK(larder("CLIENT PAUSE 1000 WRITE") == "OK");
  CHECK(larder.bytes_of({"SET", "k", "v"}, 2) == "");
  CHECK(larder.client(2).is_paused);
  CHECK(larder.on(3, "GET k") == "(nil)");
  CHECK(larder("CLIENT UNPAUSE") == "OK");
  CHECK_FALSE(larder.client(2).is_paused);
  larder.advance(0ms);
  CHECK(larder.heard(2) == "+OK\r\n");

  CHECK(larder("CLIENT PAUSE 1000") == "OK");
  CHECK(larder.bytes_of({"GET", "k"}, 2) == "");
  larder.advance(1000ms);
  CHECK(larder.heard(2) == "$1\r\nv\r\n");
}

TEST_CASE("a pause for ever does not overflow") {
  Larder larder;
  CHECK(larder("CLIENT PAUSE 9223372036854775807 WRITE") == "OK");
  CHECK(larder.bytes_of({"SET", "k", "v"}, 2) == "");
  CHECK(larder("CLIENT UNPAUSE") == "OK");
}

TEST_CASE("what newer Redis has and we have not is an unknown subcommand") {
  Larder larder;
  CHECK(larder("CLIENT MAINT_NOTIFICATIONS ON") ==
        "(error) ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.");
}
