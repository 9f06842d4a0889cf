"""Redis in a request, and what clients get while it is down."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from src.redis_database.client import RedisClient, RedisDepends, create_redis
from src.redis_database.config import get_redis_settings


@asynccontextmanager
async def replaced(app: FastAPI, port: int) -> AsyncIterator[None]:
    """Let the application look for Redis on another port for a while."""
    before = app.state.redis
    address = {"REDIS_URL": None, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": port, "REDIS_TIMEOUT": 0.1}
    app.state.redis = create_redis(get_redis_settings().model_copy(update=address))
    yield
    await app.state.redis.aclose()
    app.state.redis = before


@pytest.fixture(autouse=True)
def counter(app: FastAPI) -> None:
    @app.post("/counter")
    async def count(redis_client: RedisClient) -> int:
        return int(await redis_client.incr("counter"))


async def test_a_request_reaches_redis(client: AsyncClient) -> None:
    """The next request reads what one wrote."""
    assert [(await client.post("/counter")).json() for _ in range(3)] == [1, 2, 3]


async def test_the_original_way_to_ask_for_it_works(app: FastAPI, client: AsyncClient) -> None:
    """`redis_client: RedisDepends()` gives the same client."""

    @app.get("/same")
    async def same(one: RedisClient, two: RedisDepends()) -> bool:  # type: ignore[valid-type]
        return one is two and isinstance(two, Redis)

    assert (await client.get("/same")).json() is True


async def test_a_refused_connection_is_503(app: FastAPI, client: AsyncClient) -> None:
    """With Retry-After, and readiness names it."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        async with replaced(app, reserved.getsockname()[1]):
            answer = await client.post("/counter")
            ready = await client.get("/health/ready")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert [error["field"] for error in ready.json()["errors"]] == ["redis"]


async def test_a_silent_server_is_503(app: FastAPI, client: AsyncClient) -> None:
    """A frozen server costs no more than the timeouts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with replaced(app, server.getsockname()[1]):
            assert (await client.post("/counter")).status_code == 503


async def test_lost_connections_are_replaced(app: FastAPI, client: AsyncClient) -> None:
    """After a restart of Redis the very next request works."""
    await client.post("/counter")
    other = create_redis(get_redis_settings())
    await other.client_kill_filter(_type="normal", skipme=True)
    await other.aclose()
    assert (await client.post("/counter")).json() == 2


@pytest.mark.parametrize(
    "refusal",
    [
        "OOM command not allowed when used memory > 'maxmemory'.",
        "READONLY You can't write against a read only replica.",
        "MISCONF Redis is configured to save, but it's currently unable to persist to disk.",
    ],
)
async def test_a_server_that_cannot_is_503(app: FastAPI, client: AsyncClient, refusal: str, logs: list[str]) -> None:
    """Also in a pipeline, whose error repeats the command, which the log does not."""

    @app.post("/refused")
    async def refused(redis_client: RedisClient, pipelined: bool) -> None:
        target = redis_client.pipeline(transaction=False) if pipelined else redis_client
        await target.eval("return redis.error_reply(ARGV[1] .. ' secret')", 0, refusal)
        if isinstance(target, Pipeline):
            await target.execute()

    for pipelined in (False, True):
        answer = await client.post("/refused", params={"pipelined": pipelined})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "redis unavailable" in "".join(logs)
    assert "secret" not in "".join(logs)


async def test_a_command_that_is_wrong_is_500(app: FastAPI, client: AsyncClient) -> None:
    """It is a fault of the program: trying again is no use."""

    @app.post("/wrong")
    async def wrong(redis_client: RedisClient) -> None:
        await redis_client.eval("return redis.error_reply('ERR no such thing')", 0)

    assert (await client.post("/wrong")).status_code == 500
