// Every numeric argument of every command against the numbers that broke other servers.
//
// A table of commands with a hole for the number; each hole is tried with each hostile number, on
// redis-server and on Larder, from the same few keys. The replies must be the same bytes, and so
// must what is left of the keys; that the same connection goes on answering shows that nobody died
// or lost count.
//
//   numeric_boundaries_test --larder build/debug/larder [--redis redis-server]
//
// Must hold: a row never depends on the time of day or on what a server numbers for itself (ids,
// cursors); where it must, it is `loose`: errors are compared, values are not. A `deadline` row is
// not tried with times so near that they may come between two questions; an `own` row is answered
// by a rule of Larder's, and only what it does to the keys is compared.
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/server_process.h"
#include "tests/support/transcript.h"
#include "tests/support/wire.h"

namespace larder::test {

namespace {

constexpr std::string_view kNumbers[] = {
    "-9223372036854775809",
    "-9223372036854775808",
    "-9223372036854775807",
    "-4294967296",
    "-2147483649",
    "-2147483648",
    "-2",
    "-1",
    "-0",
    "0",
    "1",
    "2",
    "15",
    "16",

    "536870912",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775",
    "9223372036854776",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "abc",
    "1e400",
    "1e4932",
    "1e5000",
    "1e-400",
    "",
    " 1",
    "1 ",
    "+1",
    "01",
    "1.5",
    "-1.5",
    ".5",
    "1.",
    "0x10",
    "1e2",
    "nan",
    "inf",
    "-inf",
    "infinity",
    "1,5",
};

struct Row {
  const char* command;  // words by redis-cli's rules, # is the hole
  enum class Kind { exact, loose, deadline, own } kind = Kind::exact;
  const char* after = nullptr;  // puts the connection or the server right again
};

using enum Row::Kind;

constexpr Row kRows[] = {
    // strings
    {"SET k v EX #", deadline},
    {"SET k v PX #", deadline},
    {"SET k v EXAT #"},
    {"SET k v PXAT #"},
    {"SET k v EX # NX", deadline},
    {"SET k v PX # GET", deadline},
    {"SET k #"},
    {"SETEX k # v", deadline},
    {"PSETEX k # v", deadline},
    {"GETEX k EX #", deadline},
    {"GETEX k PX #", deadline},
    {"GETEX k EXAT #"},
    {"GETEX k PXAT #"},
    {"GETEX missing PXAT #"},
    {"GETRANGE k # -1"},
    {"GETRANGE k 0 #"},
    {"GETRANGE k # #"},
    {"GETRANGE missing # #"},
    {"SUBSTR k # #"},
    {"SETRANGE s # x"},
    {"SETRANGE s # ''"},
    {"SETRANGE missing # x"},
    {"SETRANGE missing # ''"},
    {"LCS s k IDX MINMATCHLEN #"},
    {"APPEND k #"},
    // bitmaps
    {"GETBIT k #"},
    {"SETBIT k 7 #"},
    {"BITCOUNT k # -1"},
    {"BITCOUNT k 0 #"},
    {"BITCOUNT k # # BIT"},
    {"BITPOS k #"},
    {"BITPOS k 1 #"},
    {"BITPOS k 0 # -1 BIT"},
    {"BITPOS k 1 0 # BIT"},
    {"BITFIELD_RO k GET u8 #"},
    {"BITFIELD k SET u8 0 #"},
    {"BITFIELD k SET i8 0 #"},
    {"BITFIELD k OVERFLOW FAIL SET i64 0 #"},
    {"BITFIELD k OVERFLOW FAIL SET u63 1 #"},
    {"BITFIELD k INCRBY u63 3 #"},
    {"BITFIELD k OVERFLOW SAT INCRBY i8 0 #"},
    {"BITFIELD k OVERFLOW FAIL INCRBY u8 0 #"},
    {"BITFIELD missing INCRBY i64 0 #"},
    // counters
    {"INCRBY k #"},
    {"DECRBY k #"},
    {"INCRBY max #"},
    {"DECRBY max #"},
    {"INCRBY min #"},
    {"DECRBY min #"},
    {"INCRBY missing #"},
    {"DECRBY missing #"},
    {"INCRBYFLOAT k #"},
    {"INCRBYFLOAT missing #"},
    {"INCRBYFLOAT max #"},
    // hashes
    {"HSET h f #"},
    {"HINCRBY h n #"},
    {"HINCRBY h f #"},
    {"HINCRBY missing f #"},
    {"HINCRBYFLOAT h n #"},
    {"HINCRBYFLOAT h f #"},
    {"HINCRBYFLOAT missing f #"},
    {"HRANDFIELD missing #"},
    {"HRANDFIELD missing # WITHVALUES"},
    {"HSCAN h 0 COUNT #"},
    {"HSCAN missing #"},
    // expiry
    {"EXPIRE k #", deadline},
    {"PEXPIRE k #", deadline},
    {"EXPIREAT k #"},
    {"PEXPIREAT k #"},
    {"EXPIRE k # NX", deadline},
    {"EXPIRE k # XX"},
    {"EXPIRE k # GT"},
    {"EXPIRE k # LT", deadline},
    {"EXPIRE ttl # GT"},
    {"EXPIRE ttl # LT", deadline},
    {"PEXPIREAT ttl # GT"},
    {"PEXPIREAT ttl # LT"},
    {"EXPIRE missing #"},
    // keys and databases
    {"SELECT #", exact, "SELECT 0"},
    {"MOVE k #"},
    {"MOVE missing #"},
    {"SWAPDB # 0", exact, "SELECT 0"},
    {"SWAPDB 0 #", exact, "SELECT 0"},
    {"COPY k k2 DB #"},
    {"COPY k k2 DB # REPLACE"},
    {"SCAN #", loose},
    {"SCAN 0 COUNT #", loose},
    {"SCAN 0 MATCH nothing COUNT #", loose},
    {"KEYS #"},
    // sets
    {"SREM set #"},
    {"SMISMEMBER set #"},
    {"SPOP set #"},
    {"SPOP missing #"},
    {"SRANDMEMBER missing #"},  // of one that is there Redis answers as many as it is told
    {"SINTERCARD # set set"},
    {"SINTERCARD 2 set set LIMIT #"},
    {"SSCAN set #"},
    {"SSCAN set 0 COUNT #"},
    // lists
    {"LPOP list #"},
    {"RPOP list #"},
    {"LPOP missing #"},
    {"LRANGE list # -1"},
    {"LRANGE list 0 #"},
    {"LRANGE list # #"},
    {"LINDEX list #"},
    // Redis cuts the index to 32 bits.
    {"LSET list # x", own, "DEL list"},
    {"LREM list # a"},
    {"LTRIM list # -1"},
    {"LTRIM list 0 #"},
    {"LTRIM list # #"},
    // Refused since Redis 7.2: the number that has no opposite.
    {"LPOS list a RANK #", own},
    {"LPOS list a COUNT #"},
    {"LPOS list a MAXLEN #"},
    {"LPOS list a MAXLEN # COUNT #"},
    {"LMPOP # list LEFT"},
    {"LMPOP 1 list LEFT COUNT #"},
    {"RPUSH list #"},
    {"SORT list ALPHA LIMIT # 2"},
    {"SORT list ALPHA LIMIT 1 #"},
    {"SORT list BY nosort LIMIT # #"},
    // streams
    {"XADD stream # a 1"},
    {"XADD stream 7-# a 1"},
    // Redis 7.0 says it as of something else when the last number there is has been used.
    {"XADD stream #-* a 1", loose},
    {"XADD stream MAXLEN # 9 a 1"},
    {"XADD stream MAXLEN ~ 1 LIMIT # 9 a 1"},
    {"XADD stream MINID # 9 a 1"},
    {"XTRIM stream MAXLEN #"},
    {"XTRIM stream MAXLEN ~ 1 LIMIT #"},
    {"XTRIM stream MINID 5-#"},
    {"XRANGE stream # +"},
    {"XRANGE stream - (#"},
    {"XREVRANGE stream # 5-#"},
    {"XRANGE stream - + COUNT #"},
    {"XDEL stream # 5-#"},
    {"XSETID stream #"},
    {"XSETID stream 9 ENTRIESADDED #"},
    {"XSETID stream 9 MAXDELETEDID #"},
    {"XREAD COUNT # STREAMS stream 0"},
    {"XREAD STREAMS stream #"},
    // What cannot be added to the time is refused since 7.2.
    {"XREAD BLOCK # STREAMS stream 0", own},
    {"XREADGROUP GROUP g c COUNT # STREAMS stream 0"},
    {"XREADGROUP GROUP g c STREAMS stream #"},
    {"XGROUP CREATE stream h #"},
    {"XGROUP CREATE stream h 0 ENTRIESREAD #"},
    {"XGROUP SETID stream g #"},
    {"XACK stream g # 5-#"},
    {"XPENDING stream g - + #", loose},
    {"XPENDING stream g # + 5", loose},
    {"XPENDING stream g IDLE # - + 5", loose},
    {"XCLAIM stream g d # 5-5 JUSTID", loose},
    {"XCLAIM stream g d 0 5-# 5-5"},
    {"XCLAIM stream g d 0 5-5 IDLE # JUSTID"},
    {"XCLAIM stream g d 0 5-5 TIME # JUSTID"},
    {"XCLAIM stream g d 0 5-5 RETRYCOUNT #"},
    {"XCLAIM stream g d 0 5-5 LASTID #"},
    {"XAUTOCLAIM stream g d # 0 JUSTID", loose},
    {"XAUTOCLAIM stream g d 0 # JUSTID"},
    // Redis makes room for as many ids beforehand, and has it not.
    {"XAUTOCLAIM stream g d 0 0 COUNT #", own},
    {"XINFO STREAM stream FULL COUNT #", loose},
    // scripts
    {"EVAL 'return {KEYS[1],ARGV[1]}' # k"},
    {"EVAL 'return {KEYS[1],ARGV[1]}' # k l m"},
    {"EVAL_RO 'return 1' # k"},
    {"EVALSHA ffffffffffffffffffffffffffffffffffffffff # k"},
    {"EVAL \"return redis.call('incrby','k',ARGV[1])\" 0 #", loose},
    {"EVAL \"return redis.pcall('incrby','k',ARGV[1])\" 0 #"},
    {"EVAL \"return redis.pcall('setrange','k',ARGV[1],'x')\" 0 #"},
    {"EVAL \"return redis.pcall('expire','k',ARGV[1])\" 0 #", deadline},
    {"EVAL \"return bit.tohex(255, tonumber(ARGV[1]) or 3)\" 0 #", loose},
    {"EVAL \"return bit.lshift(1, tonumber(ARGV[1]) or 3)\" 0 #", loose},
    {"EVAL \"return struct.unpack('c' .. ARGV[1], 'abc')\" 0 #", loose},
    {"EVAL \"return struct.pack('i' .. ARGV[1], 5)\" 0 #", loose},
    {"EVAL \"return struct.unpack('i4', 'abcdefgh', tonumber(ARGV[1]))\" 0 #", loose},
    {"EVAL \"return cmsgpack.unpack_limit('abc', tonumber(ARGV[1]) or 1)\" 0 #", loose},
    {"EVAL \"return string.sub('hello', tonumber(ARGV[1]) or 1)\" 0 #"},
    {"EVAL \"return cjson.decode(ARGV[1])\" 0 #", loose},
    // Larder counts keys as EVAL itself does; Redis reads what looks like a number.
    {"COMMAND GETKEYS EVAL x # a", own},
    // connections and the server
    {"HELLO #", loose, "HELLO 2"},
    {"CLIENT UNBLOCK #"},
    {"CLIENT UNBLOCK # ERROR"},
    {"CLIENT KILL ID # TYPE pubsub"},
    {"CLIENT LIST ID #", loose},
    {"CLIENT PAUSE # WRITE", exact, "CLIENT UNPAUSE"},
    {"SLOWLOG GET #", loose},
    {"MEMORY USAGE k SAMPLES #", loose},
    {"DEBUG OBJECT #", loose},
    {"CONFIG SET timeout #", exact, "CONFIG SET timeout 0"},
    // Larder keeps no endless log, and takes nothing for a number of bytes that is none.
    {"CONFIG SET slowlog-max-len #", own, "CONFIG SET slowlog-max-len 128"},
    {"CONFIG SET slowlog-log-slower-than #", exact, "CONFIG SET slowlog-log-slower-than 10000"},
    {"CONFIG SET maxmemory #", own, "CONFIG SET maxmemory 0"},
    {"CONFIG SET proto-max-bulk-len #", own, "CONFIG SET proto-max-bulk-len 512mb"},
};

// What every attempt begins with, and what is asked after it. A deadline that a command sets counts
// from now, so only whether there is one is compared.
const std::vector<std::vector<std::string>> kBefore = {
    {"FLUSHALL"},
    {"SELECT", "0"},
    {"MSET", "k", "12345", "s", "hello", "max", "9223372036854775807", "min",
     "-9223372036854775808"},
    {"SET", "ttl", "v", "PXAT", "33177117420123"},
    {"RPUSH", "list", "a", "2", "b", "a", "-1"},
    {"HSET", "h", "n", "5", "f", "text"},
    {"SADD", "set", "12345"},
    {"XADD", "stream", "5-5", "a", "1"},
    {"XADD", "stream", "6-0", "a", "2"},
    {"XGROUP", "CREATE", "stream", "g", "0"},
    {"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"},
};
const std::vector<std::vector<std::string>> kAfter = {
    {"MGET", "k", "s", "max", "min", "ttl", "k2"},
    {"STRLEN", "missing"},
    {"SMEMBERS", "set"},
    {"LRANGE", "list", "0", "-1"},
    {"PERSIST", "k"},
    {"PERSIST", "ttl"},
    {"HMGET", "h", "f", "n"},
    {"HGETALL", "missing"},
    {"XRANGE", "stream", "-", "+"},
    {"XINFO", "STREAM", "stream"},
    {"DBSIZE"},
};

// Requests whose counts are the hole: each on a connection of its own, followed by a PING.
constexpr std::string_view kHeaders[] = {
    "*#\r\n",
    "*1\r\n$#\r\n",
    "*2\r\n$4\r\nECHO\r\n$#\r\n",
};

bool is_near(std::string_view number) {
  return number == "1" || number == "2" || number == "15" || number == "16";
}

struct Server {
  ServerProcess process;
  WireClient client;

