"""The Celery application: `celery -A src.tasks.app worker`."""

from pathlib import Path
from time import perf_counter
from typing import Any

from celery import Celery, Task, signals
from loguru import logger

import src
from src.config import get_settings
from src.log import close_logging, request_id, setup_logging
from src.tasks.deliveries import LimitedTask

REQUEST_ID = "request_id"


def _packages() -> list[str]:
    return [f"src.{path.name}" for path in sorted(Path(src.__path__[0]).iterdir()) if path.is_dir()]


app: Celery[Task[Any, Any]] = Celery("src", task_cls=LimitedTask)
app.config_from_object("src.tasks.celeryconfig")
for name in ("tasks", "models"):
    app.autodiscover_tasks(_packages, related_name=name)


@signals.setup_logging.connect
def _use_the_log_of_the_service(**_: Any) -> None:
    setup_logging(get_settings())


@signals.worker_ready.connect
def _log_start(**_: Any) -> None:
    logger.info("worker started")


@signals.worker_shutdown.connect
def _log_stop(**_: Any) -> None:
    logger.info("worker stopped")
    close_logging()


@signals.worker_process_shutdown.connect
def _close_log(**_: Any) -> None:
    close_logging()


@signals.before_task_publish.connect
def _send_request_id(headers: dict[str, Any], **_: Any) -> None:
    if number := request_id.get():
        headers[REQUEST_ID] = number


@signals.task_prerun.connect
def _begin(task_id: str, task: Task[Any, Any], **_: Any) -> None:
    """Give the lines of the task the id of the request that enqueued it; what the schedule enqueued has its own."""
    request_id.set(task.request.get(REQUEST_ID) or task_id)
    task.request.update(started=perf_counter())


@signals.task_postrun.connect
def _log(task_id: str, task: Task[Any, Any], state: str | None = None, **_: Any) -> None:
    duration = round((perf_counter() - task.request.get("started", perf_counter())) * 1000, 1)
    logger.info("task", task=task.name, id=task_id, state=state, ms=duration)
