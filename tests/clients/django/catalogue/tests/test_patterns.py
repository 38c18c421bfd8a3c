"""Finding and dropping keys by pattern, through the cache's API and on the raw connection."""

from django.core.cache import cache
from django_redis import get_redis_connection

from catalogue.caching import invalidate_cache_pattern
from catalogue.tests.base import CacheTestCase


class PatternTest(CacheTestCase):
    def fill(self):
        cache.set_many(
            {f"user:{number}:{what}": number for number in range(30) for what in ["name", "cart"]}
        )
        cache.set_many({"product:1": 1, "product:10": 2, "product:2": 3, "[odd]": 4, "star*": 5})

    def test_keys(self):
        self.fill()
        self.assertEqual(sorted(cache.keys("product:*")), ["product:1", "product:10", "product:2"])
        self.assertEqual(sorted(cache.keys("product:?")), ["product:1", "product:2"])
        self.assertEqual(sorted(cache.keys("product:[13-9]*")), ["product:1", "product:10"])
        self.assertEqual(sorted(cache.keys("product:[^1]")), ["product:2"])
        self.assertEqual(cache.keys(r"\[odd\]"), ["[odd]"])
        self.assertEqual(cache.keys(r"star\*"), ["star*"])
        self.assertEqual(cache.keys("nothing*"), [])
        self.assertEqual(len(cache.keys("*")), 65)

    def test_iter_keys_finds_each_key(self):
        self.fill()
        self.assertEqual(
            set(cache.iter_keys("user:*:cart")), {f"user:{number}:cart" for number in range(30)}
        )
        self.assertEqual(list(cache.iter_keys("nothing*")), [])

    def test_iter_keys_over_many(self):
        data = {f"key:{number}": number for number in range(3000)}
        cache.set_many(data)
        for itersize in [1, 10, 1000, None]:
            with self.subTest(itersize=itersize):
                self.assertEqual(set(cache.iter_keys("key:*", itersize=itersize)), set(data))

    def test_delete_pattern(self):
        self.fill()
        self.assertEqual(cache.delete_pattern("user:1*:name"), 11)
        self.assertEqual(cache.delete_pattern("user:*"), 49)
        self.assertEqual(cache.delete_pattern("user:*"), 0)
        self.assertEqual(len(cache.keys("*")), 5)

    def test_delete_pattern_over_many(self):
        cache.set_many({f"gone:{number}": number for number in range(1000)})
        cache.set_many({f"kept:{number}": number for number in range(1000)})
        self.assertEqual(cache.delete_pattern("gone:*", itersize=50), 1000)
        self.assertEqual(len(cache.keys("*")), 1000)
        self.assertEqual(cache.keys("gone:*"), [])

    def test_delete_pattern_leaves_other_versions(self):
        cache.set("key:1", 1, version=1)
        cache.set("key:1", 2, version=2)
        self.assertEqual(cache.delete_pattern("key:*", version=2), 1)
        self.assertEqual(cache.get("key:1", version=1), 1)

    def test_invalidate_cache_pattern(self):
        self.fill()
        self.assertEqual(invalidate_cache_pattern("product:"), 3)
        self.assertEqual(invalidate_cache_pattern("product:"), 0)
        self.assertEqual(invalidate_cache_pattern("user:7:"), 2)

    def test_the_raw_connection(self):
        wire = get_redis_connection("default")
        cache.set("key", 5, None)
        self.assertEqual(wire.get(":1:key"), b"5")
        self.assertEqual(wire.type(":1:key"), b"string")
        self.assertEqual(wire.ttl(":1:key"), -1)
        self.assertEqual(wire.rename(":1:key", ":1:renamed"), True)
        self.assertEqual(cache.get("renamed"), 5)
        self.assertEqual(wire.append(":1:renamed", "0"), 2)
        self.assertEqual(cache.get("renamed"), 50)
        self.assertEqual(wire.getdel(":1:renamed"), b"50")
        self.assertEqual(wire.dbsize(), 0)

    def test_a_pipeline_on_the_raw_connection(self):
        wire = get_redis_connection("default")
        with wire.pipeline() as pipeline:
            answers = (
                pipeline.set("a", 1)
                .incr("a")
                .expire("a", 100)
                .ttl("a")
                .get("absent")
                .mget("a", "absent")
                .execute()
            )
        self.assertEqual(answers, [True, 2, True, 100, None, [b"2", None]])
        with wire.pipeline(transaction=False) as pipeline:
            for number in range(500):
                pipeline.set(f"n:{number}", number, px=100_000)
            self.assertEqual(pipeline.execute(), [True] * 500)

    def test_a_rate_limit_by_incr_and_expire(self):
        wire = get_redis_connection("default")

        def allowed(who, limit=3):
            with wire.pipeline() as pipeline:
                count, _ = pipeline.incr(f"rate:{who}").expire(f"rate:{who}", 60).execute()
            return count <= limit

        self.assertEqual([allowed("ada") for _ in range(5)], [True, True, True, False, False])
        self.assertTrue(allowed("bob"))

    def test_an_optimistic_update_under_watch(self):
        wire = get_redis_connection("default")
        wire.set("stock", 10)
        tries = []

        def take(pipeline):
            stock = int(pipeline.get("stock"))
            if not tries:
                wire.set("stock", 5)  # somebody else is quicker, once
            tries.append(stock)
            pipeline.multi()
            pipeline.set("stock", stock - 1)

        self.assertEqual(wire.transaction(take, "stock"), [True])
        self.assertEqual(tries, [10, 5])
        self.assertEqual(wire.get("stock"), b"4")
