"""What a signed-in request costs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio.to_thread
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from redis.asyncio import Redis

from src.auth.schemes import UserData

Asked = Callable[[], Awaitable[list[str]]]


@pytest.fixture
async def asked(app: FastAPI) -> AsyncIterator[Asked]:
    """Return what Redis was asked since the last time, as its own MONITOR sees it on the wire."""
    seen: asyncio.Queue[str] = asyncio.Queue()
    client: Redis = app.state.redis
    own = str(client.connection_pool.connection_kwargs["db"])  # another test's worker has another one
    async with client.monitor() as monitor:

        async def listen() -> None:
            async for line in monitor.listen():
                if str(line["db"]) == own:
                    seen.put_nowait(line["command"])

        async def since() -> list[str]:
            await client.echo("until here")
            commands = []
            while "until here" not in (command := await seen.get()):
                commands.append(command.split()[0])
            return commands

        task = asyncio.create_task(listen())
        yield since
        task.cancel()


async def test_a_signed_in_get_is_one_hmget_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, signed_in: AsyncClient, asked: Asked, statements: list[str], ann: UserData
) -> None:
    """No SQL, no thread, no second round trip."""
    await signed_in.get("/users/info")
    await asked()
    statements.clear()
    threads = threading.active_count()
    monkeypatch.setattr(anyio.to_thread, "run_sync", None)
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", None)
    for _ in range(3):
        assert (await signed_in.get("/users/info")).json()["id"] == str(ann.id)
    assert await asked() == ["HMGET"] * 3
    assert (statements, threading.active_count()) == ([], threads)


async def test_requests_of_one_moment_share_a_round_trip(signed_in: AsyncClient, asked: Asked) -> None:
    """Each still has its own HMGET: what is revoked shows on the next one."""
    await signed_in.get("/users/info")
    await asked()
    await asyncio.gather(*[signed_in.get("/users/info") for _ in range(8)])
    assert await asked() == ["HMGET"] * 8


async def test_a_public_get_asks_nobody(signed_in: AsyncClient, asked: Asked, statements: list[str]) -> None:
    """Even of the signed-in."""
    await asked()
    statements.clear()
    await signed_in.get("/health")
    assert (await asked(), statements) == ([], [])


async def test_one_line_is_logged(signed_in: AsyncClient, logs: list[str]) -> None:
    """At most, and it names nobody."""
    await signed_in.get("/users/info")
    assert len(logs) == 1
