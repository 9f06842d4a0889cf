"""One JSON shape for every error."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, HTTPException, WebSocket
from httpx import AsyncClient
from pydantic import BaseModel, Field
from starlette.types import Message

from src import messages
from src.exceptions import HttpAlreadyExistException, HttpNotFoundException


class Credentials(BaseModel):
    name: str = Field(max_length=5)
    age: float = 0


@pytest.fixture
def echo(app: FastAPI) -> None:
    @app.post("/echo")
    async def echo(credentials: Credentials) -> Credentials:
        return credentials


async def test_an_unknown_path_is_404(client: AsyncClient) -> None:
    """In this service's words."""
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()) == (404, {"detail": messages.NOT_FOUND})


async def test_a_wrong_method_is_405_and_says_which_are_right(client: AsyncClient) -> None:
    """RFC 9110, 15.5.6: Allow is sent."""
    answer = await client.post("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.json() == {"detail": messages.BY_STATUS[405]}


async def test_a_trace_is_not_answered(client: AsyncClient) -> None:
    """It would repeat the headers of the request, the cookies with them."""
    answer = await client.request("TRACE", "/health", headers={"X-Secret": "hunter2"})
    assert answer.status_code == 405
    assert "hunter2" not in answer.text


@pytest.mark.usefixtures("echo")
async def test_an_invalid_field_is_named_and_not_repeated(client: AsyncClient) -> None:
    """The input may be a password."""
    answer = await client.post("/echo", json={"name": "s3cret-s3cret"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == messages.INVALID_INPUT
    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    assert "s3cret" not in answer.text


@pytest.mark.usefixtures("echo")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": "\xff"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
    ],
    ids=["empty", "cut", "list", "null", "not UTF-8", "NaN", "Infinity", "lone surrogate", "deep"],
)
async def test_strange_bodies_are_refused(client: AsyncClient, body: bytes) -> None:
    """No request leads to a 500."""
    answer = await client.post("/echo", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]


@pytest.mark.usefixtures("echo")
async def test_a_body_without_a_content_type_is_refused(client: AsyncClient) -> None:
    """A form of another site cannot pass as JSON."""
    answer = await client.post("/echo", content=b'{"name": "x"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422


@pytest.mark.usefixtures("echo")
async def test_a_huge_body_is_413(client: AsyncClient) -> None:
    """MAX_BODY_SIZE holds, in the same shape as any error."""
    body = b'{"name": "' + b"x" * 1_100_000 + b'"}'

    async def unannounced() -> AsyncIterator[bytes]:
        yield body

    for content in (body, unannounced()):
        answer = await client.post("/echo", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (413, {"detail": messages.BY_STATUS[413]})


async def test_errors_can_be_raised_as_classes(app: FastAPI, client: AsyncClient) -> None:
    """Status, sentence and headers come from the class."""

    @app.get("/missing")
    async def missing() -> None:
        raise HttpNotFoundException

    answer = await client.get("/missing")
    assert (answer.status_code, answer.json()) == (404, {"detail": messages.NOT_FOUND})


async def test_errors_can_say_more(app: FastAPI, client: AsyncClient) -> None:
    """An explicit detail replaces the one of the class."""

    @app.get("/taken")
    async def taken() -> None:
        raise HttpAlreadyExistException("That name is taken.")

    assert (await client.get("/taken")).json() == {"detail": "That name is taken."}


async def test_instances_of_http_exception_work(app: FastAPI, client: AsyncClient) -> None:
    """FastAPI's own HTTPException keeps its behaviour."""
    teapot = HTTPException(418, "I brew tea.", {"X-Tea": "green"})

    @app.get("/tea")
    async def tea() -> None:
        raise teapot

    answer = await client.get("/tea")
    assert (answer.status_code, answer.json(), answer.headers["X-Tea"]) == (418, {"detail": "I brew tea."}, "green")


async def test_an_unknown_status_keeps_its_sentence(app: FastAPI, client: AsyncClient) -> None:
    """460 is not a standard status, but it is kept."""

    @app.get("/odd")
    async def odd() -> None:
        raise HTTPException(460, "Odd.")

    answer = await client.get("/odd")
    assert (answer.status_code, answer.json()) == (460, {"detail": "Odd."})


async def test_an_error_can_be_a_page(app: FastAPI, client: AsyncClient) -> None:
    """`app.state.error_page` makes one out of the status and the sentence, where it wants to."""
    app.state.error_page = lambda scope, status, detail: f"<h1>{status}</h1>" if scope["path"] == "/page" else None
    answer = await client.get("/page")
    assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (404, "<h1>404</h1>", "no-store")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (await client.get("/data")).json() == {"detail": messages.NOT_FOUND}


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(app: FastAPI, client: AsyncClient, status: int) -> None:
    """RFC 9110, 6.4.1."""

    @app.get("/empty")
    async def empty() -> None:
        raise HTTPException(status)

    answer = await client.get("/empty")
    assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_an_error_closes_a_websocket(app: FastAPI, is_accepted: bool) -> None:
    """There is no one to answer, before and after it was accepted."""
    sent: list[Message] = []

    @app.websocket("/ws")
    async def fail(socket: WebSocket) -> None:
        if is_accepted:
            await socket.accept()
        raise HttpNotFoundException

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await app({"type": "websocket", "path": "/ws", "headers": [(b"host", b"test")], "query_string": b""}, receive, send)
    assert sent[-1]["type"] == "websocket.close"
    assert sent[-1]["code"] == 1011
