#!/usr/bin/python3
"""Does anything one client does make the others wait?

    tools/bench/stall.py                       every row; some minutes, up to 3 GB
    tools/bench/stall.py --row keys            only rows whose name holds this (may be repeated)
    tools/bench/stall.py --servers larder      only that server

A client that looks idle sends PING and GET a thousand times a second (bench_ping) while others do
what the row says. Printed: the median wait, p99.9 and the longest, in milliseconds; `p99.9/idle` is
against the same server's first row, and `redis/larder` compares the longest waits. `held` is the
server's own record of its longest hold of a shard's lock, where it keeps one.

Each row has a server of its own, filled before the watching begins; the watching ends when the work
is done, the server has come to rest, and at least --seconds have passed: a wait counts in p99.9
when it lasts a thousandth of that. The server has one core; who loads and who watches share the
other, the watcher first.
"""

import argparse
import dataclasses
import os
import select
import socket
import sys
import time
import typing

import rig

MILLION = 1_000_000
MANY = 5 * MILLION
HUGE_BYTES = 400 * 1000 * 1000
GREEDY_BYTES = 100 * 1000 * 1000
MSET_KEYS = 100_000
SCRIPT_SECONDS = 2

# The bars.
P999_BAR = 3  # times idle
WORST_BAR = 20  # how much shorter Larder's longest wait is in redis-server's worst rows
WORST_MS = 50  # what makes a row one of redis-server's worst
HELD_BAR_US = 1000
HELD_FIELD = "shard_lock_longest_hold_usec"  # of INFO

# A server at rest uses this much more than answering the pings took before the work began.
REST_TIMES = 1.5


class Asker(rig.Asker):
    """Takes replies of any size without keeping them."""

    def pass_over_bulks(self, count):
        """That many bulks of one line each: two lines."""
        lines = 2 * count
        while lines > 0:
            seen = self.stream.peek()
            if not seen:
                raise rig.Failed("the server closed the connection")
            here = seen.count(b"\n")
            if here <= lines:
                self.stream.read(len(seen))
                lines -= here
            else:
                for _ in range(lines):
                    self.stream.readline()
                lines = 0

    def array_head(self):
        line = self.stream.readline()
        if line[:1] != b"*":
            raise rig.Failed(f"not an array: {line!r}")
        return int(line[1:])


def fill_many(server):
    server.fill("--to", MANY, "--scatter")


def put_huge(server):
    with Asker(server) as asker:
        asker.ask("SET", "huge", b"h" * HUGE_BYTES)


def all_keys(server):
    with Asker(server) as asker:
        asker.socket.sendall(rig.packed("KEYS", "*"))
        asker.pass_over_bulks(asker.array_head())


def scan(server):
    with Asker(server) as asker:
        cursor = "0"
        while True:
            asker.socket.sendall(rig.packed("SCAN", cursor, "COUNT", MILLION))
            asker.array_head()
            cursor = rig.read_reply(asker.stream)
            asker.pass_over_bulks(asker.array_head())
            if cursor == "0":
                return


def flush(server):
    server.ask("FLUSHALL")


def delete_huge(server):
    server.ask("DEL", "huge")


def overwrite_huge(server):
    server.ask("SET", "huge", "small")


def poll_until(condition, what, seconds=rig.ANSWERS_WITHIN_SECONDS):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise rig.Failed(f"{what} did not happen in {seconds} s")
        time.sleep(0.05)


def expire_huge(server):
    server.ask("PEXPIRE", "huge", 200)
    poll_until(lambda: server.ask("DBSIZE") == 1, "expiry")


def prepare_eviction(server):
    put_huge(server)
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    server.ask("CONFIG", "SET", "maxmemory", server.info("used_memory") + MILLION)


def evict_huge(server):
    keys = 0
    while server.ask("EXISTS", "huge"):
        if keys == MANY:
            raise rig.Failed("the huge value is not evicted")
        server.fill("--from", keys, "--to", keys + 20_000)
        keys += 20_000


def prepare_expiry(server):
    """A million keys, dying in one second that begins soon after they are all there."""
    began = time.time()
    server.fill("--to", MILLION)
    took = time.time() - began
    server.ask("FLUSHALL")
    server.wait_until_quiet()
    server.expiry_begins = time.time() + 2 * took + 2
    server.fill("--to", MILLION, "--expire-at-ms", int(server.expiry_begins * 1000))
    time.sleep(max(0, server.expiry_begins - time.time() - 1))


def wait_for_expiry(server):
    if time.time() > server.expiry_begins:
        raise rig.Failed("the machine was too slow: keys died before they were watched")
    poll_until(lambda: server.ask("DBSIZE") == 1, "expiry of a million keys")


def grow(server):
    server.fill("--to", 10 * MILLION, "--scatter")


def run_loops(server, loops):
    began = time.monotonic()
    server.ask("EVAL", "for i = 1, tonumber(ARGV[1]) do end return 1", "0", loops)
    return time.monotonic() - began


def measure_script(server):
    loops = 5 * MILLION
    server.script_loops = int(loops * SCRIPT_SECONDS / run_loops(server, loops))


def long_script(server):
    run_loops(server, server.script_loops)


