"""What a stranger may ask of a server with a password: little, and it costs the server little.

redis-server 7.0.15 has the limits on the request; the limit on what a stranger leaves unread (64
KB, then the connection ends) is Larder's own, so that part runs on Larder only. The time a stranger
has is not tested here: it would need waiting.
"""

import pytest

from servers import Server
from weight import flood, resident_bytes
from wire import ErrorReply, Wire, packed

PASSWORD = "keemun"
NO_AUTH = "NOAUTH Authentication required."
# What Larder keeps for a stranger who does not read, and what the two kernels' socket buffers may
# hold besides.
OUTPUT_LIMIT_BYTES = 64 << 10
KERNEL_BUFFERS_BYTES = 16 << 20


@pytest.fixture(scope="module")
def locked(server_kind):
    with Server(server_kind, "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def locked_larder():
    with Server("larder", "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


@pytest.mark.parametrize("count", [11, 1_000_000, 2_147_483_647])
def test_more_than_ten_words_end_the_connection(locked, count):
    with Wire(locked) as wire:
        wire.send(b"*%d\r\n" % count)
        assert wire.ends() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"


@pytest.mark.parametrize("size", [16_385, 1_000_000, 536_870_912])
def test_a_word_over_16_kb_ends_the_connection(locked, size):
    with Wire(locked) as wire:
        wire.send(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n" % size)
        assert wire.ends() == b"-ERR Protocol error: unauthenticated bulk length\r\n"


def test_ten_words_and_16_kb_are_read(locked):
    with Wire(locked) as wire:
        assert wire.ask("GET", *"123456789") == "ERR wrong number of arguments for 'get' command"
        assert wire.ask("SET", "k", "v" * 16_384) == NO_AUTH
        assert wire.ask("AUTH", "x" * 16_384).startswith("WRONGPASS")


def test_signing_in_lifts_the_limits(locked):
    with Wire(locked) as wire:
        assert wire.ask("AUTH", PASSWORD) == "OK"
        assert wire.ask("SET", "k", "v" * 16_385) == "OK"
        assert wire.ask("EXISTS", *["k"] * 1_000) == 1_000


def test_reset_brings_the_limits_back(locked):
    with Wire(locked) as wire:
        assert wire.ask("AUTH", PASSWORD) == "OK"
        assert wire.ask("RESET") == "RESET"
        assert wire.ask("GET", "k") == NO_AUTH
        wire.send(b"*11\r\n")
        assert wire.ends() == b"-ERR Protocol error: unauthenticated multibulk length\r\n"


@pytest.mark.parametrize(
    "request_words",
    [
        ("GET", "k"),
        ("SET", "k", "v"),
        ("PING",),
        ("ECHO", "x"),
        ("INFO",),
        ("CONFIG", "GET", "requirepass"),
        ("COMMAND",),
        ("CLIENT", "LIST"),
        ("CLIENT", "ID"),
        ("EVAL", "return 1", "0"),
        ("MULTI",),
        ("SELECT", "1"),
        ("FLUSHALL",),
        ("SHUTDOWN", "NOSAVE"),
        ("MONITOR",),
        ("SCRIPT", "LOAD", "return 1"),
    ],
)
def test_a_stranger_may_do_nothing(locked, request_words):
    with Wire(locked) as wire:
        assert wire.ask(*request_words) == NO_AUTH
        assert wire.ask("AUTH", PASSWORD) == "OK"


def test_a_wrong_password_leaves_a_stranger_a_stranger(locked):
    with Wire(locked) as wire:
        for wrong in ("", "k", PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), PASSWORD + "\0"):
            assert (
                wire.ask("AUTH", wrong)
                == "WRONGPASS invalid username-password pair or user is disabled."
            )
            assert wire.ask("AUTH", "default", wrong).startswith("WRONGPASS")
            assert wire.ask("GET", "k") == NO_AUTH
        assert wire.ask("AUTH", "nobody", PASSWORD).startswith("WRONGPASS")
        assert wire.ask("AUTH", "default", PASSWORD, "more") == "ERR syntax error"
        assert wire.ask("GET", "k") == NO_AUTH


def test_a_wrong_password_after_signing_in_does_not_sign_out(locked):
    with Wire(locked) as wire:
        assert wire.ask("AUTH", PASSWORD) == "OK"
        assert wire.ask("AUTH", "oolong").startswith("WRONGPASS")
        assert wire.ask("PING") == "PONG"


def test_the_password_is_shown_nowhere(locked):
    with Wire(locked) as wire, Wire(locked) as watcher:
        assert watcher.ask("AUTH", PASSWORD) == "OK"
        assert watcher.ask("MONITOR") == "OK"
        assert wire.ask("AUTH", PASSWORD) == "OK"
        assert wire.ask("HELLO", "2", "AUTH", "default", PASSWORD)[0] == b"server"
        assert wire.ask("ECHO", "the end") == b"the end"
        seen = ""
        while "the end" not in seen:
            seen = watcher.reply()
            assert PASSWORD not in seen


def test_a_stranger_who_does_not_read_is_let_go(locked_larder):
    """Pipelines refused requests without reading one answer: the server ends the connection, with
    bounded memory.
    """
    before = resident_bytes(locked_larder)
    with Wire(locked_larder) as wire:
        sent = flood(wire, packed("PING") * 1_000, 256 << 20)
        assert sent < (256 << 20), "the server kept answering somebody who never reads"
        answers = wire_rest(wire)
        assert len(answers) <= OUTPUT_LIMIT_BYTES + KERNEL_BUFFERS_BYTES
        assert answers.startswith(b"-" + NO_AUTH.encode())
    assert resident_bytes(locked_larder) - before < (16 << 20)
    with Wire(locked_larder) as wire:
        assert isinstance(wire.ask("PING"), ErrorReply)


def wire_rest(wire):
    wire.socket.settimeout(10)
    return wire.ends()
