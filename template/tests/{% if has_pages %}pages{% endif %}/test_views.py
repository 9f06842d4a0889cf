"""Errors, as people see them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from httpx import AsyncClient
from redis.exceptions import ConnectionError as RedisConnectionError

from src import messages as base_messages
from src import routers
from src.auth import messages as auth_messages
from src.auth.app import AuthState
from src.main import create_app
from src.pages import messages
from tests.pages.reading import ANN, FORM, Page, look, send

EVIL = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture
def redis_is_down(signed_in: AsyncClient, auth: AuthState, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RedisConnectionError("refused")

    for part, name in (
        (auth.sessions, "read"),
        (auth.sessions, "rotate"),
        (auth.sessions, "create"),
        (auth.sessions, "end"),
    ):
        monkeypatch.setattr(part, name, fail)


@pytest.mark.parametrize("path", ["/login", "/register", "/logout", "/account/password", "/account/logout-all"])
async def test_a_form_of_another_site_gets_a_page(signed_in: AsyncClient, path: str) -> None:
    """403, and nothing is done."""
    answer = await send(signed_in, path, ANN, **EVIL)
    page = Page(answer)
    assert (answer.status_code, page.text(tag="h1")) == (403, messages.ERROR_TITLES[403])
    assert auth_messages.CROSS_SITE in answer.text
    assert (await signed_in.get("/users/info")).status_code == 200


async def test_a_page_that_does_not_exist(signed_in: AsyncClient) -> None:
    """404 as a page for who looks, as JSON for who calls."""
    answer = await look(signed_in, "/nowhere")
    assert (answer.status_code, Page(answer).text(tag="h1")) == (404, messages.ERROR_TITLES[404])
    assert (await signed_in.get("/nowhere")).json() == {"detail": base_messages.NOT_FOUND}
    assert (await signed_in.post("/nowhere", headers=FORM)).headers["content-type"] == "application/json"


async def test_the_signed_in_keep_their_way_out(signed_in: AsyncClient, anonymous: AsyncClient) -> None:
    """On an error page of the guard's routes; where it is too early to know who asks, nobody is called signed in."""
    for client, path, is_signed_in in ((signed_in, "/nowhere", True), (anonymous, "/static/nothing", False)):
        page = Page(await look(client, path))
        assert bool(page.find(tag="a", href="/account")) is bool(page.find(action="/logout")) is is_signed_in
        assert bool(page.find(tag="a", href="/login")) is not is_signed_in
    answer = await signed_in.post("/login", content=b"x" * 20_000, headers=FORM | {"Content-Type": "text/plain"})
    assert (answer.status_code, Page(answer).find(tag="nav")) == (415, [])


async def test_a_failure_is_a_page_with_the_headers_of_a_page(app: FastAPI, signed_in: AsyncClient) -> None:
    """With the request id, for a report."""

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret")

    answer = await look(signed_in, "/broken")
    assert (answer.status_code, Page(answer).text(tag="h1")) == (500, messages.ERROR_TITLES[500])
    assert answer.headers["x-request-id"] in answer.text
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("redis_is_down")
async def test_without_redis_there_is_a_page_to_try_again(signed_in: AsyncClient) -> None:
    """503 with Retry-After, and the cookies stay."""
    for answer in (
        await look(signed_in, "/account"),
        await send(signed_in, "/login", ANN),
        await send(signed_in, "/logout"),
    ):
        assert (answer.status_code, Page(answer).text(tag="h1")) == (503, messages.ERROR_TITLES[503])
        assert answer.headers["retry-after"]
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/login", "/register"])
@pytest.mark.usefixtures("redis_is_down")
async def test_pages_for_everybody_need_no_redis(signed_in: AsyncClient, path: str) -> None:
    """The visitor is unknown then, and keeps the cookies."""
    answer = await look(signed_in, path)
    assert (answer.status_code, Page(answer).find(tag="form", action="/logout")) == (200, [])
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [["no", "sentence"], {"detail": {"a": 1}}, {"detail": "theirs"}], ids=str)
async def test_an_error_that_an_endpoint_returns_is_left_alone(
    app: FastAPI, signed_in: AsyncClient, body: object
) -> None:
    """An exception becomes a page, a returned response is kept."""

    @app.get("/theirs")
    async def answer() -> JSONResponse:
        return JSONResponse(body, 418)

    answered = await look(signed_in, "/theirs")
    assert (answered.status_code, answered.json()) == (418, body)


async def test_a_page_keeps_the_headers_of_its_error(app: FastAPI, signed_in: AsyncClient) -> None:
    """Those of an exception of the owner's, too; a detail that is no sentence stays JSON."""

    @app.get("/tea/{kind}")
    async def tea(kind: str) -> None:
        raise HTTPException(418, "I brew tea." if kind == "green" else {"kind": kind}, {"X-Tea": kind})

    answer = await look(signed_in, "/tea/green")
    assert (answer.status_code, answer.headers["x-tea"]) == (418, "green")
    assert "I brew tea." in Page(answer).text(tag="main")
    assert (await look(signed_in, "/tea/black")).json() == {"detail": {"kind": "black"}}


async def test_data_stays_data(signed_in: AsyncClient) -> None:
    """Other responses are not touched, for any client."""
    assert (await look(signed_in, "/users/info")).json()["username"] == "ann"
    assert (await look(signed_in, "/health")).json() == {"detail": "ok"}


@pytest.fixture
def own_form(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of the owner's with a form below it."""

    async def save() -> str:
        return "saved"

    monkeypatch.setattr(routers, "form_pages", ["/notes/{slug}/edit"], raising=False)
    app.add_api_route("/notes/{slug}/edit/title", save, methods=["POST"])
    app.state.body_rules = create_app().state.body_rules


@pytest.mark.usefixtures("own_form")
async def test_a_form_of_the_owner_behaves_as_ours(anonymous: AsyncClient, signed_in: AsyncClient) -> None:
    """Sent too late it leads to sign-in and back to its page; what it may not be is said on a page."""
    path = "/notes/a b%3F/edit/title"
    late = await send(anonymous, path)
    assert (late.status_code, late.headers["location"]) == (303, "/login?next=%2Fnotes%2Fa%2520b%253F%2Fedit")
    assert (await send(signed_in, path)).text == '"saved"'
    for kind, status in (("multipart/form-data; boundary=x", 415), ("application/x-www-form-urlencoded", 413)):
        answer = await signed_in.post(path, content=b"x" * 16_385, headers=FORM | {"Content-Type": kind})
        assert (answer.status_code, Page(answer).text(tag="h1")) == (status, messages.ERROR_TITLE)


@pytest.mark.parametrize("path", ["/login", "/register", "/logout", "/account/password"])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/plain"])
async def test_forms_are_url_encoded(signed_in: AsyncClient, path: str, kind: str) -> None:
    """Anything else is 415, on a page."""
    answer = await signed_in.post(path, content=b"x", headers=FORM | {"Content-Type": kind})
    assert (answer.status_code, Page(answer).text(tag="h1")) == (415, messages.ERROR_TITLE)


async def test_a_slow_form_ends_its_connection(app: FastAPI, anonymous: AsyncClient) -> None:
    """The page says 408, and the header is kept."""
    app.state.body_rules.timeout = 0.01

    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    headers = FORM | {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await anonymous.post("/login", content=nothing(), headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert Page(answer).find(tag="h1")
