"""The server as those who run it meet it: config files, signals, the environment, and who is told
that it is ready. Larder only: redis-server's signals and flags are others."""

import os
import signal
import socket
import subprocess

import pytest

from servers import STOPPED_WITHIN_SECONDS, Server, larder_binary, wait_until


def run(*words, **environment):
    return subprocess.run(
        [str(larder_binary()), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=STOPPED_WITHIN_SECONDS,
    )


def ask(server, *words):
    """One command, its reply as redis-cli prints it."""
    return subprocess.run(
        ["redis-cli", "-p", str(server.port), *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=STOPPED_WITHIN_SECONDS,
    ).stdout.strip()


@pytest.fixture
def notified(tmp_path, monkeypatch):
    """Where systemd would listen."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(path)
        ear.settimeout(STOPPED_WITHIN_SECONDS)
        yield ear


def test_a_good_file_is_said_to_be_good(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text("port 7000\nappendfsync always\n")
    done = run("--check-config", str(file))
    assert done.returncode == 0
    assert "good" in done.stdout
    assert "larder.conf:2: 'appendfsync'" in done.stderr


def test_a_bad_file_is_said_to_be_bad_and_where(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text("port 7000\nmaxmemory much\n")
    for words in (["--check-config", str(file)], [str(file)]):
        done = run(*words)
        assert done.returncode == 1
        assert "at line 2\n>>> 'maxmemory much'\nargument must be a memory value" in done.stderr


def test_help_groups_the_options_and_shows_defaults():
    text = run("--help").stdout
    assert "\nNetwork\n  --port NUMBER" in text
    assert "[6379]" in text


def test_the_printed_file_is_one_it_reads(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text(run("--print-config").stdout)
    assert "0 directives passed over" in run("--check-config", str(file)).stdout


def test_rewrite_of_a_running_server(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text("# mine\ntimeout 5\n")
    with Server("larder", "--config", str(file)) as server:
        assert ask(server, "config", "set", "timeout", "9", "maxclients", "77") == "OK"
        assert ask(server, "config", "rewrite") == "OK"
        assert f"config_file:{file}" in ask(server, "info", "server")
    said = file.read_text()
    assert said.startswith("# mine\ntimeout 9\n# Added by CONFIG REWRITE\n")
    assert "\nmaxclients 77\n" in said
    assert run("--check-config", str(file)).returncode == 0


def test_the_environment_sets_options(monkeypatch):
    monkeypatch.setenv("LARDER_MAXMEMORY_POLICY", "allkeys-lru")
    monkeypatch.setenv("LARDER_SLOWLOG_MAX_LEN", "7")
    with Server("larder", "--slowlog-max-len", "8") as server:
        assert ask(server, "config", "get", "maxmemory-policy").endswith("allkeys-lru")
        assert ask(server, "config", "get", "slowlog-max-len").endswith("8")


def test_sighup_opens_the_log_file_again(tmp_path):
    log, moved = tmp_path / "larder.log", tmp_path / "larder.log.1"
    with Server("larder", "--logfile", str(log)) as server:
        log.rename(moved)
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: log.exists() and "SIGHUP" in log.read_text(), what="the new log")
        assert "ready to accept" in moved.read_text()
        assert "SIGHUP" not in moved.read_text()
        assert ask(server, "ping") == "PONG"


def test_sigusr1_logs_the_state(tmp_path):
    with Server("larder") as server:
        ask(server, "set", "tea", "green")
        ask(server, "get", "tea")
        ask(server, "get", "coffee")
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: "hit ratio" in server.log(), what="the state")
        assert "hit ratio 50.0 %" in server.log()
        assert "db0: keys=1" in server.log()
        assert ask(server, "ping") == "PONG"


def test_sigusr1_while_a_script_runs_for_long():
    with Server("larder", "--busy-reply-threshold", "50", "--threads", "1") as server:
        script = subprocess.Popen(
            ["redis-cli", "-p", str(server.port), "eval", "while true do end", "0"],
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: "BUSY" in ask(server, "ping"), what="the script")
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: "a script runs for long" in server.log(), what="the line")
        assert ask(server, "script", "kill") == "OK"
        script.wait(STOPPED_WITHIN_SECONDS)
        assert ask(server, "ping") == "PONG"


def test_who_starts_it_is_told_when_it_is_ready_and_when_it_ends(notified):
    with Server("larder") as server:
        said = notified.recv(1000).decode()
        assert said.startswith("READY=1\n")
        assert f"MAINPID={server.pid}\n" in said
    assert notified.recv(1000) == b"STOPPING=1\n"


def test_signs_of_life_go_on_while_a_script_runs_and_stop_when_the_server_hangs(
    notified, monkeypatch
):
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with Server("larder", "--busy-reply-threshold", "20", "--enable-debug-command", "yes") as server:
        assert notified.recv(1000).startswith(b"READY=1")
        for _ in range(3):
            assert notified.recv(1000) == b"WATCHDOG=1\n"
        script = subprocess.Popen(
            ["redis-cli", "-p", str(server.port), "eval", "while true do end", "0"],
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: "BUSY" in ask(server, "ping"), what="the script")
        for _ in range(5):
            assert notified.recv(1000) == b"WATCHDOG=1\n"
        ask(server, "script", "kill")
        script.wait(STOPPED_WITHIN_SECONDS)
        os.kill(server.pid, signal.SIGSTOP)
        notified.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                notified.recv(1000)
        os.kill(server.pid, signal.SIGCONT)
        notified.settimeout(STOPPED_WITHIN_SECONDS)
        assert notified.recv(1000) == b"WATCHDOG=1\n"


def test_supervised_no_tells_nobody(notified):
    with Server("larder", "--supervised", "no"):
        pass
    notified.settimeout(0.1)
    with pytest.raises(TimeoutError):
        notified.recv(1000)
