#include "protocol/resp_reader.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/protocol/resp_feed.h"
#include "tests/protocol/resp_model.h"

using namespace larder::protocol;
using namespace std::string_literals;
using Status = RespReader::Status;
using model::Outcome;
using model::Request;

namespace {

const RespReader::Limits kRedisLimits;

Outcome read(std::string_view bytes, const RespReader::Limits& limits = kRedisLimits) {
  const std::size_t whole[] = {bytes.size()};
  return read_in_pieces(bytes, whole, limits);
}

Outcome served(std::vector<Request> requests, std::size_t consumed, Status status) {
  return {std::move(requests), consumed, status, ""};
}

std::string problem_of(std::string_view bytes, const RespReader::Limits& limits = kRedisLimits) {
  const Outcome outcome = read(bytes, limits);
  CHECK(outcome.status == Status::problem);
  return outcome.problem;
}

std::string encoded(const Request& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

// The model, one read, every cut into two, and one byte at a time must all agree.
void check_every_cut(const std::string& bytes, const RespReader::Limits& limits = kRedisLimits) {
  const Outcome expected = model::read(bytes, limits);
  CAPTURE(bytes);
  CHECK(read(bytes, limits) == expected);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    const std::size_t sizes[] = {cut, bytes.size()};
    CHECK(read_in_pieces(bytes, sizes, limits) == expected);
  }
  const std::size_t single[] = {1};
  CHECK(read_in_pieces(bytes, single, limits) == expected);
  CHECK(read_in_pieces(bytes, single, limits, 1) == expected);
}

}  // namespace

TEST_CASE("an array of bulk strings is one request") {
  const std::string bytes = encoded({"SET", "tea", "green"});
  CHECK(read(bytes) == served({{"SET", "tea", "green"}}, bytes.size(), Status::complete));
}

TEST_CASE("a pipeline is read whole, and the start of the next request is left") {
  const std::string whole = encoded({"GET", "a"}) + encoded({"GET", "b"});
  CHECK(read(whole + "*2\r\n$3\r\nGE") ==
        served({{"GET", "a"}, {"GET", "b"}}, whole.size(), Status::need_more));
}

TEST_CASE("words are views into the input, and empty and binary words are words") {
  const std::string bytes = encoded({"SET", "", "\0\r\n*$"s});
  RespReader reader;
  RequestBatch batch;
  CHECK(reader.read(bytes, batch, 10).status == Status::complete);
  REQUIRE(batch.size() == 1);
  REQUIRE(batch[0].size() == 3);
  CHECK(batch.total_words() == 3);
  CHECK(batch[0][0].data() == bytes.data() + 8);
  CHECK(batch[0][1].empty());
  CHECK(batch[0][2] == "\0\r\n*$"s);
}

TEST_CASE("inline lines are requests, with quotes and escapes") {
  CHECK(read("PING\r\nGET tea\n").requests == std::vector<Request>{{"PING"}, {"GET", "tea"}});
  CHECK(read("  SET\t\"a b\\x41\\n\" 'it\\'s'  \r\n").requests ==
        std::vector<Request>{{"SET", "a bA\n", "it's"}});
  CHECK(read("PI\"NG\"\r\n").requests == std::vector<Request>{{"PING"}});
  CHECK(read("ECHO \"\"\r\n").requests == std::vector<Request>{{"ECHO", ""}});
}

TEST_CASE("what says nothing is passed over") {
  for (const char* nothing : {"\r\n", "\n", "  \t\r\n", "*0\r\n", "*-1\r\n", "*-99\r\n"}) {
    CAPTURE(nothing);
    const std::string bytes = std::string(nothing).append("PING\r\n").append(nothing);
    CHECK(read(bytes) == served({{"PING"}}, bytes.size(), Status::complete));
  }
}

TEST_CASE("bytes that Redis does not look at are not looked at") {
  CHECK(read("*1\rX$4\rYPINGZZ").requests == std::vector<Request>{{"PING"}});
}

