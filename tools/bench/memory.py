#!/usr/bin/python3
"""What a key costs in memory, as the kernel counts it, beside redis-server.

    tools/bench/memory.py                      everything; some minutes, up to 3 GB
    tools/bench/memory.py --part empty         only that part: empty, growth, reuse, flush,
                                               collections
    tools/bench/memory.py --servers larder     only that server

empty    RSS of a server that holds nothing.
growth   Keys of 16 bytes, values of 8, 32 and 200, without and with a time to live. `above` is the
         growth of RSS from 1 M to 5 M keys, per key, less key and value. `at 1 M ... 8 M` is all of
         RSS beyond empty at that many keys, per key, less key and value; `stray` is how far the
         worst of them is from their mean.
reuse    5 M keys with values of 32 bytes; every second one, picked at random, is deleted and put
         back with a value twice the size. Its RSS over that of a fresh server with the same data.
flush    RSS after FLUSHALL of 5 M keys, beyond that of the server when it was empty.
collections  Growth of RSS per key: 1 M hashes of 5 short fields, 100 k sets of 50 integers below a
         million, 100 k sorted sets of 20 members, 100 k lists of 100 short strings.

RSS is smaps_rollup's, read when the server has come to rest.
"""

import argparse
import statistics
import sys

import rig

MILLION = 1_000_000
KEY_BYTES = 16
VALUE_SIZES = (8, 32, 200)
TTL_SECONDS = 86_400
GROWTH_FROM, GROWTH_TO, STAIRS = 1, 5, 8  # millions of keys

# The bars.
EMPTY_BAR_MB = 12
ABOVE_BAR = {False: 28, True: 36}  # bytes a key, by whether it has a time to live
STRAY_BAR = 0.15
REUSE_BAR = 1.10
FLUSH_BAR_MB = 20
COLLECTION_BAR = 0.85  # of redis-server's growth

PARTS = ("empty", "growth", "reuse", "flush", "collections")


def megabytes(count):
    return count / MILLION


def served(kind, args):
    return rig.Served(kind, core=args.server_core, build=args.build, larder=args.larder)


def fill(server, args, *flags):
    server.fill("--scatter", *flags, core=args.load_core)


def settled_rss(server):
    server.wait_until_quiet()
    return server.rss_bytes()


def bar_for(kind, bar):
    return bar if kind == "larder" else None


def print_empty(args):
    rows = []
    for kind in args.servers:
        with served(kind, args) as server:
            rss = megabytes(settled_rss(server))
            rows.append([kind, rig.judged(rss, bar_for(kind, EMPTY_BAR_MB), 1)])
    rig.print_table(["empty", "RSS MB"], rows)


def climb(kind, value_bytes, has_ttl, args):
    """RSS at 0, 1, ... millions of keys."""
    with served(kind, args) as server:
        steps = [settled_rss(server)]
        for million in range(1, STAIRS + 1):
            bounds = ["--from", (million - 1) * MILLION, "--to", million * MILLION]
            ttl = ["--ttl", TTL_SECONDS] if has_ttl else []
            fill(server, args, *bounds, "--value-bytes", value_bytes, *ttl)
            steps.append(settled_rss(server))
    return steps


def growth_row(kind, value_bytes, has_ttl, args):
    steps = climb(kind, value_bytes, has_ttl, args)
    data = KEY_BYTES + value_bytes
    above = (steps[GROWTH_TO] - steps[GROWTH_FROM]) / ((GROWTH_TO - GROWTH_FROM) * MILLION) - data
    stairs = [(steps[n] - steps[0]) / (n * MILLION) - data for n in range(1, STAIRS + 1)]
    mean = statistics.mean(stairs)
    stray = max(abs(step - mean) for step in stairs) / mean
    name = f"value {value_bytes}{' with TTL' if has_ttl else ''}"
    row = [name, kind, rig.judged(above, bar_for(kind, ABOVE_BAR[has_ttl]), 1)]
    row += [f"{step:.1f}" for step in stairs]
    return row + [rig.judged(stray, bar_for(kind, STRAY_BAR))]


