// What blocking commands are built on, with a command of the test's own that waits for strings:
//
//   TAKE key [key ...] timeout         the value, which is erased       [key, value]
//   CARRY source destination timeout   the value, which goes elsewhere  value
#include "server/engine/blocking.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

#include "server/commands/shared_args.h"
#include "server/engine/lane.h"
#include "storage/slot.h"
#include "tests/support/larder.h"

using namespace larder;
using namespace larder::server;
using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

void say_null_array(Reply& reply) {
  reply.null_array();
}
void say_null(Reply& reply) {
  reply.null();
}

bool take_value(Call& call, std::size_t key) {
  return call.keys.update(call.key(key), [&](storage::Slot& slot) {
    call.reply.array(2);
    call.reply.bulk(call.word(key));
    answer_string(call.reply, slot.value());
    return slot.erase();
  });
}

void take(Call& call) {
  const std::size_t keys = call.words.size() - 2;
  Args args = call.args_from(1 + keys);
  take_or_wait(call, {.keys = keys,
                      .timeout_ms = read_timeout(args, call, TimeUnit::seconds),
                      .take = take_value,
                      .give_up = say_null_array});
}

bool carry_value(Call& call, std::size_t) {
  const Key source = call.key(1);
  const Key destination = call.key(2);
  return call.keys.update_two(call.keys.db(), source, call.keys.db(), destination,
                              [&](storage::Slot& from, storage::Slot& to) {
                                answer_string(call.reply, from.value());
                                to.move_from(from);
                                return true;
                              });
}

void carry(Call& call) {
  Args args = call.args_from(3);
  take_or_wait(call, {.destination = 2,
                      .timeout_ms = read_timeout(args, call, TimeUnit::seconds),
                      .take = carry_value,
                      .give_up = say_null});
}

constexpr Command kTake{.name = "TAKE",
                        .arity = at_least(3),
                        .flags = Flag::writes | Flag::blocking,
                        .run = take,
                        .summary = ""};
constexpr Command kCarry{.name = "CARRY",
                         .arity = exactly(4),
                         .flags = Flag::writes | Flag::blocking,
                         .run = carry,
                         .summary = ""};

struct Fixture {
  Larder larder;

  // What the client hears at once; nothing when it waits.
  std::string take(int client, std::vector<std::string> words) {
    words.insert(words.begin(), "TAKE");
    return larder.say_by(kTake, words, client);
  }
  std::string carry(int client, const std::string& from, const std::string& to) {
    return larder.say_by(kCarry, {"CARRY", from, to, "0"}, client);
  }
  std::size_t blocked() { return larder.engine().lane(0).counters.blocked.value(); }
};

const std::string kNobody = "*-1\r\n";

std::string pair_of(const std::string& key, const std::string& value) {
  const auto bulk = [](const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  };
  return "*2\r\n" + bulk(key) + bulk(value);
}

}  // namespace

TEST_CASE("what is there is taken at once, from the first key that has something") {
  Fixture f;
  f.larder("MSET b 1 c 2");
  CHECK(f.take(1, {"a", "b", "c", "0"}) == pair_of("b", "1"));
  CHECK(f.take(1, {"a", "b", "c", "0"}) == pair_of("c", "2"));
  CHECK(f.blocked() == 0);
}

TEST_CASE("who waits is served in the order of coming, before the next command runs") {
  Fixture f;
  CHECK(f.take(2, {"k", "0"}).empty());
  CHECK(f.take(3, {"k", "other", "0"}).empty());
  CHECK(f.blocked() == 2);
  CHECK(f.larder("SET k one") == "OK");
  CHECK(f.larder("EXISTS k") == "0");
  CHECK(f.larder.heard(2) == pair_of("k", "one"));
  CHECK(f.larder.heard(3).empty());
  CHECK(f.larder("SET other two") == "OK");
  CHECK(f.larder.heard(3) == pair_of("other", "two"));
  CHECK(f.blocked() == 0);
  CHECK(f.larder.engine().store().waited_keys() == 0);
  CHECK(f.larder("SET k three") == "OK");
  CHECK(f.larder("GET k") == "three");
}