TEST_CASE("each protocol error has Redis's text") {
  CHECK(problem_of("*x\r\n") == "ERR Protocol error: invalid multibulk length");
  CHECK(problem_of("*\r\n") == "ERR Protocol error: invalid multibulk length");
  CHECK(problem_of("*01\r\n") == "ERR Protocol error: invalid multibulk length");
  CHECK(problem_of("*2147483648\r\n") == "ERR Protocol error: invalid multibulk length");
  CHECK(read("*2147483647\r\n").status == Status::need_more);
  CHECK(problem_of("*1\r\nPING\r\n") == "ERR Protocol error: expected '$', got 'P'");
  CHECK(problem_of("*1\r\n\r\n") == "ERR Protocol error: expected '$', got '\r'");
  CHECK(problem_of("*1\r\n$-1\r\n") == "ERR Protocol error: invalid bulk length");
  CHECK(problem_of("*1\r\n$\r\nab\r\nc") == "ERR Protocol error: invalid bulk length");
  CHECK(problem_of("*1\r\n$003\r\nabc\r\n") == "ERR Protocol error: invalid bulk length");
  CHECK(problem_of("*1\r\n$ 1\r\n") == "ERR Protocol error: invalid bulk length");
  CHECK(problem_of("*1\r\n$536870913\r\n") == "ERR Protocol error: invalid bulk length");
  CHECK(read("*1\r\n$536870912\r\n").status == Status::need_more);
  CHECK(problem_of("\"PING\r\n") == "ERR Protocol error: unbalanced quotes in request");
  CHECK(problem_of("\"PING\"x\r\n") == "ERR Protocol error: unbalanced quotes in request");
}

TEST_CASE("lines without an end are refused at 64 KiB and not before") {
  const std::size_t longest = kRedisLimits.max_inline_bytes;
  const std::string line(longest, 'a');
  CHECK(read(line).status == Status::need_more);
  CHECK(read(line + "\n").requests == std::vector<Request>{{line}});
  CHECK(problem_of(line + "a") == "ERR Protocol error: too big inline request");
  CHECK(problem_of(line + "a\n") == "ERR Protocol error: too big inline request");
  const std::string digits(longest, '1');
  CHECK(read("*" + digits.substr(1)).status == Status::need_more);
  CHECK(problem_of("*" + digits) == "ERR Protocol error: too big mbulk count string");
  CHECK(problem_of("*1\r\n$" + digits) == "ERR Protocol error: too big bulk count string");
}

TEST_CASE("a word over the limit is refused though all of it is there") {
  RespReader::Limits limits;
  limits.max_bulk_bytes = 200;
  CHECK(read(encoded({std::string(200, 'w')}), limits).status == Status::complete);
  CHECK(problem_of(encoded({std::string(201, 'w')}), limits) ==
        "ERR Protocol error: invalid bulk length");
  limits.max_words = 100;
  CHECK(read(encoded(Request(100, "w")), limits).status == Status::complete);
  CHECK(problem_of(encoded(Request(101, "w")), limits) ==
        "ERR Protocol error: invalid multibulk length");
}

TEST_CASE("a NUL hides the rest of its line") {
  CHECK(read("PI\0NG\r\n"s) == served({}, 0, Status::need_more));
  CHECK(read("*1\0\r\n"s) == served({}, 0, Status::need_more));
  CHECK(read("*1\r\n\0"s) == served({}, 0, Status::need_more));
}

TEST_CASE("before a problem everything that was right is read") {
  const std::string right = encoded({"SET", "a", "b"}) + "PING\r\n";
  const Outcome outcome = read(right + "*1\r\n!");
  CHECK(outcome.requests == std::vector<Request>{{"SET", "a", "b"}, {"PING"}});
  CHECK(outcome.status == Status::need_more);
  CHECK(read(right + "*1\r\n!\r\n").status == Status::problem);
  CHECK(read(right + "*1\r\n!\r\n").consumed == right.size());
}

