"""Workers that die, stop, and get what they cannot read."""

import asyncio
import os
import pickle
import signal
from pathlib import Path
from typing import Any

from httpx import AsyncClient
from redis import Redis

from src.tasks.app import app
from src.tasks.queue import TaskQueue
from tests.database.specimens import SpecimenManager
from tests.tasks.conftest import PATIENCE, Program, StartWorker, result_of, wait_for
from tests.tasks.probes import OWN_QUEUE, engine, exhaust, fail, kill, meet, meet_alone, say

# Seconds after which Redis gives the task of a worker that vanished to another; RabbitMQ notices at once.
SOON = {"PROBE_VISIBILITY": "4"}


async def test_a_task_is_done(worker: Program, queue: TaskQueue, tmp_path: Path) -> None:
    """Its state can be followed from waiting to its result."""
    task_id = await queue.enqueue(meet, str(tmp_path))
    await wait_for(tmp_path / "begun-1")
    assert (await queue.find(task_id)).state == "STARTED"
    (tmp_path / "end").touch()
    assert await result_of(queue, task_id) == 1


async def test_what_a_killed_worker_did_is_done_once_more(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """By another one, and it ends once."""
    first = start_worker(OWN_QUEUE, **SOON)
    task_id = await queue.enqueue(meet_alone, str(tmp_path))
    await wait_for(tmp_path / "begun-1")
    first.kill()
    start_worker(OWN_QUEUE, **SOON)
    await wait_for(tmp_path / "begun-2")
    (tmp_path / "end").touch()
    assert await result_of(queue, task_id) == 2
    assert not (tmp_path / "ended-1").exists()
    assert (tmp_path / "ended-2").exists()


async def test_a_killed_process_of_a_worker_costs_no_task(worker: Program, queue: TaskQueue, tmp_path: Path) -> None:
    """As when the system is out of memory: the worker gives the task to its next process."""
    task_id = await queue.enqueue(meet, str(tmp_path))
    await wait_for(tmp_path / "begun-1")
    os.kill(int((tmp_path / "begun-1").read_text()), signal.SIGKILL)
    await wait_for(tmp_path / "begun-2")
    (tmp_path / "end").touch()
    assert await result_of(queue, task_id) == 2


async def test_a_task_that_kills_its_process_is_given_up(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """After CELERY_MAX_DELIVERIES it has failed; a line at ERROR names it, and the others go on."""
    worker = start_worker(OWN_QUEUE, CELERY_MAX_DELIVERIES="2")
    task_id = await queue.enqueue(kill, str(tmp_path), "process")
    await result_of(queue, task_id, "FAILURE")
    assert (tmp_path / "begun-2").exists()
    assert not (tmp_path / "begun-3").exists()
    (line,) = await worker.lines(f"probe.kill[{task_id}] raised unexpected")
    assert "ERROR" in line
    (tmp_path / "end").touch()
    await result_of(queue, await queue.enqueue(meet_alone, str(tmp_path)))


async def test_a_task_that_kills_whole_workers_is_given_up(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Also then, when the worker itself is gone."""
    task_id = await queue.enqueue(kill, str(tmp_path), "worker")
    for _ in range(2):
        dead = start_worker(OWN_QUEUE, CELERY_MAX_DELIVERIES="2", **SOON)
        await asyncio.to_thread(dead.process.wait, PATIENCE)
        dead.kill()
    start_worker(OWN_QUEUE, CELERY_MAX_DELIVERIES="2", **SOON)
    await result_of(queue, task_id, "FAILURE")
    assert (tmp_path / "begun-2").exists()
    assert not (tmp_path / "begun-3").exists()


async def test_a_memory_error_is_a_failure_like_any_other(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """And leaves room for the next task."""
    start_worker(OWN_QUEUE)
    for _ in range(3):
        await result_of(queue, await queue.enqueue(exhaust), "FAILURE")
    (tmp_path / "end").touch()
    await result_of(queue, await queue.enqueue(meet_alone, str(tmp_path)))


async def test_a_worker_that_is_told_to_stop_ends_its_task(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """SIGTERM, as Docker and systemd send it: nothing is begun twice."""
    stopping = start_worker(OWN_QUEUE)
    task_id = await queue.enqueue(meet_alone, str(tmp_path))
    await wait_for(tmp_path / "begun-1")
    stopping.process.terminate()
    (tmp_path / "end").touch()
    assert await asyncio.to_thread(stopping.process.wait, PATIENCE) == 0
    assert await result_of(queue, task_id) == 1


async def test_a_task_that_fails_says_so_and_no_more(worker: Program, queue: TaskQueue) -> None:
    """The reason is in the log of the worker, not in the response to the client."""
    assert await result_of(queue, await queue.enqueue(fail), "FAILURE") is None
    assert await worker.lines("a secret of the task")


async def test_poison_does_not_stop_the_queue(worker: Program, queue: TaskQueue, tmp_path: Path) -> None:
    """An unknown task, one without arguments, one that would run code when it is read, and garbage."""
    app.send_task("no.such.task", queue=os.environ["CELERY_QUEUE"])
    app.send_task(meet.name, queue=os.environ["CELERY_QUEUE"], ignore_result=True)
    evil = tmp_path / "evil"
    with app.producer_pool.acquire(block=True) as producer:
        for body, kind in ((pickle.dumps(Evil(evil)), "application/x-python-serialize"), (b"{", "application/json")):
            producer.publish(
                body,
                routing_key=os.environ["CELERY_QUEUE"],
                content_type=kind,
                content_encoding="binary",
                headers={"id": "poison", "task": meet.name},
            )
    (tmp_path / "end").touch()
    assert await result_of(queue, await queue.enqueue(meet, str(tmp_path))) == 1
    assert not evil.exists()


class Evil:
    """Unpickled, it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


async def test_the_log_of_a_task_has_the_id_of_its_request(
    worker: Program, queue: TaskQueue, operator: AsyncClient, specimens: SpecimenManager
) -> None:
    """From the line of the request to the lines of the worker."""
    answer = await operator.post("/tasks/remove-expired")
    await result_of(queue, answer.json()["id"])
    removed, line = await worker.lines(answer.headers["x-request-id"], 2)
    assert "removed expired rows" in removed
    assert answer.json()["id"] in line
    assert "task=tasks.remove_expired" in line
    assert "state=SUCCESS" in line


async def test_a_line_break_in_an_argument_forges_no_line(worker: Program, queue: TaskQueue) -> None:
    """The log of a worker is that of the service."""
    await result_of(queue, await queue.enqueue(say, "one\ntwo is forged"))
    (line,) = await worker.lines("two is forged")
    assert "one" in line


async def test_a_process_keeps_its_database(worker: Program, queue: TaskQueue) -> None:
    """One engine for all tasks of a process, not one for each."""
    answers = [await result_of(queue, await queue.enqueue(engine)) for _ in range(3)]
    assert len({tuple(answer) for answer in answers}) == 1
    assert answers[0][0] != os.getpid()


async def test_the_schedule_is_kept(worker: Program, own_databases: None, tmp_path: Path) -> None:
    """A worker runs what beat enqueues."""
    arguments = ["beat", "--schedule", str(tmp_path / "beat")]
    beat = Program(tmp_path / "beat.log", *arguments, PROBE_FOLDER=str(tmp_path))
    try:
        await wait_for(tmp_path / "tick")
    finally:
        beat.kill()
    assert (tmp_path / "tick").exists()


async def test_rubbish_in_redis_costs_a_restart_and_not_the_queue(
    queue: TaskQueue, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Celery exits on a message without an envelope, and its supervisor (Compose, systemd) restarts it."""
    (tmp_path / "end").touch()
    if app.conf.broker_url.startswith("redis"):
        with Redis.from_url(app.conf.broker_url) as redis:
            redis.lpush(OWN_QUEUE, b"\x00 no envelope")
        ended = start_worker(OWN_QUEUE)
        assert await asyncio.to_thread(ended.process.wait, PATIENCE) != 0
    start_worker(OWN_QUEUE)
    assert await result_of(queue, await queue.enqueue(meet_alone, str(tmp_path))) == 1
