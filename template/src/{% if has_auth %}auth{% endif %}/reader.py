"""Reads sessions: requests of one turn of the event loop share a round trip, each with an HMGET of its own."""

import asyncio
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from src.auth.managers import FIELD, session_key

PATIENCE = 1.0  # seconds; a batch fails on its own, so that a frozen server delays nobody twice


class Reading(NamedTuple):
    """The fields of a session's hash; None: there is no such field."""

    session: str | None
    user: str | None
    version: str | None


NOTHING = Reading(None, None, None)
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
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Reading] = loop.create_future()
        self._waiting.append((session_key(user_id), FIELD + session_id, future))
        return await future

    def _start(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.ensure_future(self._answer(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, batch: list[Question]) -> None:
        pending = [future for _, _, future in batch]
        try:
            for future, answer in zip(pending, await self._ask(batch), strict=True):
                if not future.done():
                    future.set_result(NOTHING if isinstance(answer, RedisError) else Reading(*answer))
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
            pipeline.hmget(key, [field, "user", "ver"])
        async with asyncio.timeout(PATIENCE):
            answers: list[list[str | None] | RedisError] = await pipeline.execute(raise_on_error=False)
        return answers
