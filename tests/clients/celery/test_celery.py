"""Celery of Debian (5.2, kombu 5.2) with the server as its broker and as its result backend.

One worker serves the whole file, with the solo pool: it works one task after the other.
"""

import contextlib
import datetime
import importlib
import os
import pathlib
import socket

import pytest
import redis
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, GroupResult

from servers import wait_until
from workers import Worker

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60


@pytest.fixture(scope="module")
def chores(server):
    """The application as a web process has it."""
    os.environ["BROKER_URL"] = server.url()
    import celery_chores

    # A second server needs the application anew: it keeps its connections.
    module = importlib.reload(celery_chores)
    yield module
    module.app.close()


@pytest.fixture(scope="module")
def worker(server, chores):
    celery = ["/usr/bin/python3", "-m", "celery", "-A", "celery_chores", "worker"]
    settings = ["--pool", "solo", "-Q", "celery,side", "-n", "clerk@here", "-l", "info"]
    with Worker([*celery, *settings], cwd=HERE) as working:
        wait_until(lambda: chores.app.control.ping(timeout=0.5), SECONDS, "the worker")
        yield working


@pytest.fixture
def notes(server):
    """What the tasks write down, in a database of their own."""
    with redis.Redis(host=server.host, port=server.port, db=2, decode_responses=True) as connected:
        connected.flushdb()
        yield connected


pytestmark = pytest.mark.usefixtures("worker")


class Busy:
    """The worker is kept busy in the block, so that what is asked for meanwhile waits its turn."""

    def __init__(self, chores, notes):
        self.chores, self.notes = chores, notes

    def __enter__(self):
        self.task = self.chores.wait_for_word.delay()
        wait_until(lambda: self.task.state == "STARTED", SECONDS, "a busy worker")
        return self

    def __exit__(self, *_):
        self.notes.rpush("word", "go")
        assert self.task.get(timeout=SECONDS) == "go"


# Tasks and results ------------------------------------------------------------------------------


def test_a_task_is_worked_and_its_result_waited_for(chores, server):
    asked = chores.add.delay(2, 3)
    assert asked.get(timeout=SECONDS) == 5 and asked.successful()
    told = AsyncResult(asked.id, app=chores.app)
    assert (told.state, told.result, told.name) == ("SUCCESS", 5, "celery_chores.add")
    backend = redis.Redis(port=server.port, db=1)
    assert 500 < backend.ttl(f"celery-task-meta-{asked.id}") <= 600
    told.forget()
    assert AsyncResult(asked.id, app=chores.app).state == "PENDING"
    assert not backend.exists(f"celery-task-meta-{asked.id}")


def test_many_tasks_are_waited_for_together(chores):
    asked = [chores.add.delay(n, n) for n in range(50)]
    assert [task.get(timeout=SECONDS) for task in asked] == [2 * n for n in range(50)]


def test_a_failure_is_raised_where_its_result_is_asked(chores):
    asked = chores.stumble.delay()
    with pytest.raises(ValueError, match="stumbled"):
        asked.get(timeout=SECONDS)
    assert asked.failed() and "in stumble" in asked.traceback


def test_a_task_is_tried_again(chores, notes):
    assert chores.stumble_twice.delay().get(timeout=SECONDS) == 3
    assert notes.get("attempts") == "3"


def test_a_task_reports_how_far_it_is(chores, notes):
    asked = chores.halfway.delay("")
    wait_until(lambda: asked.state == "HALFWAY", SECONDS, "half of the task")
    assert asked.info == {"done": 50}
    notes.rpush("word", "on")
    assert asked.get(timeout=SECONDS) == "on"


def test_a_task_goes_to_the_queue_it_is_routed_to(chores, notes, server):
    broker = redis.Redis(port=server.port)
    with Busy(chores, notes):
        asked = chores.side.delay()
        wait_until(lambda: broker.llen("side") == 1, SECONDS, "the task in its queue")
    assert asked.get(timeout=SECONDS) == "worked on the side"


def test_a_turned_away_task_is_delivered_again(chores, notes):
    assert chores.turn_away.delay().get(timeout=SECONDS) == "taken"
    assert notes.get("deliveries") == "2"


def test_nothing_stays_unacknowledged(chores, server):
    chores.add.delay(1, 1).get(timeout=SECONDS)
    broker = redis.Redis(port=server.port)
    wait_until(lambda: not broker.exists("unacked", "unacked_index"), SECONDS, "the last ack")
    assert broker.smembers("_kombu.binding.celery")


# Time and order ---------------------------------------------------------------------------------


def test_a_task_with_a_countdown_comes_no_sooner(chores):
    before = datetime.datetime.now(datetime.timezone.utc)
    asked = chores.add.apply_async((1, 2), countdown=1)
    assert asked.get(timeout=SECONDS) == 3
    done = asked.date_done.replace(tzinfo=datetime.timezone.utc)
    assert done - before >= datetime.timedelta(seconds=1)


def test_a_waiting_task_shows_among_the_scheduled(chores):
    asked = chores.add.apply_async((1, 2), countdown=3600)
    inspect = chores.app.control.inspect(timeout=1)

    def scheduled():
        return [entry["request"]["id"] for entry in inspect.scheduled().get("clerk@here", [])]

    wait_until(lambda: asked.id in scheduled(), SECONDS, "the scheduled task")
    asked.revoke()
    wait_until(lambda: asked.id in inspect.revoked()["clerk@here"], SECONDS, "the revoked task")


