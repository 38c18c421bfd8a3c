#!/usr/bin/python3
"""Do keys die in time, and what does it cost?

    tools/bench/expiry.py                   all three; about six minutes, 3 GB
    tools/bench/expiry.py --part spread     only that one: spread, burst, idle
    tools/bench/expiry.py --servers larder  only that server

spread  a million keys whose deadlines are spread over a minute, and 50 k GET/s of another key
        beside. How late their memory came back: as seen from outside (DBSIZE, asked a hundred times
        a second: the n-th key to go against the n-th deadline), and as the server says itself
        (INFO's expiration_lag_percentiles_ms, and the largest), in milliseconds.
burst   a million keys due in one second, or in one millisecond: how long a GET waits meanwhile, in
        milliseconds, against the same server at rest; and how long until the last is gone.
idle    ten million keys that die tomorrow, against ten million that do not die: what the server uses
        of a core while nobody asks for anything.

The server has core 0; who loads and who watches share core 1, the watcher first.
"""

import argparse
import sys
import time

import rig

MILLION = 1_000_000
SERVER_CORE = 0
LOAD_CORE = 1

SPREAD_MS = 60_000
GETS_PER_SECOND = 50_000
GETS_AT_ONCE = 8
LOOKS_PER_SECOND = 100
SPREAD_BARS_MS = {0.5: 10, 0.999: 100}
# A server that is so far behind is not waited for.
PATIENCE_SECONDS = 150

BURST_SPREADS_MS = {"1 s": 1000, "1 ms": 1}
WATCHED_SECONDS = 5
BURST_BAR = 3

IDLE_KEYS = 10 * MILLION
IDLE_SECONDS = 20
TOMORROW = 86_400
# Of a core, where nothing is measurable: 20 ms in 20 s.
IDLE_BAR_SHARE = 0.001


def served(kind, arguments):
    return rig.Served(
        kind, core=SERVER_CORE, larder=arguments.larder, threads=arguments.threads
    )


def fill_to_die(server, keys, spread_ms):
    """Keys that begin to die soon after they are all there; answers when, in seconds."""
    began = time.time()
    server.fill("--to", keys, "--scatter", core=LOAD_CORE)
    took = time.time() - began
    server.ask("FLUSHALL")
    server.wait_until_quiet()
    begins = time.time() + 2 * took + 2
    moments = ["--expire-at-ms", int(begins * 1000), "--expire-spread-ms", spread_ms]
    server.fill("--to", keys, "--scatter", *moments, core=LOAD_CORE)
    if time.time() > begins:
        raise rig.Failed("the machine was too slow: keys died before they were watched")
    return begins


def numbers_of(line):
    return {part.split("=")[0]: float(part.split("=")[1]) for part in line.split(",")}


def own_record(server):
    """What the server says of its lateness: percentiles and the largest of the last minute."""
    info = dict(
        line.split(":", 1) for line in server.ask("INFO", "stats").splitlines() if ":" in line
    )
    if "expiration_lag_ms" not in info:
        return None
    record = numbers_of(info["expiration_lag_percentiles_ms"])
    return [record["p50"], record["p99"], record["p99.9"], float(info["expiration_lag_ms"])]


def watch_deaths(server, keys, begins):
    """When how many were gone: pairs of seconds after the first deadline, and keys."""
    seen = []
    with rig.Asker(server) as asker:
        while True:
            before = time.time()
            left = asker.ask("DBSIZE") - 1  # the one that is asked for
            after = time.time()
            seen.append(((before + after) / 2 - begins, keys - left))
            if left <= 0 or after > begins + PATIENCE_SECONDS:
                return seen
            time.sleep(max(0, 1 / LOOKS_PER_SECOND - (after - before)))


def moment_of(nth, keys, spread_ms):
    """When the n-th key to die does: bench_fill gives key n the moment n % spread_ms, so the first
    moments may have one more each."""
    each, rest = divmod(keys, spread_ms)
    if nth < rest * (each + 1):
        return nth // (each + 1)
    return rest + (nth - rest * (each + 1)) // each


def latenesses_ms(seen, keys, spread_ms):
    """Of every thousandth key, by order: when it was seen to be gone, less its deadline."""
    late = []
    at = 0
    for key in range(0, keys, 1000):
        while at < len(seen) and seen[at][1] <= key:
            at += 1
        due_ms = moment_of(key, keys, spread_ms)
        gone_ms = seen[at][0] * 1000 if at < len(seen) else PATIENCE_SECONDS * 1000
        late.append(gone_ms - due_ms)
    return sorted(late)


