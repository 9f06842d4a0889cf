"""Revocation during a request or an open websocket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, Request, WebSocket
from httpx import AsyncClient, Response
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message

from src.auth import dependencies, messages
from src.auth.app import AuthState
from src.auth.dependencies import Superuser
from src.auth.passwords import PasswordHasher
from src.auth.schemes import UserData
from src.database.session import Database
from tests.auth.fixtures import PASSWORD, NewClient, NewUserFixture, login
from tests.auth.test_middleware import cookie_of

NEW = "four other words nobody guesses"
Deed = Callable[[], Awaitable[Response]]


@pytest.fixture
def checks_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second goes by in every body."""
    monkeypatch.setattr("src.auth.middleware.CHECK_SECONDS", 0)


async def send_slowly(client: AsyncClient, path: str, meanwhile: Deed, *, method: str = "POST") -> Response:
    """Send all but the last byte of a body, then let something happen, then the rest."""

    async def body() -> AsyncIterator[bytes]:
        yield b'{"is_superuser": true'
        assert (await meanwhile()).is_success
        yield b"}"

    return await client.request(method, path, content=body(), headers={"Content-Type": "application/json"})


@pytest.fixture
def reached(app: FastAPI) -> list[str]:
    """Closed routes without a dependency: what they were called with."""
    seen: list[str] = []

    async def take(data: Annotated[dict[str, Any], Body()]) -> None:
        seen.append(f"{data}")

    async def stream(request: Request) -> None:
        seen.append("".join([chunk.decode() async for chunk in request.stream()]))

    async def stream_of_superuser(request: Request, _: Superuser) -> None:
        await stream(request)

    for path, route in (("/take", take), ("/stream", stream), ("/stream-of-superuser", stream_of_superuser)):
        app.add_api_route(path, route, methods=["POST"])
    return seen


@pytest.fixture
def deeds(superuser: AsyncClient, new_client: NewClient, ann: UserData) -> dict[str, Deed]:
    """The ways to end Ann's sessions during a request."""

    async def change_password() -> Response:
        other = await new_client("ann")
        return await other.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": NEW})

    async def log_out_everywhere() -> Response:
        return await (await new_client("ann")).post("/auth/logout-all")

    return {
        "password": change_password,
        "logout": log_out_everywhere,
        "ban": lambda: superuser.patch(f"/users/{ann.id}", json={"is_active": False}),
        "deletion": lambda: superuser.delete(f"/users/{ann.id}"),
    }


@pytest.mark.parametrize("deed", ["password", "logout", "ban", "deletion"])
@pytest.mark.parametrize("path", ["/take", "/stream", "/users/info"])
@pytest.mark.usefixtures("checks_age")
async def test_a_session_that_ends_before_the_body_does_is_401(
    signed_in: AsyncClient, deeds: dict[str, Deed], reached: list[str], path: str, deed: str
) -> None:
    """On routes without any dependency, and on those that read the body themselves; in the shape of all errors."""
    answer = await send_slowly(signed_in, path, deeds[deed], method="PATCH" if path == "/users/info" else "POST")
    assert (answer.status_code, answer.json()) == (401, {"detail": messages.NOT_AUTHENTICATED})
    assert answer.headers["www-authenticate"] == "Bearer"
    assert reached == []


@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.usefixtures("checks_age")
async def test_who_is_demoted_before_the_body_ends_is_403(
    superuser: AsyncClient, new_user: NewUserFixture, new_client: NewClient, reached: list[str], method: str
) -> None:
    """Nobody promotes himself again, nor does the role last for a body that the route reads itself."""
    former = await new_user("former", is_superuser=True)
    client = await new_client("former")
    path = f"/users/{former.id}"
    answer = await send_slowly(
        client,
        path if method == "PATCH" else "/stream-of-superuser",
        lambda: superuser.patch(path, json={"is_superuser": False}),
        method=method,
    )
    assert (answer.status_code, answer.json()["detail"]) == (403, messages.NOT_SUPERUSER)
    assert (await client.get("/users/info")).json()["is_superuser"] is False
    assert reached == []


