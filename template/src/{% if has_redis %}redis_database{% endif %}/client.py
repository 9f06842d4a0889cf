"""The Redis client of this process."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, cast

from fastapi import Depends
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.requests import HTTPConnection

from src.redis_database.address import Address
from src.redis_database.cluster import Cluster
from src.redis_database.config import RedisSettings

# Found out once: a connection that is not told looks the client's version up on the disk.
DRIVER = DriverInfo()
READ_TIMEOUT = 1.0  # seconds; a batch fails on its own, so that a frozen server delays nobody twice

Fields = list[str | None]
Read = tuple[str, Sequence[str], asyncio.Future[Fields]]


class BatchingRedis(Redis):
    """Redis with a read that shares its round trip with the other reads of this turn of the event loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: list[Read] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def read(self, key: str, fields: Sequence[str]) -> Fields:
        """Return the fields of a hash, None for each that is missing: an HMGET of its own.

        Raises:
            RedisError: Redis does not answer, or the key holds something else.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        future: asyncio.Future[Fields] = loop.create_future()
        self._waiting.append((key, fields, future))
        return await future

    def _start(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.ensure_future(self._answer(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, batch: list[Read]) -> None:
        try:
            answers = await self._ask(batch)
            for (_, _, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        finally:
            for _, _, future in batch:
                future.cancel()  # does nothing to those that are done

    async def _ask(self, batch: list[Read]) -> list[Any]:
        """Return the fields of each read, or the error that it met."""
        pipeline = self.pipeline(transaction=False)
        for key, fields, _ in batch:
            pipeline.hmget(key, fields)
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                return await pipeline.execute(raise_on_error=False)
        except TimeoutError:
            return [RedisTimeoutError("no answer in time")] * len(batch)
        except (RedisError, OSError) as error:
            return [error] * len(batch)


class BlockingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Asks Sentinel who is the master, and lets wait who finds no free connection to it."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def create_redis(settings: RedisSettings) -> BatchingRedis:
    """Create a pooled client: a lost connection is tried once more, silence lasts no longer than REDIS_TIMEOUT.

    That of a cluster is another class with the same commands; it asks a second time after silence, too.
    """
    address = settings.address
    if address.kind == "cluster":
        return cast("BatchingRedis", _cluster(address, settings))
    options: dict[str, Any] = {
        "timeout": settings.REDIS_TIMEOUT,
        "max_connections": settings.REDIS_POOL_SIZE,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.1), 1, supported_errors=(RedisConnectionError,)),
        **_common(settings),
    }
    if address.kind == "sentinel":
        return _sentinel(address, settings, options)
    pool = BlockingConnectionPool.from_url(settings.url, **options)
    return cast("BatchingRedis", BatchingRedis.from_pool(pool))


def _common(settings: RedisSettings) -> dict[str, Any]:
    timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), settings.REDIS_TIMEOUT)
    return {**timeouts, "health_check_interval": 15, "decode_responses": True, "driver_info": DRIVER}


def _cluster(address: Address, settings: RedisSettings) -> Cluster:
    return Cluster(
        patience=2 * settings.REDIS_TIMEOUT,
        max_connections=settings.REDIS_POOL_SIZE,
        startup_nodes=[ClusterNode(host, port) for host, port in address.nodes],
        dynamic_startup_nodes=False,  # those of the settings stay known: a name may lead to new machines
        retry=Retry(NoBackoff(), 1),
        ssl=address.tls,
        **_common(settings),
        **address.options,
    )


def _sentinel(address: Address, settings: RedisSettings, options: dict[str, Any]) -> BatchingRedis:
    together = settings.REDIS_TIMEOUT / len(address.nodes)
    asked = {
        "socket_timeout": together,
        "socket_connect_timeout": together,
        **{name: value for name, value in address.options.items() if name.startswith("ssl_")},
        "ssl": address.tls,
        "password": address.sentinel_password or None,
        "retry": Retry(NoBackoff(), 0),  # there are others to ask
    }
    sentinel: Any = Sentinel(address.nodes, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]
    client: BatchingRedis = sentinel.master_for(
        address.master, BatchingRedis, BlockingSentinelPool, ssl=address.tls, **options, **address.options
    )
    return client


async def get_redis(connection: HTTPConnection) -> Redis:
    client: Redis = connection.app.state.redis
    return client


def RedisDepends() -> Any:  # noqa: N802 - the name users know
    """Annotate a parameter with this to get the client: `redis_client: RedisDepends()`."""
    return Annotated[Redis, Depends(get_redis)]


RedisClient = Annotated[Redis, Depends(get_redis)]
