"""The Redis client of this process."""

from typing import Annotated, Any

from fastapi import Depends
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.requests import HTTPConnection

from src.redis_database.config import RedisSettings


def create_redis(settings: RedisSettings) -> Redis:
    """Create a pooled client: a lost connection is tried once more, silence lasts no longer than REDIS_TIMEOUT."""
    pool = BlockingConnectionPool.from_url(
        settings.url,
        max_connections=settings.REDIS_POOL_SIZE,
        timeout=settings.REDIS_TIMEOUT,
        socket_timeout=settings.REDIS_TIMEOUT,
        socket_connect_timeout=settings.REDIS_TIMEOUT,
        health_check_interval=15,
        decode_responses=True,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.1), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


async def get_redis(connection: HTTPConnection) -> Redis:
    client: Redis = connection.app.state.redis
    return client


def RedisDepends() -> Any:  # noqa: N802 - the name users know
    """Annotate a parameter with this to get the client: `redis_client: RedisDepends()`."""
    return Annotated[Redis, Depends(get_redis)]


RedisClient = Annotated[Redis, Depends(get_redis)]
