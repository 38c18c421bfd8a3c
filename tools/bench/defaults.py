#!/usr/bin/python3
"""redis-benchmark's own list, on Larder and on redis-server, row by row.

    tools/bench/defaults.py                    as `redis-benchmark -n 100000` does it
    tools/bench/defaults.py --pipeline 16      and as with -P 16
    tools/bench/defaults.py --rounds 5         medians over five interleaved rounds

One server after the other is started, pinned to one core, and loaded by one redis-benchmark with its
whole default list from another core. Its rows are read as they come; between two of them lies the CPU
time of the server's process for that row. Columns: requests a second, CPU nanoseconds of the server per
request, and Larder's over redis-server's for both.
"""

import argparse
import csv
import statistics
import subprocess
import sys

import rig

SERVERS = ("redis", "larder")
RATE_BAR = 1.0
CPU_BAR = 0.6  # with a pipeline of 16


def rows_of(server, args):
    """Name of each row, its requests a second, and CPU nanoseconds per request."""
    line = ["stdbuf", "-oL", rig.REDIS_BENCHMARK, "-h", "127.0.0.1", "-p", str(server.port), "--csv"]
    line += ["-n", str(args.requests), "-P", str(args.pipeline)]
    load = subprocess.Popen(
        rig.pinned(line, args.load_core), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    load.stdout.readline()  # the head
    before = server.cpu()
    for said in load.stdout:
        now = server.cpu()
        name, rate = next(csv.reader([said]))[:2]
        yield name, float(rate), (now - before).total_ns / args.requests
        before = now
    complaint = load.communicate()[1].strip()
    if load.returncode != 0 or "Error" in complaint:
        raise rig.Failed(f"redis-benchmark on {server.kind}: {complaint}")


def measure(args):
    """{row: {server: [(rate, cpu), ...]}}, in the order of the list."""
    outcomes = {}
    for _ in range(args.rounds):
        for kind in SERVERS:
            with rig.Served(
                kind, core=args.server_core, build=args.build, larder=args.larder
            ) as server:
                for name, rate, cpu_ns in rows_of(server, args):
                    row = outcomes.setdefault(name, {one: [] for one in SERVERS})
                    row[kind].append((rate, cpu_ns))
    return outcomes


def print_outcomes(outcomes, args):
    table = []
    for name, by_server in outcomes.items():
        (redis_rate, redis_cpu), (rate, cpu) = (
            [statistics.median(figures) for figures in zip(*by_server[kind])] for kind in SERVERS
        )
        table.append(
            [
                name,
                f"{redis_rate:.0f}",
                f"{rate:.0f}",
                rig.at_least(rate / redis_rate, RATE_BAR),
                f"{redis_cpu:.0f}",
                f"{cpu:.0f}",
                rig.judged(cpu / redis_cpu, CPU_BAR if args.pipeline == 16 else None),
            ]
        )
    head = ["row", "redis/s", "larder/s", "rate", "redis ns", "larder ns", "cpu"]
    rig.print_table(head, table)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000, help="of each row")
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    try:
        print_outcomes(measure(args), args)
    except rig.Failed as failure:
        sys.exit(f"defaults.py: {failure}")


if __name__ == "__main__":
    main()