TEST_CASE("however a key comes to be, who waits for it has it") {
  Fixture f;
  const auto waits = [&] { REQUIRE(f.take(2, {"k", "0"}).empty()); };
  const auto was_served = [&](const std::string& value) {
    CHECK(f.larder.heard(2) == pair_of("k", value));
    CHECK(f.larder("EXISTS k") == "0");
  };
  f.larder("SET x renamed");
  waits();
  f.larder("RENAME x k");
  was_served("renamed");
  f.larder("SET x copied");
  waits();
  f.larder("COPY x k");
  was_served("copied");
  f.larder.on(4, "SELECT 1");
  f.larder.on(4, "SET k moved");
  waits();
  f.larder.on(4, "MOVE k 0");
  was_served("moved");
  f.larder.on(4, "SET k swapped");
  waits();
  f.larder.on(4, "SWAPDB 0 1");
  CHECK(f.larder.heard(2) == pair_of("k", "swapped"));
  waits();
  f.larder("EVAL \"redis.call('SET', 'k', 'scripted') return redis.call('GET', 'k')\" 0");
  was_served("scripted");
  waits();
  f.larder("APPEND k appended");
  was_served("appended");
}

TEST_CASE("a transaction or a script is over before anybody is served") {
  Fixture f;
  REQUIRE(f.take(2, {"k", "0"}).empty());
  f.larder("MULTI");
  f.larder("SET k one");
  f.larder("GET k");
  f.larder("DEL k");
  CHECK(f.larder("EXEC") == "[OK, one, 1]");
  CHECK(f.larder.heard(2).empty());
  CHECK(f.larder("EVAL \"redis.call('SET', 'k', 1) return redis.call('DEL', 'k')\" 0") == "1");
  CHECK(f.larder.heard(2).empty());
  f.larder("MULTI");
  f.larder("SET k one");
  f.larder("APPEND k two");
  CHECK(f.larder("EXEC") == "[OK, 6]");
  CHECK(f.larder.heard(2) == pair_of("k", "onetwo"));
}

TEST_CASE("of several keys the one that changed first is taken") {
  Fixture f;
  REQUIRE(f.take(2, {"a", "b", "0"}).empty());
  REQUIRE(f.take(3, {"a", "b", "0"}).empty());
  f.larder("MSET b 1 a 2");
  CHECK(f.larder.heard(2) == pair_of("b", "1"));
  CHECK(f.larder.heard(3) == pair_of("a", "2"));
}

TEST_CASE("time is up to the millisecond") {
  Fixture f;
  CHECK(f.take(2, {"k", "0.25"}).empty());
  CHECK(f.take(3, {"k", "0.0001"}).empty());
  CHECK(f.take(4, {"k", "0"}).empty());
  f.larder.advance(1ms);
  CHECK(f.larder.heard(3) == kNobody);
  f.larder.advance(248ms);
  CHECK(f.larder.heard(2).empty());
  f.larder.advance(1ms);
  CHECK(f.larder.heard(2) == kNobody);
  f.larder.advance(24h);
  CHECK(f.blocked() == 1);
  f.larder("SET k v");
  CHECK(f.larder.heard(2).empty());
  CHECK(f.larder.heard(4) == pair_of("k", "v"));
}

TEST_CASE("what was served in time stays served, however late its session looks") {
  Fixture f;
  REQUIRE(f.take(2, {"k", "1"}).empty());
  f.larder("SET k v");
  f.larder.advance(2s);
  CHECK(f.larder.heard(2) == pair_of("k", "v"));
}

TEST_CASE("whose connection ends takes nothing") {
  Fixture f;
  REQUIRE(f.take(2, {"k", "0"}).empty());
  REQUIRE(f.take(3, {"k", "0"}).empty());
  f.larder.client(2).work->sleeper()->abandon();
  f.larder("SET k v");
  CHECK(f.larder.heard(2).empty());
  CHECK(f.larder.heard(3) == pair_of("k", "v"));
  f.larder.client(2).work.reset();
  CHECK(f.blocked() == 0);
  CHECK(f.larder.engine().store().waited_keys() == 0);
}

