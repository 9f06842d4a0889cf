"""While Redis or PostgreSQL is down, silent or empty, no one is let in or signed out; the service recovers on its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import make_url

from src.database.config import get_database_settings
from src.main import create_app
from src.redis_database.config import get_redis_settings
from tests.auth.fixtures import NAVIGATION, login
from tests.auth.proxy import Proxy, proxy_to
from tests.settings import forget_settings

pytestmark = pytest.mark.usefixtures("ann")

TIMEOUT = 10  # seconds; without its own limit, a request would wait as long as Redis is silent


@asynccontextmanager
async def behind_proxy(patch: pytest.MonkeyPatch, name: str, address: str) -> AsyncIterator[tuple[Proxy, AsyncClient]]:
    """Start the service with a proxy before one of its servers, and sign Ann in."""
    url = make_url(address)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxy_to(url.port or 0))
        patch.setenv(name, url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False))
        forget_settings()
        app = create_app()
        await stack.enter_async_context(app.router.lifespan_context(app))
        options: dict[str, Any] = {"transport": ASGITransport(app), "base_url": "https://test"}
        client = await stack.enter_async_context(AsyncClient(**options))
        assert (await login(client)).status_code == 200
        assert (await client.get("/users/info")).status_code == 200
        yield proxy, client


@pytest.fixture
async def redis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Proxy, AsyncClient]]:
    monkeypatch.setenv("REDIS_TIMEOUT", "0.3")
    async with behind_proxy(monkeypatch, "REDIS_URL", get_redis_settings().url) as both:
        yield both


@pytest.fixture
async def postgres(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Proxy, AsyncClient]]:
    address = get_database_settings().url.render_as_string(hide_password=False)
    async with behind_proxy(monkeypatch, "DATABASE_URL", address) as both:
        yield both


async def fail(client: AsyncClient, method: str = "GET", path: str = "/users/info") -> None:
    """Meet the 503 that keeps the cookies, and not after a wait without end."""
    async with asyncio.timeout(TIMEOUT):
        answer = await client.request(method, path, headers=NAVIGATION)
    assert (answer.status_code, "retry-after" in answer.headers, "set-cookie" in answer.headers) == (503, True, False)


REQUESTS = [("GET", "/users/info"), ("GET", "/auth/refresh"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")]


async def test_redis_that_refuses_is_503(redis: tuple[Proxy, AsyncClient]) -> None:
    """At once; public routes go on; the first request after it is answered."""
    proxy, client = redis
    await proxy.refuse()
    for method, path in REQUESTS:
        await fail(client, method, path)
    assert (await client.get("/health")).status_code == 200
    await proxy.start()
    assert (await client.get("/users/info")).status_code == 200


@pytest.mark.parametrize(("method", "path"), REQUESTS[:3])
async def test_redis_that_is_silent_is_503(redis: tuple[Proxy, AsyncClient], method: str, path: str) -> None:
    """After REDIS_TIMEOUT; the first request afterwards is answered."""
    proxy, client = redis
    proxy.be_silent()
    await fail(client, method, path)
    assert (await client.get("/health")).status_code == 200
    proxy.speak()
    assert (await client.get("/users/info")).status_code == 200


async def test_silence_ends_before_a_long_redis_timeout(redis: tuple[Proxy, AsyncClient]) -> None:
    """A signed-in request waits a second at most, even if others wait for Redis too."""
    proxy, client = redis
    pool = client._transport.app.state.redis.connection_pool  # type: ignore[attr-defined]
    pool.connection_kwargs |= {"socket_timeout": 3 * TIMEOUT, "socket_connect_timeout": 3 * TIMEOUT}
    await pool.disconnect()
    pool.reset()
    proxy.be_silent()
    await fail(client)
    proxy.speak()
    assert (await client.get("/users/info")).status_code == 200


async def test_redis_that_was_emptied_asks_everybody_to_sign_in(new_client: Any) -> None:
    """No 5xx anywhere."""
    client = await new_client("ann")
    await client._transport.app.state.redis.flushdb()
    for method, path in REQUESTS:
        assert (await client.request(method, path, headers=NAVIGATION)).status_code < 500
    assert (await login(client)).status_code == 200


async def test_without_postgresql_sessions_stay(postgres: tuple[Proxy, AsyncClient]) -> None:
    """Those whose profile is known are served, the others get 503 and go on afterwards."""
    proxy, client = postgres
    await proxy.refuse()
    assert (await client.get("/users/info")).status_code == 200
    client._transport.app.state.auth.settings.USER_SNAPSHOT_SECONDS = 0  # type: ignore[attr-defined]
    await fail(client)
    assert (await login(client)).status_code == 503
    await proxy.start()
    assert (await client.get("/users/info")).status_code == 200
