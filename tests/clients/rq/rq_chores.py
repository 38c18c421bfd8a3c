"""What the workers of test_rq.py are asked to do. A worker imports it by name, from this folder."""

import redis
from rq import get_current_job


def add(left, right):
    return left + right


def greet(name, *, greeting="hello"):
    return f"{greeting} {name}"


def note(name):
    """Leaves its name on a list, so that the order of work can be seen."""
    _connection().rpush("noted", name)


def stumble():
    raise ValueError("stumbled")


def stumble_twice():
    """Fails on its first two attempts."""
    attempt = _connection().incr("attempts")
    if attempt < 3:
        raise ValueError(f"attempt {attempt}")
    return attempt


def mark_progress():
    job = get_current_job()
    job.meta["progress"] = 80
    job.save_meta()
    return job.id


def wait_for_word():
    """Works until somebody leaves a word; a job that is stopped never gets it."""
    _connection().blpop("word", timeout=60)


def report_success(job, connection, result):
    connection.rpush("reports", f"{job.id} made {result}")


def report_failure(job, connection, kind, problem, trace):
    connection.rpush("reports", f"{job.id} failed: {problem}")


def _connection():
    settings = get_current_job().connection.connection_pool.connection_kwargs
    return redis.Redis(host=settings["host"], port=settings["port"])