def lose_redis(auth: AuthState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no session be read any more."""

    async def refuse(*_: str) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(auth.sessions, "read", refuse)


@pytest.mark.usefixtures("checks_age")
async def test_without_redis_a_slow_body_is_503(
    signed_in: AsyncClient, auth: AuthState, monkeypatch: pytest.MonkeyPatch, reached: list[str]
) -> None:
    """If the session cannot be read again, no one is let in or signed out."""

    async def lose() -> Response:
        lose_redis(auth, monkeypatch)
        return Response(200)

    answer = await send_slowly(signed_in, "/stream", lose)
    assert (answer.status_code, "retry-after" in answer.headers, reached) == (503, True, [])


async def test_of_two_new_passwords_one_wins(
    signed_in: AsyncClient, new_client: NewClient, auth: AuthState, ann: UserData
) -> None:
    """The other is a wrong password, and its sender is signed out; the winner's session has a new id."""
    clients = [signed_in, *[await new_client("ann") for _ in range(4)]]
    before = set(await auth.sessions.find_all(str(ann.id)))
    ready = asyncio.Barrier(len(clients))

    class WaitingHasher(PasswordHasher):
        async def hash(self, password: str) -> str:
            await ready.wait()  # each has had its own password confirmed
            return await super().hash(password)

    auth.passwords = WaitingHasher(cost=4, queue=9)
    bodies = [{"current_password": PASSWORD, "new_password": f"{NEW} {number}"} for number in range(len(clients))]
    calls = [client.post("/auth/change-password", json=body) for client, body in zip(clients, bodies, strict=True)]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 4
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    assert [(await client.get("/users/info")).status_code == 200 for client in clients] == [
        number == winner for number in range(len(clients))
    ]
    assert len(after := set(await auth.sessions.find_all(str(ann.id)))) == 1
    assert not after & before
    passwords = [PASSWORD, *[body["new_password"] for body in bodies]]
    auth.passwords = PasswordHasher(cost=4, queue=9)
    works = [(await login(await new_client(), "ann", password)).status_code == 200 for password in passwords]
    assert works == [False, *[number == winner for number in range(len(clients))]]


async def test_a_better_hash_stored_meanwhile_is_no_wrong_password(
    signed_in: AsyncClient, anonymous: AsyncClient, auth: AuthState
) -> None:
    """A login replaced the hash of the same password: the change goes on."""

    class ChangingHasher(PasswordHasher):
        async def hash(self, password: str) -> str:
            auth.passwords = PasswordHasher(cost=5, queue=9)
            assert (await login(anonymous)).status_code == 200
            return await auth.passwords.hash(password)

    auth.passwords = ChangingHasher(cost=4, queue=9)
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await signed_in.post("/auth/change-password", json=body)).status_code == 200
    assert (await login(anonymous, "ann", NEW)).status_code == 200


@pytest.mark.parametrize("deed", ["password", "ban", "deletion"])
async def test_sessions_end_before_the_commit(
    signed_in: AsyncClient, deeds: dict[str, Deed], database: Database, auth: AuthState, ann: UserData, deed: str
) -> None:
    """A Redis that fails between the commit and what follows it leaves none alive; those made meanwhile end after it."""
    seen: list[int] = []

    @asynccontextmanager
    async def look(_: AsyncSession) -> AsyncIterator[None]:
        seen.append(len(await auth.sessions.find_all(str(ann.id))))
        yield

    database.commit_watchers.append(look)
    assert (await deeds[deed]()).is_success
    assert seen == [0]


class Talk:
    """One end of a websocket: what the service said, and when it is done."""

    def __init__(self, app: FastAPI, cookie: str) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.heard.put_nowait({"type": "websocket.connect"})
        headers = [(b"host", b"test"), (b"cookie", cookie.encode())]
        scope = {"type": "websocket", "path": "/live", "headers": headers, "query_string": b""}
        self.task = asyncio.create_task(app(scope, self.heard.get, self.said.put))

    def tell(self, text: str) -> None:
        self.heard.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> Message:
        async with asyncio.timeout(30):
            return await self.said.get()


@pytest.fixture
def echo(app: FastAPI) -> list[str]:
    """A websocket that answers for as long as its user is signed in; what it did afterwards."""
    after: list[str] = []

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        async with dependencies.signed_in(websocket, interval=0.01) as user:
            async for text in websocket.iter_text():
                await websocket.send_text(f"{user.username}: {text}")
        after.append("done")

    app.add_api_websocket_route("/live", live)
    return after


@pytest.mark.parametrize("deed", ["password", "logout", "ban", "deletion"])
async def test_a_websocket_closes_when_its_session_has_ended(
    app: FastAPI, signed_in: AsyncClient, deeds: dict[str, Deed], echo: list[str], deed: str
) -> None:
    """With 1008, even if the client says nothing more; what it says afterwards is not heard."""
    talk = Talk(app, cookie_of(signed_in))
    assert (await talk.hear())["type"] == "websocket.accept"
    talk.tell("hello")
    assert (await talk.hear())["text"] == "ann: hello"
    assert not talk.task.done()
    await deeds[deed]()
    assert await talk.hear() == {"type": "websocket.close", "code": 1008, "reason": ""}
    talk.tell("more")
    await talk.task
    assert (echo, talk.said.empty()) == (["done"], True)


@pytest.mark.usefixtures("echo")
async def test_a_websocket_that_its_client_closes_leaves_no_watch(app: FastAPI, signed_in: AsyncClient) -> None:
    """Nothing reads the session any more."""
    talk = Talk(app, cookie_of(signed_in))
    await talk.hear()
    talk.heard.put_nowait({"type": "websocket.disconnect", "code": 1001})
    await talk.task
    assert [task for task in asyncio.all_tasks() if "_watch" in repr(task.get_coro()) and not task.cancelling()] == []


@pytest.mark.usefixtures("echo")
async def test_a_websocket_closes_when_the_session_cannot_be_read(
    app: FastAPI, signed_in: AsyncClient, auth: AuthState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 1013, which says to try again later: as the 503 of a request."""
    talk = Talk(app, cookie_of(signed_in))
    await talk.hear()
    lose_redis(auth, monkeypatch)
    assert (await talk.hear())["code"] == 1013
    await talk.task


async def test_an_error_of_the_block_is_its_own(app: FastAPI, signed_in: AsyncClient) -> None:
    """A TimeoutError that has another cause is not taken for the end of the session."""
    caught: list[type[BaseException]] = []

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async with dependencies.signed_in(websocket):
                await asyncio.wait_for(asyncio.Event().wait(), 0)
        except TimeoutError as error:
            caught.append(type(error))

    app.add_api_websocket_route("/live", live)
    await Talk(app, cookie_of(signed_in)).task
    assert caught == [TimeoutError]
