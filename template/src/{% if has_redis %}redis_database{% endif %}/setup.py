"""Puts Redis into the application: its client, and the answer to requests that needed it while it was down."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from loguru import logger
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, OutOfMemoryError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from src.exceptions import HttpServiceUnavailableException
from src.handlers import add_handler, error_response
from src.redis_database.client import create_redis
from src.redis_database.config import get_redis_settings

# Down, too slow, not the one to write to, full, or not Redis at all.
UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, InvalidResponse)


async def answer_redis_error(_: Request, error: RedisError) -> JSONResponse:
    logger.error("redis unavailable", reason=f"{type(error).__name__}: {error}")
    return error_response(HttpServiceUnavailableException())


def add_redis(app: FastAPI) -> None:
    app.state.redis = create_redis(get_redis_settings())
    app.state.closers.append(app.state.redis.aclose)
    for kind in UNAVAILABLE:
        add_handler(app, kind, answer_redis_error)
