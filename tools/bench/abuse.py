#!/usr/bin/python3
"""Clients that mean harm, by the thousand: does one who works notice, and what does it weigh?

    tools/bench/abuse.py                    every row, some three minutes
    tools/bench/abuse.py --row storm        only rows whose name holds this (idle always)
    tools/bench/abuse.py --scale 0.1        a tenth of the clients, and of the seconds

Each row has a fresh Larder with a TLS port, on one core; the others, and bench_ping, which asks a
thousand times a second on a plain connection and waits for nothing, are on another. `p99.9/idle` is
over the first row's and is to stay below five. RSS is in MB, at its highest while the row ran and
above what it was before; the bar is what clients may hold (--maxmemory-clients) and a base for each
connection.

A load that shares its core with bench_ping spoils the figures of bench_ping unless that may run
with real-time priority: run as root, or believe ratios only.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import os
import resource
import select
import socket
import ssl
import sys
import threading
import time
import typing

import rig

P999_BAR = 5
CLIENTS_MB = 256
# Of a connection that holds nothing, in the server: its session, and what Asio, epoll and malloc
# need for it.
CONNECTION_KB = 4
HANDSHAKES_PER_SECOND = 500
MEGABYTE = 1 << 20


@dataclasses.dataclass
class Bench:
    server: rig.Served
    scale: float
    load_core: int

    def count(self, usual):
        return max(1, round(usual * self.scale))

    def connect(self, receive_bytes=None):
        wire = socket.socket()
        if receive_bytes:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        wire.connect(("127.0.0.1", self.server.port))
        return wire


@contextlib.contextmanager
def crowd(bench, count, **how):
    with contextlib.ExitStack() as all_of_them:
        yield [all_of_them.enter_context(bench.connect(**how)) for _ in range(count)]


def nothing(bench):
    time.sleep(3 + 7 * bench.scale)


def never_read(bench):
    """Each asks for a megabyte ten times over and reads none of it; the value changes meanwhile."""
    with crowd(bench, bench.count(1000), receive_bytes=4096) as lazy:
        for i, wire in enumerate(lazy):
            if i % 10 == 0:
                bench.server.ask("SET", "large", "v" * MEGABYTE)
            with contextlib.suppress(ConnectionError):  # it may be one of the worst already
                wire.sendall(rig.packed("GET", "large") * 10)
        time.sleep(3 + 7 * bench.scale)


def byte_by_byte(bench):
    """A byte a second each, of a request that is never whole."""
    with crowd(bench, bench.count(1000)) as slow:
        request = rig.packed("SET", "k", "v" * 100)
        for second in range(bench.count(10)):
            began = time.monotonic()
            for wire in slow:
                wire.sendall(request[second : second + 1])
            time.sleep(max(0, 1 - (time.monotonic() - began)))


def stay(bench):
    """Ten thousand who come and say nothing."""
    with crowd(bench, bench.count(10_000)):
        time.sleep(3 + 7 * bench.scale)


def shake_hands(port, per_second, until):
    """One process of the storm: full handshakes, as fast as asked for; answers how many."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    done, due = 0, time.monotonic()
    while (now := time.monotonic()) < until:
        if now < due:
            time.sleep(due - now)
        due += 1 / per_second
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
                context.wrap_socket(plain).close()
                done += 1
    return done


def storm(bench):
    seconds = 20 * max(bench.scale, 0.1)
    until = time.monotonic() + seconds
    port, processes = bench.server.tls_port, 4
    with multiprocessing.Pool(processes) as pool:
        work = [(port, HANDSHAKES_PER_SECOND / processes, until)] * processes
        done = sum(pool.starmap(shake_hands, work))
    return f"{done / seconds:.0f} handshakes a second"


