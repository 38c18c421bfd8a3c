"""redis-cli 7.0 of Debian: typed at on a terminal, asked on its command line, fed by a pipe."""

import csv
import io
import itertools
import os
import re
import signal
import subprocess
import tempfile

import pytest

from servers import Server, wait_until
from terminal import REDIS_CLI, Terminal
from wire import Wire, packed

PASSWORD = "sencha"
MASS_INSERTION_KEYS = 100_000
SECONDS_AT_MOST = 60
NUMBERS_FIRST = re.compile(r"\d").match


def command_line(server, *words):
    return [REDIS_CLI, "-h", server.host, "-p", str(server.port), *words]


def run(server, *words, feed=None, status=0, environment=None):
    """redis-cli with these words; answers what it printed. The exit status must be as told."""
    done = subprocess.run(
        command_line(server, *words),
        input=feed,
        stdin=subprocess.DEVNULL if feed is None else None,
        capture_output=True,
        timeout=SECONDS_AT_MOST,
        env=environment,
    )
    assert done.returncode == status, done
    assert b"error" not in done.stderr.lower(), done
    return done.stdout


def say(server, *words, **more):
    return run(server, *words, **more).decode().rstrip("\n")


@pytest.fixture(scope="module")
def locked(server_kind):
    with Server(server_kind, "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


@pytest.fixture
def empty(server):
    with Wire(server) as wire:
        assert wire.ask("FLUSHALL") == "OK"
    return server


@pytest.fixture
def filled(empty):
    """1,200 keys: 1,000 small ones, 199 with a life, and one much bigger than the others."""
    with Wire(empty) as wire:
        wire.send(b"".join(packed("SET", f"user:{number}", "x" * 10) for number in range(1_000)))
        wire.send(
            b"".join(
                packed("SET", f"session:{number}", "y" * 20, "EX", "1000") for number in range(199)
            )
        )
        wire.send(packed("SET", "giant", "z" * 1_000_000))
        assert set(wire.replies(1_200)) == {"OK"}
    return empty


# On a terminal ------------------------------------------------------------------------------------


def test_commands_typed_are_answered(empty):
    with Terminal(empty) as screen:
        assert "\nOK\n" in screen.answer("set tea green")
        assert '\n"green"\n' in screen.answer("get tea")
        assert "\n(error) ERR value is not an integer or out of range\n" in screen.answer(
            "incr tea"
        )
        assert "\n(integer) 5\n" in screen.answer("strlen tea")
        assert "\n(nil)\n" in screen.answer("get coffee")
        assert '\n1) "green"\n2) (nil)\n' in screen.answer("mget tea coffee")


def test_the_prompt_follows_database_and_transaction(empty):
    with Terminal(empty) as screen:
        assert screen.answer("select 3").endswith(f"{empty.port}[3]> ")
        assert screen.answer("multi").endswith("[3](TX)> ")
        assert "\nQUEUED\n" in screen.answer("set a 1")
        said = screen.answer("exec")
        assert "\n1) OK\n" in said and said.endswith(f"{empty.port}[3]> ")


def test_a_client_that_types_is_asked_for_nothing_but_command_docs(server):
    """Interactive redis-cli reads the documentation of all commands at its start, and falls back
    only on an error.
    """
    with Wire(server) as watcher:
        assert watcher.ask("MONITOR") == "OK"
        with Terminal(server) as screen:
            assert '"here"' in screen.answer("echo here")
        asked = []
        while not asked or '"echo"' not in asked[-1]:
            asked.append(watcher.reply())
        assert re.search(r'"COMMAND" "DOCS"$', asked[0])
        assert len(asked) == 2, asked


def test_help_for_a_command(server):
    with Terminal(server) as screen:
        said = screen.answer("help set")
        for line in ("  SET key value", "  summary: ", "  since: 1.0.0", "  group: string"):
            assert f"\n{line}" in said


def test_help_for_a_subcommand(server):
    with Terminal(server) as screen:
        said = screen.answer("help client setname")
        for line in (
            "  CLIENT SETNAME connection-name",
            "  summary: ",
            "  since: 2.6.9",
            "  group: connection",
        ):
            assert f"\n{line}" in said


@pytest.mark.parametrize(
    "group, command",
    [
        ("@string", "GETEX key"),
        ("@generic", "EXPIRE key seconds"),
        ("@scripting", "EVALSHA sha1"),
        ("@transactions", "WATCH key"),
        ("@connection", "HELLO"),
        ("@server", "FLUSHALL"),
    ],
)
def test_help_for_a_group(server, group, command):
    with Terminal(server) as screen:
        assert f"\n  {command}" in screen.answer(f"help {group}")


def test_typing_a_command_shows_its_arguments_as_a_hint(server):
    with Terminal(server) as screen:
        screen.type("set ")
        screen.shows("key value [NX|XX]")
        screen.type("k ")
        screen.shows("value [NX|XX]")


def test_the_tab_key_completes_a_command(server):
    with Terminal(server) as screen:
        screen.type("getra\t")
        screen.shows("GETRANGE")


def test_a_command_only_the_server_knows_has_its_help_from_the_server(larder):
    """redis-cli 7.0 knows nothing of CLIENT SETINFO; what it shows can only come from COMMAND DOCS.

    """
    with Terminal(larder) as screen:
        said = screen.answer("help client setinfo")
        for line in ("  CLIENT SETINFO", "  summary: ", "  since: 7.2.0"):
            assert f"\n{line}" in said


def test_leaving(server):
    with Terminal(server) as screen:
        screen.type("quit\r")
        os.waitid(os.P_PID, screen.pid, os.WEXITED | os.WNOWAIT)


# On the command line ------------------------------------------------------------------------------


def test_answers_without_a_terminal_are_raw(empty):
    assert say(empty, "SET", "k", "v") == "OK"
    assert say(empty, "GET", "k") == "v"
    assert say(empty, "STRLEN", "k") == "1"
    assert say(empty, "MGET", "k", "none", "k") == "v\n\nv"


def test_answers_may_be_formatted_for_people(empty):
    say(empty, "SET", "k", "line\none")
    assert say(empty, "--no-raw", "GET", "k") == '"line\\none"'
    assert say(empty, "--raw", "GET", "k") == "line\none"
    assert say(empty, "--no-raw", "DEL", "k") == "(integer) 1"


def test_answers_may_be_csv(empty):
    say(empty, "MSET", "a", "1", "b", 'say "hi"')
    rows = list(csv.reader(io.StringIO(say(empty, "--csv", "MGET", "a", "b")), escapechar="\\"))
    assert rows == [["1", 'say "hi"']]
    assert say(empty, "--csv", "INCR", "a") == "2"
    assert say(empty, "--csv", "GET", "none") == "NULL"


def test_the_last_argument_may_come_from_a_file(empty):
    value = bytes(range(256)) * 400
    assert run(empty, "-x", "SET", "k", feed=value) == b"OK\n"
    assert run(empty, "--raw", "GET", "k") == value + b"\n"


def test_commands_may_come_line_by_line(empty):
    lines = b"".join(b"SET line:%d value\n" % number for number in range(1_000))
    assert run(empty, feed=lines) == b"OK\n" * 1_000
    assert say(empty, "DBSIZE") == "1000"


def test_a_database_may_be_chosen(empty):
    assert say(empty, "-n", "5", "SET", "k", "five") == "OK"
    assert say(empty, "GET", "k") == ""
    assert say(empty, "-n", "5", "GET", "k") == "five"
    assert say(empty, "SELECT", "99") == "ERR DB index is out of range"


def test_resp3_may_be_chosen(empty):
    assert "proto 3" in " ".join(say(empty, "-3", "HELLO").split())
    assert say(empty, "-3", "--no-raw", "GET", "none") == "(nil)"
    assert say(empty, "-3", "--no-raw", "CONFIG", "GET", "databases") == '1# "databases" => "16"'


def test_a_command_may_be_repeated(empty):
    assert say(empty, "-r", "5", "-i", "0.01", "INCR", "n") == "1\n2\n3\n4\n5"


def test_an_error_is_printed_and_may_be_the_exit_status(empty):
    assert say(empty, "NOPE").startswith("ERR unknown command 'NOPE'")
    assert say(empty, "-e", "NOPE", status=1) == ""


def test_a_password_in_all_ways(locked):
    assert say(locked, "GET", "k") == "NOAUTH Authentication required."
    assert say(locked, "-a", PASSWORD, "--no-auth-warning", "PING") == "PONG"
    assert (
        say(locked, "--user", "default", "--pass", PASSWORD, "--no-auth-warning", "PING") == "PONG"
    )
    assert say(locked, "-3", "-a", PASSWORD, "--no-auth-warning", "PING") == "PONG"
    assert say(locked, "PING", environment=dict(os.environ, REDISCLI_AUTH=PASSWORD)) == "PONG"
    url = f"redis://default:{PASSWORD}@{locked.host}:{locked.port}/2"
    assert " db=2 " in say(locked, "-u", url, "--no-auth-warning", "CLIENT", "INFO")


def test_a_wrong_password_is_told(locked):
    done = subprocess.run(
        command_line(locked, "-a", "matcha", "--no-auth-warning", "PING"),
        capture_output=True,
        text=True,
        timeout=SECONDS_AT_MOST,
    )
    assert (
        "WRONGPASS invalid username-password pair or user is disabled." in done.stdout + done.stderr
    )
    assert "NOAUTH Authentication required." in done.stdout + done.stderr


def test_a_unix_socket(server_kind):
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "s")
        with Server(server_kind, "--unixsocket", path) as server:

            def over_the_socket(*words):
                return subprocess.run(
                    [REDIS_CLI, "-s", path, *words],
                    capture_output=True,
                    text=True,
                    timeout=SECONDS_AT_MOST,
                ).stdout

            assert over_the_socket("SET", "k", "over the socket") == "OK\n"
            assert say(server, "GET", "k") == "over the socket"
            assert f"addr={path}:0 laddr={path}:0 " in over_the_socket("CLIENT", "INFO")