TEST_CASE("CLIENT UNBLOCK ends a wait, as a timeout or an error") {
  Fixture f;
  const auto unblock = [&](int client, const std::string& how) {
    return f.larder("CLIENT UNBLOCK " + std::to_string(f.larder.client(client).id) + how);
  };
  CHECK(f.take(2, {"k", "0"}).empty());
  CHECK(f.larder.bytes_of({"WAIT", "1", "0"}, 3).empty());
  CHECK(unblock(2, "") == "1");
  CHECK(f.larder.heard(2) == kNobody);
  CHECK(unblock(2, "") == "0");
  CHECK(unblock(3, " error") == "1");
  CHECK(f.larder.heard(3) == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  CHECK(unblock(1, "") == "0");
  CHECK(f.larder("SET k v") == "OK");
  CHECK(f.larder("GET k") == "v");
}

TEST_CASE("who waits is seen in INFO") {
  Fixture f;
  CHECK(f.take(2, {"a", "b", "5"}).empty());
  CHECK(f.take(3, {"a", "0"}).empty());
  CHECK(f.larder.client(2).is_blocked);
  const std::string info = f.larder("INFO clients");
  CHECK(info.find("blocked_clients:2\r\n") != std::string::npos);
  CHECK(info.find("clients_in_timeout_table:1\r\n") != std::string::npos);
  CHECK(info.find("total_blocking_keys:2\r\n") != std::string::npos);
}

TEST_CASE("who waits is seen in CLIENT LIST") {
  Larder larder;
  CHECK(larder.bytes_of({"WAIT", "1", "5"}, 2).empty());
  CHECK(larder("CLIENT LIST").find(" flags=b ") != std::string::npos);
  larder.advance(5ms);
  CHECK(larder("CLIENT LIST").find(" flags=b ") == std::string::npos);
}

TEST_CASE("what goes to a destination wakes those who wait for that, in any shard") {
  Fixture f;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    REQUIRE(f.carry(2, "a" + n, "b" + n).empty());
    REQUIRE(f.carry(3, "b" + n, "c" + n).empty());
    REQUIRE(f.take(4, {"c" + n, "0"}).empty());
    f.larder("SET a" + n + " v");
    CHECK(f.larder.heard(2) == "$1\r\nv\r\n");
    CHECK(f.larder.heard(3) == "$1\r\nv\r\n");
    CHECK(f.larder.heard(4) == pair_of("c" + n, "v"));
    CHECK(f.larder("DBSIZE") == "0");
  }
}

TEST_CASE("a key may be carried in a circle") {
  Fixture f;
  REQUIRE(f.carry(2, "a", "b").empty());
  REQUIRE(f.carry(3, "b", "a").empty());
  REQUIRE(f.carry(4, "a", "b").empty());
  f.larder("SET a v");
  for (const int client : {2, 3, 4}) CHECK(f.larder.heard(client) == "$1\r\nv\r\n");
  CHECK(f.larder("GET b") == "v");
}

TEST_CASE("who comes to a key that others wait for goes to the end, and is served all the same") {
  Fixture f;
  // Nobody has told the lane of this one: as if its maker were about to.
  REQUIRE(f.take(2, {"k", "0"}).empty());
  storage::Keyspace silent(f.larder.engine().store(), 0, f.larder.now_ms());
  silent.update(silent.key("k"),
                [](storage::Slot& slot) { slot.set_bytes("v", storage::Deadline::never()); });
  CHECK(f.take(3, {"k", "0"}).empty());
  CHECK(f.larder.heard(2) == pair_of("k", "v"));
  CHECK(f.larder.heard(3).empty());
  CHECK(f.blocked() == 1);
}

TEST_CASE("a reply is spelled in the version of RESP of who waits") {
  Fixture f;
  f.larder.on(2, "HELLO 3");
  REQUIRE(f.take(2, {"k", "1"}).empty());
  f.larder.advance(1s);
  CHECK(f.larder.heard(2) == "_\r\n");
}

TEST_CASE("WAIT has no replica to wait for, and waits as long as it is told") {
  Larder larder;
  CHECK(larder("WAIT 0 100") == "0");
  CHECK(larder.bytes_of({"WAIT", "1", "100"}).empty());
  CHECK(larder.bytes_of({"WAITAOF", "0", "1", "200"}, 2).empty());
  larder.advance(100ms);
  CHECK(larder.heard(1) == ":0\r\n");
  CHECK(larder.heard(2).empty());
  larder.advance(100ms);
  CHECK(larder.heard(2) == "*2\r\n:0\r\n:0\r\n");
  CHECK(larder("MULTI") == "OK");
  CHECK(larder("WAIT 1 0") == "QUEUED");
  CHECK(larder("EXEC") == "[0]");
}
