#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/support/larder.h"

using namespace std::chrono_literals;
using larder::testing::Larder;

namespace {

constexpr const char* kInvalid = "(error) ERR invalid expire time in 'expire' command";

}  // namespace

TEST_CASE("EXPIRE, TTL and PERSIST") {
  Larder larder;
  CHECK(larder("EXPIRE k 10") == "0");
  CHECK(larder("TTL k") == "-2");
  larder("SET k v");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("PERSIST k") == "0");
  CHECK(larder("EXPIRE k 10") == "1");
  CHECK(larder("TTL k") == "10");
  CHECK(larder("PERSIST k") == "1");
  CHECK(larder("TTL k") == "-1");
  CHECK(larder("PERSIST missing") == "0");
}

TEST_CASE("seconds are rounded to the nearest") {
  Larder larder;
  larder("SET k v PX 1500");
  CHECK(larder("TTL k") == "2");
  larder.advance(1ms);
  CHECK(larder("TTL k") == "1");
  CHECK(larder("PTTL k") == "1499");
  larder.advance(1498ms);
  CHECK(larder("PTTL k") == "1");
  CHECK(larder("TTL k") == "0");
  larder.advance(1ms);
  CHECK(larder("PTTL k") == "-2");
}

TEST_CASE("EXPIREAT and EXPIRETIME speak of moments") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("EXPIREAT k 33177117420") == "1");
  CHECK(larder("EXPIRETIME k") == "33177117420");
  CHECK(larder("PEXPIRETIME k") == "33177117420000");
  CHECK(larder("PEXPIREAT k 33177117420500") == "1");
  CHECK(larder("EXPIRETIME k") == "33177117421");
  CHECK(larder("EXPIRETIME missing") == "-2");
  larder("SET k v");
  CHECK(larder("PEXPIRETIME k") == "-1");
}

TEST_CASE("a moment that has passed deletes") {
  Larder larder;
  larder("MSET a 1 b 2 c 3");
  CHECK(larder("EXPIRE a 0") == "1");
  CHECK(larder("PEXPIRE b -9223372036854775808") == "1");
  CHECK(larder("EXPIREAT c 1") == "1");
  CHECK(larder("DBSIZE") == "0");
}

TEST_CASE("NX, XX, GT and LT") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("EXPIRE k 100 XX") == "0");
  CHECK(larder("EXPIRE k 100 GT") == "0");
  CHECK(larder("EXPIRE k 100 NX") == "1");
  CHECK(larder("EXPIRE k 200 NX") == "0");
  CHECK(larder("EXPIRE k 100 GT") == "0");
  CHECK(larder("EXPIRE k 200 GT") == "1");
  CHECK(larder("EXPIRE k 200 LT") == "0");
  CHECK(larder("EXPIRE k 100 LT") == "1");
  CHECK(larder("EXPIRE k 150 XX GT") == "1");
  CHECK(larder("TTL k") == "150");
  larder("SET k v");
  CHECK(larder("EXPIRE k 100 LT") == "1");
}

TEST_CASE("options are judged first, then the number, then the key") {
  Larder larder;
  CHECK(larder("EXPIRE k x FOO") == "(error) ERR Unsupported option FOO");
  CHECK(larder("EXPIRE k x NX LT") ==
        "(error) ERR NX and XX, GT or LT options at the same time are not compatible");
  CHECK(larder("EXPIRE k x GT LT") ==
        "(error) ERR GT and LT options at the same time are not compatible");
  CHECK(larder("EXPIRE k x") == "(error) ERR value is not an integer or out of range");
  CHECK(larder("EXPIRE k 9223372036854775807") == kInvalid);
  CHECK(larder("EXPIRE k -9223372036854775808") == kInvalid);
  CHECK(larder("EXPIRE k 9223372036854775") == kInvalid);
  CHECK(larder("PEXPIRE k 9223372036854775807") ==
        "(error) ERR invalid expire time in 'pexpire' command");
  CHECK(larder("PEXPIREAT k 9223372036854775807") == "0");
}

TEST_CASE("a key is gone at its millisecond, whether it lives for one or for a hundred years") {
  constexpr long long kYearMs = 365ll * 24 * 3600 * 1000;
  for (const std::int64_t ttl_ms : {1ll, 2ll, 7ll, 8ll, 9ll, 10ll, 999ll, 2048ll, 3'600'000ll,
                                    86'400'000ll, kYearMs, 100 * kYearMs}) {
    CAPTURE(ttl_ms);
    Larder larder;
    larder("SET k v PX " + std::to_string(ttl_ms));
    larder.advance(std::chrono::milliseconds(ttl_ms - 1));
    CHECK(larder("GET k") == "v");
    CHECK(larder("PTTL k") == "1");
    larder.clock().advance(1ms);  // nobody has tidied up yet
    CHECK(larder("EXISTS k") == "0");
    CHECK(larder("GET k") == "(nil)");
  }
}

