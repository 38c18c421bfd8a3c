"""The whole low-level cache API, over every kind of backend that a project may have configured."""

import datetime
import decimal
import uuid

import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.utils.safestring import mark_safe

from catalogue.tests.base import CacheTestCase
from catalogue.tests.values import Basket

PLAIN_VALUES = [
    "",
    "text",
    "ümläut, Ω, 日本語, 🦊",
    0,
    1,
    -1,
    2**31,
    2**63 - 1,
    -(2**63),
    2**64,
    10**40,
    0.0,
    -1.5,
    1e300,
    True,
    False,
    [],
    [1, "two", [3.0]],
    {},
    {"a": {"b": ["c"]}},
    "line\r\nbreak",
    "*3\r\n$3\r\nSET\r\n",
]
PICKLED_VALUES = [
    b"",
    b"\x00\r\n\xff" * 3,
    (1, 2),
    {1, 2, 3},
    decimal.Decimal("3.14"),
    datetime.date(2024, 2, 29),
    datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=1),
    uuid.UUID(int=7),
    Basket("Ada", ("tea", "milk"), 4.5),
    mark_safe("<b>safe</b>"),
    range(3),
    1 + 2j,
    frozenset("ab"),
]


class LowLevelApi:
    alias = None
    values = PLAIN_VALUES + PICKLED_VALUES

    def setUp(self):
        super().setUp()
        self.cache = caches[self.alias]

    def raw(self, command, key):
        """Asks about a key of this alias on a bare connection to its database."""
        with redis.Redis.from_url(settings.CACHES[self.alias]["LOCATION"]) as wire:
            return getattr(wire, command)(self.cache.make_key(key))

    def test_get_of_what_was_set(self):
        for number, value in enumerate(self.values):
            with self.subTest(value=value):
                self.cache.set(f"value{number}", value)
                kept = self.cache.get(f"value{number}")
                self.assertEqual(kept, value)
                self.assertIs(type(kept), type(value))

    def test_get_of_an_absent_key_gives_the_default(self):
        self.assertIsNone(self.cache.get("absent"))
        self.assertEqual(self.cache.get("absent", "instead"), "instead")
        self.assertEqual(self.cache.get("absent", default=0), 0)

    def test_a_kept_none_is_told_from_an_absent_key(self):
        sentinel = object()
        self.cache.set("none", None)
        self.assertIsNone(self.cache.get("none", sentinel))
        self.assertIs(self.cache.get("absent", sentinel), sentinel)

    def test_set_replaces(self):
        self.cache.set("key", "old", 10)
        self.cache.set("key", "new", 1000)
        self.assertEqual(self.cache.get("key"), "new")

    def test_add_only_when_absent(self):
        self.assertTrue(self.cache.add("key", "first"))
        self.assertFalse(self.cache.add("key", "second"))
        self.assertEqual(self.cache.get("key"), "first")

    def test_get_or_set_computes_once(self):
        calls = []

        def compute():
            calls.append(1)
            return "computed"

        self.assertEqual(self.cache.get_or_set("key", compute, 60), "computed")
        self.assertEqual(self.cache.get_or_set("key", compute, 60), "computed")
        self.assertEqual(len(calls), 1)
        self.assertEqual(self.cache.get_or_set("other", 42), 42)

    def test_set_many_and_get_many(self):
        data = {f"key{number}": [number, str(number)] for number in range(100)}
        self.assertFalse(self.cache.set_many(data, timeout=60))
        self.assertEqual(self.cache.get_many([*data, "absent"]), data)
        self.assertEqual(self.cache.get_many(["absent", "as-well"]), {})

    def test_set_many_for_ever(self):
        self.cache.set_many({"a": 1, "b": 2}, timeout=None)
        self.assertEqual(self.cache.get_many(["a", "b"]), {"a": 1, "b": 2})

    def test_delete_says_whether_there_was_one(self):
        self.cache.set("key", "value")
        self.assertTrue(self.cache.delete("key"))
        self.assertFalse(self.cache.delete("key"))
        self.assertIsNone(self.cache.get("key"))

    def test_delete_many(self):
        self.cache.set_many({"a": 1, "b": 2, "c": 3})
        self.cache.delete_many(["a", "b", "absent"])
        self.cache.delete_many([])
        self.assertEqual(self.cache.get_many(["a", "b", "c"]), {"c": 3})

    def test_has_key_and_in(self):
        self.cache.set("key", "")
        self.assertTrue(self.cache.has_key("key"))
        self.assertFalse(self.cache.has_key("absent"))
        self.assertIn("key", self.cache)
        self.assertNotIn("absent", self.cache)

    def test_touch_says_whether_there_was_one(self):
        self.cache.set("key", "value", 10)
        self.assertTrue(self.cache.touch("key", 1000))
        self.assertTrue(self.cache.touch("key"))
        self.assertFalse(self.cache.touch("absent", 1000))
        self.assertEqual(self.cache.get("key"), "value")

    def test_touch_with_nothing_left_drops(self):
        self.cache.set_many({"zero": 1, "negative": 2})
        self.assertTrue(self.cache.touch("zero", 0))
        self.assertTrue(self.cache.touch("negative", -10))
        self.assertEqual(self.cache.get_many(["zero", "negative"]), {})

    def test_clear_empties_this_database_only(self):
        neighbour = caches["sessions"]
        neighbour.set("key", "stays")
        self.cache.set_many({f"key{number}": number for number in range(50)})
        self.cache.clear()
        self.assertIsNone(self.cache.get("key1"))
        self.assertEqual(neighbour.get("key"), "stays")

    def test_timeout_none_zero_and_negative(self):
        self.cache.set("for-ever", 1, timeout=None)
        self.cache.set("never", 1, timeout=0)
        self.cache.set("past", 1, timeout=-5)
        self.assertEqual(self.cache.get_many(["for-ever", "never", "past"]), {"for-ever": 1})

    def test_timeout_zero_drops_what_was_there(self):
        self.cache.set_many({"zero": 1, "negative": 1})
        self.cache.set("zero", 2, timeout=0)
        self.cache.set("negative", 2, timeout=-1)
        self.assertEqual(self.cache.get_many(["zero", "negative"]), {})

    def test_versions_do_not_meet(self):
        self.cache.set("key", "one", version=1)
        self.cache.set("key", "two", version=2)
        self.assertEqual(self.cache.get("key", version=1), "one")
        self.assertEqual(self.cache.get("key", version=2), "two")
        self.assertIsNone(self.cache.get("key", version=3))
        self.cache.delete("key", version=1)
        self.assertIsNone(self.cache.get("key", version=1))
        self.assertTrue(self.cache.has_key("key", version=2))
        self.cache.set_many({"a": 1}, version=5)
        self.assertEqual(self.cache.get_many(["a"], version=5), {"a": 1})
        self.assertEqual(self.cache.get_many(["a"], version=6), {})

    def test_incr_version_moves_the_value(self):
        version = self.cache.version
        self.cache.set("key", "value", 100)
        self.assertEqual(self.cache.incr_version("key"), version + 1)
        self.assertIsNone(self.cache.get("key"))
        self.assertEqual(self.cache.get("key", version=version + 1), "value")
        self.assertEqual(self.cache.decr_version("key", version=version + 1), version)
        self.assertEqual(self.cache.get("key"), "value")
        with self.assertRaises(ValueError):
            self.cache.incr_version("absent")

    def test_long_and_odd_keys(self):
        for key in ["k" * 200, "ключ", "🔑", "with:colons:and/slashes", "[glob]*?", "0", "-1"]:
            with self.subTest(key=key):
                self.cache.set(key, key)
                self.assertEqual(self.cache.get(key), key)
                self.assertEqual(self.cache.get_many([key]), {key: key})

    def test_a_big_value(self):
        big = "0123456789abcdef" * (4 * 1024 * 1024 // 16)
        self.cache.set("big", big)
        self.assertEqual(self.cache.get("big"), big)
        self.assertEqual(len(self.cache.get_many(["big", "absent"])["big"]), len(big))


class Counting:
    """incr and decr, which every backend but the herd's has."""

    def test_incr_and_decr(self):
        self.cache.set("n", 10)
        self.assertEqual(self.cache.incr("n"), 11)
        self.assertEqual(self.cache.incr("n", 5), 16)
        self.assertEqual(self.cache.decr("n"), 15)
        self.assertEqual(self.cache.decr("n", 20), -5)
        self.assertEqual(self.cache.incr("n", -5), -10)
        self.assertEqual(self.cache.get("n"), -10)

    def test_incr_keeps_the_deadline(self):
        self.cache.set("n", 1, 1000)
        self.cache.incr("n")
        self.assertTrue(900 < self.raw("ttl", "n") <= 1000)

    def test_incr_of_an_absent_key(self):
        with self.assertRaises(ValueError):
            self.cache.incr("absent")
        with self.assertRaises(ValueError):
            self.cache.decr("absent")
        self.assertFalse(self.cache.has_key("absent"))


class DefaultTest(Counting, LowLevelApi, CacheTestCase):
    alias = "default"

    def test_incr_past_64_bits_falls_back(self):
        # django-redis catches the server's error out of EVAL and goes on with TTL, GET and SET.
        self.cache.set("n", 2**63 - 1, 1000)
        self.assertEqual(self.cache.incr("n"), 2**63)
        self.assertEqual(self.cache.get("n"), 2**63)
        self.cache.set("f", 1.5, None)
        self.assertEqual(self.cache.incr("f", 2), 3.5)

    def test_incr_may_create(self):
        self.assertEqual(self.cache.incr("new", 5, ignore_key_check=True), 5)
        self.assertEqual(self.cache.incr("new", 5, ignore_key_check=True), 10)

    def test_set_nx_and_xx(self):
        self.assertFalse(self.cache.set("key", 1, xx=True))
        self.assertTrue(self.cache.set("key", 2, nx=True))
        self.assertFalse(self.cache.set("key", 3, nx=True))
        self.assertTrue(self.cache.set("key", 4, xx=True))
        self.assertEqual(self.cache.get("key"), 4)
        self.assertTrue(self.cache.add("zero", 1, timeout=0))
        self.assertFalse(self.cache.add("key", 1, timeout=-1))
        self.assertEqual(self.cache.get_many(["zero", "key"]), {"key": 4})

    def test_keys_of_any_bytes(self):
        for key in ["with space", "with\r\nline", "\x00\x01", "k" * 100_000]:
            with self.subTest(key=key[:20]):
                self.cache.set(key, key)
                self.assertEqual(self.cache.get(key), key)

    def test_values_at_the_edges_of_buffers(self):
        for size in [1, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 1 << 20]:
            for value in [b"\r\n" * (size // 2 + 1), bytes(size)]:
                self.cache.set("edge", value)
                self.assertEqual(self.cache.get("edge"), value)

    def test_many_big_values_in_one_answer(self):
        data = {f"big{number}": bytes([number]) * 500_000 for number in range(20)}
        self.cache.set_many(data)
        self.assertEqual(self.cache.get_many(data), data)

    def test_a_thousand_keys_in_one_pipeline(self):
        data = {f"key{number}": number for number in range(1000)}
        self.cache.set_many(data)
        self.assertEqual(self.cache.get_many(data), data)
        self.assertEqual(self.cache.delete_many(data), 1000)

    def test_no_keys_at_all(self):
        self.assertEqual(self.cache.get_many([]), {})
        self.cache.set_many({})
        self.cache.delete_many([])
        self.assertEqual(self.keys_left(), {})

    def test_the_default_cache_is_this_one(self):
        cache.set("same", 1)
        self.assertEqual(self.cache.get("same"), 1)
        self.assertEqual(self.keys_left(), {"1": [":1:same"]})


class BuiltInTest(Counting, LowLevelApi, CacheTestCase):
    alias = "plain"

    def test_add_with_no_time_left_keeps_nothing(self):
        self.assertTrue(self.cache.add("key", 1, timeout=0))
        self.assertFalse(self.cache.has_key("key"))

    def test_set_many_gives_each_its_deadline(self):
        self.cache.set_many({"a": 1, "b": 2}, timeout=100)
        self.assertTrue(all(90 < self.raw("ttl", key) <= 100 for key in "ab"))


class PrefixedTest(Counting, LowLevelApi, CacheTestCase):
    alias = "prefixed"

    def test_keys_wear_prefix_and_version(self):
        self.cache.set("key", 1)
        self.assertEqual(self.keys_left(), {"7": ["shop[1]:2:key"]})

    def test_patterns_take_the_prefix_literally(self):
        self.cache.set_many({"user:1": 1, "user:2": 2, "shop:1": 3})
        self.assertEqual(sorted(self.cache.keys("user:*")), ["user:1", "user:2"])
        self.assertEqual(self.cache.delete_pattern("user:*"), 2)
        self.assertEqual(self.cache.keys("*"), ["shop:1"])


class CompressedTest(Counting, LowLevelApi, CacheTestCase):
    alias = "zlib"

    def test_what_is_kept_is_small(self):
        self.cache.set("key", "a" * 100_000)
        self.assertLess(self.raw("strlen", "key"), 1000)


class JsonTest(Counting, LowLevelApi, CacheTestCase):
    alias = "json"
    values = PLAIN_VALUES

    def test_what_is_kept_is_json(self):
        self.cache.set("key", {"a": [1, None, "ü"]})
        self.assertEqual(self.raw("get", "key"), b'{"a": [1, null, "\\u00fc"]}')


class HerdTest(LowLevelApi, CacheTestCase):
    alias = "herd"
    # The herd's client repacks a value to touch it and knows no touch with a past deadline.
    test_touch_with_nothing_left_drops = None

    def test_the_server_keeps_longer_than_the_value_is_fresh(self):
        self.cache.set("key", "value", 100)
        self.assertTrue(150 < self.cache.ttl("key") <= 160)
        self.assertEqual(self.cache.get("key"), "value")


class PooledTest(Counting, LowLevelApi, CacheTestCase):
    alias = "pooled"


class PurePythonTest(Counting, LowLevelApi, CacheTestCase):
    """The client's own parser, where the others use hiredis."""

    alias = "pure_python"


class AwayTest(CacheTestCase):
    def test_a_cache_that_is_away_is_ignored_where_the_project_says_so(self):
        away = caches["away"]
        self.assertIsNone(away.get("key"))
        self.assertIsNone(away.set("key", "value"))
        self.assertEqual(away.get("key", "instead"), "instead")
        self.assertEqual(away.get_many(["key"]), {})
