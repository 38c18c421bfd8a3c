#include "server/engine/tracking.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/client.h"
#include "server/engine/client_registry.h"
#include "server/engine/pubsub.h"
#include "storage/store.h"
#include "tests/support/larder.h"

using namespace larder;
using namespace larder::server;
using namespace std::chrono_literals;
using testing::Larder;

namespace {

std::string told(const std::vector<std::string>& keys) {
  std::string bytes = ">2\r\n$10\r\ninvalidate\r\n*" + std::to_string(keys.size()) + "\r\n";
  for (const std::string& key : keys) {
    bytes += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
  }
  return bytes;
}

const std::string kAllChanged = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

// Client 1 tracks, client 2 does not.
struct Fixture {
  Larder larder;
  Fixture() {
    larder("HELLO 3");
    larder.on(2, "HELLO 3");
    larder("CLIENT TRACKING ON");
  }
  Tracking& tracking() { return larder.engine().services().tracking; }
};

// The service alone, with clients that have no loops.
struct Bare {
  storage::Store store{{.shards = 1, .seed = 1}};
  ClientRegistry registry;
  Pubsub pubsub{1};
  Tracking tracking{store, registry, pubsub, 1};
  std::vector<std::unique_ptr<Client>> clients;

  Client& join() {
    clients.push_back(std::make_unique<Client>(registry.next_id(), nullptr, 0));
    registry.add(*clients.back());
    CHECK(tracking.enable(*clients.back(), {}, {}, UINT64_MAX) == Tracking::Enabled::yes);
    return *clients.back();
  }
  void leave(Client& client) {
    registry.remove(client);
    tracking.forget(client);
  }
  ~Bare() {
    for (const auto& client : clients) leave(*client);
  }
};

}  // namespace

TEST_CASE("who has read a key is told of its first change, and no more") {
  Fixture f;
  f.larder("GET a");
  f.larder.on(2, "SET b 1");
  CHECK(f.larder.mail_of(1).empty());
  f.larder.on(2, "SET a 1");
  f.larder.on(2, "SET a 2");
  CHECK(f.larder.mail_of(1) == told({"a"}));
  CHECK(f.larder.mail_of(2).empty());
}

TEST_CASE("a key whose time has come is told, whether somebody came by or upkeep") {
  Fixture f;
  f.larder.on(2, "MSET a 1 b 1");
  f.larder.on(2, "PEXPIRE a 100");
  f.larder.on(2, "PEXPIRE b 100");
  f.larder("GET a");
  f.larder("GET b");
  f.larder.clock().advance(150ms);
  CHECK(f.larder.on(2, "GET a") == testing::nil);
  CHECK(f.larder.mail_of(1) == told({"a"}));
  f.larder.advance(1ms);
  CHECK(f.larder.mail_of(1) == told({"b"}));
  // Absent is an answer that can be kept, too.
  f.larder("GET a");
  f.larder.on(2, "SET a 1");
  CHECK(f.larder.mail_of(1) == told({"a"}));
}

TEST_CASE("a key that dies as it is first read is not told of, and remembered") {
  Fixture f;
  f.larder.on(2, "SET a 1 PX 10");
  f.larder.clock().advance(50ms);
  CHECK(f.larder("GET a") == testing::nil);
  CHECK(f.larder.mail_of(1).empty());
  f.larder.on(2, "SET a 2");
  CHECK(f.larder.mail_of(1) == told({"a"}));
}

TEST_CASE("evicted keys are told") {
  Fixture f;
  f.larder("CONFIG SET maxmemory-policy allkeys-random");
  for (int i = 0; i < 200; ++i) {
    const std::string key = "key:" + std::to_string(i);
    f.larder.on(2, "SET " + key + " " + std::string(5000, 'x'));
    f.larder("GET " + key);
  }
  CHECK(f.tracking().keys() == 200);
  f.larder("CONFIG SET maxmemory 400000");
  f.larder.advance(100ms);
  const std::string left = f.larder("DBSIZE");
  CHECK(std::stoul(left) < 200);
  CHECK(f.tracking().keys() == std::stoul(left));
  CHECK_FALSE(f.larder.mail_of(1).empty());
}