TEST_CASE("a problem stays until the reader is reset") {
  RespReader reader;
  RequestBatch batch;
  CHECK(reader.read("*x\r\n", batch, 10).status == Status::problem);
  CHECK(reader.read("PING\r\n", batch, 10).status == Status::problem);
  CHECK(batch.empty());
  reader.reset();
  CHECK(reader.read("PING\r\n", batch, 10).status == Status::complete);
  CHECK(reader.problem().empty());
}

TEST_CASE("a batch holds at most what was asked for") {
  const std::string bytes = encoded({"GET", "a"}) + encoded({"GET", "b"}) + "PING\r\n";
  RespReader reader;
  RequestBatch batch;
  const auto first = reader.read(bytes, batch, 2);
  CHECK(first.status == Status::batch_full);
  CHECK(batch.size() == 2);
  const auto second = reader.read(std::string_view(bytes).substr(first.consumed), batch, 2);
  CHECK(second.status == Status::complete);
  REQUIRE(batch.size() == 3);
  CHECK(batch[2][0] == "PING");
}

TEST_CASE("who is not authenticated says little, one request at a time") {
  RespReader reader;
  reader.limits().authenticated = false;
  RequestBatch batch;
  const std::string bytes = encoded({"AUTH", "secret"}) +
                            encoded({"SET", "k", std::string(20000, 'v')});
  const auto first = reader.read(bytes, batch, 100);
  CHECK(first.status == Status::batch_full);
  CHECK(batch.size() == 1);
  reader.limits().authenticated = true;
  CHECK(reader.read(std::string_view(bytes).substr(first.consumed), batch, 100).status ==
        Status::complete);
  CHECK(batch.size() == 2);

  RespReader::Limits strange = kRedisLimits;
  strange.authenticated = false;
  CHECK(problem_of("*11\r\n", strange) == "ERR Protocol error: unauthenticated multibulk length");
  CHECK(problem_of("*1\r\n$16385\r\n", strange) ==
        "ERR Protocol error: unauthenticated bulk length");
  CHECK(read("*10\r\n$16384\r\n", strange).status == Status::need_more);
}

TEST_CASE("the reader says how much of a bulk is missing") {
  RespReader reader;
  RequestBatch batch;
  CHECK(reader.read("*1\r\n", batch, 1).status == Status::need_more);
  CHECK(reader.wanted_bytes() == 0);
  CHECK(reader.read("*1\r\n$1000\r\nabc", batch, 1).status == Status::need_more);
  CHECK(reader.wanted_bytes() == 999);
}

