"""Tasks that only tests know: `celery -A tests.tasks.probes worker`."""

import os
import signal
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery, Task
from loguru import logger

from src.tasks.app import app
from src.tasks.worker import get_worker_database, run
from tests.tasks import specimens

__all__ = ["app", "specimens"]

OWN_QUEUE = f"{os.environ.get('CELERY_QUEUE')}-own"
LONGEST = 60  # seconds; no test holds a worker for longer


@app.on_after_configure.connect
def prepare(sender: Celery, **_: Any) -> None:
    if seconds := os.environ.get("PROBE_VISIBILITY"):
        quickly = {"visibility_timeout": int(seconds), "unacked_restore_interval": 1}
        sender.conf.broker_transport_options = {**sender.conf.broker_transport_options, **quickly}
    if folder := os.environ.get("PROBE_FOLDER"):
        sender.conf.beat_schedule |= {"tick": {"task": "probe.tick", "schedule": 0.2, "args": [folder]}}


@app.task(name="probe.meet")
def meet(folder: str) -> int:
    """Say that it begins, wait for the word to end, say that it ends; return how often it began."""
    path = Path(folder)
    times = len(list(path.glob("begun-*"))) + 1
    (path / f"begun-{times}").write_text(str(os.getpid()))
    deadline = time.monotonic() + LONGEST
    while not (path / "end").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (path / f"ended-{times}").touch()
    return times


@app.task(name="probe.meet_alone", queue=OWN_QUEUE)
def meet_alone(folder: str) -> int:
    """The same, for workers that take nothing else."""
    return int(meet(folder))


@app.task(name="probe.meet_later", queue=f"{OWN_QUEUE}-later")
def meet_later() -> None:
    """No worker ever looks into this queue."""


@app.task(name="probe.fail")
def fail() -> None:
    raise ValueError("a secret of the task")


@app.task(name="probe.tell", bind=True)
def tell(self: Task[Any, Any], folder: str, state: str) -> int:
    """Set a state, then do what `meet` does."""
    self.update_state(state=state, meta={"done": Decimal("0.5")})
    return int(meet(folder))


@app.task(name="probe.return_everything")
def return_everything() -> list[Any]:
    """Return one of each that Celery's JSON can carry."""
    return [b"\xff", UUID(int=1), datetime(2026, 1, 2, tzinfo=UTC), Decimal("1.50"), float("nan"), {"a": None}]


@app.task(name="probe.ignore", ignore_result=True)
def ignore() -> None:
    """Nobody asks."""


@app.task(name="probe.double")
def double(number: int) -> int:
    return 2 * number


@app.task(name="probe.total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(name="probe.kill", queue=OWN_QUEUE)
def kill(folder: str, whom: str) -> None:
    """Take a process of the worker along, as the system does that is out of memory."""
    path = Path(folder)
    (path / f"begun-{len(list(path.glob('begun-*'))) + 1}").touch()
    os.kill(os.getppid() if whom == "worker" else os.getpid(), signal.SIGKILL)
    time.sleep(LONGEST)


@app.task(name="probe.exhaust", queue=OWN_QUEUE)
def exhaust() -> None:
    raise MemoryError


@app.task(name="probe.say")
def say(words: str) -> None:
    logger.info("said", words=words)


@app.task(name="probe.engine")
def engine() -> list[int]:
    """Say in which process the database is used, and which object it is."""
    run(get_worker_database().ping())
    return [os.getpid(), id(get_worker_database())]


@app.task(name="probe.tick")
def tick(folder: str) -> None:
    (Path(folder) / "tick").touch()
