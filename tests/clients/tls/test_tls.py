"""TLS: real clients with and without certificates, sessions taken up again, new certificates,
and connections that are not what they should be.
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess

import pytest
import redis

from certificates import Authority
from servers import Server, free_port, wait_until

SECONDS = 20


class TlsServer(Server):
    """A server with a TLS port beside the plain one that Server looks after."""

    def __init__(self, kind, pair, *flags):
        self.tls_port = free_port()
        super().__init__(
            kind,
            *("--tls-port", str(self.tls_port)),
            *("--tls-cert-file", pair.certificate, "--tls-key-file", pair.key, *flags),
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("server")


@pytest.fixture(scope="module")
def guest(authority):
    return authority.sign("guest")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Signed by somebody the server has not heard of."""
    return Authority(tmp_path_factory.mktemp("strangers"), "nobody").sign("stranger")


@pytest.fixture(scope="module")
def open_door(server_kind, pair):
    """Does not ask clients for certificates."""
    with TlsServer(server_kind, pair, "--tls-auth-clients", "no") as running:
        yield running


@pytest.fixture(scope="module")
def strict_door(server_kind, authority, pair):
    with TlsServer(
        server_kind, pair, "--tls-ca-cert-file", authority.certificate, "--tls-auth-clients", "yes"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def kind_door(server_kind, authority, pair):
    """A certificate may be shown, and must be good then."""
    flags = ["--tls-ca-cert-file", authority.certificate, "--tls-auth-clients", "optional"]
    with TlsServer(server_kind, pair, *flags) as running:
        yield running


def context_for(authority, shown=None, version=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def connect(server, context, session=None):
    plain = socket.create_connection((server.host, server.tls_port), timeout=SECONDS)
    return context.wrap_socket(plain, server_hostname=server.host, session=session)


def ask(wire, request=b"PING\r\n"):
    wire.sendall(request)
    return wire.recv(4096)


def client(server, authority, shown=None, **more):
    files = {} if shown is None else {"ssl_certfile": shown.certificate, "ssl_keyfile": shown.key}
    return redis.Redis(
        port=server.tls_port,
        ssl=True,
        ssl_ca_certs=authority.certificate,
        socket_timeout=SECONDS,
        **files,
        **more,
    )


def counted(server, field):
    return redis.Redis(port=server.port).info()[field]


# Clients ----------------------------------------------------------------------------------------


def test_redis_cli(open_door, authority):
    done = subprocess.run(
        [
            *("redis-cli", "-p", str(open_door.tls_port), "--tls", "-3"),
            *("--cacert", authority.certificate, "SET", "tea", "oolong"),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout == "OK\n", done.stderr


def test_redis_cli_with_a_certificate(strict_door, authority, guest):
    done = subprocess.run(
        [
            *("redis-cli", "-p", str(strict_door.tls_port), "--tls"),
            *("--cacert", authority.certificate),
            *("--cert", guest.certificate, "--key", guest.key, "PING"),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout == "PONG\n", done.stderr


def test_redis_py(open_door, authority):
    tea = client(open_door, authority)
    assert tea.set("tea", "sencha")
    assert tea.get("tea") == b"sencha"


def test_redis_py_with_a_certificate(strict_door, authority, guest):
    assert client(strict_door, authority, guest).ping()


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 100_000, 3_000_000])
def test_values_of_every_size_come_back(open_door, authority, size):
    value = os.urandom(size)
    tea = client(open_door, authority)
    tea.set("leaf", value)
    assert tea.get("leaf") == value
    assert tea.mget(["leaf", "none", "leaf"]) == [value, None, value]


def test_a_deep_pipeline(open_door, authority):
    pipe = client(open_door, authority).pipeline(transaction=False)
    for i in range(20_000):
        pipe.set(f"cup:{i}", "x" * (i % 50))
        pipe.get(f"cup:{i}")
    answers = pipe.execute()
    assert answers[1::2] == [b"x" * (i % 50) for i in range(20_000)]


def test_a_reader_who_takes_a_rest_gets_everything(open_door, authority):
    """The server's output stands still in the middle of records, and goes on."""
    tea = client(open_door, authority)
    value = os.urandom(1_000_000)
    tea.set("large", value)
    with connect(open_door, context_for(authority)) as wire:
        wire.sendall(b"GET large\r\n" * 20)
        assert tea.ping()
        got = b""
        reply = b"$1000000\r\n" + value + b"\r\n"
        while len(got) < 20 * len(reply):
            got += wire.recv(1 << 16)
        assert got == 20 * reply


def test_many_requests_in_one_record_and_one_in_many(open_door, authority):
    with connect(open_door, context_for(authority)) as wire:
        reader = wire.makefile("rb")
        wire.sendall(b"PING\r\n" * 2000)
        assert reader.read(7 * 2000) == b"+PONG\r\n" * 2000
        for byte in b"*2\r\n$4\r\nECHO\r\n$3\r\ntea\r\n":
            wire.sendall(bytes([byte]))
        assert reader.read(9) == b"$3\r\ntea\r\n"


def test_messages_of_channels(open_door, authority):
    listener = client(open_door, authority).pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=SECONDS)["type"] == "subscribe"
    assert client(open_door, authority).publish("news", "tea is ready") == 1
    assert listener.get_message(timeout=SECONDS)["data"] == b"tea is ready"


IOREDIS = """
const Redis = require('ioredis');
const fs = require('fs');
const [port, ca] = process.argv.slice(1);
const tea = new Redis({ host: '127.0.0.1', port, tls: { ca: fs.readFileSync(ca) } });
tea.set('tea', 'matcha').then(() => tea.get('tea')).then((got) => {
  console.log(got);
  return tea.quit();
});
"""


def test_ioredis(open_door, authority):
    node = pathlib.Path(__file__).resolve().parents[1] / "node" / "node_modules"
    if not (node / "ioredis").exists():
        pytest.skip("the packages of the node suite are not installed")
    done = subprocess.run(
        ["node", "-e", IOREDIS, str(open_door.tls_port), authority.certificate],
        env={**os.environ, "NODE_PATH": str(node)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout == "matcha\n", done.stderr


# Who is let in ----------------------------------------------------------------------------------


def refused(server, context):
    """TLS 1.3 has a client believe that it is in until it reads."""
    with pytest.raises((ssl.SSLError, ConnectionError, BrokenPipeError)):
        with connect(server, context) as wire:
            if ask(wire) == b"":
                raise ConnectionError("closed")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_has_to_show_a_certificate(strict_door, authority, guest, stranger, version):
    with connect(strict_door, context_for(authority, guest, version)) as wire:
        assert ask(wire) == b"+PONG\r\n"
    refused(strict_door, context_for(authority, None, version))
    refused(strict_door, context_for(authority, stranger, version))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_may_show_one(kind_door, authority, guest, stranger, version):
    with connect(kind_door, context_for(authority, None, version)) as wire:
        assert ask(wire) == b"+PONG\r\n"
    with connect(kind_door, context_for(authority, guest, version)) as wire:
        assert ask(wire) == b"+PONG\r\n"
    refused(kind_door, context_for(authority, stranger, version))


def test_a_client_that_does_not_trust_the_server_goes_away(larder_door, stranger, pair):
    before = counted(larder_door, "failed_tls_handshakes")
    with pytest.raises(ssl.SSLError):
        connect(larder_door, ssl.create_default_context())
    wait_until(lambda: counted(larder_door, "failed_tls_handshakes") > before)


# Sessions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_taken_up_again(open_door, authority, version):
    context = context_for(authority, None, version)
    with connect(open_door, context) as first:
        assert ask(first) == b"+PONG\r\n"  # the ticket of TLS 1.3 has come with it
        assert not first.session_reused
        session = first.session
    with connect(open_door, context, session) as second:
        assert ask(second) == b"+PONG\r\n"
        assert second.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_or_not_where_that_is_switched_off(authority, pair, version):
    flags = ["--tls-auth-clients", "no", "--tls-session-caching", "no"]
    with TlsServer("larder", pair, *flags) as server:
        context = context_for(authority, None, version)
        with connect(server, context) as first:
            assert ask(first) == b"+PONG\r\n"
            session = first.session
        with connect(server, context, session) as second:
            assert ask(second) == b"+PONG\r\n"
            assert not second.session_reused


# Larder's own -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def larder_door(pair):
    with TlsServer("larder", pair, "--tls-auth-clients", "no", "--loglevel", "verbose") as running:
        yield running


def test_new_certificates_on_sighup(tmp_path, authority, pair):
    """Who is connected stays; who comes sees the new one; what cannot be read changes nothing."""
    shown = authority.sign("first")
    mine = TlsServer("larder", shown, "--tls-auth-clients", "no")
    other = Authority(tmp_path, "newcomer")
    following = other.sign("second")
    with mine:
        with connect(mine, context_for(authority)) as early:
            assert ask(early) == b"+PONG\r\n"
            shutil.copy(following.certificate, shown.certificate)
            os.kill(mine.pid, signal.SIGHUP)  # the key is still the old one
            wait_until(lambda: "stay as they were" in mine.log())
            with connect(mine, context_for(authority)) as wire:
                assert ask(wire) == b"+PONG\r\n"
            shutil.copy(following.key, shown.key)
            os.kill(mine.pid, signal.SIGHUP)
            wait_until(lambda: "were read again" in mine.log())
            with connect(mine, context_for(other)) as wire:
                assert ask(wire) == b"+PONG\r\n"
            with pytest.raises(ssl.SSLError):
                connect(mine, context_for(authority))
            assert ask(early) == b"+PONG\r\n"


def test_what_config_set_may_change(larder_door, authority, stranger):
    admin = redis.Redis(port=larder_door.port)
    for name in ["cert-file", "key-file", "key-file-pass", "ca-cert-file", "ca-cert-dir"]:
        with pytest.raises(redis.ResponseError, match="can't set protected config"):
            admin.config_set(f"tls-{name}", "/tmp/other")
    with pytest.raises(redis.ResponseError, match="can't set immutable config"):
        admin.config_set("tls-port", 1)
    for name, value in [("tls-protocols", "TLSv1.4"), ("tls-ciphers", "ROT13")]:
        with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration"):
            admin.config_set(name, value)
        assert admin.config_get(name) == {name: ""}
    # There is no authority to know them by.
    with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration"):
        admin.config_set("tls-auth-clients", "yes")
    assert admin.config_set("tls-protocols", "TLSv1.3")
    refused(larder_door, context_for(authority, None, ssl.TLSVersion.TLSv1_2))
    with connect(larder_door, context_for(authority)) as wire:
        assert wire.version() == "TLSv1.3"
    assert admin.config_set("tls-protocols", "")


def test_plain_bytes_to_the_tls_port(larder_door):
    before = counted(larder_door, "failed_tls_handshakes")
    with socket.create_connection((larder_door.host, larder_door.tls_port), SECONDS) as wire:
        wire.sendall(b"*1\r\n$4\r\nPING\r\n")
        assert b"PONG" not in wire.recv(4096)
    wait_until(lambda: counted(larder_door, "failed_tls_handshakes") > before)


def test_tls_bytes_to_the_plain_port(larder_door, authority):
    plain = socket.create_connection((larder_door.host, larder_door.port), timeout=1)
    with pytest.raises((OSError, ssl.SSLError)):
        context_for(authority).wrap_socket(plain, server_hostname=larder_door.host)
    assert redis.Redis(port=larder_door.port).ping()


def hello():
    """The first bytes of a client that wants TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        ssl.create_default_context().wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def test_handshakes_left_half_way_are_in_nobodys_way(larder_door, authority):
    """More of them than the doorway keeps: the oldest go, and who means it gets in."""
    words = hello()
    waiting = []
    for i in range(600):
        wire = socket.create_connection((larder_door.host, larder_door.tls_port), SECONDS)
        wire.sendall(words[: i % len(words)] if i % 2 else words)
        waiting.append(wire)
    assert client(larder_door, authority).ping()
    assert redis.Redis(port=larder_door.port).ping()
    wait_until(lambda: counted(larder_door, "failed_tls_handshakes") >= 600 - 512)
    for wire in waiting:
        wire.close()
    assert client(larder_door, authority).ping()


def test_a_start_that_cannot_work_says_why(pair, authority, stranger):
    for flags, said in [
        ([], "tls-auth-clients yes needs tls-ca-cert-file"),
        (["--tls-auth-clients", "no", "--tls-key-file", stranger.key], "Can't use tls-key-file"),
        (["--tls-auth-clients", "no", "--tls-cert-file", "/none"], "Can't use tls-cert-file"),
        (["--tls-auth-clients", "no", "--tls-ciphers", "ROT13"], "Can't use tls-ciphers"),
        (["--tls-auth-clients", "no", "--tls-protocols", "SSLv3"], "no protocol 'SSLv3'"),
    ]:
        server = TlsServer("larder", pair, *flags)
        with pytest.raises(Exception, match=said):
            server.start()
