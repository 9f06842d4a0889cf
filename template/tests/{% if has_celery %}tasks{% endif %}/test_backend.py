"""What Celery offers on results: it works on this backend, or refuses with a sentence."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ImproperlyConfigured
from celery.result import GroupResult

from src.tasks.app import app
from tests.tasks.conftest import PATIENCE, Program
from tests.tasks.probes import double, fail, total

USES: dict[str, tuple[Callable[[], Any], Any]] = {
    "get": (lambda: double.delay(1).get(timeout=PATIENCE), 2),
    "chain": (lambda: chain(double.s(1), double.s(), double.s())().get(timeout=PATIENCE), 8),
    "group": (lambda: group(double.s(1), double.s(2))().get(timeout=PATIENCE), [2, 4]),
    "chord": (lambda: chord([double.s(1), double.s(2)])(total.s()).get(timeout=PATIENCE), 6),
    "chord of groups": (lambda: chord([group(double.s(1), double.s(2))])(total.s()).get(timeout=PATIENCE), 6),
    "link": (lambda: double.apply_async((1,), link=double.s()).get(timeout=PATIENCE), 2),
}


@pytest.mark.parametrize("name", USES)
async def test_results_can_be_waited_for(worker: Program, name: str) -> None:
    """Outside of requests and tasks, in a script for example."""
    use, result = USES[name]
    assert await asyncio.to_thread(use) == result


async def test_a_failure_is_raised_where_it_is_waited_for(worker: Program) -> None:
    """As the exception of the task."""
    with pytest.raises(ValueError, match="a secret of the task"):
        await asyncio.to_thread(lambda: fail.delay().get(timeout=PATIENCE))


async def test_a_group_can_be_kept_and_found(worker: Program) -> None:
    """By its id."""

    def use() -> Any:
        started = group(double.s(1), double.s(2))()
        started.save()
        restored = GroupResult.restore(started.id, app=app)
        return restored.get(timeout=PATIENCE)

    assert await asyncio.to_thread(use) == [2, 4]


async def test_a_result_can_be_forgotten(worker: Program) -> None:
    """Then it reads like one that was never there."""

    def use() -> str:
        started = double.delay(1)
        started.get(timeout=PATIENCE)
        started.forget()
        return str(app.AsyncResult(started.id).state)

    assert await asyncio.to_thread(use) == "PENDING"


async def test_listening_to_each_state_is_refused(worker: Program) -> None:
    """Nobody is told of a state: whoever wants to know asks."""
    with pytest.raises(ImproperlyConfigured, match="does not support on_message"):
        await asyncio.to_thread(lambda: double.delay(1).get(on_message=print))


def test_compressed_results_are_refused(own_databases: None) -> None:
    """They are stored as they are, and a warning says so when the process begins."""
    backend: Any = app.backend
    with pytest.warns(UserWarning, match="StateBackend"):
        assert backend.prepare_compression("gzip") is None
