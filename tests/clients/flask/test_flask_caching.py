"""Flask-Caching and cachelib of Debian, which most Flask sites keep their pages with."""

import threading

import pytest
import redis
from cachelib import RedisCache

from pages import Site
from servers import wait_until


@pytest.fixture
def connection(server):
    with redis.Redis(host=server.host, port=server.port) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def site(server, connection):
    site = Site(server.url(0), CACHE_KEY_PREFIX="site/")
    with site.app.app_context():
        yield site


@pytest.fixture
def cache(server, connection):
    return RedisCache(host=server.host, port=server.port, key_prefix="lib:")


# Flask-Caching: pages ---------------------------------------------------------------------------


def test_a_page_is_made_once(site, connection):
    browser = site.app.test_client()
    assert [browser.get("/front").text for _ in range(3)] == ["front 1"] * 3
    assert connection.keys("*") == [b"site/view//front"]
    assert 0 < connection.ttl("site/view//front") <= 50
    site.cache.delete("view//front")
    assert browser.get("/front").text == "front 2"


def test_pages_differ_by_their_query_whatever_its_order(site, connection):
    browser = site.app.test_client()
    first = browser.get("/search?q=tea&page=2").text
    assert browser.get("/search?page=2&q=tea").text == first
    assert browser.get("/search?page=3&q=tea").text != first
    assert connection.dbsize() == 2


def test_a_page_is_passed_by_when_it_is_asked_for_fresh(site):
    browser = site.app.test_client()
    assert [browser.get(path).text for path in ("/account", "/account?fresh", "/account")] == [
        "account 1",
        "account 2",
        "account 1",
    ]


def test_a_page_has_the_key_it_was_given(site, connection):
    browser = site.app.test_client()
    for _ in range(2):
        assert browser.post("/orders", data={"customer": "é"}).text == "orders of é 1"
    assert connection.exists("site/orders/é".encode())


# Flask-Caching: functions and values ------------------------------------------------------------


def test_a_function_is_remembered_by_its_arguments(site):
    assert [site.price("tea"), site.price("tea"), site.price("tea", currency="USD")] == [
        "tea in EUR: 1",
        "tea in EUR: 1",
        "tea in USD: 2",
    ]
    site.cache.delete_memoized(site.price, "tea")
    assert site.price("tea") == "tea in EUR: 3"
    assert site.price("tea", currency="USD") == "tea in USD: 2"
    site.cache.delete_memoized(site.price)
    assert site.price("tea", currency="USD") == "tea in USD: 4"


def test_a_method_is_remembered_by_its_object(site):
    first, second = site.Shelf(1), site.Shelf(2)
    assert first.books() == first.books() == [1, 1]
    assert second.books() == [2, 2]
    site.cache.delete_memoized(site.Shelf.books, first)
    assert first.books() == [1, 3] and second.books() == [2, 2]


def test_many_values_at_once(site):
    cache = site.cache
    assert cache.set_many({"a": 1, "b": [2, "é"], "c": None}, timeout=60)
    assert cache.get_many("a", "b", "c", "none") == [1, [2, "é"], None, None]
    assert cache.get_dict("a", "b") == {"a": 1, "b": [2, "é"]}
    assert cache.has("a") and not cache.has("none")
    cache.delete_many("a", "b")
    assert cache.get_many("a", "b") == [None, None]


def test_values_are_unlinked(site, connection):
    site.cache.set("a", 1)
    site.cache.set("b", 2)
    assert site.cache.unlink("a", "b", "none") == 2
    assert connection.dbsize() == 0


def test_clearing_keeps_what_others_have(site, connection):
    connection.set("others", "kept")
    for n in range(1_000):
        site.cache.set(f"k{n}", n)
    assert site.cache.clear()
    assert connection.keys("*") == [b"others"]


def test_clearing_without_a_prefix_flushes(server, connection):
    connection.set("k", "v")
    site = Site(server.url(0), CACHE_KEY_PREFIX="")
    with site.app.app_context():
        assert site.cache.clear()
    assert connection.dbsize() == 0


# cachelib ---------------------------------------------------------------------------------------


def test_cachelib_keeps_any_value(cache):
    for value in [0, -5, 2**70, 1.5, "é", b"\x00\xff", [1, {"a": ()}], None, True, "x" * 1_000_000]:
        assert cache.set("k", value)
        assert cache.get("k") == value
    assert cache.get("none") is None


def test_cachelib_adds_only_what_is_not_there(cache, connection):
    assert cache.add("k", "first", timeout=60) and not cache.add("k", "second")
    assert cache.get("k") == "first" and 0 < connection.ttl("lib:k") <= 60
    assert cache.add("forever", 1, timeout=0) and connection.ttl("lib:forever") == -1


def test_cachelib_lets_values_expire(cache, connection):
    cache.set("k", "v", timeout=1)
    wait_until(lambda: not cache.has("k"), what="its expiry")
    cache.set("forever", "v", timeout=0)
    cache.set("default", "v")
    assert connection.ttl("lib:forever") == -1 and 290 < connection.ttl("lib:default") <= 300


def test_cachelib_counts(server, connection):
    cache = RedisCache(host=server.host, port=server.port)
    connection.set("hits", 5)
    assert (cache.inc("hits"), cache.inc("hits", 10), cache.dec("hits", 3)) == (6, 16, 13)
    hits = [threading.Thread(target=lambda: [cache.inc("n") for _ in range(100)]) for _ in range(4)]
    for thread in hits:
        thread.start()
    for thread in hits:
        thread.join()
    assert connection.get("n") == b"400"


def test_cachelib_clears_its_own_prefix_in_one_word(cache, connection):
    connection.set("libother", "kept")
    assert not cache.clear()
    assert cache.set_many({f"k{n}": n for n in range(5_000)}) == [f"k{n}" for n in range(5_000)]
    assert cache.clear() and connection.keys("*") == [b"libother"]


def test_cachelib_uses_the_client_it_is_given(server, connection):
    pool = redis.Redis(host=server.host, port=server.port, db=3)
    cache = RedisCache(host=pool, key_prefix="shared:")
    assert cache.set_many({"a": 1, "b": 2}, timeout=0) == ["a", "b"]
    assert cache.get_dict("a", "b", "c") == {"a": 1, "b": 2, "c": None}
    assert pool.keys("*") and not connection.dbsize()
