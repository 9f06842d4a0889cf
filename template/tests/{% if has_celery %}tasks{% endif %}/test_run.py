"""The event loop of a worker's process."""

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from src.tasks.worker import close, get_worker_database, run


class StopError(Exception):
    """As Celery raises it in the middle of a task that takes too long."""


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close()


def test_the_loop_stays() -> None:
    """The next task finds what one left in it, for example a connection."""

    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run(loop()) is run(loop())
    run(get_worker_database().ping())
    run(get_worker_database().ping())


def test_work_that_is_interrupted_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its transaction is rolled back before the next task begins."""
    events: list[str] = []

    def interrupt(*_: Any) -> None:
        raise StopError

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise
        except StopError:
            events.append("stopped")
            raise

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(StopError):
            run(work())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert events == ["stopped"]

    async def after() -> int:
        return len(asyncio.all_tasks())

    assert run(after()) == 1


def test_work_that_waits_when_it_is_interrupted_is_cancelled() -> None:
    """The signal may come while the loop itself waits."""
    events: list[str] = []

    def interrupt(*_: Any) -> None:
        raise StopError

    async def work() -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(StopError):
            run(work())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert events == ["cancelled"]
