"""Routers that know how their paths begin."""

import pytest
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient

from src.auth.routing import PrefixRouter


@pytest.fixture
def router() -> APIRouter:
    router = PrefixRouter(prefix="/things")

    @router.get("")
    @router.get("/{number}")
    async def find(number: int = 0) -> int:
        return number

    return router


@pytest.mark.parametrize("outer", ["", "/api"])
@pytest.mark.parametrize(
    ("path", "status"), [("/things", 200), ("/things/7", 200), ("/things/", 307), ("/thing", 404), ("/other", 404)]
)
async def test_it_serves_what_any_router_would(router: APIRouter, outer: str, path: str, status: int) -> None:
    """Wherever it is included, behind a proxy's prefix too."""
    app = FastAPI()
    app.include_router(router, prefix=outer)
    transport = ASGITransport(app, root_path="/proxied")
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get(f"{outer}{path}")).status_code == status
        assert (await client.get(f"/proxied{outer}{path}")).status_code == status
        assert (await client.post(f"{outer}/things")).status_code == 405


async def test_its_routes_are_not_tried_elsewhere(router: APIRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is for."""
    app = FastAPI()
    app.include_router(router)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        await client.get("/things")
        monkeypatch.setattr(APIRouter, "matches", lambda *_: pytest.fail("it was tried"))
        assert (await client.get("/other")).status_code == 404


async def test_a_path_that_may_begin_with_anything_is_found() -> None:
    """One parameter in front, and all of the router is tried."""
    router = PrefixRouter()

    @router.get("/")
    @router.get("/{word}/end")
    async def find(word: str = "home") -> str:
        return word

    app = FastAPI()
    app.include_router(router)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/")).json() == "home"
        assert (await client.get("/any/end")).json() == "any"