TEST_CASE("a flush and a swap of databases say that all is void, once") {
  Fixture f;
  for (const char* line : {"FLUSHALL", "FLUSHDB", "SWAPDB 0 1"}) {
    for (int i = 0; i < 100; ++i) {
      f.larder.on(2, "SET k" + std::to_string(i) + " v");
      f.larder("GET k" + std::to_string(i));
    }
    CHECK(f.tracking().items() == 100);
    f.larder.on(2, line);
    CHECK(f.larder.mail_of(1) == kAllChanged);
    CHECK(f.tracking().keys() == 0);
    CHECK(f.tracking().items() == 0);
  }
}

TEST_CASE("what scripts and transactions read and change counts as if it were said") {
  Fixture f;
  f.larder.on(2, "MSET a 1 b 1 c 1");
  f.larder.say({"EVAL", "return redis.call('get', 'a')", "0"});
  f.larder.say({"EVAL_RO", "return redis.call('get', KEYS[2])", "2", "c", "b"});
  CHECK(f.tracking().keys() == 2);
  f.larder.say({"EVAL", "redis.call('set', 'a', 2) redis.call('set', 'c', 2)", "0"}, 2);
  CHECK(f.larder.mail_of(1) == told({"a"}));
  f.larder("MULTI");
  f.larder("GET c");
  f.larder("EXEC");
  f.larder.on(2, "MULTI");
  f.larder.on(2, "DEL b c");
  f.larder.on(2, "EXEC");
  CHECK(f.larder.mail_of(1) == told({"b"}) + told({"c"}));
}

TEST_CASE("who waits in a blocking command, and is served, changes the key") {
  Fixture f;
  f.larder.on(3, "CLIENT TRACKING ON");
  f.larder("LLEN q");
  f.larder.on(2, "RPUSH other x");
  CHECK(f.larder.bytes_of({"BLPOP", "q", "0"}, 3).empty());
  f.larder("LLEN q");
  f.larder.on(2, "RPUSH q a b");
  CHECK(f.larder.heard(3) == "*2\r\n$1\r\nq\r\n$1\r\na\r\n");
  CHECK(f.larder.mail_of(1) == told({"q"}));
}

TEST_CASE("with NOLOOP only others' changes are told") {
  Fixture f;
  f.larder("CLIENT TRACKING ON NOLOOP");
  f.larder("GET a");
  f.larder("SET a 1");
  CHECK(f.larder.mail_of(1).empty());
  f.larder.on(2, "SET a 2");  // its own change has made it forgotten
  CHECK(f.larder.mail_of(1).empty());
  f.larder("GET a");
  f.larder.on(2, "SET a 3");
  CHECK(f.larder.mail_of(1) == told({"a"}));
}

TEST_CASE("who tracks prefixes is told at the end of the turn, in the order of the names") {
  Fixture f;
  f.larder("CLIENT TRACKING OFF");
  CHECK(f.larder("CLIENT TRACKING ON BCAST PREFIX a PREFIX b") == "OK");
  CHECK(f.tracking().prefixes() == 2);
  f.larder.on(2, "MSET b2 1 a1 1 c 1 b1 1");
  CHECK(f.larder.mail_of(1) == told({"a1"}) + told({"b1", "b2"}));
  f.larder("CLIENT TRACKING OFF");
  CHECK(f.tracking().prefixes() == 0);
  f.larder.on(2, "SET a1 1");
  CHECK(f.larder.mail_of(1).empty());
}

TEST_CASE("a turn that changes very many keys tells them in parts") {
  Fixture f;
  f.larder("CLIENT TRACKING OFF");
  f.larder("CLIENT TRACKING ON BCAST");
  f.larder.say({"EVAL", "for i = 1, 30000 do redis.call('set', 'key:' .. i, i) end", "0"}, 2);
  Client& client = f.larder.client(1);
  const Mail mail = f.larder.engine().services().pubsub.fetch(client);
  std::size_t keys = 0;
  for (const SharedMessage& message : mail.messages) keys += message->size();
  CHECK(keys == 30000);
  CHECK(mail.messages.size() > 1);
}

