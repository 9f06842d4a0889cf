"""The cost of a signed-in request."""

import asyncio
import threading
from collections.abc import AsyncIterator

import anyio.to_thread
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from starlette.requests import Request

from src.auth.schemes import UserData
from tests.auth.fixtures import Asked


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
    """At most."""
    await signed_in.get("/users/info")
    assert len(logs) == 1


@pytest.mark.parametrize(("seconds", "looks"), [(60, 1), (0, 2)])
async def test_a_body_in_time_costs_no_second_look(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, signed_in: AsyncClient, asked: Asked, seconds: int, looks: int
) -> None:
    """However many pieces it comes in; one that takes too long costs one more."""

    async def take(request: Request) -> int:
        return len(await request.body())

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"

    monkeypatch.setattr("src.auth.middleware.CHECK_SECONDS", seconds)
    app.add_api_route("/take", take, methods=["POST"])
    await signed_in.get("/users/info")
    await asked()
    assert (await signed_in.post("/take", content=body())).json() == 3
    assert await asked() == ["HMGET"] * looks
