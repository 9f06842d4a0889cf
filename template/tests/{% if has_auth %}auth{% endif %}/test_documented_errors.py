"""Each answer that the OpenAPI document promises is met; fixtures.py sees to it that no test meets another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response

from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.auth.limits import RateLimits
from src.auth.schemes import UserData
from tests.auth.documented import Operation, documented
from tests.auth.fixtures import NAVIGATION, PASSWORD, NewClient, NewUserFixture

DOCUMENTED = documented()
NOBODY = "0198c0de-0000-7000-8000-000000000000"
NEW = "four other words nobody guesses"
REFRESH_BY_GET = ("GET", "/auth/refresh")
BODIES: dict[Operation, dict[str, Any]] = {
    ("POST", "/auth/register"): {"username": "bob", "email": "bob@example.com", "password": PASSWORD},
    ("POST", "/auth/login"): {"username": "ann", "password": PASSWORD},
    ("POST", "/auth/token"): {"username": "ann", "password": PASSWORD},
    ("POST", "/auth/change-password"): {"current_password": PASSWORD, "new_password": NEW},
    ("DELETE", "/users/info"): {"current_password": PASSWORD},
    ("PATCH", "/users/info"): {"username": "bob", "current_password": PASSWORD},
    ("PATCH", "/users/{user_id}"): {"username": "bob"},
}


@dataclass
class Scene:
    """Ann is signed in, and so is a superuser."""

    app: FastAPI
    anonymous: AsyncClient
    ann: AsyncClient
    superuser: AsyncClient
    user: UserData
    new_user: NewUserFixture
    bodies: dict[Operation, dict[str, Any]]

    async def call(self, client: AsyncClient, operation: Operation, user_id: str = "", **options: Any) -> Response:
        method, path = operation
        sessions = await self.app.state.auth.sessions.find_all(str(self.user.id))
        session_id = options.pop("session_id", next(iter(sessions)))
        url = path.format(user_id=user_id or self.user.id, session_id=session_id)
        options.setdefault("json", self.bodies.get(operation))
        options.setdefault("headers", NAVIGATION if operation == REFRESH_BY_GET else None)
        return await client.request(method, url, **options)

    def allowed(self, operation: Operation) -> AsyncClient:
        """Return the client that may do it."""
        if operation == ("POST", "/auth/register"):
            return self.anonymous
        return self.superuser if operation[1] in ("/users", "/users/{user_id}") else self.ann


@pytest.fixture
async def scene(app: FastAPI, new_client: NewClient, new_user: NewUserFixture, ann: UserData) -> Scene:
    await new_user("root1", is_superuser=True)
    app.state.auth.settings.LOGIN_PAGE = get_auth_settings().LOGIN_PAGE = ""
    anonymous, ann_client, superuser = [await new_client(name) for name in (None, "ann", "root1")]
    tokens = (await anonymous.post("/auth/token", json=BODIES["POST", "/auth/token"])).json()
    bodies = BODIES | {("POST", "/auth/token/refresh"): {"refresh_token": tokens["refresh_token"]}}
    return Scene(app, anonymous, ann_client, superuser, ann, new_user, bodies)


async def succeed(scene: Scene, operation: Operation) -> Response:
    return await scene.call(scene.allowed(operation), operation)


async def be_nobody(scene: Scene, operation: Operation) -> Response:
    body = scene.bodies.get(operation, {})
    wrong = {name: "wrong" for name in body if name in ("password", "refresh_token")}
    return await scene.call(scene.anonymous, operation, json=body | wrong or None)


async def be_forbidden(scene: Scene, operation: Operation) -> Response:
    if operation[0] == "GET":
        return await scene.call(scene.ann, operation, headers=None)
    return await scene.call(scene.allowed(operation), operation, headers={"Sec-Fetch-Site": "cross-site"})


async def find_nothing(scene: Scene, operation: Operation) -> Response:
    return await scene.call(scene.allowed(operation), operation, user_id=NOBODY, session_id="nothing")


async def conflict(scene: Scene, operation: Operation) -> Response:
    """Take a name that is taken, or delete the last superuser."""
    client = scene.superuser if operation[0] == "DELETE" else scene.allowed(operation)
    await scene.new_user("bob")
    root = (await scene.superuser.get("/users/info")).json()["id"]
    return await scene.call(client, operation, user_id=root if operation[0] == "DELETE" else "")


async def send_depth(scene: Scene, operation: Operation) -> Response:
    headers = {"Content-Type": "application/json"}
    return await scene.call(scene.allowed(operation), operation, json=None, content=b"[" * 16_000, headers=headers)


async def send_too_much(scene: Scene, operation: Operation) -> Response:
    headers = {"Content-Type": "application/json"}
    return await scene.call(scene.allowed(operation), operation, json=None, content=b"x" * 2_000_000, headers=headers)


async def send_nothing(scene: Scene, operation: Operation) -> Response:
    """Announce a body that never comes."""
    scene.app.state.body_rules.timeout = 0.01

    async def wait() -> AsyncIterator[bytes]:
        yield await asyncio.Event().wait()  # type: ignore[misc]  # it yields nothing

    return await scene.call(scene.allowed(operation), operation, json=None, content=wait())


async def send_other_charset(scene: Scene, operation: Operation) -> Response:
    headers = {"Content-Type": "multipart/form-data; boundary=x; charset=idna"}
    return await scene.call(scene.allowed(operation), operation, json=None, content=b"x", headers=headers)


async def send_nonsense(scene: Scene, operation: Operation) -> Response:
    options: dict[str, Any] = {"json": {"x": 1}} if operation in scene.bodies else {"params": {"limit": "x"}}
    return await scene.call(scene.allowed(operation), operation, user_id="x", session_id="x" * 65, **options)


def limit(auth: AuthState, text: str) -> None:
    names = [name for name in type(auth.settings).model_fields if name.startswith("RATE_")]
    auth.limits = RateLimits(auth.sessions._redis, auth.settings.model_copy(update=dict.fromkeys(names, text)))


async def ask_too_often(scene: Scene, operation: Operation) -> Response:
    auth: AuthState = scene.app.state.auth
    limit(auth, "1/hour")
    auth.settings.REFRESH_GRACE_SECONDS = 0
    right = scene.bodies.get(operation, {})
    wrong = {name: "wrong" for name in right if name.endswith("password")} | {"new_password": NEW}
    body = right if operation[1] == "/auth/register" else {name: wrong.get(name, right[name]) for name in right}
    await scene.call(scene.allowed(operation), operation, json=body)
    return await scene.call(scene.allowed(operation), operation, json=body)


async def lose_redis(scene: Scene, operation: Operation) -> Response:
    limit(scene.app.state.auth, "9/hour")
    pool = scene.app.state.redis.connection_pool
    sessions = await scene.app.state.auth.sessions.find_all(str(scene.user.id))
    method, path = operation
    url = path.format(user_id=scene.user.id, session_id=next(iter(sessions)))
    port = pool.connection_kwargs["port"]
    for wanted in (1, port):
        pool.connection_kwargs["port"] = wanted
        await pool.disconnect()
        pool.reset()
        if wanted == 1:
            headers = NAVIGATION if operation == REFRESH_BY_GET else None
            body = scene.bodies.get(operation)
            answer = await scene.allowed(operation).request(method, url, json=body, headers=headers)
    return answer


MEET: dict[int, Callable[[Scene, Operation], Awaitable[Response]]] = {
    200: succeed,
    201: succeed,
    204: succeed,
    303: succeed,
    400: send_depth,
    401: be_nobody,
    403: be_forbidden,
    404: find_nothing,
    408: send_nothing,
    409: conflict,
    413: send_too_much,
    415: send_other_charset,
    422: send_nonsense,
    429: ask_too_often,
    503: lose_redis,
}


async def meet(scene: Scene, operation: Operation, status: int) -> None:
    answer = await MEET[status](scene, operation)
    assert answer.status_code == status
    if status >= 400 and operation != REFRESH_BY_GET:  # a browser that navigates may get a page
        assert set(answer.json()) <= {"detail", "code", "errors"}


@pytest.mark.parametrize("operation", DOCUMENTED, ids=" ".join)
async def test_every_documented_error_can_be_met(scene: Scene, operation: Operation) -> None:
    """Errors have the common shape and change nothing."""
    for status in sorted(DOCUMENTED[operation] - {429}):
        if status >= 400:
            await meet(scene, operation, status)


@pytest.mark.parametrize("operation", DOCUMENTED, ids=" ".join)
async def test_every_documented_success_can_be_met(scene: Scene, operation: Operation) -> None:
    """By a client with the permission."""
    await meet(scene, operation, min(DOCUMENTED[operation]))


@pytest.mark.parametrize("operation", [each for each in DOCUMENTED if 429 in DOCUMENTED[each]], ids=" ".join)
async def test_every_documented_limit_can_be_met(scene: Scene, operation: Operation) -> None:
    """By a client that sends too many requests."""
    await meet(scene, operation, 429)