def at(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(arguments):
    head = ["1 M keys over 60 s", "GET/s", "late p50", "p99", "p99.9", "largest", "GET p50", "p99.9"]
    head += ["waited s"]
    rows = []
    for kind in arguments.servers:
        with served(kind, arguments) as server:
            begins = fill_to_die(server, MILLION, SPREAD_MS)
            server.ask("SET", "pinger", "v" * 32)
            server.ask("CONFIG", "RESETSTAT")
            flags = ["--per-second", str(GETS_PER_SECOND // GETS_AT_ONCE)]
            flags += ["--at-once", str(GETS_AT_ONCE), "--only-get"]
            time.sleep(max(0, begins - 1 - time.time()))
            began, waited_ns = time.time(), server.waited_ns()
            with rig.watching(server, *flags, core=LOAD_CORE) as gets:
                seen = watch_deaths(server, MILLION, begins)
                took = time.time() - began
            waits = [f"{us / 1000:.3f}" for us in gets[1:3]]
            waits.append(f"{(server.waited_ns() - waited_ns) / 1e9:.1f}")
            rate = f"{gets[0] / took / 1000:.1f}k"
            late = latenesses_ms(seen, MILLION, SPREAD_MS)
            outside = [at(late, 0.5), at(late, 0.99), at(late, 0.999), late[-1]]
            rows.append([f"{kind}, from outside", rate, *[f"{ms:.0f}" for ms in outside], *waits])
            own = own_record(server)
            if own is None:
                continue
            judged = [rig.judged(own[0], SPREAD_BARS_MS[0.5], 0), f"{own[1]:.0f}"]
            judged += [rig.judged(own[2], SPREAD_BARS_MS[0.999], 0), f"{own[3]:.0f}"]
            rows.append([f"{kind}, by its record", "", *judged, "", "", ""])
    rig.print_table(head, rows)


def watch_at_rest(server):
    with rig.watching(server, "--only-get", core=LOAD_CORE) as waits:
        time.sleep(WATCHED_SECONDS)
    return waits


def burst(arguments):
    head = ["1 M keys due in", "server", "p50", "p99.9", "longest", "p99.9/idle", "gone after s", "waited ms"]
    rows = []
    for title, spread_ms in BURST_SPREADS_MS.items():
        for kind in arguments.servers:
            with served(kind, arguments) as server:
                server.ask("SET", "pinger", "v" * 32)
                waited = [server.waited_ns()]
                idle = watch_at_rest(server)
                waited.append(server.waited_ns() - waited[0])
                begins = fill_to_die(server, MILLION, spread_ms)
                server.ask("SET", "pinger", "v" * 32)
                time.sleep(max(0, begins - 1 - time.time()))
                until = time.time() + WATCHED_SECONDS
                waited[0] = server.waited_ns()
                with rig.watching(server, "--only-get", core=LOAD_CORE) as waits:
                    seen = watch_deaths(server, MILLION, begins)
                    time.sleep(max(0, until - time.time()))
                waited[0] = server.waited_ns() - waited[0]
                for name, figures in (("at rest", idle), (title, waits)):
                    cells = [f"{us / 1000:.3f}" for us in figures[1:4]]
                    bar = BURST_BAR if kind == "larder" and figures is waits else None
                    times = rig.judged(figures[2] / idle[2], bar, 1)
                    gone = f"{seen[-1][0]:.2f}" if figures is waits else ""
                    waited_ms = f"{waited[0 if figures is waits else 1] / 1e6:.0f}"
                    rows.append([name, kind, *cells, times, gone, waited_ms])
    rig.print_table(head, rows)


def idle(arguments):
    head = ["10 M keys, nobody asks", "server", f"ms of a core in {IDLE_SECONDS} s", "more by"]
    rows = []
    for kind in arguments.servers:
        without = None
        for title, flags in (("that do not die", ()), ("that die tomorrow", ("--ttl", TOMORROW))):
            with served(kind, arguments) as server:
                server.fill("--to", IDLE_KEYS, "--scatter", *flags, core=LOAD_CORE)
                server.wait_until_quiet()
                time.sleep(1)
                before = server.cpu()
                time.sleep(IDLE_SECONDS)
                used_ns = (server.cpu() - before).total_ns
            share = None if without is None else (used_ns - without) / (IDLE_SECONDS * 1e9)
            bar = IDLE_BAR_SHARE if kind == "larder" else None
            more = "" if share is None else f"{rig.judged(100 * share, bar and 100 * bar, 3)} %"
            rows.append([title, kind, f"{used_ns / 1e6:.1f}", more])
            without = used_ns
    rig.print_table(head, rows)


PARTS = {"spread": spread, "burst": burst, "idle": idle}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--servers", default="redis,larder", type=lambda text: text.split(","))
    parser.add_argument("--threads", type=int, default=1, help="of Larder")
    parser.add_argument("--larder", help="another Larder")
    arguments = parser.parse_args()
    for part in arguments.part or PARTS:
        PARTS[part](arguments)
        print(flush=True)


if __name__ == "__main__":
    try:
        main()
    except (rig.Failed, OSError) as problem:
        sys.exit(f"expiry.py: {problem}")
