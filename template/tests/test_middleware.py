"""The layers that every request passes."""

import logging
from uuid import uuid4

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse
from httpx import ASGITransport, AsyncClient
from starlette.types import Message, Scope

from src import messages
from src.main import create_app
from src.middleware import REQUEST_ID
from tests.settings import forget_settings


@pytest.fixture
def boom(app: FastAPI) -> None:
    @app.get("/boom/{secret}")
    async def boom(secret: str) -> None:
        raise RuntimeError("the reason")


def configured_client(app: FastAPI) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


@pytest.mark.usefixtures("boom")
async def test_an_unexpected_error_is_a_500_with_the_request_id(client: AsyncClient, logs: list[str]) -> None:
    """Nothing of the reason leaves, and it is logged once, under the same id."""
    answer = await client.get("/boom/s3cret")
    number = answer.headers["X-Request-ID"]
    assert answer.status_code == 500
    assert answer.json().keys() == {"detail"}
    assert number in answer.json()["detail"]
    errors = [line for line in logs if "unexpected error" in line]
    assert len(errors) == 1
    assert number in errors[0]
    assert "the reason" in errors[0]


async def test_a_broken_response_does_not_show_its_values(app: FastAPI, client: AsyncClient, logs: list[str]) -> None:
    """The log names the field, which may be a password, and what is wrong with it."""

    @app.get("/wrong")
    async def wrong() -> dict[str, int]:
        return {"password": "s3cret"}  # type: ignore[dict-item]

    assert (await client.get("/wrong")).status_code == 500
    assert "password: int_parsing" in "".join(logs)
    assert "s3cret" not in "".join(logs)


async def test_a_request_id_of_a_proxy_is_kept(client: AsyncClient) -> None:
    """One id through all services."""
    number = uuid4().hex
    answer = await client.get("/health", headers={"X-Request-ID": number})
    assert answer.headers["X-Request-ID"] == number


async def test_a_request_id_is_hexadecimal(client: AsyncClient) -> None:
    """With the hyphens of a UUID or without."""
    for number in (uuid4().hex, uuid4().hex.upper(), str(uuid4())):
        assert (await client.get("/health", headers={"X-Request-ID": number})).headers["X-Request-ID"] == number


DIGITS = "0123456789abcdef" * 2
STRANGE = [
    "evil text", f"{{{DIGITS}}}", f"urn:uuid:{DIGITS}", f"{DIGITS}\x85", f"{DIGITS}\xa0", f"\xa0{DIGITS}", DIGITS[:-1],
    DIGITS + "0", "-".join(DIGITS), f"{DIGITS[:16]}--{DIGITS[16:]}", DIGITS[:-1] + "\xb2", f"{DIGITS[:30]}_1", "0x" + DIGITS[2:],
]  # fmt: skip


@pytest.mark.parametrize("number", STRANGE, ids=ascii)
async def test_a_strange_request_id_is_replaced(client: AsyncClient, logs: list[str], number: str) -> None:
    """Though Python's UUID takes most of these: the id is in every log line."""
    answer = await client.get("/nowhere", headers=[(b"X-Request-ID", number.encode("latin-1"))])
    assert REQUEST_ID.fullmatch(answer.headers["X-Request-ID"].encode())
    assert number not in "".join(logs)


@pytest.mark.usefixtures("boom")
async def test_a_request_is_one_line_without_its_path(client: AsyncClient, logs: list[str]) -> None:
    """Method, route template, status and milliseconds; a path or query may hold secrets."""
    await client.get("/boom/s3cret?token=s3cret")
    lines = [line for line in logs if " request " in line]
    assert len(lines) == 1
    assert "method=GET route=/boom/{secret} status=500 ms=" in lines[0]
    assert "s3cret" not in lines[0]


async def test_an_unknown_path_is_logged_as_unmatched(client: AsyncClient, logs: list[str]) -> None:
    """A scanner cannot write its paths into the log."""
    await client.get("/wp-admin")
    assert "route=unmatched status=404" in "".join(logs)