  Server(Flavor flavor, const std::string& binary)
      : process(flavor, binary, {"--maxmemory-policy", "noeviction"}), client(process.port()) {}

  std::string ask(const std::vector<std::string>& words) {
    const std::string reply = client.ask(words);
    if (reply.empty()) throw std::runtime_error("no reply to " + escape(encode_command(words)));
    return reply;
  }

  std::string ask_all(const std::vector<std::vector<std::string>>& commands) {
    std::string requests;
    for (const auto& words : commands) requests += encode_command(words);
    client.send(requests);
    std::string replies;
    for (const auto& words : commands) {
      const auto reply = client.read_value();
      if (!reply) throw std::runtime_error("no reply to " + escape(encode_command(words)));
      replies += *reply;
    }
    return replies;
  }
};

std::string fill(std::string text, std::string_view number) {
  for (std::size_t at = text.find('#'); at != std::string::npos;
       at = text.find('#', at + number.size())) {
    text.replace(at, 1, number);
  }
  return text;
}

// A loose row's reply: the whole error, or only that it was none. Larder's own: that there was one.
std::string judged(const Row& row, const std::string& reply) {
  if (row.kind == own) return "an answer\r\n";
  if (row.kind != loose) return reply;
  return reply.front() == '-' ? reply.substr(0, reply.find(" script: ")) : "a value\r\n";
}

std::string attempt(Server& server, const Row& row, const std::vector<std::string>& words) {
  server.ask_all(kBefore);
  std::string transcript = judged(row, server.ask(words));
  try {
    if (row.after) server.ask(*split_words(row.after));
    return transcript + server.ask_all(kAfter);
  } catch (const std::runtime_error& problem) {
    throw std::runtime_error("after " + escape(encode_command(words)) + ": " + problem.what());
  }
}

// What comes back for raw bytes until the PING after them is answered, the server closes, or waits
// for more.
std::string attempt_raw(Server& server, const std::string& bytes) {
  WireClient client(server.process.port());
  client.send(bytes + "\r\nPING\r\n");
  std::string all;
  while (auto value = client.read_value(std::chrono::milliseconds(100))) {
    all += *value;
    if (*value == "+PONG\r\n") return all;
  }
  return all + (client.closed() ? "closed\r\n" : "waits\r\n");
}

void report(const std::string& what, const std::string& redis, const std::string& larder) {
  std::fprintf(stderr, "%s\n  redis:  %s\n  larder: %s\n", escape(what).c_str(),
               escape(redis).c_str(), escape(larder).c_str());
}

int compare_rows(Server& redis, Server& larder, std::size_t& tried) {
  int differences = 0;
  for (const Row& row : kRows) {
    const std::vector<std::string> words = *split_words(row.command);
    for (const std::string_view number : kNumbers) {
      if (row.kind == deadline && is_near(number)) continue;
      std::vector<std::string> filled;
      for (const std::string& word : words) filled.push_back(fill(word, number));
      const std::string expected = attempt(redis, row, filled);
      const std::string actual = attempt(larder, row, filled);
      ++tried;
      if (expected == actual) continue;
      ++differences;
      report(fill(row.command, "<" + std::string(number) + ">"), expected, actual);
    }
  }
  return differences;
}

int compare_headers(Server& redis, Server& larder, std::size_t& tried) {
  int differences = 0;
  for (const std::string_view header : kHeaders) {
    for (const std::string_view number : kNumbers) {
      const std::string bytes = fill(std::string(header), number);
      const std::string expected = attempt_raw(redis, bytes);
      const std::string actual = attempt_raw(larder, bytes);
      ++tried;
      if (expected == actual) continue;
      ++differences;
      report(bytes, expected, actual);
    }
  }
  return differences;
}

int run(const std::string& redis_binary, const std::string& larder_binary) {
  Server redis(Flavor::redis, redis_binary);
  Server larder(Flavor::larder, larder_binary);
  std::size_t tried = 0;
  int differences = compare_rows(redis, larder, tried);
  differences += compare_headers(redis, larder, tried);
  std::printf("%zu attempts, %d differences\n", tried, differences);
  return differences == 0 ? 0 : 1;
}

}  // namespace

}  // namespace larder::test

int main(int count, char** words) {
  std::string redis = "redis-server";
  std::string larder = "build/debug/larder";
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view flag = words[i];
    if (flag == "--redis") redis = words[i + 1];
    if (flag == "--larder") larder = words[i + 1];
  }
  try {
    return larder::test::run(redis, larder);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "numeric_boundaries_test: %s\n", problem.what());
    return 2;
  }
}
