#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/larder.h"

using larder::testing::Larder;
using namespace std::chrono_literals;

namespace {

// The value of a field, wherever it stands.
std::optional<std::string> field(Larder& larder, const std::string& name) {
  const std::string text = larder("INFO everything");
  const std::size_t at = text.find("\r\n" + name + ":");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t start = at + name.size() + 3;
  return text.substr(start, text.find("\r\n", start) - start);
}

}  // namespace

TEST_CASE("INFO has the sections of Redis in their order, each once") {
  Larder larder;
  std::string titles;
  const std::string text = larder("INFO everything");
  for (std::size_t at = text.find("# "); at != std::string::npos; at = text.find("# ", at + 1)) {
    titles += text.substr(at + 2, text.find("\r\n", at) - at - 2) + " ";
  }
  CHECK(titles ==
        "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats "
        "Latencystats Cluster Keyspace ");
  CHECK(larder("INFO keyspace CLUSTER keyspace") ==
        "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n");
  CHECK(larder("INFO nothing") == "");
}

TEST_CASE("INFO tells how late expired keys were given back, and what the late ones take") {
  Larder larder;
  CHECK(field(larder, "expiration_lag_ms") == "0");
  CHECK(field(larder, "expiration_lag_percentiles_ms") == "p50=0,p99=0,p99.9=0");
  CHECK(field(larder, "expired_unreclaimed_bytes") == "0");
  for (int i = 0; i < 10; ++i) larder("SET k" + std::to_string(i) + " v PX 100");
  larder("SET stays v EX 100");
  larder.clock().advance(150ms);  // upkeep has not come by
  const std::string bytes = *field(larder, "expired_unreclaimed_bytes");
  CHECK(std::stoi(bytes) > 10 * 16);
  CHECK(std::stoi(bytes) < 10 * 64);
  CHECK(field(larder, "expired_keys") == "0");
  larder.advance(0ms);
  CHECK(field(larder, "expired_keys") == "10");
  CHECK(field(larder, "expired_unreclaimed_bytes") == "0");
  CHECK(field(larder, "expiration_lag_ms") == "50");
  CHECK(field(larder, "expiration_lag_percentiles_ms") == "p50=51,p99=51,p99.9=51");
  larder.advance(60s);
  CHECK(field(larder, "expiration_lag_ms") == "0");
  CHECK(field(larder, "expiration_lag_percentiles_ms") == "p50=51,p99=51,p99.9=51");
  larder("CONFIG RESETSTAT");
  CHECK(field(larder, "expiration_lag_percentiles_ms") == "p50=0,p99=0,p99.9=0");
}

TEST_CASE("INFO without a section leaves out what is long") {
  Larder larder;
  CHECK(larder("INFO").find("# Commandstats") == std::string::npos);
  CHECK(larder("INFO").find("# Keyspace") != std::string::npos);
  CHECK(larder("INFO default commandstats").find("# Commandstats") != std::string::npos);
}

TEST_CASE("versions and identity are what clients decide by") {
  Larder larder;
  CHECK(field(larder, "redis_version") == "7.4.0");
  CHECK(field(larder, "larder_version") == "0.1.0");
  CHECK(field(larder, "redis_mode") == "standalone");
  CHECK(field(larder, "role") == "master");
  CHECK(field(larder, "loading") == "0");
  CHECK(field(larder, "run_id")->size() == 40);
  CHECK(field(larder, "maxmemory_policy") == "allkeys-auto");
  CHECK(field(larder, "uptime_in_seconds") == "0");
  larder.advance(49h);
  CHECK(field(larder, "uptime_in_seconds") == "176400");
  CHECK(field(larder, "uptime_in_days") == "2");
}

TEST_CASE("lookups are counted as hits and misses, and RESETSTAT forgets them") {
  Larder larder;
  larder("SET k v");
  larder("GET k");
  larder("MGET k none");
  CHECK(field(larder, "keyspace_hits") == "2");
  CHECK(field(larder, "keyspace_misses") == "1");
  larder("MEMORY USAGE k");
  CHECK(field(larder, "keyspace_hits") == "2");
  CHECK(larder("CONFIG RESETSTAT") == "OK");
  CHECK(field(larder, "keyspace_hits") == "0");
  CHECK(field(larder, "keyspace_misses") == "0");
  CHECK_FALSE(field(larder, "cmdstat_get"));
  CHECK_FALSE(field(larder, "latency_percentiles_usec_get"));
}

