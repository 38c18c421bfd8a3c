"""What the benchmarks share: servers on chosen cores, what they cost, loads, tables.

    with Served("larder", core=0) as server:
        before = server.cpu()
        ...
        print((server.cpu() - before).total_ns)

Must hold: a server is ended by its own pid, also when the benchmark fails; servers listen on
loopback only, on a port found by binding port 0. Cost is the server process's own, from /proc: the
sum of its threads' schedstat in nanoseconds, split into user and system by the ticks of its stat.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
REDIS_SERVER = "/usr/bin/redis-server"
REDIS_BENCHMARK = "/usr/bin/redis-benchmark"
KINDS = ("redis", "floor", "larder")

READY_WITHIN_SECONDS = 30
STOPPED_WITHIN_SECONDS = 60
POLL_SECONDS = 0.02
ANSWERS_WITHIN_SECONDS = 120
RECEIVE_BYTES = 1 << 20
# redis-server's nearest to a policy that is worth something.
REDIS_LRU = ("--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10")
# A server that uses less than this share of a core has nothing left to do behind our back.
QUIET_SHARE = 0.03
QUIET_WITHIN_SECONDS = 60
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The benchmark cannot go on; says why."""


@dataclasses.dataclass
class Cpu:
    """Time on a core. `user_ns` and `system_ns` share out `total_ns`."""

    total_ns: int
    user_ticks: int
    system_ticks: int

    def __sub__(self, before):
        return Cpu(
            self.total_ns - before.total_ns,
            self.user_ticks - before.user_ticks,
            self.system_ticks - before.system_ticks,
        )

    @property
    def user_ns(self):
        ticks = self.user_ticks + self.system_ticks
        return self.total_ns * self.user_ticks / ticks if ticks else 0.0

    @property
    def system_ns(self):
        return self.total_ns - self.user_ns


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name, build):
    path = pathlib.Path(build) / "bench" / name
    if not os.access(path, os.X_OK):
        raise Failed(f"{path} is not there: cmake --build --preset release --target benches")
    return str(path)


def default_build():
    return REPOSITORY / "build/release"


