"""Worker processes of job queues: started beside a server, ended by their own pid.

    with Worker([PYTHON, "-m", "rq.cli", "worker", "--url", server.url()], cwd=HERE) as worker:
        wait_until(lambda: job.get_status() == "finished", what="the job")

Must hold: a worker is asked to end as an operator would ask (SIGTERM), and must do so cleanly within
a bound: what it owes its broker then (a pop given up, a place taken out of a set) is under test too.
One that will not end is killed with all the children it started, and the test fails with what it
printed.
"""

import os
import signal
import subprocess
import tempfile

ENDED_WITHIN_SECONDS = 60


class WorkerFailed(Exception):
    """A worker died, would not end, or ended with an error; says so with what it printed."""


class Worker:
    def __init__(self, command, cwd, **environment):
        self.command = [str(word) for word in command]
        self.cwd = cwd
        self.environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        self.process = None

    def __enter__(self):
        self.printed = tempfile.TemporaryFile(mode="w+", errors="replace")
        self.process = subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.ended()
        except WorkerFailed:
            # What the test itself found comes first.
            if kind is None:
                raise
        finally:
            self.printed.close()

    def ended(self, seconds=ENDED_WITHIN_SECONDS):
        """Waits for the worker's own end, and answers what it printed."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            status = f"none within {seconds} s"
        if status != 0:
            raise WorkerFailed(f"{self.command} ended with status {status}:\n{self.said()}")
        return self.said()

    def said(self):
        self.printed.seek(0)
        return self.printed.read()