def test_a_script_from_a_file(empty):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            "redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2])\nreturn {KEYS[1], redis.call('GET', KEYS[1])}\n"
        )
        script.flush()
        assert say(empty, "--eval", script.name, "k", ",", "green", "tea") == "k\ngreentea"
        assert say(empty, "--eval", script.name, "k", ",", "green", "tea") == "k\ngreentea"


# Walking the keys ---------------------------------------------------------------------------------


def test_scan_finds_every_key_once(filled):
    keys = say(filled, "--scan").split("\n")
    assert len(keys) == len(set(keys)) == 1_200


def test_scan_by_pattern(filled):
    keys = say(filled, "--scan", "--pattern", "session:*").split("\n")
    assert sorted(keys) == sorted(f"session:{number}" for number in range(199))
    assert say(filled, "--scan", "--pattern", "nobody:*") == ""


def test_bigkeys(filled):
    report = say(filled, "--bigkeys")
    assert "Sampled 1200 keys in the keyspace!" in report
    assert "Biggest string found '\"giant\"' has 1000000 bytes" in report
    assert "1200 strings with 1013980 bytes (100.00% of keys" in report


def test_memkeys(filled):
    report = say(filled, "--memkeys")
    assert "Sampled 1200 keys in the keyspace!" in report
    biggest = re.search(r"Biggest string found '\"giant\"' has (\d+) bytes", report)
    assert 1_000_000 <= int(biggest[1]) < 1_400_000


