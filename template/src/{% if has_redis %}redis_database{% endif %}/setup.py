"""Puts Redis into the application: its client, and the answer to requests that needed it while it was down."""

import re

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from loguru import logger
from redis.exceptions import (
    ClusterDownError,
    InvalidResponse,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from src.exceptions import HttpServiceUnavailableException
from src.handlers import add_handler, error_response
from src.redis_database.client import create_redis
from src.redis_database.config import get_redis_settings

DOWN = (RedisConnectionError, RedisTimeoutError, InvalidResponse)
# It answers, but takes no write for now: it is full, a replica after a failover, or part of a cluster that is not whole.
UNABLE = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
# The same, by codes that the client knows no class for: https://redis.io/docs/latest/develop/reference/protocol-spec/
UNABLE_CODES = re.compile(r"(^|['\"])(MISCONF|NOREPLICAS|BUSY) ")


async def answer_redis_error(_: Request, error: RedisError) -> JSONResponse:
    logger.error("redis unavailable", reason=f"{type(error).__name__}: {error}")
    return error_response(HttpServiceUnavailableException())


async def answer_redis_refusal(_: Request, error: ResponseError) -> JSONResponse:
    """Answer what Redis cannot do now; its text may repeat the command and is not logged."""
    if not isinstance(error, UNABLE) and not UNABLE_CODES.search(str(error)):
        raise error
    logger.error("redis unavailable", reason=type(error).__name__)
    return error_response(HttpServiceUnavailableException())


def add_redis(app: FastAPI) -> None:
    app.state.redis = create_redis(get_redis_settings())
    app.state.closers.append(app.state.redis.aclose)
    for kind in DOWN:
        add_handler(app, kind, answer_redis_error)
    add_handler(app, ResponseError, answer_redis_refusal)
