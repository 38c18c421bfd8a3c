#include "protocol/resp_writer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

using namespace larder::protocol;
using namespace std::string_literals;

namespace {

std::string unsent(const OutputBuffer& out) {
  std::vector<OutputBuffer::Piece> pieces(1000);
  std::string text;
  const std::size_t count = out.gather(pieces);
  for (std::size_t i = 0; i < count; ++i) text.append(pieces[i].data, pieces[i].size);
  return text;
}

std::string said(int version, const std::function<void(RespWriter&)>& speak) {
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  writer.version(version);
  speak(writer);
  return unsent(out);
}

std::string number(int version, double value) {
  return said(version, [&](RespWriter& writer) { writer.number(value); });
}

}  // namespace

TEST_CASE("scalars are spelled the same in both versions") {
  for (const int version : {2, 3}) {
    CHECK(said(version, [](auto& writer) { writer.ok(); }) == "+OK\r\n");
    CHECK(said(version, [](auto& writer) { writer.simple("PONG"); }) == "+PONG\r\n");
    CHECK(said(version, [](auto& writer) { writer.integer(0); }) == ":0\r\n");
    CHECK(said(version, [](auto& writer) { writer.integer(-1); }) == ":-1\r\n");
    CHECK(said(version, [](auto& writer) {
            writer.integer(std::numeric_limits<std::int64_t>::min());
          }) == ":-9223372036854775808\r\n");
    CHECK(said(version, [](auto& writer) { writer.bulk(""); }) == "$0\r\n\r\n");
    CHECK(said(version, [](auto& writer) { writer.bulk(std::string_view()); }) == "$0\r\n\r\n");
    CHECK(said(version, [](auto& writer) { writer.bulk("a\r\n\0b"s); }) == "$5\r\na\r\n\0b\r\n"s);
    CHECK(said(version, [](auto& writer) { writer.array(12); }) == "*12\r\n");
  }
}

TEST_CASE("what only RESP3 has becomes what RESP2 clients expect") {
  const auto both = [](const std::function<void(RespWriter&)>& speak) {
    return said(2, speak) + "|" + said(3, speak);
  };
  CHECK(both([](auto& writer) { writer.null(); }) == "$-1\r\n|_\r\n");
  CHECK(both([](auto& writer) { writer.null_array(); }) == "*-1\r\n|_\r\n");
  CHECK(both([](auto& writer) { writer.boolean(true); }) == ":1\r\n|#t\r\n");
  CHECK(both([](auto& writer) { writer.boolean(false); }) == ":0\r\n|#f\r\n");
  CHECK(both([](auto& writer) { writer.map(3); }) == "*6\r\n|%3\r\n");
  CHECK(both([](auto& writer) { writer.set(3); }) == "*3\r\n|~3\r\n");
  CHECK(both([](auto& writer) { writer.push(3); }) == "*3\r\n|>3\r\n");
  CHECK(both([](auto& writer) { writer.big_number("123"); }) == "$3\r\n123\r\n|(123\r\n");
  CHECK(both([](auto& writer) { writer.verbatim("txt", "hi"); }) ==
        "$2\r\nhi\r\n|=6\r\ntxt:hi\r\n");
  CHECK(both([](auto& writer) { writer.number(1.5); }) == "$3\r\n1.5\r\n|,1.5\r\n");
}

TEST_CASE("doubles look as Redis shows them") {
  CHECK(number(3, 0.1) == ",0.10000000000000001\r\n");
  CHECK(number(3, 3.0) == ",3\r\n");
  CHECK(number(3, 1e22) == ",1e+22\r\n");
  CHECK(number(3, 1e16) == ",10000000000000000\r\n");
  CHECK(number(3, -0.0) == ",-0\r\n");
  CHECK(number(3, std::numeric_limits<double>::infinity()) == ",inf\r\n");
  CHECK(number(2, -std::numeric_limits<double>::infinity()) == "$4\r\n-inf\r\n");
  CHECK(number(3, std::nan("")) == ",nan\r\n");
}

TEST_CASE("text with line ends cannot forge a reply") {
  CHECK(said(2, [](auto& writer) { writer.simple("a\r\n+b"); }) == "+a  +b\r\n");
  CHECK(said(2, [](auto& writer) { writer.error("ERR a\r\n+b\r\n"); }) == "-ERR a  +b\r\n");
  CHECK(said(3, [](auto& writer) { writer.big_number("1\r\n2"); }) == "(1  2\r\n");
  CHECK(said(2, [](auto& writer) { writer.error("\r\n"); }) == "-\r\n");
}

TEST_CASE("errors are counted with their code, also when muted") {
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  CHECK(writer.errors() == 0);
  writer.error("WRONGTYPE Operation against");
  CHECK(writer.errors() == 1);
  CHECK(writer.last_error_code() == "WRONGTYPE");
  writer.mute(true);
  writer.error("ERR");
  CHECK(writer.errors() == 2);
  CHECK(writer.last_error_code() == "ERR");
  CHECK(unsent(out) == "-WRONGTYPE Operation against\r\n");
}

TEST_CASE("a muted writer writes nothing") {
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  int releases = 0;
  writer.mute(true);
  for (const int version : {2, 3}) {
    writer.version(version);
    writer.ok(), writer.simple("a"), writer.null(), writer.null_array(), writer.integer(1);
    writer.bulk("a"), writer.bulk(std::string(100'000, 'b')), writer.number(1.5);
    writer.boolean(true), writer.big_number("1"), writer.verbatim("txt", "a");
    writer.array(1), writer.map(1), writer.set(1), writer.push(1);
    const std::string big(100'000, 'b');
    writer.pinned(Pin(big, &releases, [](void* owner) { ++*static_cast<int*>(owner); }));
  }
  CHECK(out.empty());
  CHECK(releases == 2);
  writer.mute(false);
  writer.ok();
  CHECK(unsent(out) == "+OK\r\n");
}

TEST_CASE("bulks of every size around the chunk are whole") {
  std::string expected;
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  const std::initializer_list<std::size_t> sizes = {1,    9,    10,    99,    100,   2047,
                                                    2048, 2049, 16383, 16384, 16385, 70000};
  for (const std::size_t size : sizes) {
    const std::string value(size, 'v');
    writer.bulk(value);
    expected += "$" + std::to_string(size) + "\r\n" + value + "\r\n";
  }
  CHECK(unsent(out) == expected);
}

TEST_CASE("long pins are linked and short ones copied") {
  int releases = 0;
  const auto pin = [&](std::string_view bytes) {
    return Pin(bytes, &releases, [](void* owner) { ++*static_cast<int*>(owner); });
  };
  const std::string big(RespWriter::kCopiedPinBytes, 'b');
  BlockPool pool;
  OutputBuffer out(pool);
  RespWriter writer(out);
  writer.pinned(pin("short"));
  CHECK(releases == 1);
  writer.pinned(pin(big));
  CHECK(releases == 1);
  CHECK(unsent(out) == "$5\r\nshort\r\n$1024\r\n" + big + "\r\n");
  out.consume(out.size_bytes());
  CHECK(releases == 2);
}

TEST_CASE("counts of every length are spelled right") {
  for (std::size_t count = 0; count < 1200; ++count) {
    CHECK(said(2, [&](auto& writer) { writer.array(count); }) ==
          "*" + std::to_string(count) + "\r\n");
  }
}
