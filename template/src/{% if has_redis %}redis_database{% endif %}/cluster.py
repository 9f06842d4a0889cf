"""The client of a Redis Cluster: that of redis-py, with the patience and the errors of the client of one server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import ClusterDownError, RedisClusterException, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


class Cluster(RedisCluster):
    """Waits for a free connection instead of failing, and for an answer no longer than `patience` seconds."""

    def __init__(self, *, patience: float, max_connections: int, **options: Any) -> None:
        # Every fifth slot that has moved, redis-py would close the connections that others are using.
        super().__init__(max_connections=max_connections, reinitialize_steps=0, **options)
        self._patience = patience
        self._turns = asyncio.Semaphore(max_connections)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience), self._turns:
                yield
        except TimeoutError as error:
            raise RedisTimeoutError("no answer in time") from error
        except SlotNotCoveredError as error:  # redis-py's errors of a cluster are no RedisError
            raise ClusterDownError(str(error)) from error

    async def initialize(self, *args: Any, **kwargs: Any) -> "Cluster":
        try:
            await super().initialize(*args, **kwargs)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return self

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        async with self.turn():
            await self.initialize()  # first: before it knows the nodes, redis-py asks any of them
            try:
                return await super().execute_command(*args, **kwargs)
            except RuntimeError:  # uvloop's: the connection was closed by another request, that lost the node
                return await super().execute_command(*args, **kwargs)

    async def read(self, key: str, fields: Sequence[str]) -> list[str | None]:
        """Return the fields of a hash, in a round trip of its own: a node that is down fails only its own keys."""
        answer: list[str | None] = await self.execute_command("HMGET", key, *fields)
        return answer

    async def aclose(self) -> None:
        self._initialize = False  # else redis-py, when it is looking for the nodes anew, leaves all open
        await super().aclose()

    async def ping(self, **kwargs: Any) -> Any:
        """Ask the masters: that a replica is away hinders nobody."""
        return await super().ping(**{"target_nodes": self.PRIMARIES, **kwargs})

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "Pipeline":  # noqa: ARG002 - has no meaning
        return Pipeline(self, transaction)  # type: ignore[abstract]  # so is redis-py's own


class Pipeline(ClusterPipeline):
    cluster_client: Cluster

    async def execute(self, *args: Any, **kwargs: Any) -> list[Any]:
        async with self.cluster_client.turn():
            return await super().execute(*args, **kwargs)