def set_many(server):
    words = ["MSET"]
    for number in range(MSET_KEYS):
        words += [f"{number:016d}", "v" * 32]
    server.ask(*words)


def never_read(server):
    """Sends 100 MB of GETs, or as many as the server takes, and reads none of the replies."""
    request = rig.packed("GET", "pinger") * 10_000
    with socket.create_connection(("127.0.0.1", server.port)) as greedy:
        greedy.setblocking(False)
        sent = 0
        while sent < GREEDY_BYTES:
            if not select.select([], [greedy], [], 2)[1]:
                break  # the server has stopped reading
            sent += greedy.send(request[sent % len(request) :])
        time.sleep(1)


def halve(server):
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    half = server.info("used_memory") // 2
    server.ask("CONFIG", "SET", "maxmemory", half)
    # redis-server answers at once and evicts in its own time.
    poll_until(lambda: server.info("used_memory") <= half * 1.02, "eviction of half")


def nothing(_):
    pass


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    prepare: typing.Callable
    act: typing.Callable
    has_bar: bool = True
    seconds: float = 0  # watched at least so long


ROWS = (
    Row("idle", nothing, nothing, has_bar=False),
    Row("KEYS * over 5 M keys", fill_many, all_keys),
    Row("SCAN COUNT 1000000 of 5 M", fill_many, scan),
    Row("FLUSHALL of 5 M keys", fill_many, flush),
    Row("DEL of 400 MB", put_huge, delete_huge),
    Row("overwrite of 400 MB", put_huge, overwrite_huge),
    Row("expiry of 400 MB", put_huge, expire_huge),
    Row("eviction of 400 MB", prepare_eviction, evict_huge),
    Row("1 M keys expire in a second", prepare_expiry, wait_for_expiry),
    Row("growth from 0 to 10 M keys", nothing, grow),
    Row("script of 2 s", measure_script, long_script, has_bar=False, seconds=5 * SCRIPT_SECONDS),
    Row("MSET of 100 k keys", nothing, set_many),
    Row("100 MB pipelined, never read", nothing, never_read),
    Row("maxmemory to half of 5 M keys", fill_many, halve),
)


@dataclasses.dataclass
class Waits:
    """In milliseconds; what bench_ping saw, and the server's record of its lock."""

    p50: float
    p999: float
    longest: float
    held_us: int = None


def measure(row, kind, args):
    with rig.Served(
        kind, core=args.server_core, build=args.build, larder=args.larder, threads=args.threads
    ) as server:
        row.prepare(server)
        server.ask("SET", "pinger", "v")
        server.ask("CONFIG", "RESETSTAT")  # the longest hold is of what is watched
        if row.prepare is not prepare_expiry:  # which has waited for its moment
            server.wait_until_quiet()
        with rig.watching(server) as figures:
            rest = REST_TIMES * server.share_of_core() + rig.QUIET_SHARE
            until = time.monotonic() + max(args.seconds, row.seconds)
            row.act(server)
            server.wait_until_quiet(rest)
            time.sleep(max(0, until - time.monotonic()))
        return Waits(*(us / 1000 for us in figures[1:]), server.info(HELD_FIELD))


def table_row(row, kind, waits, idle, redis):
    cells = [row.name, kind] + [f"{ms:.3f}" for ms in (waits.p50, waits.p999, waits.longest)]
    is_judged = kind == "larder" and row.has_bar
    times_idle = waits.p999 / idle.p999 if idle else None
    cells.append(rig.judged(times_idle, P999_BAR if is_judged else None, 1))
    if kind != "larder":
        return cells + ["", ""]
    held = rig.judged(waits.held_us, HELD_BAR_US, 0)
    if redis is None:
        return cells + ["", held]
    faster = redis.longest / waits.longest
    is_worst = row.has_bar and redis.longest >= WORST_MS
    text = rig.at_least(faster, WORST_BAR if is_worst else None, 1)
    return cells + [text, held]


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", action="append", help="only rows whose name holds this")
    parser.add_argument("--servers", default="redis,larder", help="comma separated")
    parser.add_argument("--seconds", type=float, default=3.0, help="each row, at least")
    parser.add_argument("--threads", type=int, default=1, help="of Larder")
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    args.servers = args.servers.split(",")
    unknown = set(args.servers) - {"larder", "redis"}
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    wanted = [row for row in ROWS if not args.row or any(word in row.name for word in args.row)]
    return args, list(dict.fromkeys([ROWS[0], *wanted]))


def main():
    args, rows = read_arguments()
    os.sched_setaffinity(0, {args.load_core})
    seen, table = {}, []
    for row in rows:
        for kind in args.servers:
            try:
                waits = seen[row.name, kind] = measure(row, kind, args)
            except (rig.Failed, OSError) as failure:
                table.append([f"{row.name}, {kind}: failed: {failure}"])
                continue
            idle = seen.get((ROWS[0].name, kind))
            redis = seen.get((row.name, "redis"))
            table.append(table_row(row, kind, waits, idle, redis))
    head = ["ms waited during", "server", "p50", "p99.9", "longest", "p99.9/idle", "redis/larder"]
    rig.print_table([*head, "held us"], table)
    sys.exit(any(len(cells) == 1 for cells in table))


if __name__ == "__main__":
    main()