def guess(bench):
    """Passwords, as fast as they are refused. Who is in already stays in."""
    with rig.Asker(bench.server) as admin:
        admin.ask("CONFIG", "SET", "requirepass", "sesame")
        try:
            until, guesses = time.monotonic() + 3 + 7 * bench.scale, 0
            while time.monotonic() < until:
                with contextlib.suppress(OSError), bench.connect() as wire:
                    wire.settimeout(5)
                    wire.sendall(rig.packed("AUTH", f"guess{guesses}") * 10)
                    select.select([wire], [], [], 5)
                    wire.recv(1 << 16)
                    guesses += 10
        finally:
            admin.ask("CONFIG", "SET", "requirepass", "")
    return f"{guesses} guesses"


def all_at_once(bench):
    rows = [never_read, byte_by_byte, stay, storm, guess]
    threads = [threading.Thread(target=row, args=(bench,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    act: typing.Callable
    connections: int = 0


ROWS = (
    Row("idle", nothing),
    Row("1,000 never read 1 MB", never_read, 1000),
    Row("1,000 send a byte a second", byte_by_byte, 1000),
    Row("10,000 say nothing", stay, 10_000),
    Row("storm of 500 handshakes a second", storm, 512),
    Row("passwords are guessed", guess),
    Row("all at once", all_at_once, 12_512),
)


class Scale:
    """What the server weighs at most, looked at ten times a second."""

    def __init__(self, server):
        self.server, self.most, self.is_over = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.before = self.server.rss_bytes()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def watch(self):
        while not self.is_over.wait(0.1):
            self.most = max(self.most, self.server.rss_bytes())

    def grown_mb(self):
        return max(0, self.most - self.before) / MEGABYTE


def measure(row, args):
    flags = ["--maxclients", "16000", "--maxmemory", "1gb", "--loglevel", "warning"]
    flags += ["--maxmemory-clients", f"{CLIENTS_MB}mb"]
    with rig.Served(
        "larder",
        *flags,
        core=args.server_core,
        build=args.build,
        larder=args.larder,
        threads=args.threads,
        tls=True,
    ) as server:
        server.ask("SET", "pinger", "v")
        server.wait_until_quiet()
        bench = Bench(server, args.scale, args.load_core)
        with rig.watching(server, core=args.load_core) as figures, Scale(server) as scale:
            remark = row.act(bench)
        evicted = server.info("evicted_clients")
        allowed = CLIENTS_MB + bench.count(row.connections) * CONNECTION_KB / 1024 + 16
        return figures, scale.grown_mb(), allowed, evicted, remark


def table_row(row, outcome, idle):
    figures, grown_mb, allowed_mb, evicted, remark = outcome
    p50, p999, longest = (us / 1000 for us in figures[1:])
    bar = None if row is ROWS[0] else P999_BAR
    cells = [row.name, f"{p50:.3f}", f"{p999:.3f}", f"{longest:.3f}"]
    cells += [rig.judged(p999 / idle, bar, 1), rig.judged(grown_mb, allowed_mb, 0), str(evicted)]
    return cells + [remark or ""]


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", action="append", help="only rows whose name holds this")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual numbers")
    parser.add_argument("--threads", type=int, default=1, help="of Larder")
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    wanted = [row for row in ROWS if not args.row or any(word in row.name for word in args.row)]
    return args, list(dict.fromkeys([ROWS[0], *wanted]))


def main():
    args, rows = read_arguments()
    os.sched_setaffinity(0, {args.load_core})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle, table = None, []
    for row in rows:
        try:
            outcome = measure(row, args)
        except (rig.Failed, OSError) as failure:
            table.append([f"{row.name}: failed: {failure}"])
            continue
        idle = idle or outcome[0][2] / 1000
        table.append(table_row(row, outcome, idle))
    head = ["ms waited during", "p50", "p99.9", "longest", "p99.9/idle", "RSS MB", "evicted", ""]
    rig.print_table(head, table)
    sys.exit(any(len(cells) == 1 for cells in table))


if __name__ == "__main__":
    main()
