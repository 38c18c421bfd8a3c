"""Timeouts as django-redis shows them: ttl, pttl, expire, persist, and entries that really go."""

import datetime
import time

from django.core.cache import cache
from django_redis import get_redis_connection

from catalogue.tests.base import CacheTestCase, counts_vary


def until(condition, seconds=10):
    """Polls until the condition holds; false when it did not within the bound."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
    return True


class ExpiryTest(CacheTestCase):
    def test_the_default_timeout_is_the_settings(self):
        cache.set("key", 1)
        self.assertTrue(290 < cache.ttl("key") <= 300)
        self.assertTrue(290_000 < cache.pttl("key") <= 300_000)

    def test_ttl_of_the_absent_and_of_the_everlasting(self):
        cache.set("for ever", 1, None)
        self.assertEqual((cache.ttl("absent"), cache.pttl("absent")), (0, 0))
        self.assertEqual((cache.ttl("for ever"), cache.pttl("for ever")), (None, None))

    def test_parts_of_a_second(self):
        cache.set("key", 1, timeout=10.5)
        self.assertTrue(5_000 < cache.pttl("key") <= 10_500)

    def test_persist(self):
        cache.set("key", 1, 10)
        self.assertTrue(cache.persist("key"))
        self.assertFalse(cache.persist("key"))
        self.assertFalse(cache.persist("absent"))
        self.assertIsNone(cache.ttl("key"))

    def test_expire_and_pexpire(self):
        cache.set("key", 1, None)
        self.assertTrue(cache.expire("key", 100))
        self.assertTrue(90 < cache.ttl("key") <= 100)
        self.assertTrue(cache.pexpire("key", 50_500))
        self.assertTrue(40_000 < cache.pttl("key") <= 50_500)
        self.assertFalse(cache.expire("absent", 100))
        self.assertFalse(cache.pexpire("absent", 100))

    def test_expire_at_and_pexpire_at(self):
        soon = datetime.datetime.now() + datetime.timedelta(hours=1)
        cache.set("key", 1, None)
        self.assertTrue(cache.expire_at("key", soon))
        self.assertTrue(3500 < cache.ttl("key") <= 3600)
        self.assertTrue(cache.pexpire_at("key", int((time.time() + 60) * 1000)))
        self.assertTrue(50_000 < cache.pttl("key") <= 60_000)
        self.assertFalse(cache.expire_at("absent", soon))

    def test_a_moment_in_the_past_drops_at_once(self):
        past = datetime.datetime.now() - datetime.timedelta(hours=1)
        cache.set_many({"a": 1, "b": 2, "c": 3, "d": 4})
        self.assertTrue(cache.expire_at("a", past))
        self.assertTrue(cache.pexpire_at("b", 1))
        self.assertTrue(cache.expire("c", 0))
        self.assertTrue(cache.expire("d", -1))
        self.assertEqual(cache.keys("*"), [])

    def test_touch_sets_and_lifts_the_deadline(self):
        cache.set("key", 1, 10)
        self.assertTrue(cache.touch("key", 1000))
        self.assertTrue(900 < cache.ttl("key") <= 1000)
        self.assertTrue(cache.touch("key", None))
        self.assertIsNone(cache.ttl("key"))
        self.assertTrue(cache.touch("key"))
        self.assertTrue(290 < cache.ttl("key") <= 300)

    def test_set_replaces_the_deadline(self):
        cache.set("key", 1, 10)
        cache.set("key", 2, None)
        self.assertIsNone(cache.ttl("key"))
        cache.set("key", 3, 50)
        self.assertTrue(40 < cache.ttl("key") <= 50)

    def test_incr_version_carries_the_deadline_along(self):
        cache.set("key", 1, 100)
        cache.incr_version("key")
        self.assertTrue(90 < cache.ttl("key", version=2) <= 100)

    @counts_vary
    def test_an_entry_goes_when_its_time_has_come(self):
        cache.set_many({"a": 1, "b": 2}, timeout=0.05)
        cache.set("stays", 3)
        self.assertTrue(until(lambda: cache.get("a") is None))
        self.assertTrue(until(lambda: not cache.has_key("b")))
        self.assertEqual(cache.get("stays"), 3)
        self.assertTrue(cache.add("a", "again"))

    @counts_vary
    def test_entries_nobody_asks_for_go_too(self):
        cache.set_many({f"key{number}": number for number in range(200)}, timeout=0.05)
        cache.set("stays", 1)
        wire = get_redis_connection("default")
        self.assertTrue(until(lambda: wire.dbsize() == 1))
        self.assertEqual(cache.keys("*"), ["stays"])