TEST_CASE("expired keys are counted, and databases listed while they have keys") {
  Larder larder;
  CHECK_FALSE(field(larder, "db0"));
  larder("SET a v EX 10");
  larder("SET b v");
  CHECK(field(larder, "db0") == "keys=2,expires=1,avg_ttl=10000,subexpiry=0");
  larder.advance(11s);
  CHECK(field(larder, "db0") == "keys=1,expires=0,avg_ttl=0,subexpiry=0");
  CHECK(field(larder, "expired_keys") == "1");
}

TEST_CASE("commands are counted with what became of them") {
  Larder larder;
  larder("SET k text");
  larder("INCR k");
  larder("INCR");
  CHECK(field(larder, "cmdstat_incr")->starts_with("calls=1,usec="));
  CHECK(field(larder, "cmdstat_incr")->ends_with(",rejected_calls=1,failed_calls=1"));
  CHECK(field(larder, "latency_percentiles_usec_incr")->starts_with("p50="));
  CHECK(field(larder, "errorstat_ERR") == "count=2");
  CHECK(field(larder, "total_error_replies") == "2");
  larder("CLIENT ID");
  CHECK(field(larder, "cmdstat_client|id")->starts_with("calls=1,"));
}

TEST_CASE("rates follow the counters") {
  Larder larder;
  for (int tick = 0; tick < 20; ++tick) {
    for (int i = 0; i < 10; ++i) larder("PING");
    larder.advance(100ms);
  }
  CHECK(field(larder, "instantaneous_ops_per_sec") == "100");
  for (int tick = 0; tick < 20; ++tick) larder.advance(100ms);
  CHECK(field(larder, "instantaneous_ops_per_sec") == "0");
}

TEST_CASE("memory is counted: used grows with keys, the peak stays") {
  Larder larder;
  const auto number = [&](const char* name) { return std::stoull(*field(larder, name)); };
  const auto before = number("used_memory");
  larder.say({"SET", "k", std::string(1'000'000, 'x')});
  CHECK(number("used_memory") >= before + 1'000'000);
  CHECK(number("used_memory_dataset") >= 1'000'000);
  const auto peak = number("used_memory_peak");
  CHECK(peak >= before + 1'000'000);
  larder("DEL k");
  CHECK(number("used_memory") < before + 1'000'000);
  CHECK(number("used_memory_peak") == peak);
}

TEST_CASE("INFO is verbatim text in RESP3") {
  Larder larder;
  larder("HELLO 3");
  CHECK(larder.bytes_of({"INFO", "cluster"}) ==
        "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n");
}

TEST_CASE("the longest hold of a shard's lock is a metric that RESETSTAT begins anew") {
  Larder larder;
  std::vector<std::string> words = {"MSET"};
  for (int i = 0; i < 20'000; ++i) {
    words.push_back("key:" + std::to_string(i));
    words.push_back("value");
  }
  CHECK(larder.say(words) == "OK");
  CHECK(std::stoull(field(larder, "shard_lock_longest_hold_usec").value()) > 0);
  CHECK(larder("CONFIG RESETSTAT") == "OK");
  CHECK(field(larder, "shard_lock_longest_hold_usec") == "0");
}

TEST_CASE("flushed keys are pending until upkeep has freed them; a few are freed at once") {
  Larder larder;
  for (int i = 0; i < 20'000; ++i) larder("SET key:" + std::to_string(i) + " value");
  CHECK(larder("FLUSHALL") == "OK");
  CHECK(field(larder, "lazyfree_pending_objects") == "20000");
  for (int i = 0; i < 10; ++i) larder.advance(10ms);
  CHECK(field(larder, "lazyfree_pending_objects") == "0");
  larder("SET key value");
  CHECK(larder("FLUSHALL") == "OK");
  CHECK(field(larder, "lazyfree_pending_objects") == "0");
}

TEST_CASE("a lowered memory limit is reached by upkeep; nobody is refused or waits meanwhile") {
  Larder larder;
  for (int i = 0; i < 5000; ++i) {
    larder("SET key:" + std::to_string(i) + " " + std::string(100, 'v'));
  }
  const std::size_t limit = larder.engine().store().used_bytes() / 2;
  CHECK(larder("CONFIG SET maxmemory " + std::to_string(limit)) == "OK");
  CHECK(larder("GET key:1") == std::string(100, 'v'));
  CHECK(field(larder, "evicted_keys") == "0");
  CHECK(larder("SET another value") == "OK");
  CHECK(std::stoull(field(larder, "evicted_keys").value()) < 32);
  larder.advance(10ms);
  CHECK(larder.engine().store().used_bytes() <= limit);
  CHECK(larder("SET another value") == "OK");
}
