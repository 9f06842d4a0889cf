"""Rights revoked from a running service while a request is in progress: on the wire, and many at once."""

import asyncio
import json
from collections import Counter
from http import HTTPStatus

import pytest

from tests.support.backends import Backends
from tests.support.clients import PASSWORD, Client, new_name
from tests.support.live import LiveService, NewClient, NewService

NEW = f"{PASSWORD} at all"
GOOD_FOR = 1.1  # seconds; a check of a session is valid for one
RACERS = 50


class Upload:
    """A request on a separate socket, sent except for its last byte."""

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


@pytest.fixture
def patient(shared_service: NewService) -> LiveService:
    """A service that limits guesses, and waits for its servers when many requests arrive at once."""
    waits = dict.fromkeys(("REDIS_TIMEOUT", "DB_CONNECT_TIMEOUT", "DB_COMMAND_TIMEOUT", "DB_POOL_TIMEOUT"), "30")
    return shared_service(RATE_LIMIT_LOGIN_ACCOUNT="10/5minutes", RATE_LIMIT_PASSWORD="10/5minutes", **waits)


async def user_id(client: Client) -> str:
    return str((await client.profile()).json()["id"])


@pytest.fixture
async def second(service: LiveService, backends: Backends, new_client: NewClient) -> Client:
    """The client of another superuser."""
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
    """A superuser who was demoted, deactivated or signed out in the meantime cannot promote anyone."""
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
    """Nothing was revoked in the meantime."""
    upload = Upload(superuser, "PATCH", f"/users/{await user_id(signed_in)}", {"is_verified": True})
    await upload.start()
    await asyncio.sleep(GOOD_FOR)
    assert await upload.finish() == HTTPStatus.OK


async def test_of_fifty_new_passwords_one_wins(
    patient: LiveService, service: LiveService, new_client: NewClient
) -> None:
    """From one old password and one session: at most one 200, and one password that works."""
    client = await (await new_client(patient)).sign_up()
    cookies = dict(client.cookies)

    async def change(number: int) -> int:
        async with Client(client.port, cookies=cookies) as other:
            body = {"current_password": PASSWORD, "new_password": f"{NEW} {number}"}
            return (await other.post("/auth/change-password", **body)).status_code

    answers = await asyncio.gather(*[change(number) for number in range(RACERS)])
    winners = [number for number, status in enumerate(answers) if status == HTTPStatus.OK]
    # After the session has ended the answer is 401; 503 is for requests that waited too long for Redis on a busy
    # machine.
    assert set(answers) <= {200, 401, 422, 429, 503}
    stranger = await new_client(service)  # this client is not counted
    passwords = [PASSWORD, *[f"{NEW} {number}" for number in range(RACERS)]]
    working = [password for password in passwords if (await stranger.login(client.username, password)).is_success]
    assert len(working) == 1
    assert [f"{NEW} {number}" for number in winners] in ([], working)


async def test_a_burst_of_guesses_is_limited(patient: LiveService, new_client: NewClient) -> None:
    """Of fifty at once ten are answered, by name and by address, and the same holds for signed-in users."""
    client = await (await new_client(patient)).sign_up()
    names = [client.username, f"{client.username}@example.com"] * (RACERS // 2)
    stranger = await new_client(patient)
    wrong = {"current_password": "wrong", "new_password": NEW}
    for guesses, refusal in (
        ([stranger.login(name, "wrong") for name in names], 401),
        ([client.post("/auth/change-password", **wrong) for _ in range(RACERS)], 422),
    ):
        found = Counter(answer.status_code for answer in await asyncio.gather(*guesses))
        assert found[refusal] <= 10
        assert set(found) <= {refusal, 429, 503}
        assert found[429]


async def test_a_name_that_many_want_goes_to_one(patient: LiveService, new_client: NewClient) -> None:
    """The others are told that it is taken, with the right password only."""
    clients = [await (await new_client(patient)).sign_up() for _ in range(10)]
    name = new_name()
    passwords = [PASSWORD] * 5 + [
        "wrong"
    ] * 5  # not of one client: who has the name already changes nothing, which is 200
    answers = await asyncio.gather(
        *[
            client.ask("PATCH", "/users/info", json={"username": name, "current_password": password})
            for client, password in zip(clients, passwords, strict=True)
        ]
    )
    assert {answer.status_code for answer in answers[:5]} <= {200, 409, 503}
    assert {answer.status_code for answer in answers[5:]} <= {422, 503}
    assert [(await client.profile()).json()["username"] for client in clients].count(name) == 1
