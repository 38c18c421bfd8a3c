// server/metrics/slowlog: what is kept of slow commands.
#include "server/metrics/slowlog.h"

#include <doctest/doctest.h>

using namespace larder::server;

namespace {

std::vector<std::string> words_kept(const std::vector<std::string_view>& words) {
  SlowLog log;
  log.add(1, 2, words, "127.0.0.1:1", "", 10);
  return log.newest(1).front().words;
}

}  // namespace

TEST_CASE("the newest entry comes first, and ids are never used twice") {
  SlowLog log;
  const std::vector<std::string_view> words = {"GET", "tea"};
  for (int i = 0; i < 3; ++i) log.add(i, 100, words, "127.0.0.1:5", "me", 10);
  const auto entries = log.newest(2);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].id == 2);
  CHECK(entries[1].id == 1);
  CHECK(entries[0].at_seconds == 2);
  CHECK(entries[0].address == "127.0.0.1:5");
  CHECK(entries[0].client_name == "me");
  log.reset();
  CHECK(log.length() == 0);
  log.add(9, 1, words, "", "", 10);
  CHECK(log.newest(1).front().id == 3);
}

TEST_CASE("no more entries are kept than the limit says, also when it was lowered") {
  SlowLog log;
  const std::vector<std::string_view> words = {"GET"};
  for (int i = 0; i < 5; ++i) log.add(i, 1, words, "", "", 4);
  CHECK(log.length() == 4);
  log.add(5, 1, words, "", "", 2);
  CHECK(log.length() == 2);
  CHECK(log.newest(10).front().at_seconds == 5);
  log.add(6, 1, words, "", "", 0);
  CHECK(log.length() == 0);
}

TEST_CASE("long words and long commands are cut, and say so") {
  const std::string exact(kSlowLogWordBytes, 'x');
  const std::string longer(kSlowLogWordBytes + 72, 'x');
  CHECK(words_kept({"SET", exact}) == std::vector<std::string>{"SET", exact});
  CHECK(words_kept({"SET", longer}).back() == exact + "... (72 more bytes)");

  const std::vector<std::string_view> fits(kSlowLogWords, "w");
  CHECK(words_kept(fits).size() == kSlowLogWords);
  CHECK(words_kept(fits).back() == "w");
  const std::vector<std::string_view> many(kSlowLogWords + 9, "w");
  CHECK(words_kept(many).size() == kSlowLogWords);
  CHECK(words_kept(many).back() == "... (10 more arguments)");
}