def print_growth(args):
    rows = []
    for value_bytes in VALUE_SIZES:
        for has_ttl in (False, True):
            rows += [growth_row(kind, value_bytes, has_ttl, args) for kind in args.servers]
    head = ["bytes a key", "server", "above"] + [f"at {n} M" for n in range(1, STAIRS + 1)]
    rig.print_table(head + ["stray"], rows)


def print_reuse(args):
    keys = ["--to", GROWTH_TO * MILLION]
    rows = []
    for kind in args.servers:
        with served(kind, args) as server:
            fill(server, args, *keys, "--value-bytes", 32)
            full = settled_rss(server)
            fill(server, args, *keys, "--delete-every-second")
            halved = settled_rss(server)
            fill(server, args, *keys, "--value-bytes", 64, "--every-second")
            reused = settled_rss(server)
        with served(kind, args) as server:
            fill(server, args, *keys, "--value-bytes", 32, "--twice-every-second")
            fresh = settled_rss(server)
        row = [f"{megabytes(rss):.0f}" for rss in (full, halved, reused, fresh)]
        ratio = rig.judged(reused / fresh, bar_for(kind, REUSE_BAR))
        rows.append([kind, *row, ratio])
    head = ["reuse", "5 M keys, MB", "half deleted", "put back", "fresh", "put back/fresh"]
    rig.print_table(head, rows)


def print_flush(args):
    rows = []
    for kind in args.servers:
        with served(kind, args) as server:
            empty = settled_rss(server)
            fill(server, args, "--to", GROWTH_TO * MILLION, "--value-bytes", 32)
            full = settled_rss(server)
            server.ask("FLUSHALL")
            left = megabytes(settled_rss(server) - empty)
        row = [f"{megabytes(rss):.1f}" for rss in (empty, full)]
        rows.append([kind, *row, rig.judged(left, bar_for(kind, FLUSH_BAR_MB), 1)])
    rig.print_table(["FLUSHALL", "empty, MB", "5 M keys", "beyond empty after"], rows)


def a_hash(i):
    mail = f"u{i}@x.org"
    return "HSET", f"h:{i:012}", "name", f"user{i}", "age", i % 90, "city", "berlin", "mail", mail, "seen", i


def a_set(i):
    return "SADD", f"s:{i:012}", *((i * 7919 + j * 104729) % MILLION for j in range(50))


def a_zset(i):
    return "ZADD", f"z:{i:012}", *(word for j in range(20) for word in (i * j % 10000, f"member{j}"))


def a_list(i):
    return "RPUSH", f"l:{i:012}", *(f"element-{j}" for j in range(100))


COLLECTIONS = (
    ("hash of 5", MILLION, a_hash),
    ("set of 50 integers", MILLION // 10, a_set),
    ("sorted set of 20", MILLION // 10, a_zset),
    ("list of 100", MILLION // 10, a_list),
)


def collection_growth(kind, keys, command, args):
    """Bytes of RSS per key."""
    batch = 200  # so that what lies in buffers is little
    with served(kind, args) as server:
        before = settled_rss(server)
        with rig.Asker(server) as asker:
            for first in range(0, keys, batch):
                asker.ask_all([command(i) for i in range(first, first + batch)])
        return (settled_rss(server) - before) / keys


def print_collections(args):
    rows = []
    for name, keys, command in COLLECTIONS:
        grown = {kind: collection_growth(kind, keys, command, args) for kind in args.servers}
        for kind in args.servers:
            bar = bar_for(kind, COLLECTION_BAR)
            of_redis = grown[kind] / grown["redis"] if "redis" in grown else None
            rows.append([name, kind, f"{grown[kind]:.1f}", rig.judged(of_redis, bar)])
    rig.print_table(["bytes a key", "server", "RSS", "of redis"], rows)


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--servers", default="larder,redis", help="comma separated")
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    args.servers = args.servers.split(",")
    unknown = set(args.servers) - {"larder", "redis"}
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    return args


def main():
    args = read_arguments()
    parts = {
        "empty": print_empty,
        "growth": print_growth,
        "reuse": print_reuse,
        "flush": print_flush,
        "collections": print_collections,
    }
    try:
        for name in args.part or PARTS:
            parts[name](args)
            print(flush=True)
    except rig.Failed as failure:
        sys.exit(f"memory.py: {failure}")


if __name__ == "__main__":
    main()
