"""What is taken away of a running service while a request is on its way: on the wire, and of many at once."""

import asyncio
import json
from collections import Counter
from http import HTTPStatus

import pytest

from tests.support.backends import Backends
from tests.support.clients import PASSWORD, Client, new_name
from tests.support.live import LiveService, NewClient, NewService

NEW = f"{PASSWORD} at all"
GOOD_FOR = 1.1  # seconds; a check of a session is good for one
RACERS = 50


class Upload:
    """A request on a socket of its own, sent but for its last byte."""

    def __init__(self, client: Client, method: str, path: str, body: dict[str, object]) -> None:
        self.port = client.port
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        self.body = json.dumps(body).encode()
        self.head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )

    async def start(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(self.head.encode() + self.body[:-1])
        await self.writer.drain()

    async def finish(self) -> int:
        """Send the last byte and return the status."""
        self.writer.write(self.body[-1:])
        answer = await self.reader.read()
        self.writer.close()
        return int(answer.split()[1])


async def user_id(client: Client) -> str:
    return str((await client.profile()).json()["id"])


@pytest.fixture
async def second(service: LiveService, backends: Backends, new_client: NewClient) -> Client:
    """Another superuser's client."""
    client = await new_client(service)
    await client.become_superuser(backends)
    return client


@pytest.mark.parametrize(
    ("deed", "status"),
    [({"is_superuser": False}, 403), ({"is_active": False}, 401), ("logout-all", 401), ("change-password", 401)],
    ids=str,
)
async def test_the_last_byte_comes_too_late(
    superuser: Client, second: Client, new_client: NewClient, deed: object, status: int
) -> None:
    """Whoever was demoted, barred, signed out or robbed meanwhile makes nobody a superuser, themselves neither."""
    path = f"/users/{await user_id(superuser)}"
    upload = Upload(superuser, "PATCH", path, {"is_superuser": True, "is_active": True})
    await upload.start()
    if isinstance(deed, dict):
        done = await second.ask("PATCH", path, json=deed)
    else:
        elsewhere = await new_client(superuser)
        await elsewhere.login(superuser.username)
        done = await elsewhere.post(
            f"/auth/{deed}",
            **({"current_password": PASSWORD, "new_password": NEW} if deed == "change-password" else {}),
        )
    assert done.is_success
    await asyncio.sleep(GOOD_FOR)
    assert await upload.finish() == status
    row = (await second.get(path)).json()
    expected = deed if isinstance(deed, dict) else {}
    assert {name: row[name] for name in expected} == expected


async def test_a_slow_body_of_the_signed_in_is_served(superuser: Client, signed_in: Client) -> None:
    """Nothing happened meanwhile."""
    upload = Upload(superuser, "PATCH", f"/users/{await user_id(signed_in)}", {"is_verified": True})
    await upload.start()
    await asyncio.sleep(GOOD_FOR)
    assert await upload.finish() == HTTPStatus.OK


async def test_of_fifty_new_passwords_one_wins(signed_in: Client) -> None:
    """From one old password and one session: one 200, and one password that signs in."""
    cookies = dict(signed_in.cookies)

    async def change(number: int) -> int:
        async with Client(signed_in.port, cookies=cookies, timeout=60) as client:
            body = {"current_password": PASSWORD, "new_password": f"{NEW} {number}"}
            return (await client.post("/auth/change-password", **body)).status_code

    answers = await asyncio.gather(*[change(number) for number in range(RACERS)])
    winners = [number for number, status in enumerate(answers) if status == HTTPStatus.OK]
    assert len(winners) == 1
    assert set(answers) <= {200, 401, 422}  # those who come when the session has ended are nobody
    passwords = [PASSWORD, *[f"{NEW} {number}" for number in range(RACERS)]]
    works = [number - 1 for number, password in enumerate(passwords) if (await sign_in(signed_in, password))]
    assert works == winners


async def sign_in(client: Client, password: str) -> bool:
    async with Client(client.port) as other:
        return (await other.login(client.username, password)).is_success


async def test_a_burst_of_guesses_is_limited(new_client: NewClient, shared_service: NewService) -> None:
    """Fifty at once get ten answers, by name and by address, and so do those of the signed-in."""
    service = shared_service(RATE_LIMIT_LOGIN_ACCOUNT="10/hour", RATE_LIMIT_PASSWORD="10/hour")
    client = await (await new_client(service, timeout=60)).sign_up()
    names = [client.username, f"{client.username}@example.com"] * (RACERS // 2)
    stranger = await new_client(service, timeout=60)
    answers = await asyncio.gather(*[stranger.login(name, "wrong") for name in names])
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: RACERS - 10}
    body = {"current_password": "wrong", "new_password": NEW}
    answers = await asyncio.gather(*[client.post("/auth/change-password", **body) for _ in range(RACERS)])
    assert Counter(answer.status_code for answer in answers) == {422: 10, 429: RACERS - 10}


async def test_fifty_renames_to_one_name_make_one(new_client: NewClient, service: LiveService) -> None:
    """The others are told that it is taken, with the right password only."""
    clients = [await (await new_client(service, timeout=60)).sign_up() for _ in range(5)]
    name = new_name()
    bodies = [{"username": name, "current_password": password} for password in [PASSWORD] * 5 + ["wrong"] * 5]
    answers = await asyncio.gather(
        *[client.ask("PATCH", "/users/info", json=body) for client, body in zip(clients * 2, bodies, strict=True)]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 4, 422: 5}
