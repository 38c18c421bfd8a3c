"""Who is let in, and who has to go: maxclients and the places kept for admins, connections from one
address, and the memory of clients' buffers.
"""

import contextlib
import socket
import stat

import pytest

from servers import Server, ServerFailed, wait_until
from weight import flood, resident_bytes
from wire import Closed, Wire, info, packed

MEGABYTE = 1 << 20
FULL = "ERR max number of clients reached"


class UnixWire(Wire):
    """A connection over the unix socket `larder.sock` of a server's folder."""

    def __init__(self, server, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.unread = bytearray()


@contextlib.contextmanager
def crowd(server, count, make=Wire):
    wires = []
    try:
        for _ in range(count):
            wires.append(make(server))
        yield wires
    finally:
        for wire in wires:
            wire.close()


def refusal(wire):
    """What it is told; "" when it is only closed."""
    try:
        return wire.reply()
    except (Closed, ConnectionError):
        return ""


def number(server, field):
    with Wire(server) as wire:
        return int(info(wire, "everything")[field])


# Who is let in ----------------------------------------------------------------------------------


def test_beyond_maxclients_one_is_told_so(server_kind):
    with Server(server_kind, "--maxclients", "10") as server:
        with crowd(server, 10) as wires:
            assert all(wire.ask("PING") == "PONG" for wire in wires)
            with Wire(server) as late:
                assert refusal(late) == FULL
            assert wires[0].ask("PING") == "PONG"
            assert int(info(wires[0], "stats")["rejected_connections"]) >= 1
            assert info(wires[0], "clients")["connected_clients"] == "10"
        wait_until(lambda: answers(server), what="room again")


def test_more_clients_than_there_are_file_handles(larder):
    """In redis-server's words, which looks for the number step by step, for minutes."""
    with Wire(larder) as wire:
        said = wire.ask("CONFIG", "SET", "maxclients", "4000000000")
        assert said.startswith("ERR CONFIG SET failed (possibly related to argument 'maxclients')")
        most = said.rsplit(" ", 1)[1]
        assert said.endswith(f"not able to handle the specified number of clients, try with {most}")
        assert wire.ask("CONFIG", "SET", "maxclients", most) == "OK"


def answers(server):
    with Wire(server) as wire:
        return refusal_or_pong(wire) == "PONG"


def refusal_or_pong(wire):
    try:
        return wire.ask("PING")
    except (Closed, ConnectionError):
        return ""


def test_an_admin_gets_in_over_the_unix_socket(tmp_path):
    path = str(tmp_path / "larder.sock")
    with Server("larder", "--maxclients", "5", "--unixsocket", path) as server:
        with crowd(server, 5) as wires:
            assert all(wire.ask("PING") == "PONG" for wire in wires)
            with Wire(server) as late:
                assert refusal(late) == FULL
            with UnixWire(server, path) as admin:
                assert admin.ask("PING") == "PONG"
                with UnixWire(server, path) as second:
                    assert second.ask("CONFIG", "SET", "maxclients", "8") == "OK"
            with Wire(server) as late:
                assert late.ask("PING") == "PONG"
        wait_until(lambda: number(server, "connected_clients") == 1, what="the end of them")
        # The places are few.
        with crowd(server, 20, lambda it: UnixWire(it, path)) as wires:
            heard = [refusal_or_pong(wire) for wire in wires]
        # The last one to look may not be gone yet.
        assert 8 + 3 <= heard.count("PONG") <= 8 + 4


def test_so_many_from_one_address():
    with Server("larder", "--maxclients-per-source", "4") as server:
        with crowd(server, 4) as wires:
            assert all(wire.ask("PING") == "PONG" for wire in wires)
            with Wire(server) as late:
                assert refusal(late) == FULL
            assert wires[0].ask("CONFIG", "SET", "maxclients-per-source", "5") == "OK"
            with Wire(server) as late:
                assert late.ask("PING") == "PONG"
            # A share of maxclients spares those of this machine.
            assert wires[0].ask("CONFIG", "SET", "maxclients-per-source", "0%") == "OK"
            assert wires[0].ask("CONFIG", "GET", "maxclients-per-source")[1] == b"0"
            assert wires[0].ask("CONFIG", "SET", "maxclients-per-source", "1%") == "OK"
            with crowd(server, 200) as more:
                assert all(wire.ask("PING") == "PONG" for wire in more)
        wait_until(lambda: number(server, "connected_clients") == 1)


# The unix socket --------------------------------------------------------------------------------


def test_the_unix_socket_has_its_rights_and_goes_with_the_server(tmp_path):
    path = tmp_path / "larder.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with Server("larder", "--unixsocket", str(path), "--unixsocketperm", "750") as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o750
        with UnixWire(server, str(path)) as wire:
            assert wire.ask("PING") == "PONG"
    assert not path.exists()


def test_what_is_no_socket_is_not_taken_away(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ServerFailed, match="it is no socket"):
        Server("larder", "--unixsocket", str(path)).start()
    assert path.read_text() == "mine"


# Memory -----------------------------------------------------------------------------------------


def test_the_worst_goes_when_clients_hold_too_much(tmp_path):
    """Large requests that are never finished: who sent most goes first, who sent little stays."""
    with Server("larder", "--maxmemory-clients", "32mb") as server:
        with Wire(server) as good, Wire(server) as modest, crowd(server, 4) as greedy:
            assert good.ask("PING") == "PONG"
            modest.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n" + b"x" * 10_000)
            for wire in greedy:
                wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$33554432\r\n")
                flood(wire, b"y" * MEGABYTE, 12 * MEGABYTE)
            wait_until(lambda: int(info(good, "stats")["evicted_clients"]) >= 1)
            assert int(info(good, "memory")["mem_clients_normal"]) < 64 * MEGABYTE
            modest.send(b"x" * 10_000 + b"\r\n")
            assert modest.reply() == "OK"
            assert good.ask("PING") == "PONG"
            said = server.log()
        assert "maxmemory-clients" in said


def test_no_evict_is_heeded():
    with Server("larder", "--maxmemory-clients", "4mb") as server:
        with Wire(server) as spared, Wire(server) as other:
            assert spared.ask("CLIENT", "NO-EVICT", "ON") == "OK"
            for wire in (spared, other):
                wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n")
                flood(wire, b"x" * MEGABYTE, 7 * MEGABYTE)
            wait_until(lambda: number(server, "evicted_clients") == 1)
            spared.send(b"x" * MEGABYTE + b"\r\n")
            assert spared.reply() == "OK"


def test_values_that_only_readers_hold_are_the_readers():
    """Each non-reader has another version of the value in its output; the store has one."""
    with Server("larder", "--maxmemory-clients", "32mb") as server:
        before = resident_bytes(server)
        with Wire(server) as good, crowd(server, 60) as lazy:
            for i, wire in enumerate(lazy):
                assert good.ask("SET", "k", bytes([65 + i % 26]) * 4 * MEGABYTE) == "OK"
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                with contextlib.suppress(ConnectionError):
                    wire.send(packed("GET", "k") * 3)
            wait_until(lambda: int(info(good, "stats")["evicted_clients"]) > 0)
            assert good.ask("PING") == "PONG"
            wait_until(
                lambda: int(info(good, "memory")["mem_clients_orphaned_values"]) <= 40 * MEGABYTE
            )
        wait_until(lambda: number(server, "mem_clients_orphaned_values") == 0)
        assert resident_bytes(server) - before < 400 * MEGABYTE


def test_a_request_beyond_the_query_buffer_limit():
    with Server("larder", "--client-query-buffer-limit", "1mb") as server:
        with Wire(server) as wire:
            wire.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\n")
            assert flood(wire, b"x" * 65536, 8 * MEGABYTE) < 8 * MEGABYTE
        assert number(server, "client_query_buffer_limit_disconnections") == 1


def test_replies_beyond_the_output_buffer_limit():
    with Server("larder", "--client-output-buffer-limit", "normal 1mb 0 0") as server:
        with Wire(server) as wire:
            assert wire.ask("CONFIG", "GET", "client-output-buffer-limit")[1].startswith(
                b"normal 1048576 0 0 "
            )
            wire.ask("RPUSH", "k", *["x" * 1000] * 8000)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(packed("LRANGE", "k", "0", "-1"))
            wait_until(lambda: number(server, "client_output_buffer_limit_disconnections") == 1)


# All at once ------------------------------------------------------------------------------------


def test_the_guilty_are_in_nobodys_way():
    """A hundred who ask for a large value and never read, a hundred who send a byte at a time, and
    one who works: he is answered, and the server has grown by what it allows them, no more."""
    with Server("larder", "--maxmemory-clients", "64mb", "--maxmemory", "200mb") as server:
        with Wire(server) as good, crowd(server, 100) as lazy, crowd(server, 100) as slow:
            assert good.ask("SET", "large", "x" * MEGABYTE) == "OK"
            before = resident_bytes(server)
            for wire in lazy:
                wire.send(packed("GET", "large") * 100)
            request = packed("SET", "k", "v" * 50)
            for byte in range(len(request) - 1):
                for wire in slow:
                    wire.send(request[byte : byte + 1])
                assert good.ask("SET", "tea", str(byte)) == "OK"
            assert good.ask("GET", "tea") == b"%d" % (len(request) - 2)
            assert resident_bytes(server) - before < 160 * MEGABYTE
            for wire in slow:
                wire.send(request[-1:])
                assert wire.reply() == "OK"
