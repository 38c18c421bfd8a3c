#!/usr/bin/python3
"""Larder beside redis-server and beside the floor: what a request costs the server.

    tools/bench/compare.py                     every work, one round; about three minutes
    tools/bench/compare.py --work get-16       only works whose name begins so (may be repeated)
    tools/bench/compare.py --rounds 5          medians over five interleaved rounds
    tools/bench/compare.py --keys 10000000     another size of keyspace

One server after the other is started, pinned to one core, filled, and loaded by redis-benchmark
from another core. What counts is the CPU time of the server's process per request, read from /proc
before and after the load, and its ratio to the others' in the same run: absolute figures depend on
the machine and on who else uses it. A request is a command: an MGET of 100 keys is one. Works named tls- are asked
for over TLS, of redis-server and Larder; their handshakes are in the figures.

Latencies are redis-benchmark's, in milliseconds, with its client busy on its own core: with deep
pipelines they say more about the client. p99.9 is the first row of its distribution at or beyond
99.9 %.
"""

import argparse
import dataclasses
import re
import statistics
import subprocess
import sys

import rig

KEY = "key:__rand_int__"  # redis-benchmark writes 12 digits: 16 bytes
VALUE = "v" * 32


@dataclasses.dataclass(frozen=True)
class Bars:
    """The most that Larder's CPU time per request may be of another's, as the issue says."""

    redis: float
    floor: float = None
    redis_user: float = None


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    data: str  # which keys it needs: a row of DATA
    command: tuple
    requests: int
    bars: Bars
    pipeline: int = 1


TLS = Bars(redis=1.0)
UNPIPELINED = Bars(redis=0.85, floor=1.12, redis_user=0.45)
PIPELINE_16 = Bars(redis=0.36, floor=1.35)
PIPELINE_100 = Bars(redis=0.20, floor=2.4)

GET = ("GET", KEY)
SET = ("SET", KEY, VALUE)
MSET_PAIRS = tuple(word for _ in range(10) for word in (KEY, VALUE))
SCRIPT = ("EVAL", "return redis.call('get',KEYS[1])", "1", KEY)

WORKS = (
    Work("get-1", "plain", GET, 200_000, UNPIPELINED),
    Work("set-1", "plain", SET, 200_000, UNPIPELINED),
    Work("get-16", "plain", GET, 1_600_000, PIPELINE_16, pipeline=16),
    Work("set-16", "plain", SET, 1_600_000, PIPELINE_16, pipeline=16),
    Work("get-100", "plain", GET, 2_500_000, PIPELINE_100, pipeline=100),
    Work("set-100", "plain", SET, 2_500_000, PIPELINE_100, pipeline=100),
    Work("mget-100", "plain", ("MGET",) + (KEY,) * 100, 30_000, Bars(0.30)),
    Work("mset-10", "plain", ("MSET",) + MSET_PAIRS, 150_000, Bars(0.30)),
    Work("eval-16", "plain", SCRIPT, 500_000, Bars(0.60), pipeline=16),
    Work("setex-16", "ttl", SET + ("EX", "3600"), 1_600_000, Bars(0.38), pipeline=16),
    Work("incr-16", "counters", ("INCR", KEY), 1_600_000, Bars(0.36), pipeline=16),
    Work("get-64k", "large", GET, 60_000, Bars(0.90)),
    Work("tls-get-1", "tls", GET, 100_000, TLS),
    Work("tls-set-1", "tls", SET, 100_000, TLS),
    Work("tls-get-16", "tls", GET, 800_000, TLS, pipeline=16),
)

LARGE_KEYS = 1000
LARGE_BYTES = 64 * 1024
# How each keyspace is filled: flags of bench_fill, given how many keys there are to be.
DATA = {
    "plain": lambda keys: ["--to", keys, "--value-bytes", 32],
    "ttl": lambda keys: ["--to", keys, "--value-bytes", 32, "--ttl", 3600],
    "counters": lambda keys: ["--to", keys, "--value", "0"],
    "large": lambda _: ["--to", LARGE_KEYS, "--value-bytes", LARGE_BYTES],
    "tls": lambda keys: ["--to", keys, "--value-bytes", 32],  # and asked for over TLS
}

PERCENTILE = re.compile(r"^\s*(\d+\.\d+)% <= (\d+\.\d+) milliseconds", re.MULTILINE)
RATE = re.compile(r"throughput summary: ([\d.]+) requests per second")


@dataclasses.dataclass
class Outcome:
    """One work on one server: nanoseconds of the server per request, and what the load saw."""

    cpu_ns: float
    user_ns: float
    system_ns: float
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float


def median_outcome(outcomes):
    fields = dataclasses.fields(Outcome)
    return Outcome(*(statistics.median(getattr(it, f.name) for it in outcomes) for f in fields))


def percentile(distribution, wanted):
    return next((ms for percent, ms in distribution if percent >= wanted), distribution[-1][1])


