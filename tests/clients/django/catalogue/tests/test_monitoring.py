"""What a project reads from INFO about its cache."""

from django.core.cache import cache, caches
from django_redis import get_redis_connection

from catalogue.caching import hit_rate
from catalogue.tests.base import CacheTestCase, counts_vary
from catalogue.tests.test_expiry import until


class MonitoringTest(CacheTestCase):
    @counts_vary  # it resets the very counters that are compared
    def test_the_hit_rate(self):
        wire = get_redis_connection("default")
        self.assertTrue(wire.config_resetstat())
        self.assertEqual(hit_rate(), {"hits": 0, "misses": 0, "rate": 0.0})
        cache.set("key", 1)
        for _ in range(3):
            cache.get("key")
        cache.get("absent")
        self.assertEqual(hit_rate(), {"hits": 3, "misses": 1, "rate": 75.0})
        self.assertEqual(
            self.client.get("/api/health/").json(), {"hits": 3, "misses": 1, "rate": 75.0}
        )

    def test_which_calls_count_as_reads(self):
        def moved(call):
            before = hit_rate()
            call()
            after = hit_rate()
            return after["hits"] - before["hits"], after["misses"] - before["misses"]

        wire = get_redis_connection("default")
        cache.set_many({"a": 1, "b": 2})
        self.assertEqual(moved(lambda: cache.get("a")), (1, 0))
        self.assertEqual(moved(lambda: cache.get("absent")), (0, 1))
        self.assertEqual(moved(lambda: cache.get_many(["a", "b", "absent"])), (2, 1))
        self.assertEqual(moved(lambda: cache.has_key("a")), (1, 0))
        self.assertEqual(moved(lambda: cache.has_key("absent")), (0, 1))
        self.assertEqual(moved(lambda: cache.ttl("a")), (2, 0))
        self.assertEqual(moved(lambda: cache.set("a", 5)), (0, 0))
        self.assertEqual(moved(lambda: cache.add("a", 5)), (0, 0))
        self.assertEqual(moved(lambda: cache.touch("a")), (0, 0))
        self.assertEqual(moved(lambda: cache.incr("a")), (1, 0))
        self.assertEqual(moved(lambda: cache.keys("*")), (0, 0))
        self.assertEqual(moved(lambda: list(cache.iter_keys("*"))), (0, 0))
        self.assertEqual(moved(lambda: cache.delete("absent")), (0, 0))
        self.assertEqual(moved(lambda: wire.exists(":1:a", ":1:a", ":1:x")), (2, 1))
        self.assertEqual(moved(lambda: wire.type(":1:a")), (1, 0))
        self.assertEqual(moved(lambda: wire.strlen(":1:x")), (0, 1))

    def test_the_fields_that_dashboards_read(self):
        cache.set_many({"a": 1, "b": 2})
        cache.set("c", 3, None)
        caches["sessions"].set("d", 4)
        info = get_redis_connection("default").info()
        self.assertEqual((info["db1"]["keys"], info["db1"]["expires"]), (3, 2))
        self.assertEqual((info["db6"]["keys"], info["db6"]["expires"]), (1, 1))
        self.assertNotIn("db2", info)
        self.assertGreater(info["used_memory"], 0)
        self.assertGreaterEqual(info["connected_clients"], 1)
        self.assertGreater(info["total_commands_processed"], 0)
        self.assertRegex(info["redis_version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(
            (info["role"], info["redis_mode"], info["loading"]), ("master", "standalone", 0)
        )
        for field in [
            "used_memory_human",
            "used_memory_peak_human",
            "maxmemory",
            "maxmemory_policy",
            "evicted_keys",
            "expired_keys",
            "uptime_in_seconds",
            "uptime_in_days",
            "instantaneous_ops_per_sec",
            "mem_fragmentation_ratio",
            "total_connections_received",
            "blocked_clients",
            "run_id",
        ]:
            self.assertIn(field, info)

    @counts_vary
    def test_a_connection_that_the_server_closed_is_replaced(self):
        cache.set("key", 1)
        self.assertGreater(len(self.server.client_list()), 1)
        self.assertGreater(self.server.client_kill_filter(_type="normal", skipme=True), 0)
        self.assertTrue(until(lambda: len(self.server.client_list()) == 1))
        self.assertEqual(cache.get("key"), 1)

    def test_sections_of_info(self):
        wire = get_redis_connection("default")
        self.assertIn("keyspace_hits", wire.info("stats"))
        self.assertNotIn("keyspace_hits", wire.info("memory"))
        self.assertEqual(wire.info("keyspace"), {})
        cache.get("absent")
        self.assertGreaterEqual(wire.info("commandstats")["cmdstat_get"]["calls"], 1)
