"""Clients that ask for much and read nothing, by the thousand: memory stays bounded and the others
are served.

redis-server has no output limit for ordinary clients, so what bounds memory is asked of Larder
only; what merely has to work is asked of both.
"""

import socket
import time

import pytest

from servers import wait_until
from weight import flood, resident_bytes
from wire import Wire, info, packed

IDLE_CONNECTIONS = 1_000
# Larder's hard output limit for one client (256 MB) with room for the allocator.
GROWTH_AT_MOST_BYTES = 320 << 20
FLOOD_BYTES = 100 << 20
MEGABYTE = 1 << 20


def test_a_thousand_idle_connections_are_in_nobodys_way(server):
    idle = [Wire(server) for _ in range(IDLE_CONNECTIONS)]
    try:
        with Wire(server) as wire:
            wait_until(
                lambda: info(wire)["connected_clients"] == str(IDLE_CONNECTIONS + 1),
                what="the connections",
            )
            assert wire.ask("SET", "k", "v") == "OK"
            assert wire.ask("CLIENT", "LIST").count(b"\n") == IDLE_CONNECTIONS + 1
            assert all(connection.ask("GET", "k") == b"v" for connection in idle[::50])
    finally:
        for connection in idle:
            connection.close()
    with Wire(server) as wire:
        wait_until(
            lambda: info(wire)["connected_clients"] == "1", what="the end of the connections"
        )


def test_connections_that_come_and_go_leave_nothing_behind(server):
    for _ in range(500):
        with Wire(server) as wire:
            wire.send(packed("PING"))
    with Wire(server) as wire:
        wait_until(
            lambda: info(wire)["connected_clients"] == "1", what="the end of the connections"
        )
        assert wire.ask("PING") == "PONG"


def test_ten_thousand_requests_in_one_write_have_their_answers_in_order(server):
    with Wire(server) as wire:
        wire.send(b"".join(packed("ECHO", str(number)) for number in range(10_000)))
        assert wire.replies(10_000) == [b"%d" % number for number in range(10_000)]
        assert wire.is_quiet()


def test_a_slow_reader_gets_every_byte(server):
    """Asks for 64 MB in small pieces before reading any, then reads: backpressure must neither lose
    nor reorder.
    """
    with Wire(server) as wire:
        value = bytes(range(256)) * 256
        assert wire.ask("SET", "slow", value) == "OK"
        wire.send(packed("GET", "slow") * 1_000)
        for _ in range(1_000):
            assert wire.reply() == value
        assert wire.is_quiet()


@pytest.mark.parametrize(
    "request_words", [("PING",), ("SET", "k", "v" * 1_000)], ids=["small", "large"]
)
def test_100_mb_of_requests_from_somebody_who_never_reads(larder, request_words):
    before = resident_bytes(larder)
    with Wire(larder) as hog, Wire(larder) as other:
        chunk = packed(*request_words) * (MEGABYTE // len(packed(*request_words)) + 1)
        flood(hog, chunk, FLOOD_BYTES)
        assert resident_bytes(larder) - before < GROWTH_AT_MOST_BYTES
        assert other.ask("PING") == "PONG"


def test_a_gigabyte_of_answers_for_somebody_who_never_reads(larder):
    with Wire(larder) as hog, Wire(larder) as other:
        assert other.ask("SET", "large", b"x" * MEGABYTE) == "OK"
        before = resident_bytes(larder)
        flood(hog, packed("GET", "large") * 1_000, 25_000)
        watch_growth(larder, before)
        assert other.ask("GET", "large") == b"x" * MEGABYTE


def test_a_hundred_hogs_at_once(larder):
    with Wire(larder) as other:
        assert other.ask("SET", "large", b"x" * MEGABYTE) == "OK"
        before = resident_bytes(larder)
        hogs = [Wire(larder) for _ in range(100)]
        try:
            for hog in hogs:
                flood(hog, packed("GET", "large") * 100, 2_500)
            watch_growth(larder, before)
            assert other.ask("PING") == "PONG"
        finally:
            for hog in hogs:
                hog.close()


def test_half_sent_large_values_hold_no_more_than_was_sent(server):
    """A hundred clients announce 512 MB each and send 1 KB: the announcement alone must not be paid
    for.
    """
    before = resident_bytes(server)
    clients = [Wire(server) for _ in range(100)]
    try:
        for wire in clients:
            wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n" + b"x" * 1_000)
        with Wire(server) as other:
            assert other.ask("PING") == "PONG"
        assert resident_bytes(server) - before < (100 << 20)
    finally:
        for wire in clients:
            wire.close()


def test_a_million_words_announced_hold_no_more_than_was_sent(server):
    before = resident_bytes(server)
    clients = [Wire(server) for _ in range(100)]
    try:
        for wire in clients:
            wire.send(b"*2147483647\r\n$4\r\nMGET\r\n")
        with Wire(server) as other:
            assert other.ask("PING") == "PONG"
        assert resident_bytes(server) - before < (100 << 20)
    finally:
        for wire in clients:
            wire.close()


def test_a_request_of_100_000_words_is_answered(server):
    with Wire(server) as wire:
        assert wire.ask("MSET", *[str(number) for number in range(100_000)]) == "OK"
        assert wire.ask("EXISTS", *["0"] * 100_000) == 100_000
        assert len(wire.ask("MGET", *["0"] * 100_000)) == 100_000
        assert wire.ask("DEL", *[str(number) for number in range(0, 100_000, 2)]) == 50_000
        assert wire.is_quiet()


def test_a_client_that_resets_its_connection_mid_answer_harms_nobody(server):
    with Wire(server) as other:
        assert other.ask("SET", "large", b"x" * MEGABYTE) == "OK"
        for _ in range(20):
            wire = Wire(server)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.send(packed("GET", "large") * 20)
            wire.close()
        assert other.ask("PING") == "PONG"
        wait_until(
            lambda: info(other)["connected_clients"] == "1", what="the end of the connections"
        )


def watch_growth(server, before):
    """Memory must stay within bounds until it stands still, not only at one moment."""
    last, still_since = 0, time.monotonic()
    until = time.monotonic() + 10
    while time.monotonic() < until and time.monotonic() - still_since < 0.5:
        now = resident_bytes(server)
        assert now - before < GROWTH_AT_MOST_BYTES
        if abs(now - last) > MEGABYTE:
            last, still_since = now, time.monotonic()
        time.sleep(0.02)
