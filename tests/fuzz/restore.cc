// Fuzz target: RESTORE of any bytes in a right frame. They are refused and leave no key, or they
// make one that is whole: it is of a type, it can be read, dumped, restored again as the same,
// copied, changed and deleted, and the store's books stay right.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/rdb.h"
#include "tests/support/books.h"
#include "tests/support/larder.h"

using namespace larder;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string framed(std::string body) {
  body += static_cast<char>(protocol::kRdbNewestVersion);
  body += '\0';
  const std::uint64_t sum = protocol::crc64(body);
  for (int i = 0; i < 8; ++i) body += static_cast<char>(sum >> (8 * i));
  return body;
}

// What is asked of a key to see all of it, whichever type it is; the others answer WRONGTYPE.
const std::vector<std::vector<std::string>> kReads = {
    {"STRLEN"},
    {"LRANGE", "0", "-1"},
    {"SMEMBERS"},
    {"HGETALL"},
    {"ZRANGE", "0", "-1", "WITHSCORES"},
    {"LINDEX", "-1"},
    {"ZREVRANGE", "0", "-1"},
    {"XRANGE", "-", "+"},
    {"XREVRANGE", "+", "-"},
    {"XPENDING", "g"},
};
const std::vector<std::vector<std::string>> kChanges = {
    {"APPEND", "x"},
    {"LPUSH", "x"},
    {"RPOP"},
    {"SADD", "7", "x"},
    {"SPOP"},
    {"HSET", "x", "y"},
    {"HINCRBY", "z", "1"},
    {"ZADD", "1", "x"},
    {"ZPOPMIN"},
    {"HEXPIRE", "9", "FIELDS", "1", "f"},
    {"HPERSIST", "FIELDS", "1", "f"},
    {"XACK", "g", "2-1"},
    {"XADD", "*", "f", "v"},
    {"XDEL", "1-1"},
    {"XTRIM", "MAXLEN", "2"},
};

std::string ask(testing::Larder& larder, std::vector<std::string> words, const std::string& key) {
  words.insert(words.begin() + 1, key);
  return larder.say(words);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static testing::Larder larder;
  const std::string body(reinterpret_cast<const char*>(data), size);
  const std::string said = larder.say({"RESTORE", "k", "0", framed(body), "REPLACE"});
  if (said != "OK") {
    require(larder.say({"DBSIZE"}) == "0", "what was refused has left a key");
    return 0;
  }
  if (larder.say({"EXISTS", "k"}) == "0") {  // a hash whose fields were all due
    require(larder.say({"DBSIZE"}) == "0", "what is gone is still counted");
    return 0;
  }
  const std::string dump = larder.reply_to({"DUMP", "k"}).text;
  require(larder.say({"RESTORE", "again", "0", dump}) == "OK", "its own dump is refused");
  require(larder.say({"COPY", "k", "copy"}) == "1", "it is not copied");
  for (const char* one : {"again", "copy"}) {
    require(larder.say({"TYPE", "k"}) == larder.say({"TYPE", one}), "another type came back");
    require(larder.say({"LLEN", "k"}) == larder.say({"LLEN", one}), "another length came back");
    require(larder.say({"SCARD", "k"}) == larder.say({"SCARD", one}), "other members came back");
    require(larder.say({"HLEN", "k"}) == larder.say({"HLEN", one}), "other fields came back");
    require(larder.say({"ZCARD", "k"}) == larder.say({"ZCARD", one}), "other scores came back");
    require(larder.say({"XLEN", "k"}) == larder.say({"XLEN", one}), "other entries came back");
  }
  for (const auto& words : kReads) ask(larder, words, "k");
  larder.say({"XINFO", "STREAM", "k", "FULL"});
  larder.say({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", ">"});
  larder.say({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", "0"});
  for (const auto& words : kChanges) ask(larder, words, "k");
  require(testing::books_are_right(larder.engine().store()), "the store's books are wrong");
  larder.say({"DEL", "k", "again", "copy"});
  require(larder.say({"DBSIZE"}) == "0", "it cannot be deleted");
  return 0;
}