async def test_data_carries_strict_security_headers(client: AsyncClient) -> None:
    """Nothing may be loaded, framed or guessed from an answer of the API."""
    headers = (await client.get("/health")).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "object-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.usefixtures("boom")
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("POST", "/health", {}, 405),
        ("GET", "/boom/x", {}, 500),
        ("POST", "/health", {"Content-Length": "9" * 12}, 413),
        ("POST", "/health", {"Content-Length": "9" * 5000}, 413),
    ],
)
async def test_errors_carry_them_too(
    client: AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Every response does."""
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert "Content-Security-Policy" in answer.headers
    assert "X-Request-ID" in answer.headers


async def test_pages_may_load_their_own_files_only(app: FastAPI, client: AsyncClient) -> None:
    """No inline script, no foreign host."""

    @app.get("/page", response_class=HTMLResponse)
    async def page() -> str:
        return "<p>hello"

    policy = (await client.get("/page")).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';")
    assert "object-src 'none'" in policy
    assert "unsafe" not in policy


async def test_documentation_may_load_its_viewer(client: AsyncClient) -> None:
    """Swagger UI and ReDoc come from their CDN, on their own paths only."""
    for path in ("/docs", "/redoc"):
        assert "cdn.jsdelivr.net" in (await client.get(path)).headers["Content-Security-Policy"]


async def test_prod_asks_for_https_and_serves_no_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    """HSTS is sent, docs and openapi.json are not there."""
    monkeypatch.setenv("ENVIRONMENT", "prod")
    async with configured_client(create_app()) as client:
        assert (await client.get("/health")).headers[
            "Strict-Transport-Security"
        ] == "max-age=31536000; includeSubDomains"
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path)).is_client_error
    monkeypatch.setenv("HSTS_SUBDOMAINS", "false")
    forget_settings()
    async with configured_client(create_app()) as client:
        assert (await client.get("/health")).headers["Strict-Transport-Security"] == "max-age=31536000"


HOSTS = [
    ("api.example.com", 200),
    ("API.example.com:8000", 200),
    ("a.b.example.org", 200),
    ("[::1]:8000", 200),
    ("evil.com", 400),
    ("example.org", 400),
    ("evilexample.org", 400),
]


async def test_foreign_hosts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRUSTED_HOSTS: names, and patterns for subdomains; who asks for the health may use any."""
    monkeypatch.setenv("TRUSTED_HOSTS", "api.example.com,*.example.org,[::1]")
    async with configured_client(create_app()) as client:
        for host, status in HOSTS:
            assert (await client.get("/docs", headers={"Host": host})).status_code == status, host
            assert (await client.get("/health", headers={"Host": host})).status_code == 200, host


MALFORMED = [
    b"", b" ", b"good.example:80@evil.example", b"evil.example/.good.example", b".good.example", b"good..example",
    b"good.example:", b"good.example:port", b"good.example:123456", b"good.example, evil.example", b"[::1", b"[::1]x",
    b"[fe80::1%25eth0]", b"good example", b"good.example?", b"good.example#", b"g\xc3\xb6od.example", b"\xa0good.example",
    b"a" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("host", MALFORMED)
@pytest.mark.parametrize("path", ["/openapi.json", "/health"])
@pytest.mark.parametrize("trusted", ["*", "*.good.example,good.example,*"])
async def test_a_host_of_another_form_is_refused(
    monkeypatch: pytest.MonkeyPatch, host: bytes, path: str, trusted: str
) -> None:
    """Whatever TRUSTED_HOSTS says, and for health, too."""
    monkeypatch.setenv("TRUSTED_HOSTS", trusted)
    async with configured_client(create_app()) as client:
        answer = await client.get(path, headers=[(b"Host", host)])
        assert (answer.status_code, answer.json()) == (400, {"detail": messages.INVALID_HOST})


@pytest.mark.parametrize("hosts", [[], [b"test", b"test"], [b"test", b"evil.example"]])
async def test_there_is_exactly_one_host(app: FastAPI, hosts: list[bytes]) -> None:
    """Two layers could each take another one."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {"type": "http", "method": "GET", "path": "/health", "query_string": b""}
    await app({**scope, "headers": [(b"host", host) for host in hosts]}, receive, send)
    assert sent[0]["status"] == 400


async def test_a_foreign_host_gets_no_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed before it is accepted."""
    monkeypatch.setenv("TRUSTED_HOSTS", "example.com")
    app = create_app()
    sent: list[Message] = []

    @app.websocket("/ws")
    async def accept(socket: WebSocket) -> None:
        await socket.accept()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    scope: Scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"evil.com")], "query_string": b""}
    await app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_other_sites_may_call_only_where_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CORS is off unless origins are listed, and then on for these."""
    async with configured_client(create_app()) as client:
        answer = await client.get("/health", headers={"Origin": "https://a.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example")
    forget_settings()
    async with configured_client(create_app()) as client:
        for origin, allowed in (("https://a.example", "https://a.example"), ("https://b.example", None)):
            answer = await client.get("/health", headers={"Origin": origin})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        answer = await client.get("/nowhere", headers={"Origin": "https://a.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert answer.headers["Access-Control-Expose-Headers"] == "X-Request-ID"


async def test_an_error_after_the_first_byte_ends_the_connection(app: FastAPI) -> None:
    """A response that has started cannot become an error: it is cut off and logged."""

    async def breaks(scope: Scope, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        raise RuntimeError("too late")

    app.mount("/breaks", breaks)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        with pytest.raises(RuntimeError, match="too late"):
            await client.get("/breaks/")


async def test_uvicorn_writes_no_second_access_line(app: FastAPI) -> None:
    """Ours is the only one."""
    assert not logging.getLogger("uvicorn.access").propagate
