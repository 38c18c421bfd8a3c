"""A raw connection to a server under test: exact bytes out, one reply at a time in, RESP2 and
RESP3.

    with Wire(server) as wire:
        wire.send(b"PING\\r\\n")          # these very bytes
        wire.reply()                     # "PONG"
        wire.ask("SET", "k", "v")        # as an array of bulks, and its reply

What a reply becomes: a status is Status (a str), an error ErrorReply (a str, returned and not
raised), a bulk bytes, an integer int, a double float, null None, a map dict, an array or set a
list, a push Push (a list). A reader that meets bytes that are no RESP raises: a server that answers
too much or too little is seen at the next reply.
"""

import socket

# Bounds only what a broken server could make a test wait for.
ANSWERS_WITHIN_SECONDS = 30


class Status(str):
    """A simple string."""


class ErrorReply(str):
    """An error, as text without its dash."""

    @property
    def code(self):
        return self.split(" ", 1)[0]


class Push(list):
    """An out-of-band message of RESP3."""


class Closed(Exception):
    """The server closed the connection where a reply was expected."""


def packed(*words):
    """One request as an array of bulks."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(
        b"$%d\r\n%s\r\n" % (len(part), part) for part in parts
    )


def info_fields(text):
    """INFO's answer as a dict of its `name:value` lines."""
    return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)


def info(wire, *sections):
    return info_fields(wire.ask("INFO", *sections))


class Wire:
    def __init__(self, server, timeout=ANSWERS_WITHIN_SECONDS):
        self.socket = socket.create_connection((server.host, server.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, *words):
        self.send(packed(*words))
        return self.reply()

    def line(self):
        while (end := self.unread.find(b"\r\n")) < 0:
            self._read_more()
        line = bytes(self.unread[:end])
        del self.unread[: end + 2]
        return line

    def take(self, size):
        while len(self.unread) < size:
            self._read_more()
        taken = bytes(self.unread[:size])
        del self.unread[:size]
        return taken

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return Status(rest.decode())
        if kind == b"-":
            return ErrorReply(rest.decode(errors="backslashreplace"))
        if kind == b":":
            return int(rest)
        if kind == b",":
            return float(rest)
        if kind == b"(":
            return int(rest)
        if kind == b"#":
            return {b"t": True, b"f": False}[rest]
        if kind == b"_" and not rest:
            return None
        if kind == b"=":
            return self._bulk(int(rest))[4:]  # three letters of format and a colon come first
        if kind == b"$":
            return self._bulk(int(rest))
        if kind in b"*~>" and kind:
            return self._list(kind, int(rest))
        if kind == b"%":
            return {self._hashable(self.reply()): self.reply() for _ in range(int(rest))}
        raise ValueError(f"not a reply: {line!r}")

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def ends(self):
        """Reads until the server closes; answers the bytes that came before. Raises when it stays
        open.
        """
        try:
            while True:
                self._read_more()
        except (Closed, ConnectionError):
            return bytes(self.unread)

    def is_quiet(self):
        """True when everything sent has been answered and nothing more came: an ECHO is the very
        next reply.
        """
        if self.unread:
            return False
        return self.ask("ECHO", "still in step") == b"still in step"

    def _bulk(self, size):
        if size < 0:
            return None
        data = self.take(size)
        if self.take(2) != b"\r\n":
            raise ValueError("a bulk without its end")
        return data

    def _list(self, kind, count):
        if count < 0:
            return None
        items = [self.reply() for _ in range(count)]
        return Push(items) if kind == b">" else items

    @staticmethod
    def _hashable(word):
        return word.decode() if isinstance(word, bytes) else word

    def _read_more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise Closed(f"closed; unread: {bytes(self.unread[:200])!r}")
        self.unread += data
