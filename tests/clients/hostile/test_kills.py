"""Clients that another client ended: from CLIENT KILL's answer on they have no further say, on
whatever thread they are served, and their connections are seen to have ended.
"""

import select

import pytest

from wire import Closed, Wire, packed

ROUNDS = 20
PIPELINED = 1_000


def test_a_killed_client_has_no_further_say(server):
    """Every other connection keeps its thread busy, so that the news of the end comes late there."""
    with Wire(server) as killer:
        assert killer.ask("SET", "k", "v") == "OK"
        for _ in range(ROUNDS):
            with Wire(server) as hog, Wire(server), Wire(server) as victim:
                number = victim.ask("CLIENT", "ID")
                hog.send(packed("KEYS", "*") * PIPELINED)
                assert killer.ask("CLIENT", "KILL", "ID", number) == 1
                assert killer.ask("CLIENT", "KILL", "ID", number) == 0
                assert killer.ask("CLIENT", "LIST", "ID", number) == b""
                assert select.select([victim.socket], [], [], 0)[0] == [victim.socket]
                with pytest.raises((Closed, ConnectionError)):
                    victim.ask("GET", "k")
                for _ in range(PIPELINED):
                    assert hog.reply() == [b"k"]