TEST_CASE("a request of many words in many pieces is read once") {
  Request words{"MSET"};
  for (int i = 0; i < 100'000; ++i) words.push_back("k" + std::to_string(i));
  const std::string bytes = encoded(words);
  const std::size_t sizes[] = {7};
  CHECK(read_in_pieces(bytes, sizes, kRedisLimits) ==
        served({words}, bytes.size(), Status::complete));
}

TEST_CASE("an announced crowd of words takes no memory") {
  RespReader reader;
  RequestBatch batch;
  CHECK(reader.read("*2000000000\r\n$1\r\n", batch, 1).status == Status::need_more);
  CHECK(batch.total_words() == 0);
}

TEST_CASE("every cut of ordinary traffic gives the same requests") {
  check_every_cut(encoded({"SET", "tea", "green"}) + "PING\r\n" + encoded({"GET", ""}) + "*0\r\n" +
                  "\r\nSET \"a\\x00b\" 'c'\r\n" + encoded({"DEL", std::string(120, 'k')}) +
                  "*-1\r\n");
}

TEST_CASE("every cut of hostile traffic gives the same end") {
  for (const std::string& bytes :
       {"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n"s, "*3\r\n$3\r\nSET\r\n$03\r\n"s,
        "*2\r\n$1\r\na\r\n+\r\n"s, "'a'b\r\nPING\r\n"s, "\0\0\n"s, "*1\r\n$1\r\n"s,
        "*1\rX$4\rYPINGZZ*1\r\r$1\r\r\r\r\r"s, "\"\\"s, "*-\r\n"s, "*--1\r\n"s,
        "*1\r\n$99999999999999999999\r\n"s}) {
    check_every_cut(bytes);
  }
}

TEST_CASE("every cut of traffic before AUTH gives the same end") {
  RespReader::Limits strange = kRedisLimits;
  strange.authenticated = false;
  check_every_cut(encoded({"AUTH", "a", "b"}) + "PING\r\n" + encoded({"HELLO", "3"}) + "*11\r\n",
                  strange);
  check_every_cut(encoded({"AUTH", "a"}) + "*2\r\n$3\r\nGET\r\n$16385\r\n", strange);
}

namespace {

// Traffic that is nearly right: whole requests and fragments of the grammar, now and then with a
// byte changed.
std::string nearly_right(std::mt19937& chance) {
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(chance);
  };
  const std::string fragments[] = {"*",      "$",        "\r\n",
                                   "\r",     "\n",       "1",
                                   "0",      "-1",       "\"",
                                   "'",      "\\",       "\\x4",
                                   " ",      "\t",       "\v",
                                   "a",      "*1\r\n",   "*2\r\n$1\r\na\r\n",
                                   "$3\r\n", "PING\r\n", "\"a b\" 'c'\r\n",
                                   "\0"s,    "*0\r\n",   "$10\r\n",
                                   "$\r\n",  "*\r\n",    "$03\r\n",
                                   "*10\r\n"};
  std::string bytes;
  for (std::size_t parts = 1 + below(8); parts > 0; --parts) {
    if (below(2) == 0) {
      bytes += fragments[below(std::size(fragments))];
      continue;
    }
    Request words(1 + below(4));
    for (std::string& word : words) word.assign(below(14), static_cast<char>('a' + below(3)));
    bytes += encoded(words);
  }
  if (below(3) == 0 && !bytes.empty()) bytes[below(bytes.size())] = static_cast<char>(below(256));
  return bytes;
}

}  // namespace

TEST_CASE("the reader agrees with the model on random traffic in random pieces") {
  std::mt19937 chance(20240607);
  for (int round = 0; round < 20'000; ++round) {
    const std::string bytes = nearly_right(chance);
    RespReader::Limits limits;
    limits.authenticated = round % 5 != 0;
    limits.max_inline_bytes = round % 3 == 0 ? 12 : limits.max_inline_bytes;
    limits.max_bulk_bytes = round % 7 == 0 ? 8 : limits.max_bulk_bytes;
    std::vector<std::size_t> sizes(5);
    for (std::size_t& size : sizes) size = 1 + chance() % 9;
    const Outcome expected = model::read(bytes, limits);
    CAPTURE(bytes);
    REQUIRE(read(bytes, limits) == expected);
    REQUIRE(read_in_pieces(bytes, sizes, limits, 1 + chance() % 3) == expected);
  }
}

TEST_CASE("a batch grows for a long request behind short ones") {
  std::string bytes;
  for (int i = 0; i < 60; ++i) bytes += "*1\r\n$4\r\nPING\r\n";
  const Request longer(200, "word");
  const Outcome outcome = read(bytes + encoded(longer) + "PING\r\n");
  REQUIRE(outcome.requests.size() == 62);
  CHECK(outcome.requests[59] == Request{"PING"});
  CHECK(outcome.requests[60] == longer);
  CHECK(outcome.requests[61] == Request{"PING"});
}

TEST_CASE("a batch gives back what an unusual request took") {
  Request words(RequestBatch::kKeptWords * 2, "w");
  const std::string bytes = encoded(words);
  RespReader reader;
  RequestBatch batch;
  CHECK(reader.read(bytes, batch, 1).status == Status::complete);
  CHECK(batch.total_words() == words.size());
  batch.clear();
  CHECK(batch.empty());
  CHECK(batch.total_words() == 0);
  CHECK(reader.read("PING\r\n", batch, 1).status == Status::complete);
  CHECK(batch[0][0] == "PING");
}
