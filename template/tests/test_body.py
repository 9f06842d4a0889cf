"""Bodies: how large, how slow and in which charset they may come."""

import asyncio
from collections.abc import AsyncIterator
from encodings.aliases import aliases
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.responses import StreamingResponse
from httpx import AsyncClient
from pydantic import BaseModel, ConfigDict
from starlette.types import Message, Scope

from src import messages, routers
from src.main import create_app

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
CHARSETS = [
    *sorted({*aliases.values()} - {"utf_8"}),
    "idna",
    "punycode",
    "undefined",
    "unicode_escape",
    "utf-7",
    "none",
]
PART = '--x\r\nContent-Disposition: form-data; name="text"\r\n{}\r\nabc\r\n--x--\r\n'


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


@pytest.fixture
def routes(app: FastAPI) -> None:
    """Routes of an owner: data, a form, an upload, a stream."""

    @app.post("/data")
    async def data(data: Strict) -> Strict:
        return data

    @app.post("/form")
    async def form(text: Annotated[str, Form(max_length=100)]) -> str:
        return text

    @app.post("/upload")
    async def upload(file: Annotated[UploadFile, File()]) -> int:
        return len(await file.read())

    @app.post("/stream")
    async def stream(request: Request) -> int:
        return len([chunk async for chunk in request.stream()])

    @app.post("/early")
    async def early() -> StreamingResponse:
        async def wait() -> AsyncIterator[bytes]:
            yield b"begun"
            await asyncio.Event().wait()

        return StreamingResponse(wait())


