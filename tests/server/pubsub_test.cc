// server/engine/pubsub: who listens to what, what waits for whom, and what is too much.
#include "server/engine/pubsub.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "protocol/buffer.h"
#include "protocol/resp_writer.h"
#include "server/engine/client.h"
#include "server/engine/transaction.h"
#include "storage/glob.h"
#include "tests/support/reply_text.h"

using namespace larder;
using namespace larder::server;

namespace {

constexpr std::uint64_t kAnyNumber = UINT64_MAX;

struct FakeLink final : Link {
  int posts = 0;
  void cut_off() override {}
  void resume() override {}
  void push(std::string) override {}
  void fetch_mail() override { ++posts; }
};

struct Person {
  FakeLink link;
  Client client;
  explicit Person(std::uint64_t id) : client(id, &link, 0) {}
};

// In the order of Message::Kind.
constexpr std::string_view kNames[] = {"message", "pmessage", "smessage"};

// What somebody finds in the inbox: "message a hi", "pmessage a* a hi".
std::vector<std::string> read(Pubsub& pubsub, Client& client) {
  std::vector<std::string> lines;
  for (const SharedMessage& message : pubsub.fetch(client).messages) {
    std::string line(kNames[static_cast<std::size_t>(message->kind)]);
    for (std::size_t i = 0; i < message->size(); ++i) line.append(" ").append(message->word(i));
    lines.push_back(line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a message reaches who listens, once for the channel and once for each pattern") {
  Pubsub pubsub(1);
  Person ann(1);
  Person bob(2);
  CHECK(pubsub.publish("news", "lost") == 0);
  CHECK(pubsub.subscribe(ann.client, TopicKind::channel, "news", kAnyNumber));
  CHECK(pubsub.subscribe(ann.client, TopicKind::channel, "news", kAnyNumber));
  CHECK(pubsub.subscribe(ann.client, TopicKind::pattern, "n*", kAnyNumber));
  CHECK(pubsub.subscribe(bob.client, TopicKind::pattern, "*s", kAnyNumber));
  CHECK(pubsub.subscribe(bob.client, TopicKind::shard_channel, "news", kAnyNumber));
  CHECK(pubsub.publish("news", "hi") == 3);
  CHECK(pubsub.publish_to_shard("news", "ho") == 1);
  CHECK(pubsub.publish("", "") == 0);
  CHECK(read(pubsub, ann.client) == Lines{"message news hi", "pmessage n* news hi"});
  CHECK(read(pubsub, bob.client) == Lines{"pmessage *s news hi", "smessage news ho"});
  CHECK(read(pubsub, bob.client).empty());
  CHECK(pubsub.clients() == 2);
  pubsub.forget(ann.client);
  pubsub.forget(bob.client);
  CHECK(pubsub.clients() == 0);
  CHECK(pubsub.is_idle());
}

TEST_CASE("a loop is asked once for all that waits") {
  Pubsub pubsub(1);
  Person ann(1);
  CHECK(pubsub.subscribe(ann.client, TopicKind::channel, "a", kAnyNumber));
  for (int i = 0; i < 5; ++i) pubsub.publish("a", "x");
  CHECK(ann.link.posts == 1);
  CHECK(ann.client.inbox.has_mail());
  CHECK(read(pubsub, ann.client).size() == 5);
  CHECK_FALSE(ann.client.inbox.has_mail());
  pubsub.publish("a", "x");
  CHECK(ann.link.posts == 2);
  pubsub.forget(ann.client);
}

TEST_CASE("an inbox that passes the limit is emptied for good, and says so until it is closed") {
  Pubsub pubsub(1);
  pubsub.limit_inbox(10'000);
  Person slow(1);
  Person other(2);
  CHECK(pubsub.subscribe(slow.client, TopicKind::channel, "a", kAnyNumber));
  CHECK(pubsub.subscribe(other.client, TopicKind::channel, "a", kAnyNumber));
  const std::string large(6'000, 'x');
  pubsub.publish("a", large);
  CHECK_FALSE(pubsub.fetch(other.client).is_over_limit);
  CHECK(pubsub.publish("a", large) == 2);
  pubsub.publish("a", "small");
  const Mail mail = pubsub.fetch(slow.client);
  CHECK(mail.is_over_limit);
  CHECK(mail.messages.empty());
  CHECK(pubsub.fetch(slow.client).is_over_limit);
  CHECK(pubsub.fetch(other.client).messages.size() == 2);
  pubsub.forget(slow.client);
  pubsub.forget(other.client);
}

TEST_CASE("a client's names have a bound") {
  Pubsub pubsub(1);
  Person ann(1);
  CHECK(pubsub.subscribe(ann.client, TopicKind::channel, "a", 1'000));
  CHECK_FALSE(pubsub.subscribe(ann.client, TopicKind::pattern, std::string(1'000, 'b'), 1'000));
  CHECK(pubsub.subscribe(ann.client, TopicKind::channel, "a", 0));
  CHECK(ann.client.subscriber->count() == 1);
  CHECK(pubsub.unsubscribe(ann.client, TopicKind::channel, "a"));
  CHECK_FALSE(pubsub.unsubscribe(ann.client, TopicKind::channel, "a"));
  CHECK(pubsub.subscribe(ann.client, TopicKind::pattern, std::string(500, 'b'), 1'000));
  pubsub.forget(ann.client);
}

TEST_CASE("messages are said as pushes, even where replies are muted") {
  Pubsub pubsub(1);
  Person ann(1);
  CHECK(pubsub.subscribe(ann.client, TopicKind::pattern, "*", kAnyNumber));
  const std::string large(5'000, 'x');
  pubsub.publish("a", large);
  pubsub.publish("a", "hi");
  protocol::BlockPool blocks;
  protocol::OutputBuffer output(blocks);
  protocol::RespWriter writer(output);
  writer.version(3);
  writer.mute(true);
  say_mail(writer, ann.client, pubsub.fetch(ann.client));
  CHECK(writer.muted());
  pubsub.forget(ann.client);
  const std::string bytes = testing::take_bytes(output);
  CHECK(bytes == ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$5000\r\n" + large +
                     "\r\n>4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$2\r\nhi\r\n");
}

// The same by plain sets.
TEST_CASE("any number of clients come, listen, stop and go as a model does") {
  constexpr std::size_t kPeople = 12;
  constexpr TopicKind kKinds[] = {TopicKind::channel, TopicKind::pattern, TopicKind::shard_channel};
  const std::vector<std::string> names = {"a", "ab", "b", "*", "a*", "?", ""};
  std::mt19937_64 random(7);
  Pubsub pubsub(99);
  std::vector<std::unique_ptr<Person>> people;
  for (std::size_t i = 0; i < kPeople; ++i) people.push_back(std::make_unique<Person>(i));
  std::map<std::size_t, std::set<std::pair<TopicKind, std::string>>> model;

  for (int step = 0; step < 20'000; ++step) {
    const std::size_t who = random() % kPeople;
    Client& client = people[who]->client;
    const TopicKind kind = kKinds[random() % 3];
    const std::string& name = names[random() % names.size()];
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        REQUIRE(pubsub.subscribe(client, kind, name, kAnyNumber));
        model[who].insert({kind, name});
        break;
      case 3:
      case 4:
        REQUIRE(pubsub.unsubscribe(client, kind, name) == (model[who].erase({kind, name}) != 0));
        break;
      case 5:
        if (random() % 10 == 0) {
          pubsub.forget(client);
          model[who].clear();
        }
        break;
      default: {
        std::size_t expected = 0;
        std::map<std::size_t, std::multiset<std::string>> heard;
        for (const auto& [number, topics] : model) {
          for (const auto& [topic_kind, topic] : topics) {
            if (topic_kind == TopicKind::channel && topic == name) {
              heard[number].insert("message " + name + " x");
            } else if (topic_kind == TopicKind::pattern &&
                       (name.empty() ? topic.empty() : storage::glob_matches(topic, name))) {
              heard[number].insert("pmessage " + topic + " " + name + " x");
            } else {
              continue;
            }
            ++expected;
          }
        }
        REQUIRE(pubsub.publish(name, "x") == expected);
        for (std::size_t i = 0; i < kPeople; ++i) {
          const Lines lines = read(pubsub, people[i]->client);
          REQUIRE(std::multiset<std::string>(lines.begin(), lines.end()) == heard[i]);
        }
      }
    }
    std::size_t listening = 0;
    std::set<std::string> patterns;
    for (const auto& [number, topics] : model) {
      listening += !topics.empty();
      for (const auto& [topic_kind, topic] : topics) {
        if (topic_kind == TopicKind::pattern) patterns.insert(topic);
      }
    }
    REQUIRE(pubsub.clients() == listening);
    REQUIRE(pubsub.count(TopicKind::pattern) == patterns.size());
    const std::vector<std::string> mine = pubsub.names_of(client, kind);
    for (const std::string& one : mine) REQUIRE(model[who].contains({kind, one}));
  }
  for (const auto& person : people) pubsub.forget(person->client);
  CHECK(pubsub.is_idle());
  CHECK(pubsub.count(TopicKind::shard_channel) == 0);
}
