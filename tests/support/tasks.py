"""Background tasks of a running project."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.backends import Backends
from tests.support.patience import PATIENCE
from tests.support.service import Service


@contextmanager
def worker(backends: Backends, settings: dict[str, str]) -> Iterator[Service]:
    command = ["celery", "-A", "src.tasks.app", "worker", "--concurrency", "1"]
    service = Service(command, backends.project, {**backends.environment, **settings})
    try:
        yield service
    finally:
        service.kill()
        service.process.wait()


def wait_for_task(url: str) -> str:
    """Start a task and return the state in which it ends."""
    deadline = time.monotonic() + PATIENCE
    answer = httpx.post(f"{url}/remove-expired", timeout=PATIENCE)
    assert answer.status_code == 202
    while time.monotonic() < deadline:
        state: str = httpx.get(f"{url}/{answer.json()['id']}", timeout=PATIENCE).json()["state"]
        if state not in {"PENDING", "STARTED"}:
            return state
    raise AssertionError("no worker did the task")