def test_a_task_too_late_is_not_worked(chores, notes):
    with Busy(chores, notes):
        asked = chores.note.apply_async(("late",), expires=-1)
    with pytest.raises(TaskRevokedError):
        asked.get(timeout=SECONDS)
    assert notes.lrange("noted", 0, -1) == []


def test_a_revoked_task_is_not_worked(chores, notes):
    asked = chores.note.apply_async(("revoked",), countdown=1)
    asked.revoke()
    kept = chores.note.apply_async(("kept",), countdown=1)
    with pytest.raises(TaskRevokedError):
        asked.get(timeout=SECONDS)
    kept.get(timeout=SECONDS)
    assert asked.state == "REVOKED" and notes.lrange("noted", 0, -1) == ["kept"]


def test_urgent_tasks_come_first(chores, notes):
    with Busy(chores, notes):
        # One is fetched ahead while the worker is busy, whatever its priority.
        asked = [chores.note.delay("fetched ahead")]
        for name, priority in [("slow", 9), ("middle", 3), ("urgent", 0), ("slow too", 9)]:
            asked.append(chores.note.apply_async((name,), priority=priority))
    for task in asked:
        task.get(timeout=SECONDS)
    in_turn = notes.lrange("noted", 0, -1)
    in_turn.remove("fetched ahead")
    assert in_turn == ["urgent", "middle", "slow", "slow too"]


# Canvas -----------------------------------------------------------------------------------------


def test_a_group(chores):
    asked = group(chores.add.s(n, 1) for n in range(10))()
    assert asked.get(timeout=SECONDS) == list(range(1, 11))
    asked.save()
    found = GroupResult.restore(asked.id, app=chores.app)
    assert found.completed_count() == 10 and found.join(timeout=SECONDS) == asked.join()
    found.delete()
    assert GroupResult.restore(asked.id, app=chores.app) is None


def test_a_chain(chores):
    assert chain(chores.add.s(1, 2), chores.add.s(3), chores.add.s(4))().get(timeout=SECONDS) == 10


def test_a_chord_waits_for_its_whole_header(chores):
    asked = chord((chores.add.s(n, n) for n in range(20)), chores.total.s())()
    assert asked.get(timeout=SECONDS) == 380


def test_a_chord_of_chords(chores):
    inner = chord([chores.add.s(1, 1), chores.add.s(2, 2)], chores.total.s())
    outer = chord([inner, chores.add.s(3, 3)], chores.total.s())()
    assert outer.get(timeout=SECONDS) == 12


# The worker, from afar --------------------------------------------------------------------------


def test_workers_answer_over_pub_sub(chores):
    inspect = chores.app.control.inspect(timeout=1)
    assert inspect.ping() == {"clerk@here": {"ok": "pong"}}
    assert "celery_chores.add" in inspect.registered()["clerk@here"]
    stats = wait_until(inspect.stats, SECONDS, "the worker's numbers")["clerk@here"]
    assert stats["broker"]["transport"] == "redis"
    queues = {queue["name"] for queue in inspect.active_queues()["clerk@here"]}
    assert queues == {"celery", "side"}


def test_a_queue_is_left_and_taken_up_again(chores):
    control, inspect = chores.app.control, chores.app.control.inspect(timeout=1)

    def served():
        return {queue["name"] for queue in (inspect.active_queues() or {}).get("clerk@here", [])}

    control.cancel_consumer("side")
    wait_until(lambda: served() == {"celery"}, SECONDS, "the queue to be left")
    asked = chores.side.delay()
    control.add_consumer("side")
    assert asked.get(timeout=SECONDS) == "worked on the side"


def test_events_tell_what_happens_to_a_task(chores):
    seen = []

    def remember(event):
        seen.append((event["type"], event.get("uuid")))

    with chores.app.connection_for_read() as connection:
        receiver = chores.app.events.Receiver(connection, handlers={"*": remember})
        with receiver.consumer_context() as (listening, *_):

            def hears(event):
                with contextlib.suppress(socket.timeout):
                    listening.drain_events(timeout=1)
                return event in seen

            # Its subscription is made when the first beat of the worker's heart is heard.
            wait_until(lambda: hears(("worker-heartbeat", None)), SECONDS, "a heartbeat")
            asked = chores.add.delay(1, 1)
            wait_until(lambda: hears(("task-succeeded", asked.id)), SECONDS, "the event")
    mine = [kind for kind, task in seen if task == asked.id]
    assert set(mine) >= {"task-sent", "task-received", "task-started", "task-succeeded"}


def test_a_queue_is_purged(chores, notes, server):
    broker = redis.Redis(port=server.port)
    chores.app.control.cancel_consumer("side", reply=True, timeout=SECONDS, limit=1)
    for _ in range(5):
        chores.side.delay()
    wait_until(lambda: broker.llen("side") == 5, SECONDS, "five waiting tasks")
    with chores.app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("side") == 5
    assert not broker.exists("side")
    chores.app.control.add_consumer("side", reply=True, timeout=SECONDS, limit=1)
