"""redis-py: queues whose workers wait in BLPOP, as job runners use them."""

import threading
import time

import pytest
import redis

from together import together

WORKERS = 6
JOBS = 300


@pytest.fixture
def other(server):
    with redis.Redis(port=server.port) as connected:
        yield connected


def wait_until_blocked(client, count):
    deadline = time.monotonic() + 30
    while client.info("clients")["blocked_clients"] != count:
        assert time.monotonic() < deadline


def test_time_is_up(client):
    assert client.blpop("none", timeout=0.01) is None
    assert client.brpop(["none", "nothing"], timeout=0.01) is None
    assert client.blmove("none", "other", 0.01) is None
    assert client.brpoplpush("none", "other", timeout=0.01) is None


def test_every_job_is_done_once(server, client):
    done = []

    def work():
        with redis.Redis(port=server.port) as worker:
            while True:
                key, job = worker.blpop(["urgent", "jobs"])
                if job == b"stop":
                    return
                done.append((key, int(job)))

    workers = threading.Thread(target=together, args=(work, WORKERS))
    workers.start()
    wait_until_blocked(client, WORKERS)
    with client.pipeline(transaction=False) as pipe:
        for job in range(JOBS):
            pipe.rpush("urgent" if job % 3 == 0 else "jobs", job)
        pipe.execute()
    client.rpush("jobs", *["stop"] * WORKERS)
    workers.join()
    assert sorted(job for _, job in done) == list(range(JOBS))
    assert all((key == b"urgent") == (job % 3 == 0) for key, job in done)


def test_who_waits_is_unblocked(client, other):
    heard = []

    def wait():
        try:
            other.blpop("none")
        except redis.ResponseError as error:
            heard.append(str(error))

    number = other.client_id()
    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until_blocked(client, 1)
    assert client.client_unblock(number, error=True)
    waiting.join()
    assert heard == ["UNBLOCKED client unblocked via CLIENT UNBLOCK"]


def test_who_has_left_takes_nothing(server, client):
    connections = [redis.Connection(port=server.port) for _ in range(20)]
    for connection in connections:
        connection.send_command("BLPOP", "queue", 0)
    wait_until_blocked(client, len(connections))
    for connection in connections:
        connection.disconnect()
    wait_until_blocked(client, 0)
    assert client.rpush("queue", "kept") == 1
    assert client.lrange("queue", 0, -1) == [b"kept"]
