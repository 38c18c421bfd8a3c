"""redis-benchmark of Debian as a load: every test ends with a rate and no error, on both servers.

The rates are printed for the reader and never judged here: a machine that is busy with something
else says nothing about a server.
"""

import csv
import io
import re
import subprocess

import pytest

from wire import Wire, info

REDIS_BENCHMARK = "/usr/bin/redis-benchmark"
REQUESTS = 20_000
# Without a pipeline every request is a turn of both programs, and a few are proof enough.
REQUESTS_UNPIPELINED = 4_000
SECONDS_AT_MOST = 120
TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]
SHAPES = {
    "one at a time": [],
    "pipelines of 16": ["-P", "16"],
    "two threads": ["--threads", "2"],
    "two threads, pipelines of 16": ["--threads", "2", "-P", "16"],
    "random keys": ["-r", "100000"],
    "random keys, pipelines of 16, large values": ["-r", "1000", "-P", "16", "-d", "4096"],
    "one connection": ["-c", "1", "-P", "100"],
    "a new connection each time": ["-k", "0"],
    "RESP3": ["-3", "-P", "16"],
}


def load(server, *flags):
    """Runs redis-benchmark; answers its rows and what the server counted meanwhile. Errors fail the
    test.
    """
    with Wire(server) as wire:
        before = int(info(wire, "stats")["total_commands_processed"])
        done = subprocess.run(
            [
                REDIS_BENCHMARK,
                "-h",
                server.host,
                "-p",
                str(server.port),
                "-n",
                str(REQUESTS),
                "--csv",
                *flags,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_AT_MOST,
        )
        after = int(info(wire, "stats")["total_commands_processed"])
    assert done.returncode == 0, done
    # It says "WARNING: Could not fetch server CONFIG", "Error from server: ..." and the like on
    # stderr.
    assert all(
        line.startswith("WARNING: Keepalive disabled.") for line in done.stderr.splitlines()
    ), done
    assert "ERR" not in done.stdout, done
    return list(csv.DictReader(io.StringIO(done.stdout))), after - before


@pytest.mark.parametrize("shape", SHAPES)
def test_every_test_ends_with_a_rate(server, shape, capsys):
    requests = REQUESTS if "-P" in SHAPES[shape] else REQUESTS_UNPIPELINED
    rows, counted = load(
        server, "-t", "ping,set,get,incr,mset", *SHAPES[shape], "-n", str(requests)
    )
    assert [row["test"] for row in rows] == TESTS
    assert all(float(row["rps"]) > 0 for row in rows)
    assert counted >= len(TESTS) * requests
    with capsys.disabled():
        rates = "  ".join(f"{row['test'].split(' ')[0]} {float(row['rps']):,.0f}" for row in rows)
        print(f"\n{server.kind:7}{shape}: {rates}", end="")


def test_the_load_has_done_what_it_says(server):
    with Wire(server) as wire:
        assert wire.ask("FLUSHALL") == "OK"
        load(server, "-t", "incr", "-P", "16", "--threads", "2", "-c", "20")
        assert wire.ask("GET", "counter:__rand_int__") == b"%d" % REQUESTS
        assert wire.ask("FLUSHALL") == "OK"
        load(server, "-r", "1000", "-P", "16", "SET", "key:__rand_int__", "value")
        assert 900 < wire.ask("DBSIZE") <= 1_000
        assert wire.ask("GET", "key:" + "0" * 12) in (b"value", None)


def test_the_quiet_form_prints_one_line_a_test(server):
    done = subprocess.run(
        [
            REDIS_BENCHMARK,
            "-h",
            server.host,
            "-p",
            str(server.port),
            "-n",
            "1000",
            "-q",
            "-t",
            "set,get",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_AT_MOST,
    )
    summaries = [
        line for line in re.split("[\r\n]", done.stdout) if "requests per second, p50=" in line
    ]
    assert [line.split(":")[0] for line in summaries] == ["SET", "GET"]
    assert "ERR" not in done.stdout and not done.stderr


def test_scripts_under_load(server):
    load(
        server,
        "-P",
        "16",
        "-r",
        "100",
        "EVAL",
        "return redis.call('INCR', KEYS[1])",
        "1",
        "k:__rand_int__",
    )
    with Wire(server) as wire:
        keys = wire.ask("KEYS", "k:*")
        assert sum(int(wire.ask("GET", key)) for key in keys) == REQUESTS
