"""Bytes that no client library sends: malformed, empty, split, unfinished and foreign requests.

The answers are those of redis-server 7.0.15, asked and compared. A protocol error is one line and
the end of the connection; an empty request is nothing at all; whatever was said, the next
connection finds the server as it was.
"""

import pytest

from servers import Server, wait_until
from wire import Wire, info, packed

PASSWORD = "assam"
UNKNOWN = "ERR unknown command '%s', with args beginning with: "


@pytest.fixture(scope="module")
def locked(server_kind):
    with Server(server_kind, "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


@pytest.fixture(params=["before AUTH", "after AUTH", "without a password"])
def connection(request, server, locked):
    """A fresh connection, and what PING answers on it."""
    where = server if request.param == "without a password" else locked
    with Wire(where) as wire:
        if request.param == "after AUTH":
            assert wire.ask("AUTH", PASSWORD) == "OK"
        wire.ping = "NOAUTH Authentication required." if request.param == "before AUTH" else "PONG"
        yield wire


PROTOCOL_ERRORS = {
    "a bulk of no length": (b"*1\r\n$-1\r\n", "invalid bulk length"),
    "a bulk of a length that is no number": (b"*1\r\n$abc\r\n", "invalid bulk length"),
    "a bulk length with a space before it": (b"*1\r\n$ 4\r\nPING\r\n", "invalid bulk length"),
    "a bulk length with a space after it": (b"*1\r\n$4 \r\nPING\r\n", "invalid bulk length"),
    "a bulk of 512 MB and one byte": (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    "a bulk of 2^63 bytes": (b"*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
    "a bulk whose length wraps around": (b"*1\r\n$18446744073709551620\r\n", "invalid bulk length"),
    "no bulk at all": (b"*1\r\nabc\r\n", "expected '$', got 'a'"),
    "an array inside the array": (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
    "2^31 words": (b"*2147483648\r\n", "invalid multibulk length"),
    "more words than 64 bits count": (b"*99999999999999999999\r\n", "invalid multibulk length"),
    "a count that is no number": (b"*abc\r\n", "invalid multibulk length"),
    "a count with a sign": (b"*+1\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    "a count with a zero before it": (b"*01\r\n$4\r\nPING\r\n", "invalid multibulk length"),
    "a count without an end": (b"*" + b"1" * 70_000, "too big mbulk count string"),
    "a length without an end": (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
    "an inline request without an end": (b"a" * 70_000, "too big inline request"),
    "quotes that do not close": (b'SET "k v\r\n', "unbalanced quotes in request"),
    "quotes that close inside a word": (b'SET "k"v\r\n', "unbalanced quotes in request"),
}


@pytest.mark.parametrize("case", PROTOCOL_ERRORS)
def test_a_malformed_request_gets_one_line_and_the_connection_ends(connection, case):
    request, said = PROTOCOL_ERRORS[case]
    connection.send(request)
    assert connection.ends() == b"-ERR Protocol error: %s\r\n" % said.encode()


@pytest.mark.parametrize(
    "empty", [b"*0\r\n", b"*-1\r\n", b"*-9\r\n", b"\n", b"\r\n", b"\r\n\r\n\n", b"   \r\n"]
)
def test_an_empty_request_has_no_reply(connection, empty):
    connection.send(empty * 5 + b"PING\r\n")
    assert connection.reply() == connection.ping
    assert not connection.unread


def test_a_bare_bulk_is_taken_for_an_inline_command(connection):
    connection.send(b"$-1\r\nPING\r\n")
    assert connection.replies(2) == [UNKNOWN % "$-1", connection.ping]


def test_a_command_of_no_letters_is_unknown(connection):
    connection.send(b"*1\r\n$0\r\n\r\n")
    assert connection.reply() == UNKNOWN % ""


def test_a_word_longer_than_its_length_shifts_what_follows_and_is_survived(connection):
    """The two bytes after a bulk are skipped, whatever they are: what follows is read from there."""
    connection.send(b"*1\r\n$4\r\nPINGxxPING\r\n")
    assert connection.replies(2) == [connection.ping, connection.ping]


@pytest.mark.parametrize(
    "request_bytes", [b"PING\r\n", b"PING\n", b"*1\r\n$4\r\nPING\r\n", b"  ping  \r\n"]
)
def test_a_request_may_come_one_byte_at_a_time(connection, request_bytes):
    for byte in request_bytes:
        connection.send(bytes([byte]))
    assert connection.reply() == connection.ping


def test_ten_requests_in_two_byte_segments_have_ten_replies(connection):
    data = packed("PING") * 10
    for start in range(0, len(data), 2):
        connection.send(data[start : start + 2])
    assert connection.replies(10) == [connection.ping] * 10


def test_nul_bytes_in_an_inline_request_harm_nobody(connection, server):
    """redis-server's search for the line's end stops at a NUL, and it waits for ever; so an answer
    is not asked for.
    """
    connection.send(b"\0\0\0\r\nPING\0\r\n\0")
    with Wire(server) as other:
        assert other.ask("PING") == "PONG"


def test_nul_bytes_in_a_bulk_are_ordinary(server):
    with Wire(server) as wire:
        assert wire.ask("SET", b"\0k\0", b"\0\r\n\0v") == "OK"
        assert wire.ask("GET", b"\0k\0") == b"\0\r\n\0v"
        assert wire.ask("GET", b"\0k") is None
        assert wire.ask(b"GET\0", "k").startswith("ERR unknown command 'GET")
        assert wire.ask("PING") == "PONG"


HALVES = [
    b"*",
    b"*3",
    b"*3\r",
    b"*3\r\n",
    b"*3\r\n$",
    b"*3\r\n$3\r\nSET",
    b"*3\r\n$3\r\nSET\r\n$1\r\nhalf\r\n",
    b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nvalue",
    b"SET half",
    b'SET "half',
    b"SET half value\r",
]


def test_a_half_request_then_close_does_nothing(server, locked):
    for half in HALVES:
        for where in (server, locked):
            with Wire(where) as wire:
                wire.send(half)
    with Wire(server) as wire:
        wait_until(
            lambda: info(wire)["connected_clients"] == "1",
            what="the end of the half-open connections",
        )
        assert wire.ask("EXISTS", "half") == 0


def test_a_half_request_is_no_obstacle_to_other_connections(server):
    halves = [Wire(server) for _ in range(100)]
    try:
        for wire in halves:
            wire.send(b"*2\r\n$3\r\nGET\r\n$1000000\r\nx")
        with Wire(server) as other:
            assert other.ask("PING") == "PONG"
    finally:
        for wire in halves:
            wire.close()


@pytest.mark.parametrize(
    "opening",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"Host: localhost\r\n",
        b"post /\r\n",
        b"hOST: localhost\r\n",
    ],
)
def test_http_is_shown_the_door_before_its_body_is_read(connection, server, opening):
    connection.send(opening + b"\r\nSET http smuggled\r\n")
    connection.ends()
    with Wire(server) as other:
        assert other.ask("EXISTS", "http") == 0


def test_the_connection_of_a_post_ends_without_a_word(connection):
    connection.send(b"POST / HTTP/1.1\r\n")
    assert connection.ends() == b""


FORGERIES = {
    "a command": (packed("foo\r\n+OK"), UNKNOWN % "foo  +OK"),
    "an argument": (packed("foo", "a\r\n+OK"), UNKNOWN % "foo" + "'a  +OK' "),
    "an inline command": (b'"foo\\r\\n+OK"\r\n', UNKNOWN % "foo  +OK"),
    "a subcommand": (
        packed("CLIENT", "foo\r\n+OK"),
        "ERR unknown subcommand 'foo  +OK'. Try CLIENT HELP.",
    ),
    "an option": (
        packed("CONFIG", "SET", "a\r\n+OK", "1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'a  +OK'",
    ),
    "a script's error": (
        packed("EVAL", 'return redis.error_reply("a\\r\\n+OK")', "0"),
        "ERR a  +OK",
    ),
    "a script's error table": (packed("EVAL", 'return {err="MY a\\r\\n+OK"}', "0"), "MY a  +OK"),
    "a script's status": (packed("EVAL", 'return {ok="a\\r\\n+OK"}', "0"), "a  +OK"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_line_end_inside_what_is_echoed_forges_no_reply(server, case):
    request, said = FORGERIES[case]
    with Wire(server) as wire:
        wire.send(request)
        assert wire.reply() == said
        assert wire.is_quiet()


def test_a_line_end_in_an_error_raised_by_a_script_forges_no_reply(server):
    with Wire(server) as wire:
        assert wire.ask("EVAL", 'error("a\\r\\n+OK")', "0").startswith("ERR user_script:1: a  +OK")
        assert wire.is_quiet()


def test_an_unknown_command_is_quoted_only_in_part(server):
    with Wire(server) as wire:
        said = wire.ask("x" * 1_000_000, *["y" * 1_000] * 1_000)
        assert said.startswith("ERR unknown command 'x") and len(said) < 400
        assert wire.is_quiet()


@pytest.mark.parametrize("byte", [0x80, 0xFF])
def test_bytes_that_are_no_text_come_back_as_they_were(server, byte):
    with Wire(server) as wire:
        wire.send(packed(bytes([byte]) * 3))
        assert wire.line() == b"-ERR unknown command '%s', with args beginning with: " % (
            bytes([byte]) * 3
        )
        assert wire.is_quiet()
