"""What a server weighs, and a way of making it heavier."""

import socket

# Longer than a server that is merely busy would leave its socket unread.
STALLED_AFTER_SECONDS = 2


def resident_bytes(server):
    with open(f"/proc/{server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def flood(wire, chunk, total):
    """Sends `total` bytes made of chunks, reads nothing; answers how many the server let it send.

    Ends early when the server stops reading for a while or ends the connection.
    """
    wire.socket.settimeout(STALLED_AFTER_SECONDS)
    sent = 0
    try:
        while sent < total:
            sent += wire.socket.send(chunk[: total - sent])
    except (ConnectionError, socket.timeout):
        pass
    return sent
