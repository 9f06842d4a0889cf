"""The table of routes serves what FastAPI would serve."""

import runpy
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, Request
from httpx import ASGITransport, AsyncClient
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from src import compat
from src.routing import RouteTable

METHODS = ("GET", "HEAD", "POST", "OPTIONS")
PATHS = (
    "/", "/things", "/things/", "/things/new", "/things/7", "/things/7/parts", "/things/x", "/things%0A", "/thing", "",
    "/api/things", "/api/things/new", "/api/nested/deep", "/api/nested/1/2", "/early/new", "/early/other", "/late/new",
    "/files/a/b.txt", "/mounted", "/mounted/new", "/mounted/inner", "/plain", "/things/limited/form", "/any", "/behind", "/outside",
)  # fmt: skip


def endpoint(name: str) -> Callable[..., Any]:
    async def answer(request: Request) -> dict[str, Any]:
        return {"endpoint": name, "values": request.path_params, "route": request.scope["route"].path}

    return answer


class AnyMethodRoute(BaseRoute):
    """A kind of route that only its owner knows."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL, {}) if scope["path"].endswith(("/any", "/behind")) else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("any")(scope, receive, send)


async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"mounted {scope['root_path']} {scope['path']}")(scope, receive, send)


def build() -> FastAPI:
    router, nested = APIRouter(prefix="/things", form_limits={"max_fields": 1}), APIRouter()
    for path in ("", "/new", "/{number:int}", "/{number}/parts", "/new"):
        router.get(path)(endpoint(f"things{path}"))
    router.post("/{name}")(endpoint("post"))
    nested.get("/deep")(endpoint("deep"))
    nested.get("/{a}/{b}")(endpoint("two"))

    @router.post("/limited/form")
    async def form(text: Annotated[str, Form()]) -> str:
        return text

    outer = APIRouter()
    outer.include_router(router)
    outer.include_router(nested, prefix="/nested", dependencies=[Depends(lambda: None)])
    app = FastAPI(redirect_slashes=False)
    app.get("/early/{word}")(endpoint("early"))
    app.get("/early/new")(endpoint("never"))
    app.get("/late/new")(endpoint("late"))
    app.get("/late/{word}")(endpoint("never for new"))
    app.api_route("/", methods=["GET", "HEAD"])(endpoint("home"))
    app.include_router(outer, prefix="/api")
    app.include_router(router)
    app.mount("/mounted", mounted)
    app.get("/mounted/inner")(endpoint("never"))
    app.get("/files/{path:path}")(endpoint("files"))
    app.add_route("/plain", lambda _: PlainTextResponse("plain"))

    app.get("/outside")(endpoint("outside"))
    app.router.routes.append(AnyMethodRoute())
    app.get("/behind")(endpoint("never"))
    return app


async def answers(app: FastAPI, root_path: str = "") -> list[tuple[str, str, int, str, str | None]]:
    found = []
    transport = ASGITransport(app, root_path=root_path)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        for method in METHODS:
            for path in PATHS:
                form = {"text": "a", "more": "than is allowed"} if method == "POST" else None
                answer = await client.request(method, f"http://test{root_path}{path}", data=form)
                found.append((method, path, answer.status_code, answer.text, answer.headers.get("Allow")))
    return found


@pytest.mark.parametrize("root_path", ["", "/proxied"])
async def test_each_request_is_answered_as_without_it(root_path: str) -> None:
    """Overlapping paths, methods, parameters, mounts, routers in routers and routes of unknown kinds."""
    plain, with_table = build(), build()
    with_table.router.middleware_stack = RouteTable(with_table.router)
    expected = await answers(plain, root_path)
    assert {status for _, _, status, _, _ in expected} == {200, 400, 404, 405}
    assert await answers(with_table, root_path) == expected


async def test_fastapi_tries_no_route(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is looked up, and one with parameters is matched once."""
    router = APIRouter(prefix="/articles")
    router.get("")(endpoint("all"))
    router.get("/{slug}")(endpoint("one"))
    app.include_router(router)
    monkeypatch.setattr(APIRouter, "app", lambda *_: pytest.fail("FastAPI looked"))
    monkeypatch.setattr(APIRouter, "matches", lambda *_: pytest.fail("FastAPI looked"))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/articles")).json()["endpoint"] == "all"
        assert (await client.get("/articles/new")).json()["values"] == {"slug": "new"}


async def test_a_route_that_is_added_later_is_served(app: FastAPI) -> None:
    """After a request, too: to the application, and to a router that is included already."""
    router = APIRouter(prefix="/later")
    app.include_router(router)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/later/one")).status_code == 404
        router.get("/one")(endpoint("one"))
        app.get("/later/two")(endpoint("two"))
        for path in ("one", "two"):
            assert (await client.get(f"/later/{path}")).json()["endpoint"] == path


async def test_a_route_that_is_removed_is_not_served(app: FastAPI) -> None:
    """Nor one in whose place is another."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        for name in ("one", "two"):
            app.get("/replaced")(endpoint(name))
            assert (await client.get("/replaced")).json()["endpoint"] == name
            app.router.routes.pop()


async def test_a_dependency_can_be_overridden(app: FastAPI) -> None:
    """In an included router, as everywhere."""

    async def number() -> int:
        return 1

    router = APIRouter()

    @router.get("/number")
    async def read(value: Annotated[int, Depends(number)]) -> int:
        return value

    app.include_router(router)
    app.dependency_overrides[number] = lambda: 2
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/number")).json() == 2


def test_a_private_name_that_has_changed_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name and the version that was tried, not somewhere in a request."""
    monkeypatch.setattr("starlette._utils.get_route_path", lambda scope: scope["path"])
    with pytest.raises(ImportError, match=r"get_route_path has changed.*tried with \d"):
        runpy.run_path(str(compat.__file__))
    monkeypatch.delattr("starlette._utils.get_route_path")
    with pytest.raises(ImportError, match=r"get_route_path is missing.*tried with \d"):
        runpy.run_path(str(compat.__file__))
