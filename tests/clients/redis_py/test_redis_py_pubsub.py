"""redis-py: channels and patterns, with handlers, threads and several publishers; keyspace events.
"""

import threading

import pytest
import redis

from servers import wait_until
from together import together

# Bounds on waiting for what must come, not times to wait.
SECONDS = 60
PUBLISHERS = 3
EACH = 200


@pytest.fixture
def listener(client):
    # Who has listened in the test before is gone.
    wait_until(lambda: not client.client_list(_type="pubsub"))
    with client.pubsub() as listening:
        yield listening


def next_of(listening):
    """The next message of any kind, as (type, pattern, channel, data)."""
    message = listening.get_message(timeout=SECONDS)
    assert message is not None, "nothing came"
    return message["type"], message["pattern"], message["channel"], message["data"]


def test_a_message_for_the_channel_and_one_for_the_pattern(client, listener):
    listener.subscribe("news")
    listener.psubscribe("n*")
    assert next_of(listener) == ("subscribe", None, b"news", 1)
    assert next_of(listener) == ("psubscribe", None, b"n*", 2)
    assert client.publish("news", "hello") == 2
    assert next_of(listener) == ("message", None, b"news", b"hello")
    assert next_of(listener) == ("pmessage", b"n*", b"news", b"hello")
    listener.unsubscribe()
    listener.punsubscribe()
    assert next_of(listener) == ("unsubscribe", None, b"news", 1)
    assert next_of(listener) == ("punsubscribe", None, b"n*", 0)
    assert client.publish("news", "lost") == 0


def test_a_large_message_of_any_bytes(client, listener):
    large = bytes(range(256)) * 8192
    listener.subscribe("large")
    next_of(listener)
    assert client.publish("large", large) == 1
    assert next_of(listener) == ("message", None, b"large", large)


def test_who_is_asked_whether_it_lives_while_it_listens(client, listener):
    listener.subscribe("quiet")
    next_of(listener)
    listener.ping("there?")
    assert next_of(listener) == ("pong", None, None, b"there?")


def test_what_is_listened_to(client, listener):
    listener.subscribe("a", "b")
    listener.psubscribe("c*")
    for _ in range(3):
        next_of(listener)
    assert sorted(client.pubsub_channels()) == [b"a", b"b"]
    assert client.pubsub_channels("a*") == [b"a"]
    assert client.pubsub_numsub("a", "none") == [(b"a", 1), (b"none", 0)]
    assert client.pubsub_numpat() == 1
    [mine] = client.client_list(_type="pubsub")
    assert (mine["flags"], mine["sub"], mine["psub"]) == ("P", "2", "1")


def test_handlers_on_a_thread_of_their_own_hear_every_publisher_in_order(server, client):
    heard = {}
    done = threading.Event()

    def hear(message):
        who, number = message["data"].decode().split(":")
        heard.setdefault(who, []).append(int(number))
        if sum(len(numbers) for numbers in heard.values()) == PUBLISHERS * EACH:
            done.set()

    wait_until(lambda: not client.client_list(_type="pubsub"))
    listening = client.pubsub(ignore_subscribe_messages=True)
    listening.psubscribe(**{"orders.*": hear})
    while not client.pubsub_numpat():
        pass
    thread = listening.run_in_thread(sleep_time=0.01)
    names = iter(range(PUBLISHERS))
    naming = threading.Lock()

    def publish():
        with naming:
            name = next(names)
        with redis.Redis(port=server.port) as speaker:
            for number in range(EACH):
                assert speaker.publish(f"orders.{name}", f"{name}:{number}") == 1

    together(publish, PUBLISHERS)
    assert done.wait(SECONDS)
    thread.stop()
    thread.join(SECONDS)
    assert heard == {str(name): list(range(EACH)) for name in range(PUBLISHERS)}


def test_a_pipeline_publishes_in_one_transaction(client, listener):
    listener.subscribe("batch")
    next_of(listener)
    with client.pipeline(transaction=True) as pipe:
        pipe.publish("batch", "one").set("k", "v").publish("batch", "two")
        assert pipe.execute() == [1, True, 1]
    assert next_of(listener)[3] == b"one"
    assert next_of(listener)[3] == b"two"


def test_keys_that_change_and_die_are_told_of(client, listener):
    client.config_set("notify-keyspace-events", "Egx$")
    try:
        listener.psubscribe("__keyevent@0__:*")
        next_of(listener)
        client.set("tea", "green", px=30)
        client.set("cup", "full")
        client.delete("cup")
        heard = [next_of(listener)[2:] for _ in range(5)]
        assert sorted(heard) == sorted(
            [
                (b"__keyevent@0__:set", b"tea"),
                (b"__keyevent@0__:expire", b"tea"),
                (b"__keyevent@0__:set", b"cup"),
                (b"__keyevent@0__:del", b"cup"),
                (b"__keyevent@0__:expired", b"tea"),
            ]
        )
    finally:
        client.config_set("notify-keyspace-events", "")


def test_a_listener_that_is_killed_finds_out_and_is_gone(client, listener):
    listener.subscribe("news")
    next_of(listener)
    assert client.client_kill_filter(_type="pubsub") == 1
    with pytest.raises(redis.ConnectionError):
        next_of(listener)
    # Its own loop takes it out when it comes by, a moment after its end is seen.
    wait_until(lambda: client.publish("news", "lost") == 0, what="the killed one's leaving")
