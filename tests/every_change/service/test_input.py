"""Requests that no well-behaved client sends, byte by byte."""

import asyncio

import pytest

from tests.support.clients import Client, new_name
from tests.support.live import LiveService, NewService

ACCESS = "__Host-access_token"


async def converse(service: LiveService, *parts: bytes, ends: bool = True) -> bytes:
    """Send bytes and return everything until the service closes the connection; without `ends` disconnect at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read() if ends else b""
    finally:
        writer.close()


def request(method: str, path: str, *lines: bytes, body: bytes = b"") -> bytes:
    """Write a request after which the service closes the connection."""
    return b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *lines, b"Connection: close", b"", body])


def status(answer: bytes) -> int:
    return int(answer.split()[1])


HOST = b"Host: 127.0.0.1"
BAD_HOSTS = [
    [], [HOST, HOST], [HOST, b"Host: evil.example"], [b"Host: good.example:80@evil.example"], [b"Host: evil/.good"],
    [b"Host: .good.example"], [b"Host:"], [b"Host: \xa0good.example"], [b"Host: good.example\x85"],
]  # fmt: skip


@pytest.mark.parametrize("lines", BAD_HOSTS)
@pytest.mark.parametrize("path", ["/health", "/users/info", "/nowhere"])
async def test_one_host_of_the_right_form(service: LiveService, lines: list[bytes], path: str) -> None:
    """Anything else gets 400, before any other check."""
    assert status(await converse(service, request("GET", path, *lines))) == 400


async def test_a_slash_at_the_end_leads_nowhere(service: LiveService, signed_in: Client) -> None:
    """Least of all to the host named in the request."""
    cookie = f"Cookie: {ACCESS}={signed_in.cookies[ACCESS]}".encode()
    answer = await converse(service, request("GET", "/users/info/", b"Host: evil.example", cookie))
    assert (status(answer), b"evil.example" in answer) == (404, False)


@pytest.mark.parametrize("byte", [b"\xa0", b"\x85", b"\x1c"])
async def test_a_cookie_of_almost_that_name_signs_no_one_in(
    service: LiveService, signed_in: Client, superuser: Client, byte: bytes
) -> None:
    """Wherever the cookie of another site is placed."""
    own, foreign = (f"{ACCESS}={client.cookies[ACCESS]}".encode() for client in (signed_in, superuser))
    answer = await converse(service, request("GET", "/users/info", HOST, b"Cookie: " + own + b"; " + byte + foreign))
    assert byte == b"\x1c" or signed_in.username.encode() in answer  # the HTTP parser rejects \x1c
    assert superuser.username.encode() not in answer


@pytest.mark.parametrize("number", [b"\xa0" + b"1" * 32, b"1" * 32 + b"\x85", b"{" + b"1" * 32 + b"}", b"1" * 31])
async def test_a_request_id_of_another_form_is_replaced(service: LiveService, number: bytes) -> None:
    """It would appear in the response and in the log."""
    answer = await converse(service, request("GET", "/nowhere", HOST, b"X-Request-ID: " + number))
    assert number not in answer
    assert number.decode("latin-1") not in service.drain()


async def test_a_body_that_stops_is_408(shared_service: NewService) -> None:
    """The service closes the connection; everyone else is served in the meantime."""
    service = shared_service(BODY_TIMEOUT="0.5")
    begun = request("POST", "/auth/login", HOST, b"Content-Type: application/json", b"Content-Length: 100", body=b'{"')
    answer = await converse(service, begun.replace(b"Connection: close\r\n", b""))
    assert status(answer) == 408
    assert b"connection: close" in answer.lower()
    assert status(await converse(service, request("GET", "/health", HOST))) == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/auth/login", "application/json"), ("/login", "application/x-www-form-urlencoded"), ("/nowhere", "text/plain")],
)
async def test_a_client_that_hangs_up_leaves_one_line(new_service: NewService, path: str, kind: str) -> None:
    """There is neither an error nor a traceback."""
    service = new_service()
    body = request("POST", path, HOST, f"Content-Type: {kind}".encode(), b"Content-Length: 100", body=b"{")
    await converse(service, body, ends=False)
    await asyncio.to_thread(service.wait_for, r"method=POST route=\S+ status=4\d\d")
    assert service.stop() == 0
    assert "ERROR" not in service.text
    assert "Traceback" not in service.text


async def test_accents_cost_nothing(client: Client) -> None:
    """60 KB of them exceed the body limit, 6 KB the field's."""
    for count, expected in ((15_000, 413), (1_500, 422)):
        accents = "a" + "\u0300\u0316" * count
        body = {"username": new_name(), "email": f"{accents}@example.com", "password": accents}
        headers = {"Content-Type": "application/json"}
        text = "{" + ", ".join(f'"{name}": "{value}"' for name, value in body.items()) + "}"
        answer = await client.ask("POST", "/auth/register", content=text.encode(), headers=headers)
        assert answer.status_code == expected
