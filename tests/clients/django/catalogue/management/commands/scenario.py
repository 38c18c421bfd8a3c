"""A morning in the shop: one script of cache use, the same on every server, told as JSON.

    CACHE_URL=redis://127.0.0.1:6379 ./manage.py scenario --seed 7

Visitors (a seeded dice says who does what) read and change products through the views, look pages
up, hold sessions, count and lock. The report says what they saw, how the server's counters moved,
and which keys are left with which timeout: equal reports mean that nobody could have told the
servers apart.
"""

import hashlib
import json
import random
from decimal import Decimal

import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.core.management import BaseCommand, call_command
from django.test import Client
from django.test.utils import setup_test_environment

from catalogue.models import Article, Category, Product
from catalogue.tests.base import settled

STEPS = 400
# Every timeout in use, in seconds. A key that is left is told by the next one above its time left.
TIMEOUTS = [60, 120, 300, 500, 600, 1000, 1_209_600]


class Morning:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.seen = hashlib.sha256()
        self.visitors = [Client() for _ in range(3)]
        tea = Category.objects.create(name="Tea")
        for number in range(20):
            Product.objects.create(name=f"Tea {number}", price=Decimal(number), category=tea)
        for number in range(5):
            Article.objects.create(title=f"Article {number}", body="Leaves. " * 100)

    def saw(self, *what):
        self.seen.update(repr(what).encode())

    def get(self, path, **headers):
        answer = self.dice.choice(self.visitors).get(path, **headers)
        self.saw(path, answer.status_code, answer.content)
        return answer

    def browse(self):
        self.get(
            self.dice.choice(
                ["/api/catalogue/", "/api/products/", "/api/summary/?q=a", "/api/search/?q=1"]
            )
        )

    def look_at_one(self):
        self.get(f"/api/catalogue/{self.dice.randint(1, 25)}/")

    def turn_pages(self):
        self.get(f"/api/pages/?page={self.dice.randint(1, 4)}&size=5")

    def read(self):
        path = f"/api/articles/{self.dice.randint(1, 5)}/"
        self.get(path, HTTP_IF_NONE_MATCH=self.get(path)["ETag"])

    def visit(self):
        self.get("/pages/visits/")
        self.get("/pages/fragment/1/")

    def change(self):
        row = Product.objects.order_by("pk")[self.dice.randrange(10)]
        row.stock += 1
        row.save()
        self.saw([found.stock for found in Product.objects.list_cached()])

    def count(self):
        cache.add("visits", 0)
        self.saw(cache.incr("visits", self.dice.randint(1, 9)))

    def keep(self):
        key = f"kept:{self.dice.randint(1, 40)}"
        self.saw(cache.get(key))
        cache.set(key, "value" * self.dice.randint(1, 50), self.dice.choice([None, 0, 1000]))

    def sweep(self):
        self.saw(
            cache.delete_pattern(f"kept:{self.dice.randint(1, 3)}*"), sorted(cache.keys("kept:*"))
        )

    def keep_together(self):
        caches["plain"].set_many(
            {f"many:{self.dice.randint(1, 30)}": number for number in range(5)}, 500
        )
        self.saw(sorted(caches["plain"].get_many(f"many:{number}" for number in range(30)).items()))

    def lock(self):
        with cache.lock("till", timeout=60):
            self.saw(cache.lock("till", timeout=60).acquire(blocking=False))

    def walk(self):
        steps = [self.browse, self.look_at_one, self.turn_pages, self.read, self.visit, self.change]
        steps += [self.count, self.sweep, self.keep_together, self.lock, *3 * [self.keep]]
        for _ in range(STEPS):
            self.dice.choice(steps)()


def counters(server):
    stats = server.info("stats")
    return {name: stats[name] for name in ["keyspace_hits", "keyspace_misses", "evicted_keys"]}


def what_is_left(database):
    with redis.Redis.from_url(f"{settings.CACHE_URL}/{database}") as wire:
        keys = {key.decode(): wire.ttl(key) for key in wire.keys("*")}
        size = wire.dbsize()
    return {
        "dbsize": size,
        "keys": sorted((settled(key), timeout_of(ttl)) for key, ttl in keys.items()),
    }


def timeout_of(ttl):
    return None if ttl == -1 else next(timeout for timeout in TIMEOUTS if timeout >= ttl)


class Command(BaseCommand):
    help = "Runs one script of cache use and reports how the server's counters moved"
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *_, seed, **__):
        setup_test_environment()
        call_command("migrate", verbosity=0)
        server = redis.Redis.from_url(settings.CACHE_URL)
        server.flushall()
        morning = Morning(seed)
        before = counters(server)
        morning.walk()
        after = counters(server)
        self.stdout.write(
            json.dumps(
                {
                    "counters": {name: after[name] - before[name] for name in after},
                    "seen": morning.seen.hexdigest(),
                    "left": {database: what_is_left(database) for database in range(16)},
                },
                indent=1,
            )
        )
