"""redis-cli as a person meets it: on a terminal, typed at, its screen read back.

    with Terminal(server) as screen:
        screen.answer("get tea")       # a line and Enter; all that is shown until the next prompt
        screen.type("set ")            # keys only
        screen.shows("key value")      # polls until the words are there, with a bound

Must hold: nothing is typed before the prompt is there: redis-cli throws away what is typed while it
works.
"""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

REDIS_CLI = "/usr/bin/redis-cli"
SHOWN_WITHIN_SECONDS = 20
AT_PROMPT = re.compile(r"[^\n]> $")
AFTER_ENTER = re.compile(r"\n[^\n]*> $")
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    def __init__(self, server, *flags):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            environment = dict(
                os.environ, TERM="xterm", HOME="/nonexistent", REDISCLI_HISTFILE="/dev/null"
            )
            os.execve(
                REDIS_CLI,
                [REDIS_CLI, "-h", server.host, "-p", str(server.port), *flags],
                environment,
            )
        # A terminal of known width, or redis-cli asks it where the cursor is and waits for the
        # answer.
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.seen = ""

    def __enter__(self):
        self._wait(AT_PROMPT.search, "a prompt")
        return self

    def __exit__(self, *_):
        os.close(self.screen)
        os.waitpid(self.pid, 0)

    def answer(self, line):
        self.type(line + "\r")
        return self._wait(AFTER_ENTER.search, "an answer and a prompt")

    def type(self, text):
        self.seen = ""
        os.write(self.screen, text.encode())

    def shows(self, words):
        return self._wait(lambda plain: words in plain, repr(words))

    def _wait(self, is_there, what):
        until = time.monotonic() + SHOWN_WITHIN_SECONDS
        while not is_there(plain := ESCAPES.sub("", self.seen).replace("\r", "")):
            left = until - time.monotonic()
            assert left > 0, f"redis-cli never showed {what}; it showed {plain!r}"
            if select.select([self.screen], [], [], left)[0]:
                self.seen += os.read(self.screen, 1 << 16).decode(errors="replace")
        return plain
