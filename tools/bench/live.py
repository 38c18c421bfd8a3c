#!/usr/bin/python3
"""What do Larder and redis-server miss with the same maxmemory, live?

    tools/bench/live.py --seconds 900 TRACES/*.ltr.zst

Each trace is replayed (tools/replay: GET, and on a miss SET) against both servers, once for each
size of value, all at the same time and evenly spread over --seconds: Redis's LRU clock ticks once a
second, so a replay that takes less than ten minutes does it wrong. Little work at a time, so the
machine may have other work.

The limit of a row is what an unlimited redis-server uses with --share percent of the trace's keys in
it: its own 0.9 MB counts in there, as it does in maxmemory. Where that makes the limit a small one,
--at-least replays several copies of the trace, interleaved, each with keys of its own: what is missed
is the same, of more.
"""

import argparse
import array
import concurrent.futures
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import rig

REPLAY = rig.REPOSITORY / "tools/replay"
# By the size of the value: at least so many fewer misses in the mean; and fewer on each trace.
BARS = {64: 0.85, 256: 0.90, 1024: 0.88}
MEGABYTE = 1 << 20
KEY_BYTES = 16  # tools/replay's names of numbered keys
SIDES = ("redis", "larder")
SETS_AT_ONCE = 1000
HEAD = ["trace", "value", "copies", "limit MB", "keys %", "keys % of redis", "misses %", "of redis"]
HEAD += ["ratio", "rss MB", "of redis"]


class Stream:
    """The numbers of a trace file; sizes that it has are left out: every value has one size."""

    def __init__(self, path, requests):
        self.title = pathlib.Path(path).name.split(".")[0]
        read = subprocess.run(["zstd", "-dcqf", path], stdout=subprocess.PIPE, check=True).stdout
        words = array.array("I")
        words.frombytes(read[4:])
        if read[:4] != b"LTR1" or sys.byteorder != "little":
            raise rig.Failed(f"{path} is no trace that can be read here")
        count, self.keys, flags = words[:3]
        first = 3 + (self.keys if flags & 1 else 0)
        self.requests = words[first : first + min(count, requests or count)]
        self.keys = max(self.requests) + 1  # they are numbered as they first appear

    def write(self, path, copies):
        many = array.array("I", bytes(4 * len(self.requests) * copies))
        for copy in range(copies):
            many[copy::copies] = array.array("I", (key * copies + copy for key in self.requests))
        with open(path, "wb") as file:
            file.write(b"LTR1")
            array.array("I", [len(many), self.keys * copies, 0]).tofile(file)
            many.tofile(file)


