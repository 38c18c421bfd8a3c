// What operators look at and do: MEMORY, SLOWLOG, LATENCY, DEBUG, TIME, SHUTDOWN, and what stands
// alone (ROLE, CLUSTER, MODULE).
#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "tests/support/larder.h"

using larder::server::Settings;
using larder::testing::Larder;
using larder::testing::nil;

TEST_CASE("TIME is the clock's") {
  Larder larder;
  CHECK(larder("TIME") == "[1700000000, 0]");
  larder.advance(std::chrono::milliseconds(1234));
  CHECK(larder("TIME") == "[1700000001, 234000]");
}

TEST_CASE("MEMORY USAGE weighs key and value, and is no visit") {
  Larder larder;
  larder.say({"SET", "k", std::string(100, 'x')});
  const int small = std::stoi(larder("MEMORY USAGE k"));
  CHECK(small >= 101);
  CHECK(small < 200);
  larder.say({"SET", "k", std::string(100'000, 'x')});
  CHECK(std::stoi(larder("MEMORY USAGE k SAMPLES 0")) >= 100'000);
  CHECK(larder("MEMORY USAGE none") == nil);
  larder.advance(std::chrono::seconds(100));
  larder("MEMORY USAGE k");
  CHECK(std::stoi(larder("OBJECT IDLETIME k")) >= 99);
}

namespace {

// A number of MEMORY STATS.
double figure(Larder& larder, std::string_view name) {
  const auto stats = larder.reply_to({"MEMORY", "STATS"}).children;
  for (std::size_t i = 0; i + 1 < stats.size(); i += 2) {
    if (stats[i].text == name) return std::stod(to_text(stats[i + 1]));
  }
  FAIL("no such figure: " << name);
  return 0;
}

}  // namespace

TEST_CASE("MEMORY STATS tells what INFO memory tells, and of each database") {
  Larder larder;
  CHECK(figure(larder, "keys.count") == 0);
  const double before = figure(larder, "total.allocated");
  for (int i = 0; i < 1000; ++i)
    larder.say({"SET", "k" + std::to_string(i), std::string(100, 'x')});
  larder("EXPIRE k1 100");
  CHECK(figure(larder, "keys.count") == 1000);
  CHECK(figure(larder, "total.allocated") > before + 100'000);
  CHECK(figure(larder, "dataset.bytes") > 100'000);
  CHECK(figure(larder, "keys.bytes-per-key") > 100);
  CHECK(figure(larder, "peak.percentage") == 100);
  const std::string stats = larder("MEMORY STATS");
  CHECK(stats.find("db.0, [overhead.hashtable.main, ") != std::string::npos);
  CHECK(stats.find("db.1, ") == std::string::npos);
  larder("FLUSHALL");
  CHECK(figure(larder, "peak.percentage") < 100);
  CHECK(larder("MEMORY DOCTOR").find("too few to say anything") != std::string::npos);
}

TEST_CASE("MEMORY PURGE frees what was flushed, and gives back what was kept ready") {
  Larder larder;
  for (int i = 0; i < 5000; ++i) {
    larder.say({"SET", "k" + std::to_string(i), std::string(i % 10 == 0 ? 20'000 : 500, 'x')});
  }
  larder("FLUSHALL");
  CHECK(larder.engine().store().buried_keys() == 5000);
  CHECK(larder("MEMORY PURGE") == "OK");
  CHECK(larder.engine().store().buried_keys() == 0);
  CHECK(larder.engine().store().slack_bytes() < 3'000'000);
  CHECK(larder("SET k v") == "OK");
  CHECK(larder("MEMORY MALLOC-STATS").find("store_entry_bytes: ") != std::string::npos);
}

TEST_CASE("LATENCY HISTOGRAM counts all calls, and DOCTOR reads it") {
  Larder larder;
  for (int i = 0; i < 10; ++i) larder("SET k v");
  larder("MEMORY STATS");
  const auto all = larder.reply_to({"LATENCY", "HISTOGRAM", "SET", "memory", "none"}).children;
  REQUIRE(all.size() == 4);
  CHECK(all[0].text == "set");
  CHECK(all[1].children[1].integer == 10);
  const auto& spread = all[1].children[3].children;
  REQUIRE(spread.size() >= 2);
  CHECK(spread.back().integer == 10);
  for (std::size_t i = 2; i < spread.size(); i += 2) {
    CHECK(spread[i].integer > spread[i - 2].integer);
    CHECK(spread[i + 1].integer > spread[i - 1].integer);
  }
  CHECK(all[2].text == "memory|stats");
  CHECK(larder("LATENCY HISTOGRAM none") == "[]");
  CHECK_FALSE(larder("LATENCY DOCTOR").empty());
  CHECK(larder("CONFIG RESETSTAT") == "OK");
  CHECK(larder("LATENCY HISTOGRAM set") == "[]");
}

TEST_CASE("a cache that keeps nothing on disk says so") {
  Larder larder;
  for (const char* line : {"SAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF"}) {
    CHECK(larder(line).starts_with("(error) ERR Larder keeps its data in memory only"));
  }
  CHECK(larder("BGSAVE NOW") == "(error) ERR syntax error");
  CHECK(larder("LASTSAVE") == "1700000000");
}

TEST_CASE("the slow log has what took longer than the threshold, without secrets") {
  Settings settings = Larder::settings_for_tests();
  settings.slowlog_log_slower_than_us = 0;
  Larder larder(settings);
  larder("CLIENT SETNAME me");
  larder("SET k v");
  const auto log = larder.reply_to({"SLOWLOG", "GET", "1"});
  REQUIRE(log.children.size() == 1);
  const auto& entry = log.children[0].children;
  REQUIRE(entry.size() == 6);
  CHECK(entry[0].integer == 1);
  CHECK(entry[1].integer == 1'700'000'000);
  CHECK(to_text(entry[3]) == "[SET, k, v]");
  CHECK(entry[4].text == "127.0.0.1:50001");
  CHECK(entry[5].text == "me");
  larder("AUTH default sesame");
  CHECK(to_text(larder.reply_to({"SLOWLOG", "GET", "1"}).children[0].children[3]) ==
        "[AUTH, (redacted), (redacted)]");
  CHECK(larder("SLOWLOG RESET") == "OK");
  CHECK(larder("SLOWLOG LEN") == "1");  // the RESET itself
}

TEST_CASE("no slow events are recorded, and LATENCY says so") {
  Larder larder;
  CHECK(larder("LATENCY LATEST") == "[]");
  CHECK(larder("LATENCY HISTORY command") == "[]");
  CHECK(larder("LATENCY RESET") == "0");
  CHECK(larder("LATENCY RESET a b") == "0");
  CHECK(larder("CONFIG GET latency-monitor-threshold") == "[latency-monitor-threshold, 0]");
}

TEST_CASE("DEBUG OBJECT tells how a value is kept") {
  Larder larder;
  larder("SET k hello");
  larder("SET n 12345");
  CHECK(larder("DEBUG OBJECT k").find("encoding:embstr serializedlength:6 ") != std::string::npos);
  CHECK(larder("DEBUG OBJECT n").find("encoding:int serializedlength:3 ") != std::string::npos);
  CHECK(larder("DEBUG OBJECT none") == "(error) ERR no such key");
}

TEST_CASE("DEBUG is for whom enable-debug-command says") {
  Settings settings = Larder::settings_for_tests();
  settings.enable_debug_command = "no";
  Larder larder(settings);
  CHECK(larder("DEBUG SLEEP 0").starts_with("(error) ERR DEBUG command not allowed."));
  larder.options().settings.enable_debug_command = "yes";
  CHECK(larder("DEBUG SLEEP 0") == "OK");
  CHECK(larder("DEBUG SLEEP 1e9") == "(error) ERR value is out of range");
  CHECK(larder("DEBUG RELOAD").starts_with("(error) ERR unknown subcommand or wrong number"));
}

TEST_CASE("SHUTDOWN ends the server without an answer") {
  Larder larder;
  CHECK(larder.bytes_of({"SHUTDOWN", "NOSAVE", "NOW"}) == "");
  CHECK(larder.client(1).close_after_reply);
  CHECK_FALSE(larder.shut_down_reason().empty());
}

TEST_CASE("SHUTDOWN that asks for what is not to be had is refused") {
  Larder larder;
  CHECK(larder("SHUTDOWN SAVE") == "(error) ERR Errors trying to SHUTDOWN. Check logs.");
  CHECK(larder("SHUTDOWN ABORT") == "(error) ERR No shutdown in progress.");
  CHECK(larder("SHUTDOWN NOSAVE SAVE") == "(error) ERR syntax error");
  CHECK(larder("SHUTDOWN NOW ABORT") == "(error) ERR syntax error");
  CHECK(larder("SHUTDOWN FOO") == "(error) ERR syntax error");
  CHECK(larder.shut_down_reason().empty());
  CHECK(larder.bytes_of({"SHUTDOWN", "SAVE", "FORCE"}) == "");
  CHECK_FALSE(larder.shut_down_reason().empty());
}

TEST_CASE("a server that stands alone says so") {
  Larder larder;
  constexpr const char* kNoCluster = "(error) ERR This instance has cluster support disabled";
  CHECK(larder("ROLE") == "[master, 0, []]");
  CHECK(larder("MODULE LIST") == "[]");
  for (const char* asked : {"CLUSTER INFO", "CLUSTER NODES", "CLUSTER SLOTS", "CLUSTER SHARDS",
                            "CLUSTER MYID", "CLUSTER HELP", "READONLY", "READWRITE"}) {
    CHECK(larder(asked) == kNoCluster);
  }
}

TEST_CASE("LOLWUT draws as many jars as asked for, within reason") {
  Larder larder;
  CHECK(larder("LOLWUT 1 1") ==
        " _______ \n|  .-.  |\n| [___] |\n| | ~ | |\n| |___| |\n|=======|\n\n"
        "The larder is full. Larder ver. 0.1.0\n");
  CHECK(larder("LOLWUT VERSION 5 1 1") == larder("LOLWUT 1 1"));
  CHECK(larder("LOLWUT 1000000000 1000000000").size() < 200'000);
  CHECK(larder("LOLWUT VERSION x") == "(error) ERR value is not an integer or out of range");
}

TEST_CASE("HELP of a container lists its subcommands") {
  Larder larder;
  CHECK(larder("MEMORY HELP") ==
        "[MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, "
        "DOCTOR,     What of the memory is worth a thought., "
        "MALLOC-STATS,     What the allocators say of themselves., "
        "PURGE,     Give memory that is kept ready back to the system., "
        "STATS,     What takes how much memory, in bytes., "
        "USAGE key [SAMPLES count],     How much memory a key and its value take, in bytes., "
        "HELP,     Prints this help.]");
}
