"""Hands tasks to the broker, and tells what became of them."""

import asyncio
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

from anyio import to_thread
from celery import Task, states
from fastapi import Depends, FastAPI
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import ProducerPool
from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from src.tasks.app import app as celery
from src.tasks.backend import OWNER
from src.tasks.config import TaskSettings, get_task_settings
from src.tasks.exceptions import QueueUnavailableException, TaskNotFoundException
from src.tasks.schemes import TaskData

PATIENCE = 0.4  # seconds to wait for the broker, each time
REDIS_TIMEOUTS = ("socket_timeout", "socket_connect_timeout")
AMQP_TIMEOUTS = ("read_timeout", "write_timeout")
PUBLISHERS = 8  # threads that may wait for it
IGNORED = "IGNORED"  # the state of a task that stores none
CELERYS_OWN = ({"pid", "hostname"}, {"exc_type", "exc_message", "exc_module"})  # keys of what it stores with a state
ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}  # on a new connection: the old may be dead
UNAVAILABLE = (OperationalError, LimitExceeded, OSError)


class TaskQueue:
    """The way of this process to the broker."""

    def __init__(self, redis: Redis, settings: TaskSettings) -> None:
        self._redis = redis
        self._expires = settings.CELERY_RESULT_EXPIRES
        self._publishers = asyncio.Semaphore(PUBLISHERS)
        self._states: Any = celery.backend  # a StateBackend
        self._queue: Any = celery.amqp.queues[settings.CELERY_QUEUE]
        timeouts = AMQP_TIMEOUTS if settings.broker.url.startswith("amqp") else REDIS_TIMEOUTS
        options = dict.fromkeys(timeouts, PATIENCE)
        connection = celery.connection_for_write(
            settings.broker.url, connect_timeout=PATIENCE, transport_options=options
        )
        self._connections: Any = connection.Pool(PUBLISHERS)
        self._producers: Any = ProducerPool(self._connections, limit=PUBLISHERS)
        self._headers: dict[str, str] = {}

    def owned_by(self, user_id: object) -> "TaskQueue":
        """Return this queue for the tasks of one user: `find` tells them from those of others."""
        queue = copy(self)
        queue._headers = {OWNER: str(user_id)}  # noqa: SLF001 - of the same class
        return queue

    async def enqueue(self, task: Task[Any, Any], *args: Any, **kwargs: Any) -> UUID:
        """Hand a task to the workers and return its id; within two seconds it is accepted or it is not there.

        Do it last in a request: a task may begin before the request's transaction is committed.

        Raises:
            QueueUnavailableException: the broker does not answer.
            RedisError: Redis does not.
        """
        task_id = uuid4()
        key = self._states.get_key_for_task(str(task_id))
        state = IGNORED if task.ignore_result else states.PENDING
        pending = {"task_id": str(task_id), "status": state, "result": None, **self._headers}
        await self._redis.set(key, self._states.encode(pending), ex=self._expires)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._publishers.acquire()
            try:
                await to_thread.run_sync(partial(self._publish, task, str(task_id), args, kwargs))
            finally:
                self._publishers.release()
        except UNAVAILABLE as error:
            logger.error("broker unavailable", reason=type(error).__name__)
            with suppress(RedisError):
                await self._redis.delete(key)
            raise QueueUnavailableException from None
        return task_id

    def _publish(self, task: Task[Any, Any], task_id: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with self._producers.acquire(block=True, timeout=PATIENCE) as producer:
            self._ask(producer)
            options = {"producer": producer, "retry_policy": ONCE_MORE, "headers": self._headers}
            task.apply_async(args, kwargs, task_id=task_id, **options)

    def _ask(self, producer: Any) -> None:
        """Have the broker answer before it gets the task: one that is frozen would hand it out later, after the 503."""

        def declare() -> None:
            self._queue(producer.channel).queue_declare()

        producer.connection.ensure(producer, declare, **ONCE_MORE)()

    async def find(self, task_id: UUID, owner: object = None) -> TaskData:
        """Return the state of a task, of the user `owner` if one is given.

        Raises:
            TaskNotFoundException: no one enqueued it, another user did, or CELERY_RESULT_EXPIRES is over.
        """
        text = await self._redis.get(self._states.get_key_for_task(str(task_id)))
        kept = self._states.decode(text) if text else {}
        if not kept or (owner and kept.get(OWNER) != str(owner)):
            raise TaskNotFoundException
        state, value = kept["status"], kept["result"]
        if state == states.SUCCESS:
            return TaskData(id=task_id, state=state, result=value)
        is_celerys = isinstance(value, dict) and value.keys() in CELERYS_OWN
        return TaskData(id=task_id, state=state, meta=None if is_celerys else value)

    async def close(self) -> None:
        self._producers.force_close_all()
        self._connections.force_close_all()


def add_task_queue(app: FastAPI) -> None:
    app.state.tasks = TaskQueue(app.state.redis, get_task_settings())
    app.state.closers.insert(0, app.state.tasks.close)


async def get_task_queue(connection: HTTPConnection) -> TaskQueue:
    queue: TaskQueue = connection.app.state.tasks
    user_id = getattr(connection.state, "user_id", None)
    return queue.owned_by(user_id) if user_id else queue


TaskQueueDepends = Annotated[TaskQueue, Depends(get_task_queue)]