def load(server, work, args):
    """Runs redis-benchmark; answers what it printed."""
    keys = LARGE_KEYS if work.data == "large" else args.keys
    requests = max(1000, round(work.requests * args.requests))
    line = [rig.REDIS_BENCHMARK, "-h", "127.0.0.1", "-c", str(args.clients)]
    line += ["-p", str(server.port)]
    if work.data == "tls":
        line[-1] = str(server.tls_port)
        line += ["--tls", "--cacert", server.certificate]
    line += ["-n", str(requests), "-r", str(keys), "-P", str(work.pipeline), "--precision", "3"]
    ran = subprocess.run(
        rig.pinned(line + list(work.command), args.load_core), capture_output=True, text=True
    )
    if ran.returncode != 0 or not RATE.search(ran.stdout):
        raise rig.Failed(f"redis-benchmark on {server.kind}, {work.name}: {ran.stderr.strip()}")
    return ran.stdout, requests


def measure(server, work, args):
    before = server.cpu()
    said, requests = load(server, work, args)
    cost = server.cpu() - before
    distribution = [(float(percent), float(ms)) for percent, ms in PERCENTILE.findall(said)]
    return Outcome(
        cost.total_ns / requests,
        cost.user_ns / requests,
        cost.system_ns / requests,
        float(RATE.search(said)[1]),
        percentile(distribution, 50),
        percentile(distribution, 99),
        percentile(distribution, 99.9),
    )


def run_round(works, args, outcomes):
    """Every keyspace in turn; for each, one server after the other."""
    for data in DATA:
        wanted = [work for work in works if work.data == data]
        for kind in args.servers if wanted else ():
            if data == "tls" and kind == "floor":
                continue
            size = LARGE_BYTES if data == "large" else 32
            with rig.Served(
                kind, core=args.server_core, build=args.build, larder=args.larder, value_bytes=size,
                tls=data == "tls",
            ) as server:
                if kind != "floor":
                    server.fill("--prefix", "key:", *DATA[data](args.keys), core=args.load_core)
                    server.wait_until_quiet()
                for work in wanted:
                    outcome = measure(server, work, args)
                    outcomes.setdefault((work.name, kind), []).append(outcome)


def ratio(outcomes, work, other, field):
    mine, theirs = outcomes.get((work.name, "larder")), outcomes.get((work.name, other))
    if mine is None or theirs is None or getattr(theirs, field) == 0:
        return None
    return getattr(mine, field) / getattr(theirs, field)


def rows_of(work, outcomes, kinds):
    for kind in kinds:
        if (work.name, kind) not in outcomes:
            continue
        it = outcomes[(work.name, kind)]
        row = [work.name, kind, f"{it.cpu_ns:.0f}", f"{it.user_ns:.0f}", f"{it.system_ns:.0f}"]
        row += [f"{it.per_second / 1000:.1f}"]
        row += [f"{ms:.3f}" for ms in (it.p50_ms, it.p99_ms, it.p999_ms)]
        if kind == "larder":
            row += [
                rig.judged(ratio(outcomes, work, "redis", "cpu_ns"), work.bars.redis),
                rig.judged(ratio(outcomes, work, "redis", "user_ns"), work.bars.redis_user),
                rig.judged(ratio(outcomes, work, "floor", "cpu_ns"), work.bars.floor),
            ]
        else:
            row += ["", "", ""]
        yield row


def print_outcomes(works, outcomes, kinds):
    head = ["work", "server", "cpu ns", "user", "system", "k/s", "p50 ms", "p99", "p99.9"]
    head += ["cpu/redis", "user/redis", "cpu/floor"]
    rig.print_table(head, [row for work in works for row in rows_of(work, outcomes, kinds)])


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys, chosen uniformly")
    parser.add_argument("--requests", type=float, default=1.0, help="times the usual number")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--work", action="append", help="only works whose name begins so")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--servers", default="redis,floor,larder", help="comma separated")
    parser.add_argument("--build", type=rig.pathlib.Path, default=rig.default_build())
    parser.add_argument("--larder", type=rig.pathlib.Path, help="another Larder program")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    args = parser.parse_args()
    args.servers = args.servers.split(",")
    unknown = set(args.servers) - set(rig.KINDS)
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    works = [w for w in WORKS if not args.work or any(w.name.startswith(n) for n in args.work)]
    if not works:
        parser.error(f"no such work; there are {', '.join(work.name for work in WORKS)}")
    return args, works


def main():
    args, works = read_arguments()
    outcomes = {}
    try:
        for _ in range(args.rounds):
            run_round(works, args, outcomes)
    except rig.Failed as failure:
        sys.exit(f"compare.py: {failure}")
    medians = {name: median_outcome(several) for name, several in outcomes.items()}
    print_outcomes(works, medians, args.servers)


if __name__ == "__main__":
    main()
