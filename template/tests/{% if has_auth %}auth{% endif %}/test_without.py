"""Two lines of main.py switch authentication off."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from httpx import ASGITransport, AsyncClient

from devtools.process import ROOT
from src.auth.dependencies import CurrentUser, OptionalUser, Superuser

LINES = ["    app.add_middleware(TokenValidationMiddleware)", "    app.include_router(auth_router)"]
router = APIRouter()


@router.get("/plain")
async def read_plain(user: OptionalUser) -> str:
    return "nobody" if user is None else user.username


@router.get("/mine")
async def read_mine(user: CurrentUser) -> str:
    return user.username


@router.get("/ours")
async def read_ours(user: Superuser) -> str:
    return user.username


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The application without the two lines."""
    lines = (ROOT / "src" / "main.py").read_text(encoding="utf-8").splitlines()
    assert [lines.count(line) for line in LINES] == [1, 1]
    path = tmp_path / "main_without.py"
    path.write_text("\n".join(line for line in lines if line not in LINES), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("main_without", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app: FastAPI = module.create_app()
    app.include_router(router)
    async with app.router.lifespan_context(app):
        yield app


async def test_no_route_fails_without_authentication(app: FastAPI) -> None:
    """Anonymous requests to every route get no 5xx."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        for context in iter_route_contexts(app.routes):
            for method in context.methods or ():
                path = (context.path or "").replace("{user_id}", "0198c0de-0000-7000-8000-000000000000")
                assert (await client.request(method, path)).status_code < 500


@pytest.mark.parametrize(
    ("path", "status"),
    [("/plain", 200), ("/health", 200), ("/nowhere", 404), ("/mine", 401), ("/ours", 401), ("/users/info", 401),
     ("/users", 401), ("/auth/login", 404)],
)  # fmt: skip
async def test_plain_routes_are_open_and_others_stay_closed(app: FastAPI, path: str, status: int) -> None:
    """Routes that need the user answer 401, even with junk in cookies."""
    cookies = {"access_token": "junk", "__Host-access_token": "junk"}
    async with AsyncClient(transport=ASGITransport(app), base_url="https://test", cookies=cookies) as client:
        assert (await client.get(path)).status_code == status
