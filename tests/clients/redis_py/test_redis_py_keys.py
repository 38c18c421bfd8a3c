"""redis-py: strings, counters, keys, expiry, and walking over all of them.
"""

import uuid

import pytest
import redis

from servers import wait_until

MEGABYTE = 1 << 20


# Strings ----------------------------------------------------------------------------------------


def test_strings(client):
    assert client.set("a", "1") is True
    assert client.get("a") == b"1"
    assert client.set("a", "2", nx=True) is None
    assert client.set("b", "2", xx=True) is None
    assert client.set("a", "2", get=True) == b"1"
    assert client.mset({"b": "x", "c": "y"}) is True
    assert client.mget("a", "b", "none", "c") == [b"2", b"x", None, b"y"]
    assert client.msetnx({"d": "1", "a": "9"}) is False
    assert client.get("d") is None
    assert client.append("b", "yz") == 3
    assert client.getrange("b", 1, -1) == b"yz"
    assert client.setrange("b", 5, "end") == 8
    assert client.get("b") == b"xyz\0\0end"
    assert client.strlen("b") == 8
    assert client.getdel("c") == b"y" and client.exists("c") == 0
    assert client.getset("a", "3") == b"2"


def test_counters(client):
    assert client.incr("n") == 1
    assert client.incrby("n", 41) == 42
    assert client.decrby("n", 2) == 40
    assert client.incrbyfloat("n", 0.5) == 40.5
    client.set("big", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        client.incr("big")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("n")


def test_keys(client):
    client.mset({"one": 1, "two": 2, "three": 3})
    assert sorted(client.keys("t*")) == [b"three", b"two"]
    assert client.exists("one", "two", "none", "one") == 3
    assert client.type("one") == b"string" and client.type("none") == b"none"
    assert client.rename("one", "uno") is True
    assert client.renamenx("uno", "two") is False
    with pytest.raises(redis.ResponseError, match="no such key"):
        client.rename("none", "any")
    assert client.copy("uno", "eins") is True
    assert client.copy("uno", "two") is False
    assert client.copy("uno", "two", replace=True) is True
    assert client.touch("uno", "none") == 1
    assert client.unlink("uno", "eins") == 2
    assert client.randomkey() in (b"two", b"three")
    assert client.delete("two", "three", "none") == 2
    assert client.randomkey() is None


def test_binary_keys_and_values(client):
    every_byte = bytes(range(256))
    client.set(every_byte, every_byte * 3)
    assert client.get(every_byte) == every_byte * 3
    assert client.keys() == [every_byte]
    assert list(client.scan_iter()) == [every_byte]
    client.set("", "")
    assert client.get("") == b""
    client.set("\r\n", "$5\r\nhello\r\n")
    assert client.get("\r\n") == b"$5\r\nhello\r\n"
    client.set("naïve ключ 鍵", "värde")
    assert client.get("naïve ключ 鍵").decode() == "värde"


@pytest.mark.parametrize("megabytes", [1, 64])
def test_large_values(client, megabytes):
    value = uuid.uuid4().bytes * (megabytes * MEGABYTE // 16)
    assert client.set("large", value)
    assert client.strlen("large") == len(value)
    assert client.get("large") == value
    assert client.getrange("large", -16, -1) == value[-16:]
    assert client.delete("large") == 1


# Expiry -----------------------------------------------------------------------------------------


def test_expiry(client):
    client.set("k", "v", ex=100)
    assert 99 <= client.ttl("k") <= 100
    assert 99_000 < client.pttl("k") <= 100_000
    assert client.persist("k") is True and client.ttl("k") == -1
    assert client.persist("k") is False
    assert client.ttl("none") == -2
    assert client.expire("k", 50) is True and client.expire("none", 50) is False
    assert client.expire("k", 10, gt=True) is False and client.expire("k", 60, gt=True) is True
    assert client.expire("k", 90, lt=True) is False and client.expire("k", 5, nx=True) is False
    client.set("k", "w", keepttl=True)
    assert 0 < client.ttl("k") <= 60
    client.set("k", "x")
    assert client.ttl("k") == -1
    assert client.getex("k", ex=30) == b"x" and 0 < client.ttl("k") <= 30
    assert client.getex("k", persist=True) == b"x" and client.ttl("k") == -1
    at = int(client.time()[0]) + 1_000
    assert client.expireat("k", at) and client.execute_command("EXPIRETIME", "k") == at
    assert client.expire("k", -1) is True and client.exists("k") == 0
    client.setex("k", 100, "v")
    client.psetex("p", 100_000, "v")
    assert client.ttl("k") > 0 and client.ttl("p") > 0


def test_keys_die_on_time(client):
    client.set("short", "v", px=50)
    client.set("long", "v", ex=1_000)
    wait_until(lambda: client.get("short") is None, what="the key's end")
    assert client.ttl("short") == -2 and client.exists("short") == 0
    wait_until(
        lambda: client.info("keyspace")["db0"]["keys"] == 1, what="the end of the key's memory"
    )
    assert client.info("keyspace")["db0"]["expires"] == 1
    assert client.info("stats")["expired_keys"] >= 1


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "k", "v", "EX", "0"),
        ("SET", "k", "v", "PX", "-1"),
        ("SETEX", "k", "0", "v"),
        ("PSETEX", "k", "-5", "v"),
        ("GETEX", "k", "EX", "0"),
        ("EXPIRE", "k", "9223372036854775807"),
        ("SET", "k", "v", "EX", "9223372036854775807"),
    ],
)
def test_lives_that_cannot_be(client, command):
    client.set("k", "v")
    with pytest.raises(
        redis.ResponseError, match=f"invalid expire time in '{command[0].lower()}' command"
    ):
        client.execute_command(*command)
    assert client.get("k") == b"v"


# Walking ----------------------------------------------------------------------------------------


def test_scan_sees_every_key(client):
    client.mset({f"user:{number}": number for number in range(5_000)})
    client.mset({f"other:{number}": number for number in range(1_000)})
    assert {key for key in client.scan_iter()} == set(client.keys())
    seen = list(client.scan_iter(match="user:1*", count=100))
    assert set(seen) == {b"user:%d" % number for number in range(5_000) if str(number)[0] == "1"}
    assert set(client.scan_iter(match="*", _type="string", count=1_000)) == set(client.keys())
    assert list(client.scan_iter(_type="list")) == []
    assert list(client.scan_iter(match="nobody*")) == []


def test_scan_keeps_its_promise_while_keys_come_and_go(client):
    """Keys that are there from start to end are returned, however much the table grows or empties
    meanwhile.
    """
    stay = {b"stay:%d" % number for number in range(2_000)}
    client.mset({key: 1 for key in stay})
    cursor, seen, turn = 0, set(), 0
    while True:
        cursor, keys = client.scan(cursor, count=50)
        seen.update(keys)
        turn += 1
        client.mset({f"come:{turn}:{number}": 1 for number in range(200)})
        if turn > 1:
            client.delete(*(f"come:{turn - 1}:{number}" for number in range(200)))
        if cursor == 0:
            break
    assert stay <= seen


def test_keys_are_counted_and_flushed(client):
    client.mset({f"k:{number}": 1 for number in range(3_000)})
    assert client.dbsize() == 3_000 == len(client.keys())
    assert client.flushdb(asynchronous=True) is True
    assert client.dbsize() == 0 and client.keys() == []
