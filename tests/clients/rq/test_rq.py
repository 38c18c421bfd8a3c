"""RQ of Debian (1.13): jobs for workers of their own, and all that becomes of them.

`burst` runs a worker until its queues are empty; `standing` is one that stays, with its scheduler.
"""

import datetime
import pathlib

import pytest
import redis
from rq import Queue, Retry, Worker as RegisteredWorker
from rq.command import send_stop_job_command
from rq.exceptions import NoSuchJobError
from rq.job import Dependency, Job
from rq.registry import FinishedJobRegistry, StartedJobRegistry

import rq_chores
from servers import wait_until
from workers import Worker

HERE = pathlib.Path(__file__).resolve().parent
WORKED_WITHIN_SECONDS = 60
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
FAR_AWAY = datetime.timedelta(hours=1)


@pytest.fixture
def connection(server):
    with redis.Redis(host=server.host, port=server.port) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def queue(connection):
    return Queue("shop", connection=connection)


def worker(server, *arguments):
    return Worker(
        ["/usr/bin/python3", "-m", "rq.cli", "worker", "--url", server.url(), *arguments], cwd=HERE
    )


@pytest.fixture
def burst(server):
    def work(*queues):
        with worker(server, "--burst", *(queues or ["shop"])) as bursting:
            return bursting.ended()

    return work


@pytest.fixture
def standing(server, queue):
    """A worker that waits for jobs, blocked on its queues, as in production."""
    with worker(server, "--with-scheduler", "--name", "standing", "shop") as process:
        wait_until(lambda: RegisteredWorker.all(queue=queue), WORKED_WITHIN_SECONDS, "the worker")
        yield process


def reaches(job, status):
    wait_until(lambda: job.get_status() == status, WORKED_WITHIN_SECONDS, f"{status} of {job}")


def noted(connection):
    return [name.decode() for name in connection.lrange("noted", 0, -1)]


# Jobs and their results -------------------------------------------------------------------------


def test_a_job_is_worked_and_its_result_fetched(queue, burst):
    job = queue.enqueue(rq_chores.add, 2, 3)
    assert job.get_status() == "queued" and queue.job_ids == [job.id] and len(queue) == 1
    assert "Job OK" in burst()
    fetched = Job.fetch(job.id, connection=queue.connection)
    assert fetched.get_status() == "finished" and fetched.return_value() == 5
    assert fetched.started_at <= fetched.ended_at
    assert queue.is_empty() and job.id in FinishedJobRegistry(queue=queue)


def test_arguments_names_and_what_a_job_tells_of_itself(queue, burst):
    greeting = queue.enqueue(
        rq_chores.greet, "Ada", greeting="welcome", job_id="greeting", description="says welcome"
    )
    progress = queue.enqueue(rq_chores.mark_progress, job_id="progress", meta={"asked": "by web"})
    burst()
    assert Job.fetch("greeting", connection=queue.connection).description == "says welcome"
    assert greeting.return_value() == "welcome Ada" and progress.return_value() == "progress"
    assert progress.get_meta() == {"asked": "by web", "progress": 80}


def test_queues_are_worked_in_the_order_they_are_named(connection, burst):
    low, high = (Queue(name, connection=connection) for name in ("low", "high"))
    for name in ("a", "b"):
        low.enqueue(rq_chores.note, f"low {name}")
        high.enqueue(rq_chores.note, f"high {name}")
    high.enqueue(rq_chores.note, "high first", at_front=True)
    assert {queue.name for queue in Queue.all(connection=connection)} == {"low", "high"}
    burst("high", "low")
    assert noted(connection) == ["high first", "high a", "high b", "low a", "low b"]


def test_many_jobs_at_once(queue, burst):
    jobs = queue.enqueue_many(
        [Queue.prepare_data(rq_chores.add, (n, n), job_id=f"sum:{n}") for n in range(20)]
    )
    assert queue.job_ids == [f"sum:{n}" for n in range(20)]
    burst()
    assert [job.return_value() for job in jobs] == [2 * n for n in range(20)]
    fetched = Job.fetch_many(["sum:7", "never"], connection=queue.connection)
    assert fetched[0].return_value() == 14 and fetched[1] is None


def test_results_live_as_long_as_they_were_given(queue, burst):
    kept = queue.enqueue(rq_chores.add, 1, 1, result_ttl=500)
    forgotten = queue.enqueue(rq_chores.add, 1, 1, result_ttl=0)
    forever = queue.enqueue(rq_chores.add, 1, 1, result_ttl=-1)
    burst()
    assert 400 < queue.connection.ttl(kept.key) <= 500
    assert queue.connection.ttl(forever.key) == -1
    with pytest.raises(NoSuchJobError):
        forgotten.refresh()


# Failure ----------------------------------------------------------------------------------------


def test_a_failed_job_is_kept_with_its_trace_and_can_be_put_back(queue, burst):
    job = queue.enqueue(rq_chores.stumble)
    burst()
    failed = queue.failed_job_registry
    assert job.get_status() == "failed" and failed.get_job_ids() == [job.id]
    job.refresh()
    assert "ValueError: stumbled" in job.latest_result().exc_string
    failed.requeue(job)
    assert queue.job_ids == [job.id] and failed.count == 0 and job.get_status() == "queued"
    failed.add(job)
    failed.remove(job, delete_job=True)
    assert not Job.exists(job.id, connection=queue.connection)


