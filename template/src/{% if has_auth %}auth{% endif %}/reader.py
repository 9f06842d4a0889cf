"""Reads sessions: requests of one turn of the event loop share a round trip, each with an HMGET of its own.

In a cluster each is a round trip of its own: a node that is down must not fail the requests of the others' users.
"""

import asyncio
from typing import Any, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from src.auth.managers import FIELD, session_key

PATIENCE = 1.0  # seconds; a batch fails on its own, so that a frozen server delays nobody twice


class Reading(NamedTuple):
    """The fields of a session's hash; None: there is no such field."""

    session: str | None
    user: str | None
    version: str | None


NOTHING = Reading(None, None, None)
SHARED = ("user", "ver")
NO_HASH = "WRONGTYPE "  # how Redis' answer begins; the client has no class for it
Question = tuple[str, str, asyncio.Future[Reading]]


class SessionReader:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[Question] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def read(self, user_id: str, session_id: str) -> Reading:
        """Read one session; what is not a hash reads like nothing.

        Raises:
            RedisError: Redis does not answer.
        """
        key, field = session_key(user_id), FIELD + session_id
        if isinstance(self._redis, RedisCluster):
            return await self._read_alone(key, field)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Reading] = loop.create_future()
        self._waiting.append((key, field, future))
        return await future

    async def _read_alone(self, key: str, field: str) -> Reading:
        try:
            answer: list[Any] = await self._redis.hmget(key, [field, *SHARED])
            return Reading(*answer)
        except ResponseError as error:
            return _nothing(error)

    def _start(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.ensure_future(self._answer(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, batch: list[Question]) -> None:
        pending = [future for _, _, future in batch]
        try:
            for future, answer in zip(pending, await self._ask(batch), strict=True):
                _settle(future, answer)
        except (RedisError, OSError) as error:
            reason = RedisTimeoutError("no answer in time") if isinstance(error, TimeoutError) else error
            for future in pending:
                if not future.done():
                    future.set_exception(reason)
        finally:
            for future in pending:
                future.cancel()  # nobody waits for ever; those that are done stay as they are

    async def _ask(self, batch: list[Question]) -> list[list[str | None] | RedisError]:
        pipeline = self._redis.pipeline(transaction=False)
        for key, field, _ in batch:
            pipeline.hmget(key, [field, *SHARED])
        async with asyncio.timeout(PATIENCE):
            answers: list[list[str | None] | RedisError] = await pipeline.execute(raise_on_error=False)
        return answers


def _nothing(error: RedisError) -> Reading:
    """Read what is not a hash like nothing; any other error is one."""
    if not str(error).startswith(NO_HASH):
        raise error
    return NOTHING


def _settle(future: asyncio.Future[Reading], answer: list[str | None] | RedisError) -> None:
    if future.done():
        return
    try:
        future.set_result(_nothing(answer) if isinstance(answer, RedisError) else Reading(*answer))
    except RedisError as error:
        future.set_exception(error)
