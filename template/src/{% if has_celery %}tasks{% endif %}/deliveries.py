"""Ends tasks that Celery would run for ever: those that kill their worker, and those that use up its memory."""

from contextlib import suppress
from typing import Any

from celery import Task, signals
from celery.worker.request import Request
from redis.exceptions import RedisError

from src.tasks.config import get_task_settings


class WorkerDiedError(Exception):
    """Too many workers have died while they ran the task."""


class LimitedRequest(Request):
    """A delivery that is acknowledged after a MemoryError too: Celery would block the worker with it."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        try:
            super().on_failure(exc_info, send_failed_event, return_ok)
        except MemoryError:  # its state is stored already
            self.acknowledge()


class LimitedTask(Task[Any, Any]):
    """A task that fails once CELERY_MAX_DELIVERIES workers have died of it."""

    Request = "src.tasks.deliveries:LimitedRequest"

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:  # noqa: ARG002 - Celery passes them
        """Count how often the task starts: whatever ends it, short of the death of its worker, deletes the count."""
        if self.request.is_eager:
            return
        settings, started = get_task_settings(), 0
        with suppress(RedisError):  # better run it once too often than not at all
            pipeline = _redis(self).pipeline()
            pipeline.incr(_count_key(task_id))
            pipeline.expire(_count_key(task_id), settings.CELERY_VISIBILITY_TIMEOUT + settings.CELERY_RESULT_EXPIRES)
            started = pipeline.execute()[0]
        if started > settings.CELERY_MAX_DELIVERIES:
            raise WorkerDiedError(f"{settings.CELERY_MAX_DELIVERIES} workers have died while they ran this task")


@signals.task_postrun.connect
@signals.task_retry.connect  # also when a worker has lost its broker and cancels what it runs
def _delete_count(sender: Task[Any, Any], task_id: str = "", request: Any = None, **_: Any) -> None:
    with suppress(RedisError):
        _redis(sender).delete(_count_key(task_id or request.id))


def _redis(task: Task[Any, Any]) -> Any:
    backend: Any = task.backend
    return backend.client


def _count_key(task_id: str) -> str:
    return f"celery-task-starts-{task_id}"
