"""What a worker's process keeps from task to task: one event loop, and one database on it."""

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from celery.signals import worker_process_shutdown

from src.database.config import get_database_settings
from src.database.session import Database

ResultT = TypeVar("ResultT")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def get_worker_database() -> Database:
    """Return the database of this process; it is made here, after the fork, when a task first asks for it."""
    return Database(get_database_settings())


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do asynchronous work in a task. If the task is told to stop, the work is cancelled before it ends."""
    loop = _loop()
    task = loop.create_task(work)
    try:
        return loop.run_until_complete(task)
    finally:
        if not task.done():
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))


@worker_process_shutdown.connect
def close(**_: Any) -> None:
    if get_worker_database.cache_info().currsize:
        run(get_worker_database().close())
    if _loop.cache_info().currsize:
        _loop().close()
        _loop.cache_clear()
    get_worker_database.cache_clear()
