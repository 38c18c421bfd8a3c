"""What every test of the shop starts from: an empty server, and a note of what is done to it.

`traffic` holds how far the server's counters moved during the test and what keys it left. Run on
two servers, equal tests must leave equal traffic. A test that polls the clock asks a varying number
of times: it says @counts_vary.
"""

import re

import redis
from django.conf import settings
from django.test import TestCase, TransactionTestCase

# Not compared: SCAN, whose cursor takes as many steps as a server likes; what this file asks;
# and what a new connection says, since how many there are is the client's affair.
UNCOUNTED = {"scan", "info", "dbsize", "keys", "select", "client", "hello", "auth"}

# What a session's random name makes of a key: its own, and the digest of the headers that a kept
# page varies on.
CHANCE = [
    (re.compile(r"(django\.contrib\.sessions\.cache\w*?)[a-z0-9]{32}$"), r"\1<id>"),
    (re.compile(r"(cache\.cache_page\..*\.[0-9a-f]{32}\.)[0-9a-f]{32}"), r"\1<headers>"),
]


def settled(key):
    """The key without what chance put into it."""
    for pattern, instead in CHANCE:
        key = pattern.sub(instead, key)
    return key


def counts_vary(test):
    """Marks a test that asks as often as the clock makes it: its counts are not compared."""
    test.counts_vary = True
    return test


class Watched:
    """The part that TestCase and TransactionTestCase share."""

    def setUp(self):
        super().setUp()
        self.server = redis.Redis.from_url(settings.CACHE_URL, socket_timeout=20)
        self.addCleanup(self.server.close)
        self.server.flushall()
        self.before = self.counters()

    def tearDown(self):
        after = self.counters()
        self.traffic = {
            "counts_vary": getattr(getattr(self, self._testMethodName), "counts_vary", False),
            "counts": {
                name: after[name] - self.before.get(name, 0)
                for name in after
                if after[name] != self.before.get(name, 0)
            },
            "keys": self.keys_left(),
        }
        super().tearDown()

    def counters(self):
        stats = self.server.info("stats")
        counts = {name: stats[name] for name in ("keyspace_hits", "keyspace_misses")}
        for name, row in self.server.info("commandstats").items():
            command = name.replace("cmdstat_", "")
            if command.split("|")[0] not in UNCOUNTED:
                counts[f"calls of {command}"] = row["calls"]
        return counts

    def keys_left(self):
        """{database: keys} of every database that has any; DBSIZE and KEYS must agree."""
        left = {}
        for database in range(16):
            with redis.Redis.from_url(
                f"{settings.CACHE_URL}/{database}", socket_timeout=20
            ) as wire:
                keys = wire.keys("*")
                self.assertEqual(
                    len(keys), wire.dbsize(), f"DBSIZE and KEYS of database {database}"
                )
            if keys:
                names = (key.decode(errors="backslashreplace") for key in keys)
                left[str(database)] = sorted(map(settled, names))
        return left


class CacheTestCase(Watched, TestCase):
    """Each test in a database transaction that is rolled back."""


class CacheTransactionTestCase(Watched, TransactionTestCase):
    """For tests whose rows must be committed: on_commit hooks, other threads."""
