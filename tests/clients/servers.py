"""Servers under test: started on a free loopback port, stopped by their own pid.

    with Server("larder") as server:  # the binary that LARDER_BINARY names
    with Server("redis", "--requirepass", "tea", password="tea") as server:  # Debian's

Must hold: a test never meets a server that is not ready (PING is polled, with a bound), never
leaves one behind, and never passes over a server that died or ended with an error (a sanitizer's
report included): stop() raises with the log. A port is found by binding port 0 and letting go; when
somebody takes it in between, the start is tried again.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
REDIS_SERVER = "/usr/bin/redis-server"
KINDS = ("larder", "redis")

# Generous: a sanitizer build on a busy machine starts slowly, and a bound only matters when
# something is broken.
READY_WITHIN_SECONDS = 30
STOPPED_WITHIN_SECONDS = 30
POLL_SECONDS = 0.02
START_ATTEMPTS = 5


class ServerFailed(Exception):
    """The server did not start, died, or ended with an error; says so with its log."""


def larder_binary():
    """The Larder that is tested: an error, not a skipped test, when it has not been built."""
    binary = pathlib.Path(os.environ.get("LARDER_BINARY") or REPOSITORY / "build/release/larder")
    if not binary.is_absolute():
        binary = REPOSITORY / binary
    if not os.access(binary, os.X_OK):
        raise ServerFailed(f"{binary} is not there: build it, or name one in LARDER_BINARY")
    return binary


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=10, what="the condition"):
    """Polls until condition() is true and returns what it answered; raises after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come true within {seconds} s")
        time.sleep(POLL_SECONDS)


class Server:
    """One server process. `flags` end its command line; both kinds read the same words."""

    host = "127.0.0.1"

    def __init__(self, kind, *flags, password=None):
        if kind not in KINDS:
            raise ValueError(f"no server of kind {kind!r}: choose from {', '.join(KINDS)}")
        self.kind = kind
        self.flags = flags
        self.password = password
        self.port = None
        self.process = None
        self.home = None

    def __repr__(self):
        return f"Server({self.kind!r}, port={self.port})"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def url(self, database=None):
        signed_in = f":{self.password}@" if self.password else ""
        path = "" if database is None else f"/{database}"
        return f"redis://{signed_in}{self.host}:{self.port}{path}"

    def command_line(self):
        if self.kind == "redis":
            own = [REDIS_SERVER, "--save", "", "--appendonly", "no", "--dir", self.home]
        else:
            # Tests guess passwords; a test of what that leads to says its own limit behind this one.
            own = [str(larder_binary()), "--auth-failure-limit", "0"]
        return [*own, "--port", str(self.port), "--bind", self.host, *self.flags]

    def start(self):
        for attempt in range(1, START_ATTEMPTS + 1):
            self.home = tempfile.mkdtemp(prefix=f"clients-{self.kind}-")
            self.port = free_port()
            with open(self.log_path(), "wb") as log:
                self.process = subprocess.Popen(
                    self.command_line(),
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if self._becomes_ready():
                return self
            said = self.log()
            self._forget()
            if "in use" not in said or attempt == START_ATTEMPTS:
                raise ServerFailed(f"{self.kind} did not start; its log:\n{said}")

    def stop(self):
        """Asks the server to end, and insists; raises when it had died or did not end cleanly."""
        if self.process is None:
            return
        died = self.process.poll() is not None
        stuck = False
        if not died:
            self.process.terminate()
            try:
                self.process.wait(STOPPED_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                stuck = True
                self.process.kill()
                self.process.wait()
        status, said = self.process.returncode, self.log()
        self._forget()
        if died:
            raise ServerFailed(
                f"{self.kind} died under test with status {status}; its log:\n{said}"
            )
        if stuck:
            raise ServerFailed(
                f"{self.kind} did not end within {STOPPED_WITHIN_SECONDS} s; its log:\n{said}"
            )
        if status != 0:
            raise ServerFailed(f"{self.kind} ended with status {status}; its log:\n{said}")

    def log_path(self):
        return os.path.join(self.home, "server.log")

    def log(self):
        with open(self.log_path(), errors="replace") as log:
            return log.read()

    def _forget(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None
        shutil.rmtree(self.home, ignore_errors=True)

    def _becomes_ready(self):
        until = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if self._answers_ping():
                # Somebody else may be the one who answers on this port, while ours is about to say
                # "in use".
                return self.process.poll() is None
            time.sleep(POLL_SECONDS)
        return False

    def _answers_ping(self):
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as wire:
                wire.sendall(b"PING\r\n")
                # With a password set the answer is -NOAUTH, which is as ready as +PONG.
                return wire.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
