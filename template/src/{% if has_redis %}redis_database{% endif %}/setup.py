"""Puts Redis into the application: its client, and the answer to requests that needed it while it was down."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from loguru import logger
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from src.exceptions import HttpServiceUnavailableException
from src.handlers import error_response
from src.redis_database.client import create_redis
from src.redis_database.config import get_redis_settings


async def answer_redis_error(_: Request, error: RedisConnectionError | RedisTimeoutError) -> JSONResponse:
    logger.error("redis unavailable", reason=f"{type(error).__name__}: {error}")
    return error_response(HttpServiceUnavailableException())


def add_redis(app: FastAPI) -> None:
    app.state.redis = create_redis(get_redis_settings())
    app.state.closers.append(app.state.redis.aclose)
    app.add_exception_handler(RedisConnectionError, answer_redis_error)  # type: ignore[arg-type]  # wants Exception
    app.add_exception_handler(RedisTimeoutError, answer_redis_error)  # type: ignore[arg-type]