TEST_CASE("memory follows within 100 ms, without anybody asking for the key") {
  for (const int ttl_ms : {1, 5, 50, 1000, 2049, 600'000}) {
    CAPTURE(ttl_ms);
    Larder larder;
    for (int i = 0; i < 300; ++i) {
      larder("SET k" + std::to_string(i) + " v PX " + std::to_string(ttl_ms + i % 3));
    }
    CHECK(larder("DBSIZE") == "300");
    larder.advance(std::chrono::milliseconds(ttl_ms - 1));
    CHECK(larder("DBSIZE") == "300");
    larder.advance(100ms);
    CHECK(larder("DBSIZE") == "0");
    CHECK(larder.engine().store().statistics().entry_bytes == 0);
  }
}

TEST_CASE("overwrite, PERSIST, RENAME and COPY take deadlines along or away") {
  Larder larder;
  larder("MSET a 1 b 2 c 3 d 4 e 5");
  for (const char* key : {"a", "b", "c", "d", "e"}) larder(std::string("PEXPIRE ") + key + " 1000");
  larder("SET a new");
  larder("PERSIST b");
  larder("RENAME c c2");
  larder("COPY d d2");
  larder("SET e later PX 5000");
  larder.advance(1000ms);
  larder.advance(100ms);
  CHECK(larder("MGET a b c c2 d d2 e") == "[new, 2, (nil), (nil), (nil), (nil), later]");
  CHECK(larder("DBSIZE") == "3");
  larder.advance(3900ms);
  CHECK(larder("GET e") == "(nil)");
  CHECK(larder("MGET a b") == "[new, 2]");

  // Onto a key that has a deadline of its own.
  larder("SET from v");
  larder("SET onto v PX 1000");
  larder("RENAME from onto");
  larder("SET nearer v PX 500");
  larder("SET farther v PX 1000");
  larder("COPY nearer farther REPLACE");
  larder.advance(999ms);
  CHECK(larder("EXISTS onto farther") == "1");
  larder.advance(100ms);
  CHECK(larder("PTTL onto") == "-1");
}

TEST_CASE("the wall clock is set an hour forward, or back: spans stay, moments follow it") {
  for (const auto step : {1h, -1h}) {
    CAPTURE(step.count());
    Larder larder;
    const std::int64_t wall_s = larder.now_ms() / 1000;
    const auto at = [&](std::chrono::seconds in) { return std::to_string(wall_s + in.count()); };
    larder("SET span v EX 7200");
    larder("SET span:short v PX 1500");
    larder("SET moment v EXAT " + at(7200s));
    larder("SET moment:soon v EXAT " + at(60s));
    larder("SET persisted v EXAT " + at(60s));
    larder("PERSIST persisted");
    larder("SET renamed:from v EXAT " + at(7200s));
    larder("RENAME renamed:from renamed");
    larder("COPY moment copied");
    larder("SET kept v EXAT " + at(7200s));
    larder("SET kept w KEEPTTL");
    larder("SET n 1 EXAT " + at(7200s));
    larder("INCR n");

    larder.clock().set_wall(step);
    larder.advance(0ms);
    CHECK(larder("TTL span") == "7200");
    CHECK(larder("PTTL span:short") == "1500");
    CHECK(larder("EXPIRETIME span") == at(7200s + step));
    const std::string left = std::to_string((7200s - step).count());
    for (const char* key : {"moment", "renamed", "copied", "kept", "n"}) {
      CAPTURE(key);
      CHECK(larder(std::string("TTL ") + key) == left);
      CHECK(larder(std::string("EXPIRETIME ") + key) == at(7200s));
    }
    CHECK(larder("EXISTS moment:soon") == (step > 0h ? "0" : "1"));
    CHECK(larder("TTL persisted") == "-1");
    // Moments that are named now are told by the clock as it is now.
    larder("SET later v");
    CHECK(larder("PEXPIREAT later " + std::to_string(larder.now_ms() + 2500)) == "1");
    CHECK(larder("PTTL later") == "2500");

    larder.advance(1500ms);
    CHECK(larder("EXISTS span:short later") == "1");
    larder.advance(1000ms);
    CHECK(larder("EXISTS later") == "0");
    // Each dies at its own time, and its memory follows although nobody asks.
    const std::size_t before = std::stoul(larder("DBSIZE"));
    larder.advance(7200s - step - 2500ms + 100ms);
    CHECK(std::stoul(larder("DBSIZE")) == before - (step > 0h ? 5 : 7));
    larder.advance(step > 0h ? 1h : 0h);
    CHECK(larder("KEYS *") == "[persisted]");
  }
}

TEST_CASE("the wall clock is set back and forward again: all is as it was") {
  Larder larder;
  const std::int64_t moment_s = larder.now_ms() / 1000 + 5000;
  for (int i = 0; i < 500; ++i) {
    larder("SET k" + std::to_string(i) + " v EXAT " + std::to_string(moment_s + i));
  }
  for (const std::chrono::minutes step : {-60min, 120min, -30min, -30min}) {
    larder.clock().set_wall(step);
    larder.advance(0ms);
  }
  CHECK(larder("DBSIZE") == "500");
  CHECK(larder("TTL k0") == "5000");
  CHECK(larder("TTL k499") == "5499");
  larder.advance(5250s);
  CHECK(larder("DBSIZE") == "249");
}

TEST_CASE("ages and idle times are told by what has passed, not by what the wall clock says") {
  Larder larder;
  larder("SET k v");
  larder("CONFIG SET maxmemory-policy allkeys-lru");
  larder("SET k v");
  larder.advance(10s);
  larder.clock().set_wall(-1h);
  larder.advance(10s);
  CHECK(larder("OBJECT IDLETIME k") == "20");
}

TEST_CASE("the farthest moment is far, not never") {
  Larder larder;
  larder("SET k v");
  CHECK(larder("PEXPIREAT k 9223372036854775807") == "1");
  CHECK(larder("TTL k") != "-1");
  CHECK(larder("PERSIST k") == "1");
}