@pytest.fixture
def form_page(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form's route is one of `form_pages`, another one may be larger."""
    monkeypatch.setattr(routers, "form_pages", ["/form"], raising=False)
    monkeypatch.setattr(routers, "body_limits", {"/{kind}": 2_000_000, "/form/large": 20_000}, raising=False)
    app.state.body_rules = create_app().state.body_rules


async def send(client: AsyncClient, path: str, kind: str, body: Any) -> int:
    return (await client.post(path, content=body, headers={"Content-Type": kind})).status_code


@pytest.mark.usefixtures("routes")
async def test_a_form_in_another_charset_is_415(client: AsyncClient) -> None:
    """Every codec of Python: none of them decodes anything."""
    for charset in CHARSETS:
        answer = await send(client, "/form", MULTIPART, PART.format(f"Content-Type: text/plain; charset={charset}\r\n"))
        assert answer == 415, charset


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize(
    "parameter", ["charset=idna", 'CharSet="idna"', "charset*=idna''x", "charset=utf-8; charset=idna"]
)
async def test_a_charset_is_found_wherever_it_is_named(client: AsyncClient, parameter: str) -> None:
    """In the header of the request, in that of a part, and beside the name of a file."""
    assert await send(client, "/form", f"{URLENCODED}; {parameter}", b"text=abc") == 415
    assert await send(client, "/form", f"{MULTIPART}; {parameter}", PART.format("")) == 415
    assert await send(client, "/form", MULTIPART, PART.format(f"Content-Type: text/plain; {parameter}\r\n")) == 415
    upload = PART.replace('"text"', f'"file"; filename="a"; {parameter}').format("")
    assert await send(client, "/upload", MULTIPART, upload) == 415


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8"])
async def test_a_form_in_utf_8_is_read(client: AsyncClient, charset: str) -> None:
    """With a file whose content and name say what they like."""
    assert await send(client, "/form", f"{URLENCODED}; charset={charset}", b"text=abc") == 200
    assert await send(client, "/form", f"{MULTIPART}; charset={charset}", PART.format("")) == 200
    upload = PART.replace('"text"', '"file"; filename="charset=idna.html"').format("Content-Type: text/html\r\n")
    body = upload.replace("abc", "Content-Type: text/html; charset=idna\r\n\r\n" * 9)
    assert await send(client, "/upload", f"{MULTIPART}; charset={charset}", body) == 200
    encoded = PART.replace('"text"', '"file"; filename="a"; filename*=utf-8\'\'%D1%84').format("")
    assert await send(client, "/upload", MULTIPART, encoded) == 200


@pytest.mark.usefixtures("routes")
async def test_a_charset_is_found_however_the_body_is_cut(client: AsyncClient) -> None:
    """Byte by byte."""
    text = PART.format("Content-Type: text/plain; charset=idna\r\n").encode()

    async def cut() -> AsyncIterator[bytes]:
        for number in text:
            yield bytes([number])

    assert await send(client, "/form", MULTIPART, cut()) == 415


BROKEN = [b"", b"x", b"--x", b"--x\r\nbroken", b"--x\r\n" + b"A: b\r\n" * 99, b"--x\r\nA: " + b"b" * 9999, b"\xff" * 99]


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("path", ["/form", "/upload"])
@pytest.mark.parametrize(
    "kind", [MULTIPART, "multipart/form-data", f"{MULTIPART * 99}", 'multipart/form-data; boundary="']
)
async def test_a_broken_form_is_no_error_of_ours(client: AsyncClient, path: str, kind: str) -> None:
    """4xx, as without this layer."""
    for body in BROKEN:
        assert 400 <= await send(client, path, kind, body) < 500


@pytest.mark.usefixtures("routes", "form_page")
async def test_a_form_page_takes_a_form_of_16_kib_and_nothing_else(client: AsyncClient) -> None:
    """On its own path and below; other routes take more."""
    assert await send(client, "/form", URLENCODED, b"text=abc") == 200
    for kind in (MULTIPART, "application/json", "text/plain", f"{URLENCODED}-not"):
        assert await send(client, "/form", kind, PART.format("")) == 415
        assert await send(client, "/form/below", kind, b"") == 415
    assert await send(client, "/formal", "application/json", b"") == 404
    assert (await client.post("/form", content=b"text=abc")).status_code == 415


@pytest.mark.usefixtures("routes", "form_page")
@pytest.mark.parametrize(
    ("path", "most"), [("/form/below", 16_384), ("/form/large", 20_000), ("/data", 2_000_000), ("/a/b", 1_048_576)]
)
async def test_a_body_ends_at_the_limit_of_its_path(client: AsyncClient, path: str, most: int) -> None:
    """Announced or not: `body_limits` first, then forms, then MAX_BODY_SIZE."""
    assert await send(client, path, URLENCODED, b"x" * (most + 1)) == 413
    assert await send(client, path, URLENCODED, b"x" * most) in (404, 422)


@pytest.mark.usefixtures("routes")
async def test_a_422_names_twenty_errors_and_says_how_many_there_are(client: AsyncClient) -> None:
    """90,000 unknown keys are no answer of megabytes."""
    answer = await client.post("/data", json={f"key{number}": 1 for number in range(500)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert "500" in answer.json()["detail"]
    exactly = await client.post("/data", json={f"key{number}": 1 for number in range(20)})
    assert (len(exactly.json()["errors"]), exactly.json()["detail"]) == (20, messages.INVALID_INPUT)


async def nothing(begin: bytes = b"") -> AsyncIterator[bytes]:
    """A body that stops coming."""
    if begin:
        yield begin
    await asyncio.Event().wait()
    yield b""


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("path", ["/data", "/form", "/upload", "/stream"])
@pytest.mark.parametrize("begin", [b"", b"--x\r\n"])
async def test_a_body_that_stops_is_408(app: FastAPI, client: AsyncClient, path: str, begin: bytes) -> None:
    """BODY_TIMEOUT; the connection ends with it."""
    app.state.body_rules.timeout = 0.01
    kind = {"/data": "application/json", "/form": URLENCODED}.get(path, MULTIPART)
    answer = await client.post(path, content=nothing(begin), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()) == (408, {"detail": messages.BY_STATUS[408]})
    assert answer.headers["Connection"] == "close"


@pytest.mark.usefixtures("routes")
async def test_a_body_that_drips_is_408(app: FastAPI, client: AsyncClient) -> None:
    """BODY_MIN_RATE: each byte comes in time, all of them do not."""
    rules = app.state.body_rules
    rules.timeout, rules.min_rate, rules.find_limit = 0.2, 1_000_000, lambda _: 1000

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.001)

    assert await send(client, "/stream", "application/octet-stream", drip()) == 408


class Connection:
    """A client that sends a part of its body, and hangs up once the answer has begun, or at once."""

    def __init__(self, kind: bytes, body: bytes, *, waits: bool) -> None:
        headers = [(b"host", b"test"), (b"content-type", kind), (b"content-length", b"1000")]
        self.scope: Scope = {"type": "http", "method": "POST", "query_string": b"", "headers": headers}
        self.sent: list[Message] = []
        self._incoming = iter([{"type": "http.request", "body": body, "more_body": True}])
        self._begun = asyncio.Event()
        if not waits:
            self._begun.set()

    async def receive(self) -> Message:
        for message in self._incoming:
            return message
        await self._begun.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self._begun.set()


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("path", ["/data", "/form", "/upload", "/stream", "/early", "/nowhere"])
async def test_a_client_that_hangs_up_is_no_error(app: FastAPI, logs: list[str], path: str) -> None:
    """Its line in the log is all that is left of it."""
    kind = {"/data": b"application/json", "/form": URLENCODED.encode()}.get(path, MULTIPART.encode())
    connection = Connection(kind, b"--x\r\n", waits=path == "/early")
    await app({**connection.scope, "path": path}, connection.receive, connection.send)
    assert [line for line in logs if "Traceback" in line or "ERROR" in line] == []
    assert len([line for line in logs if " request " in line]) == 1


@pytest.mark.usefixtures("routes")
async def test_a_body_that_stops_after_the_answer_began_ends_it(app: FastAPI, logs: list[str]) -> None:
    """It is too late for 408, and the log has no error."""
    app.state.body_rules.timeout = 0.01
    connection = Connection(MULTIPART.encode(), b"", waits=True)
    connection._begun = asyncio.Event()

    async def send(message: Message) -> None:
        connection.sent.append(message)

    await app({**connection.scope, "path": "/early"}, connection.receive, send)
    assert connection.sent[0]["status"] == 200
    assert [line for line in logs if "Traceback" in line or "ERROR" in line] == []


@pytest.fixture
def failures(app: FastAPI) -> dict[int, dict[str, Any]]:
    """A request for each status that a layer answers."""
    app.state.body_rules.timeout = 0.01
    json = {"Content-Type": "application/json"}
    return {
        400: {"url": "/data", "headers": {"Host": "a@b"}},
        408: {"url": "/data", "headers": json, "content": nothing()},
        413: {"url": "/data", "headers": json, "content": b"x" * 2_000_000},
        415: {"url": "/data", "headers": {"Content-Type": f"{MULTIPART}; charset=idna"}, "content": b"x"},
        500: {"url": "/boom"},
    }


@pytest.mark.usefixtures("routes")
@pytest.mark.parametrize("status", [400, 408, 413, 415, 500])
async def test_what_a_layer_answers_passes_those_around_it(
    app: FastAPI, client: AsyncClient, logs: list[str], failures: dict[int, dict[str, Any]], status: int
) -> None:
    """Request id, access line and security headers are there, and the one shape of errors."""

    @app.post("/boom")
    async def boom() -> None:
        raise RuntimeError

    answer = await client.post(**failures[status])
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert "Content-Security-Policy" in answer.headers
    (line,) = [line for line in logs if " request " in line]
    assert f"status={status} " in line
    assert f"| {answer.headers['X-Request-ID']} |" in line