TEST_CASE("the table is bounded: a key too many is dropped, and its clients are told") {
  Fixture f;
  CHECK(f.larder("CONFIG SET tracking-table-max-keys 10") == "OK");
  for (int i = 0; i < 100; ++i) f.larder("GET k" + std::to_string(i));
  CHECK(f.tracking().keys() == 10);
  CHECK(f.larder("GET last") == testing::nil);
  f.larder.mail_of(1);
  // A lowered limit is come down to.
  CHECK(f.larder("CONFIG SET tracking-table-max-keys 0") == "OK");
  for (int i = 0; i < 1000; ++i) f.larder("GET k" + std::to_string(i));
  CHECK(f.tracking().keys() > 990);
  CHECK(f.larder("CONFIG SET tracking-table-max-keys 5") == "OK");
  f.larder.advance(1s);
  f.larder.advance(1s);
  f.larder.advance(1s);
  f.larder.advance(1s);
  CHECK(f.tracking().keys() == 5);
}

TEST_CASE("what nobody needs any more is dropped by upkeep") {
  Fixture f;
  for (int i = 0; i < 300; ++i) f.larder("GET k" + std::to_string(i));
  f.larder("RESET");
  CHECK(f.tracking().clients() == 0);
  CHECK(f.tracking().keys() == 300);
  for (int i = 0; i < 10; ++i) f.larder.advance(1s);
  CHECK(f.tracking().keys() == 0);
  CHECK(f.tracking().items() == 0);
}

TEST_CASE("clients that come, read and go leave no more than some garbage") {
  Bare f;
  Client& stays = f.join();
  for (int i = 0; i < 10'000; ++i) {
    Client& client = f.join();
    f.tracking.remember(client.id, "hot");
    f.leave(client);
  }
  CHECK(f.tracking.items() < 20);
  f.tracking.remember(stays.id, "hot");
  f.tracking.key_changed("hot", storage::kNobody);
  CHECK(f.pubsub.fetch(stays).messages.size() == 1);
  CHECK(f.tracking.items() == 0);
}

TEST_CASE("a redirection to who has left is told, and to who never was is refused") {
  Bare f;
  Client& one = f.join();
  Client& other = f.join();
  CHECK(f.tracking.enable(one, {.redirect = 999}, {}, UINT64_MAX) ==
        Tracking::Enabled::no_such_target);
  CHECK(f.tracking.enable(one, {.redirect = other.id}, {}, UINT64_MAX) == Tracking::Enabled::yes);
  f.tracking.remember(one.id, "k");
  f.tracking.key_changed("k", storage::kNobody);
  CHECK(f.pubsub.fetch(one).messages.empty());
  const Mail mail = f.pubsub.fetch(other);
  REQUIRE(mail.messages.size() == 1);
  CHECK(mail.messages.front()->is_redirected);
  f.leave(other);
  f.tracking.remember(one.id, "k");
  f.tracking.key_changed("k", storage::kNobody);
  const Mail broken = f.pubsub.fetch(one);
  REQUIRE(broken.messages.size() == 1);
  CHECK(broken.messages.front()->kind == Message::Kind::redir_broken);
  CHECK(one.tracker->is_broken());
}

TEST_CASE("a client's prefixes have a bound") {
  Bare f;
  Client& one = f.join();
  f.tracking.disable(one);
  const std::string_view prefixes[] = {"aaaa", "bbbb"};
  CHECK(f.tracking.enable(one, {.bcast = true}, prefixes, 300) ==
        Tracking::Enabled::too_many_prefixes);
  CHECK_FALSE(one.tracker);
  CHECK(f.tracking.enable(one, {.bcast = true}, prefixes, 600) == Tracking::Enabled::yes);
  CHECK(f.tracking.prefixes() == 2);
}

TEST_CASE("a tracker that is too slow is given up, like a listener") {
  Bare f;
  f.pubsub.limit_inbox(2'000);
  Client& slow = f.join();
  for (int i = 0; i < 100; ++i) {
    f.tracking.remember(slow.id, "k");
    f.tracking.key_changed("k", storage::kNobody);
  }
  CHECK(f.pubsub.fetch(slow).is_over_limit);
}
