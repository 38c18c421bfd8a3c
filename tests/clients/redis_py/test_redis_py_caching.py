"""redis-py: values kept in the application, and dropped when the server says that they changed.

In RESP2 invalidations need a connection of their own, as Redis's documentation of client-side
caching shows: it listens to a channel, and the connections that read redirect to it.
"""

import random

import pytest
import redis

from wire import Push, Wire, packed


class Cache:
    """Keeps what it reads until it is told otherwise."""

    def __init__(self, server, *modes):
        self.kept = {}
        self.asked = 0
        self.ear = redis.Redis(port=server.port).pubsub()
        self.ear.subscribe("__redis__:invalidate")
        assert self.ear.get_message(timeout=30)["type"] == "subscribe"
        number = self.ear_id(server)
        self.client = redis.Redis(port=server.port, single_connection_client=True)
        assert self.client.execute_command("CLIENT TRACKING ON REDIRECT", number, *modes) == b"OK"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ear.close()
        self.client.close()

    def ear_id(self, server):
        with redis.Redis(port=server.port) as other:
            address = "%s:%d" % self.ear.connection._sock.getsockname()
            (line,) = [each for each in other.client_list() if each["addr"] == address]
            return line["id"]

    def get(self, key):
        if key not in self.kept:
            self.asked += 1
            self.kept[key] = self.client.get(key)
        return self.kept[key]

    def hear(self, wanted=0):
        """What was told so far, and at least so many messages."""
        while True:
            message = self.ear.get_message(timeout=30 if wanted > 0 else 0)
            if message is None:
                assert wanted <= 0
                return
            wanted -= 1
            if message["data"] is None:
                self.kept.clear()
            else:
                for key in message["data"]:
                    self.kept.pop(key.decode(), None)


def test_a_copy_is_kept_until_somebody_changes_it(server, client):
    with Cache(server) as cache:
        client.set("page", "old")
        assert [cache.get("page") for _ in range(5)] == [b"old"] * 5
        assert cache.asked == 1
        client.set("page", "new")
        cache.hear(1)
        assert cache.get("page") == b"new"
        client.delete("page")
        cache.hear(1)
        assert cache.get("page") is None
        client.expire("page", 100)  # nothing changes: there is no such key
        client.set("page", "short", px=500)
        cache.hear(1)
        assert cache.get("page") == b"short"
        cache.hear(1)  # the server has dropped it
        assert "page" not in cache.kept
        client.flushall()
        cache.hear(1)


def test_prefixes_are_told_without_being_read(server, client):
    with Cache(server, "BCAST", "PREFIX", "user:", "PREFIX", "shop:") as cache:
        cache.kept = {"user:1": b"x", "shop:1": b"x", "other": b"x"}
        with client.pipeline() as pipe:
            pipe.mset({"user:1": 1, "other": 2})
            pipe.execute()
        cache.hear(1)
        assert set(cache.kept) == {"shop:1", "other"}


def test_info_counts_trackers_and_their_keys(server, client):
    with Cache(server) as cache:
        for key in ("a", "b", "c"):
            cache.get(key)
        assert client.info("clients")["tracking_clients"] == 1
        stats = client.info("stats")
        assert (stats["tracking_total_keys"], stats["tracking_total_items"]) == (3, 3)
        (line,) = [each for each in client.client_list() if "t" in each["flags"]]
        assert int(line["redir"]) == cache.client.execute_command("CLIENT GETREDIR")


@pytest.mark.parametrize("modes", [(), ("NOLOOP",), ("BCAST",)], ids=["usual", "noloop", "bcast"])
def test_after_any_changes_copies_are_what_the_server_has(server, client, modes):
    """A thousand random steps by two writers, one of which keeps copies, in RESP3."""
    wire = Wire(server)
    wire.ask("HELLO", "3")
    assert wire.ask("CLIENT", "TRACKING", "ON", *modes) == "OK"
    chance = random.Random(5)
    kept = {}

    def ask(*words):
        wire.send(packed(*words))
        while isinstance(reply := wire.reply(), Push):
            if reply[1] is None:
                kept.clear()
            else:
                for key in reply[1]:
                    kept.pop(key.decode(), None)
        return reply

    for step in range(1000):
        key = "k%d" % chance.randrange(20)
        what = chance.randrange(12)
        if what == 0:
            client.delete(key)
        elif what == 1:
            client.mset({key: step, "k%d" % chance.randrange(20): step})
        elif what == 2:
            client.flushdb()
        elif what == 3:
            client.set(key, step, px=1)
        elif what == 4:
            # NOLOOP: who changes a key sees to its own copy.
            kept.pop(key, None)
            assert ask("SET", key, str(step)) == "OK"
        elif what < 7:
            client.append(key, "x")
        else:
            kept[key] = ask("GET", key)
    for key in ["k%d" % i for i in range(20)]:
        client.get(key)  # what is dead is dropped
    assert ask("PING") == "PONG"
    assert kept == {key: client.get(key) for key in kept}
    wire.close()