class Served:
    """One server process, pinned to `core` (None: anywhere). `flags` end its command line. With
    `tls` it has a TLS port beside the plain one."""

    def __init__(self, kind, *flags, core=None, build=None, larder=None, value_bytes=32, threads=1, tls=False):
        self.kind = kind
        self.flags = flags
        self.core = core
        self.build = build or default_build()
        self.larder = larder or self.build / "larder"
        self.value_bytes = value_bytes
        self.threads = threads
        self.tls = tls
        self.tls_port = None
        self.certificate = None  # where tls: the server's, which is its own authority
        self.port = None
        self.process = None
        self.home = None

    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix=f"bench-{self.kind}-")
        self.port = free_port()
        if self.tls:
            self.tls_port = free_port()
            self.certificate = make_certificate(self.home)
        with open(self._log_path(), "wb") as log:
            self.process = subprocess.Popen(
                pinned(self._command_line(), self.core),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOPPED_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _command_line(self):
        port = ["--port", str(self.port)]
        if self.kind == "floor":
            size = ["--value-bytes", str(self.value_bytes)]
            return [program("bench_floor", self.build), *port, *size, *self.flags]
        if self.kind == "larder":
            if not os.access(self.larder, os.X_OK):
                raise Failed(f"{self.larder} is not there: cmake --build --preset release")
            own = [str(pathlib.Path(self.larder).resolve()), "--threads", str(self.threads)]
        else:
            own = [REDIS_SERVER, "--save", "", "--appendonly", "no", "--dir", self.home]
        if self.tls:
            own += ["--tls-port", str(self.tls_port), "--tls-auth-clients", "no"]
            own += ["--tls-cert-file", self.certificate]
            own += ["--tls-key-file", self.certificate.replace(".crt", ".key")]
        return [*own, *port, "--bind", "127.0.0.1", *self.flags]

    def _wait_until_ready(self):
        until = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.ask("PING") == "PONG":
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        with open(self._log_path(), errors="replace") as log:
            raise Failed(f"{self.kind} did not start; its log:\n{log.read()}")

    def _log_path(self):
        return os.path.join(self.home, "server.log")

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return Cpu(total, int(fields[11]), int(fields[12]))

    def waited_ns(self):
        """How long its threads were ready to run while others had the core."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[1])
        return total

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            return int(re.search(r"^Rss:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024

    def share_of_core(self, seconds=0.2):
        """How much of a core the server uses now, watched for that long."""
        began, before = time.monotonic(), self.cpu().total_ns
        time.sleep(seconds)
        return (self.cpu().total_ns - before) / ((time.monotonic() - began) * 1e9)

    def wait_until_quiet(self, share=QUIET_SHARE):
        """What was flushed or has expired may still be being freed: waits for the end of it."""
        until = time.monotonic() + QUIET_WITHIN_SECONDS
        while time.monotonic() < until:
            if self.share_of_core() < share:
                return
        raise Failed(f"{self.kind} has not come to rest")

    def ask(self, *words, timeout=READY_WITHIN_SECONDS):
        """One command on a connection of its own; an error is raised, arrays become lists."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as wire:
            wire.sendall(packed(*words))
            with wire.makefile("rb") as stream:
                return read_reply(stream)

    def info(self, field):
        """One number of INFO; None where the server has no such line."""
        found = re.search(rf"^{field}:(\d+)", self.ask("INFO", "everything"), re.MULTILINE)
        return int(found[1]) if found else None

    def fill(self, *flags, core=None, wait=True):
        """bench_fill with these flags; with wait=False answers the running process."""
        words = [str(flag) for flag in flags]
        line = [program("bench_fill", self.build), "--port", str(self.port), *words]
        process = subprocess.Popen(pinned(line, core), stderr=subprocess.PIPE, text=True)
        if not wait:
            return process
        said = process.communicate()[1]
        if process.returncode != 0:
            raise Failed(f"filling {self.kind}: {said.strip()}")
        return process


def make_certificate(folder):
    """An RSA certificate for this machine in server.crt, and its key in server.key."""
    certificate = os.path.join(folder, "server.crt")
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    line += ["-keyout", os.path.join(folder, "server.key"), "-out", certificate]
    line += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    made = subprocess.run(line, capture_output=True, text=True)
    if made.returncode != 0:
        raise Failed(f"openssl: {made.stderr}")
    return certificate


class Asker:
    """A client with a connection of its own, for one command after the other."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), ANSWERS_WITHIN_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb", buffering=RECEIVE_BYTES)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()

    def ask(self, *words):
        (reply,) = self.ask_all([words])
        return reply

    def ask_all(self, commands):
        """Sent together; the replies in their order."""
        self.socket.sendall(b"".join(packed(*words) for words in commands))
        return [read_reply(self.stream) for _ in commands]


@contextlib.contextmanager
def watching(server, *flags, core=None):
    """bench_ping while the block runs; the list it gives holds what it prints afterwards: how many,
    and p50, p99.9 and the longest in microseconds."""
    line = [program("bench_ping", server.build), "--port", str(server.port), *flags]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pinger = subprocess.Popen(pinned(line, core), **pipes)
    figures = []
    try:
        pinger.stdout.readline()
        yield figures
        said, complaint = pinger.communicate()
        if pinger.returncode != 0:
            raise Failed(complaint.strip())
        figures += [float(figure) for figure in said.split()]
    finally:
        if pinger.poll() is None:
            pinger.kill()
            pinger.wait()


def packed(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(
        b"$%d\r\n%s\r\n" % (len(part), part) for part in parts
    )


def read_reply(stream):
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise Failed(f"the server said: {rest}")
    if kind == b"$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == b"*":
        return [read_reply(stream) for _ in range(max(0, int(rest)))]
    return int(rest) if kind == b":" else rest


def pinned(command_line, core):
    return command_line if core is None else ["taskset", "-c", str(core), *command_line]


def print_table(head, rows):
    """Columns as wide as their widest cell; the first to the left, the others to the right. A row
    of one cell is a remark between the rows."""
    whole = [row for row in [head, *rows] if len(row) == len(head)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(head))]
    for row in [head, *rows]:
        if len(row) != len(head):
            print(row[0])
            continue
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def judged(value, bar, digits=2):
    """A figure beside its bar: "0.31 <=0.36", with a mark when it is over."""
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return f"{text} <={bar:.{digits}f}{' OVER' if value > bar else ' ok'}" if bar else text


def at_least(value, bar, digits=2):
    """The same for a bar from below: "0.81 >=0.80 ok"."""
    text = f"{value:.{digits}f}"
    return f"{text} >={bar:.{digits}f}{' UNDER' if value < bar else ' ok'}" if bar else text