def test_a_job_is_tried_again(queue, burst):
    job = queue.enqueue(rq_chores.stumble_twice, retry=Retry(max=3))
    burst()
    job.refresh()
    assert job.return_value() == 3 and job.retries_left == 1
    assert queue.failed_job_registry.count == 0


def test_a_job_that_failed_waits_before_it_is_tried_again(queue, burst):
    job = queue.enqueue(rq_chores.stumble, retry=Retry(max=1, interval=600))
    burst()
    assert job.get_status() == "scheduled"
    until = queue.scheduled_job_registry.get_scheduled_time(job)
    assert until > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=9)


def test_others_are_told_how_a_job_ended(queue, connection, burst):
    queue.enqueue(rq_chores.add, 2, 2, job_id="sum", on_success=rq_chores.report_success)
    queue.enqueue(rq_chores.stumble, job_id="fall", on_failure=rq_chores.report_failure)
    burst()
    assert connection.lrange("reports", 0, -1) == [b"sum made 4", b"fall failed: stumbled"]


# Dependence -------------------------------------------------------------------------------------


def test_a_job_waits_for_those_it_depends_on(queue, connection, burst):
    first = queue.enqueue(rq_chores.note, "first")
    second = queue.enqueue(rq_chores.note, "second", depends_on=first)
    third = queue.enqueue(rq_chores.note, "third", depends_on=[first, second])
    assert second.get_status() == "deferred" and queue.job_ids == [first.id]
    assert set(queue.deferred_job_registry.get_job_ids()) == {second.id, third.id}
    burst()
    assert noted(connection) == ["first", "second", "third"]
    assert queue.deferred_job_registry.count == 0


def test_a_failure_holds_up_its_dependents_unless_it_is_allowed(queue, burst):
    fall = queue.enqueue(rq_chores.stumble)
    stuck = queue.enqueue(rq_chores.add, 1, 1, depends_on=fall)
    allowed = queue.enqueue(
        rq_chores.add, 2, 2, depends_on=Dependency(jobs=[fall], allow_failure=True)
    )
    burst()
    assert stuck.get_status() == "deferred" and allowed.get_status() == "finished"


# Queues -----------------------------------------------------------------------------------------


def test_a_queue_is_emptied_and_deleted(queue, connection):
    jobs = [queue.enqueue(rq_chores.add, n, n) for n in range(10)]
    queue.remove(jobs[3])
    jobs[4].cancel()
    assert queue.count == 8 and queue.canceled_job_registry.get_job_ids() == [jobs[4].id]
    assert queue.get_job_position(jobs[5]) == 3
    assert queue.empty() == 8
    assert queue.is_empty() and not Job.exists(jobs[0].id, connection=connection)
    queue.delete()
    assert Queue.all(connection=connection) == []


def test_a_queue_forgets_jobs_that_are_gone(queue, connection):
    jobs = [queue.enqueue(rq_chores.add, n, n) for n in range(3)]
    connection.delete(jobs[1].key)
    queue.compact()
    assert queue.job_ids == [jobs[0].id, jobs[2].id]


# A worker that stays ----------------------------------------------------------------------------


def test_a_waiting_worker_gets_a_job_at_once(queue, standing):
    job = queue.enqueue(rq_chores.add, 20, 22)
    reaches(job, "finished")
    job.refresh()
    assert job.return_value() == 42


def test_scheduled_jobs_come_when_they_are_due(queue, standing):
    soon = queue.enqueue_in(datetime.timedelta(seconds=1), rq_chores.add, 1, 2)
    overdue = queue.enqueue_at(LONG_AGO, rq_chores.add, 3, 4)
    later = queue.enqueue_in(FAR_AWAY, rq_chores.add, 5, 6)
    assert soon.get_status() == "scheduled"
    reaches(soon, "finished")
    reaches(overdue, "finished")
    assert queue.scheduled_job_registry.get_job_ids() == [later.id]
    later.cancel()
    assert queue.scheduled_job_registry.count == 0


def test_a_running_job_is_stopped_by_a_word_to_its_worker(queue, connection, standing):
    job = queue.enqueue(rq_chores.wait_for_word)
    # The worker's process for this job blocks on a list of its own.
    wait_until(lambda: _blocked(connection, "blpop") >= 1 and job.get_status() == "started", 60)
    assert StartedJobRegistry(queue=queue).get_job_ids() == [job.id]
    send_stop_job_command(connection, job.id)
    reaches(job, "stopped")
    assert queue.failed_job_registry.get_job_ids() == [job.id]


def test_a_worker_is_on_the_books_while_it_lives(server, queue, connection):
    with worker(server, "--name", "clerk", "shop"):
        wait_until(lambda: RegisteredWorker.all(queue=queue), WORKED_WITHIN_SECONDS, "the worker")
        wait_until(lambda: _found(connection).get_state() == "idle", what="an idle clerk")
        clerk = _found(connection)
        assert clerk.name == "clerk" and clerk.queue_names() == ["shop"]
        assert 0 < connection.ttl(clerk.key) <= 480
        job = queue.enqueue(rq_chores.add, 1, 1)
        reaches(job, "finished")
        wait_until(lambda: clerk.refresh() or clerk.successful_job_count == 1, 60, "its count")
    assert RegisteredWorker.all(queue=queue) == []


def _found(connection):
    return RegisteredWorker.find_by_key("rq:worker:clerk", connection=connection)


def _blocked(connection, command):
    return sum(client["cmd"] == command for client in connection.client_list())