def test_hotkeys_asks_for_an_lfu_policy(filled):
    with Wire(filled) as wire:
        was = wire.ask("CONFIG", "GET", "maxmemory-policy")[1]
        try:
            assert wire.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru") == "OK"
            done = subprocess.run(
                command_line(filled, "--hotkeys"),
                capture_output=True,
                text=True,
                timeout=SECONDS_AT_MOST,
            )
            assert "An LFU maxmemory policy is not selected" in done.stdout + done.stderr
        finally:
            wire.ask("CONFIG", "SET", "maxmemory-policy", was)


# Watching -----------------------------------------------------------------------------------------


def test_stat_counts_keys_and_clients(filled):
    watching = subprocess.Popen(
        command_line(filled, "--stat", "-i", "0.01"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        rows = [
            line.split() for line in itertools.islice(filter(NUMBERS_FIRST, watching.stdout), 3)
        ]
    finally:
        watching.terminate()
        watching.communicate(timeout=SECONDS_AT_MOST)
    assert all(row[0] == "1200" for row in rows)
    assert int(rows[2][4]) > int(rows[0][4]), "the number of requests stood still"


def test_latency_history_in_one_line(server):
    """Without a terminal redis-cli measures for the interval and prints: min max avg samples."""
    lowest, highest, average, samples = say(server, "--latency", "-i", "0.2").split()
    assert float(lowest) <= float(average) <= float(highest)
    assert int(samples) > 0


def test_monitor_shows_what_others_do(empty):
    monitor = subprocess.Popen(command_line(empty, "MONITOR"), stdout=subprocess.PIPE, text=True)
    try:
        assert monitor.stdout.readline() == "OK\n"
        say(empty, "-n", "2", "SET", "tea", 'gr"een\n')
        assert re.search(
            r'^\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] "SELECT" "2"$', monitor.stdout.readline()
        )
        assert re.search(
            r'^\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] "SET" "tea" "gr\\"een\\n"$',
            monitor.stdout.readline(),
        )
    finally:
        monitor.send_signal(signal.SIGINT)
        monitor.communicate(timeout=SECONDS_AT_MOST)


def test_client_list_names_who_is_there(server):
    with Wire(server) as wire:
        assert wire.ask("CLIENT", "SETNAME", "a-quiet-one") == "OK"
        rows = [
            dict(word.split("=", 1) for word in line.split())
            for line in say(server, "CLIENT", "LIST").split("\n")
        ]
        quiet = next(row for row in rows if row["name"] == "a-quiet-one")
        assert quiet["id"] == str(wire.ask("CLIENT", "ID"))
        assert quiet["cmd"] == "client|setname"
        assert quiet["db"] == "0" and quiet["resp"] == "2" and quiet["user"] == "default"
        assert quiet["laddr"] == f"{server.host}:{server.port}"
        asking = next(row for row in rows if row["cmd"] == "client|list")
        assert int(asking["id"]) > int(quiet["id"])


def test_slowlog_holds_what_was_slow(server):
    with Wire(server) as wire:
        assert wire.ask("CONFIG", "SET", "slowlog-log-slower-than", "0") == "OK"
        assert wire.ask("SLOWLOG", "RESET") == "OK"
        assert wire.ask("SET", "slow", "value") == "OK"
        assert wire.ask("CONFIG", "SET", "slowlog-log-slower-than", "10000") == "OK"
    shown = say(server, "--no-raw", "SLOWLOG", "GET", "10")
    assert '"SET"' in shown and '"slow"' in shown and '"value"' in shown
    assert "127.0.0.1:" in shown
    assert int(say(server, "SLOWLOG", "LEN")) >= 2
    assert say(server, "SLOWLOG", "RESET") == "OK"
    assert say(server, "SLOWLOG", "LEN") == "0"


def test_info_has_its_sections(server):
    sections = re.findall(r"^# (\w+)\r?$", say(server, "INFO"), re.MULTILINE)
    assert {"Server", "Clients", "Memory", "Stats", "Replication", "CPU"} <= set(sections)
    assert re.findall(r"^# (\w+)\r?$", say(server, "INFO", "server", "memory"), re.MULTILINE) == [
        "Server",
        "Memory",
    ]


# Mass insertion -----------------------------------------------------------------------------------


def test_mass_insertion_through_a_pipe(empty):
    feed = b"".join(
        packed("SET", f"key:{number}", f"value {number}") for number in range(MASS_INSERTION_KEYS)
    )
    report = run(empty, "--pipe", feed=feed).decode()
    assert "All data transferred. Waiting for the last reply..." in report
    assert f"errors: 0, replies: {MASS_INSERTION_KEYS}" in report
    assert say(empty, "DBSIZE") == str(MASS_INSERTION_KEYS)
    total = 0
    with Wire(empty) as wire:
        for start in range(0, MASS_INSERTION_KEYS, 1_000):
            values = wire.ask("MGET", *(f"key:{number}" for number in range(start, start + 1_000)))
            total += sum(int(value.split()[1]) for value in values)
    assert total == MASS_INSERTION_KEYS * (MASS_INSERTION_KEYS - 1) // 2


def test_mass_insertion_counts_its_errors(empty):
    feed = (
        b"SET a x\r\nINCR a\r\n"
        + packed("INCR", "b")
        + packed("NOPE")
        + packed("SET", "c", b"\r\n\0\r\n")
    )
    done = subprocess.run(
        command_line(empty, "--pipe"), input=feed, capture_output=True, timeout=SECONDS_AT_MOST
    )
    said = (done.stdout + done.stderr).decode()
    assert "errors: 2, replies: 5" in said
    assert "ERR value is not an integer or out of range" in said
    assert "ERR unknown command 'NOPE'" in said
    assert done.returncode == 1


# Ending -------------------------------------------------------------------------------------------


def test_shutdown_ends_the_server(server_kind):
    server = Server(server_kind).start()
    try:
        run(server, "SHUTDOWN", "NOSAVE")
        wait_until(lambda: server.process.poll() is not None, what="the server's end")
        assert server.process.returncode == 0
    finally:
        if server.process.poll() is None:
            server.stop()
