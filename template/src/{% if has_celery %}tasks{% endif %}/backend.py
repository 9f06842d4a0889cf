"""Where Celery keeps the states of tasks."""

from typing import Any

from celery.backends.redis import RedisBackend


class StateBackend(RedisBackend):
    """Redis without its subscriptions: a process that enqueues asks for states, it waits for no result."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Leave out what Celery does here: a subscription for every task, which nobody would ever end."""
