#!/usr/bin/python3
"""Is maxmemory kept, as the kernel counts memory, beside redis-server?

    tools/bench/limit.py                       64 MB and 1 GB; minutes
    tools/bench/limit.py --limit 4gb           only that limit (may be repeated)
    tools/bench/limit.py --servers larder      only that server

Twenty times the limit is written in three phases: new keys of 16 bytes with values of 100 bytes,
then 2 KB, then 300 bytes; one value of a hundred is one of 100 KB. For each phase: `peak` is the
largest RSS seen in it, less 12 MB for the empty server, over the limit;
`live` is the keys and values that are there at its end, by SCAN and STRLEN, over the limit; `dataset` is used_memory_dataset over the limit. redis-server runs with
allkeys-lru and 10 samples.
"""

import argparse

import re
import sys
import threading
import time

import rig

KEY_BYTES = 16
SIZES = (100, 2000, 300)
LARGE_EVERY = 100
LARGE_BYTES = 100_000
TIMES = 20
SCAN_COUNT = 2000
WATCH_SECONDS = 0.02

# The bars.
PEAK_BAR = 1.05
LIVE_BAR = 0.80
EMPTY_BYTES = 12_000_000

UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def bytes_of(text):
    found = re.fullmatch(r"(\d+)(|kb|mb|gb)", text.lower())
    if not found:
        raise argparse.ArgumentTypeError(f"not a size: {text}")
    return int(found[1]) * UNITS[found[2]]


class Watch:
    """The largest RSS of a server while the block runs."""

    def __init__(self, server):
        self.statm = f"/proc/{server.pid}/statm"
        self.peak = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.over.wait(WATCH_SECONDS):
            with open(self.statm) as file:
                self.peak = max(self.peak, int(file.read().split()[1]) * 4096)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def live_bytes(server):
    """Keys and values, every one of them."""
    total = 0
    with rig.Asker(server) as asker:
        cursor = "0"
        while True:
            cursor, keys = asker.ask("SCAN", cursor, "COUNT", SCAN_COUNT)
            sizes = asker.ask_all([["STRLEN", key] for key in keys])
            total += sum(sizes) + KEY_BYTES * len(keys)
            if cursor == "0":
                return total


def flags_of(kind, limit):
    return ["--maxmemory", str(limit), *(rig.REDIS_LRU if kind == "redis" else ())]


def phases(kind, limit, args):
    with rig.Served(
        kind, *flags_of(kind, limit), core=args.server_core, build=args.build, larder=args.larder
    ) as server:
        next_key = 0
        for size in args.sizes:
            mean = KEY_BYTES + size * (1 - 1 / LARGE_EVERY) + LARGE_BYTES / LARGE_EVERY
            keys = int(limit * TIMES / len(args.sizes) / mean)
            began = time.monotonic()
            with Watch(server) as watch:
                bounds = ["--from", next_key, "--to", next_key + keys]
                large = ["--large-every", LARGE_EVERY, "--large-bytes", LARGE_BYTES]
                server.fill("--scatter", *bounds, "--value-bytes", size, *large, core=args.load_core)
            took = time.monotonic() - began
            next_key += keys
            live, dataset = live_bytes(server), server.info("used_memory_dataset")
            yield [
                f"{limit / UNITS['mb']:.0f} MB, {size} B",
                kind,
                rig.judged((watch.peak - EMPTY_BYTES) / limit, PEAK_BAR if kind == "larder" else None),
                rig.at_least(live / limit, LIVE_BAR if kind == "larder" else None),
                f"{dataset / limit:.2f}",
                f"{keys / took / 1000:.0f}",
            ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=bytes_of, action="append", help="64mb, 1gb ...")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="of values, by phase")
    parser.add_argument("--servers", nargs="+", choices=("redis", "larder"), default=("redis", "larder"))
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    head = ["limit, value", "server", "peak/limit", "live/limit", "dataset", "k sets/s"]
    rows = []
    for limit in args.limit or [bytes_of("64mb"), bytes_of("1gb")]:
        for kind in args.servers:
            rows += phases(kind, limit, args)
    rig.print_table(head, rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except rig.Failed as problem:
        sys.exit(str(problem))
