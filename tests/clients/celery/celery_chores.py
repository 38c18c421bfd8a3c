"""The Celery application of test_celery.py, for its worker and for the tests that ask for work.

BROKER_URL names the server, also to the tests themselves: they import it when the server is known.
"""

import os

import redis
from celery import Celery
from celery.exceptions import Reject

BROKER = os.environ["BROKER_URL"]

app = Celery("celery_chores", broker=f"{BROKER}/0", backend=f"{BROKER}/1")
app.conf.update(
    broker_transport_options={
        "queue_order_strategy": "priority",
        "priority_steps": [0, 3, 6, 9],
        "socket_timeout": 60,
    },
    result_expires=600,
    result_extended=True,
    task_acks_late=True,
    task_routes={"celery_chores.side": {"queue": "side"}},
    task_send_sent_event=True,
    task_track_started=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
)


@app.task
def add(left, right):
    return left + right


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def side():
    return "worked on the side"


@app.task
def note(name):
    """Leaves its name on a list, so that the order of work can be seen."""
    _notes().rpush("noted", name)


@app.task
def wait_for_word():
    """Keeps the worker busy until somebody leaves a word."""
    return _notes().blpop("word", timeout=60)[1].decode()


@app.task
def stumble():
    raise ValueError("stumbled")


@app.task(bind=True, max_retries=5)
def stumble_twice(self):
    """Fails on its first two attempts."""
    attempt = _notes().incr("attempts")
    if attempt < 3:
        raise self.retry(countdown=0)
    return attempt


@app.task(bind=True)
def turn_away(self):
    """Refuses its first delivery, to be given it again."""
    if _notes().incr("deliveries") == 1:
        raise Reject("not now", requeue=True)
    return "taken"


@app.task(bind=True)
def halfway(self, word):
    """Reports its progress and waits."""
    self.update_state(state="HALFWAY", meta={"done": 50})
    return wait_for_word.run()


def _notes():
    return redis.Redis.from_url(f"{BROKER}/2")