class Row:
    def __init__(self, stream, value_bytes, arguments, home):
        self.stream = stream
        self.value_bytes = value_bytes
        held = int(stream.keys * arguments.share / 100)
        wanted = arguments.at_least * MEGABYTE
        self.copies = 1
        if wanted:
            one = redis_bytes(held, value_bytes)
            # No more than there is time for.
            most = max(1, int(arguments.most_requests) // len(stream.requests))
            self.copies = min(most, max(1, -(-int(wanted) // one[1])))
        self.limit_bytes = sum(redis_bytes(held * self.copies, value_bytes))
        self.file = os.path.join(home, f"{stream.title}-{self.copies}.ltr")
        if not os.path.exists(self.file):
            stream.write(self.file, self.copies)
        self.servers = {}
        self.misses = {}
        self.keys = {}
        self.rss = {}

    def serve(self, stack, arguments):
        for side in SIDES:
            policy = rig.REDIS_LRU if side == "redis" else ()
            server = rig.Served(
                side,
                "--maxmemory",
                str(self.limit_bytes),
                *policy,
                larder=arguments.larder,
                threads=arguments.threads,
            )
            self.servers[side] = stack.enter_context(server)

    def replay(self, side, arguments):
        server = self.servers[side]
        line = [sys.executable, str(REPLAY), "--port", str(server.port)]
        line += ["--value", str(self.value_bytes), "--seconds", str(arguments.seconds)]
        line += ["--pipeline", str(arguments.pipeline), self.file]
        done = subprocess.run(["nice", *line], capture_output=True, text=True, check=False)
        found = re.search(r"(\d+) requests in ([\d.]+) s: .* (\d+) misses", done.stdout)
        if not found:
            raise rig.Failed(f"{self.stream.title} on {side}: {done.stderr.strip()}")
        if float(found[2]) > arguments.seconds * 1.1 + 10:
            print(f"beware: {self.stream.title} on {side} took {found[2]} s", file=sys.stderr)
        self.misses[side] = int(found[3]) / int(found[1])
        self.keys[side] = server.ask("DBSIZE")
        self.rss[side] = server.rss_bytes()

    def ratio(self):
        return self.misses["larder"] / self.misses["redis"]

    def cells(self):
        total = self.stream.keys * self.copies
        return [
            self.stream.title,
            str(self.value_bytes),
            str(self.copies),
            f"{self.limit_bytes / MEGABYTE:.2f}",
            f"{100 * self.keys['larder'] / total:.1f}",
            f"{100 * self.keys['redis'] / total:.1f}",
            f"{100 * self.misses['larder']:.2f}",
            f"{100 * self.misses['redis']:.2f}",
            rig.judged(self.ratio(), 1.0, 3),
            f"{self.rss['larder'] / MEGABYTE:.1f}",
            f"{self.rss['redis'] / MEGABYTE:.1f}",
        ]


def redis_bytes(keys, value_bytes, known={}):
    """What an empty redis-server uses, and how much more with so many keys in it."""
    if (keys, value_bytes) not in known:
        with rig.Served("redis") as server:
            empty = server.info("used_memory")
            value = b"v" * value_bytes
            for first in range(0, keys, SETS_AT_ONCE):
                words = [b"MSET"]
                for key in range(first, min(keys, first + SETS_AT_ONCE)):
                    words += [b"%0*d" % (KEY_BYTES, key), value]
                server.ask(*words)
            # What the connection took is not of the keys.
            full = int(re.search(r"^used_memory:(\d+)", server.ask("INFO", "memory"), re.M)[1])
        known[keys, value_bytes] = (empty, max(1, full - empty))
    return known[keys, value_bytes]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", nargs="+", help="files in the format of tools/bench/README.md")
    parser.add_argument("--value", type=int, action="append", help="bytes; default 64, 256, 1024")
    parser.add_argument("--share", type=float, default=10, help="percent of the keys Redis holds")
    parser.add_argument("--at-least", type=float, default=0, help="MB of keys in Redis, by copies")
    parser.add_argument("--most-requests", type=float, default=5e6, help="of a row with copies")
    parser.add_argument("--requests", type=int, default=0, help="only the first of each trace")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--pipeline", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1, help="of Larder")
    parser.add_argument("--larder", help="another Larder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-live-") as home, contextlib.ExitStack() as stack:
        streams = [Stream(path, arguments.requests) for path in arguments.traces]
        sizes = arguments.value or sorted(BARS)
        rows = [Row(stream, size, arguments, home) for size in sizes for stream in streams]
        for row in rows:
            row.serve(stack, arguments)
        runs = [(row, side) for row in rows for side in SIDES]
        with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
            list(pool.map(lambda run: run[0].replay(run[1], arguments), runs))
    rig.print_table(HEAD, [row.cells() for row in rows])
    for size in sizes:
        ratios = [row.ratio() for row in rows if row.value_bytes == size]
        mean = rig.judged(sum(ratios) / len(ratios), BARS.get(size), 3)
        print(f"values of {size} bytes: misses in multiples of redis's, mean {mean}")


if __name__ == "__main__":
    try:
        main()
    except (rig.Failed, OSError) as problem:
        sys.exit(f"live.py: {problem}")
