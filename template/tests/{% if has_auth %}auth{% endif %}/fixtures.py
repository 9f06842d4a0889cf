"""Users, and clients that are signed in; for tests of your own features too."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import bcrypt
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from redis.asyncio import Redis

from src.auth.app import AuthState
from src.auth.limits import RateLimits
from src.auth.managers import UserManager
from src.auth.passwords import hash_password
from src.auth.schemes import NewUser, UserData
from src.database.session import Database
from tests.auth.documented import refuse_undocumented
from tests.auth.guard import restore_guard

PASSWORD = "four words nobody guesses"
HASHED = hash_password(PASSWORD, 4)
NAVIGATION = {"Accept": "text/html"}
NewClient = Callable[..., Awaitable[AsyncClient]]
NewUserFixture = Callable[..., Awaitable[UserData]]
Asked = Callable[[], Awaitable[list[str]]]


async def login(client: AsyncClient, username: str = "ann", password: str = PASSWORD, **options: Any) -> Response:
    return await client.post("/auth/login", json={"username": username, "password": password}, **options)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Log the bcrypt comparisons, which dominate the time of a login: thread and cost of each."""
    done: list[tuple[str, int]] = []
    compare = bcrypt.checkpw

    def note(password: bytes, stored: bytes) -> bool:
        answer = compare(password, stored)
        done.append((threading.current_thread().name.partition("_")[0], int(stored[4:6])))
        return answer

    monkeypatch.setattr(bcrypt, "checkpw", note)
    return done


@pytest.fixture
def auth(app: FastAPI) -> AuthState:
    state: AuthState = app.state.auth
    return state


@pytest.fixture
def limited(auth: AuthState) -> AuthState:
    """Limits as they are by default."""
    settings = auth.settings.model_copy(
        update={
            name: field.default for name, field in type(auth.settings).model_fields.items() if name.startswith("RATE_")
        }
    )
    auth.limits = RateLimits(auth.sessions._redis, settings)
    return auth


@pytest.fixture
async def new_client(app: FastAPI) -> AsyncIterator[NewClient]:
    """Make a client with its own cookies, over https, signed in if a name is given."""
    restore_guard(app)
    async with AsyncExitStack() as stack:

        async def make(username: str | None = None, **options: Any) -> AsyncClient:
            transport = ASGITransport(app, raise_app_exceptions=False)
            hooks = {"response": [refuse_undocumented]}
            options = {"transport": transport, "base_url": "https://test", "event_hooks": hooks, **options}
            client = await stack.enter_async_context(AsyncClient(**options))
            if username:
                assert (await login(client, username)).status_code == 200
            return client

        yield make


@pytest.fixture
async def new_user(database: Database) -> NewUserFixture:
    """Make a user whose password is PASSWORD."""

    async def make(username: str, **values: Any) -> UserData:
        new = NewUser(username=username, email=f"{username}@example.com", hashed_password=HASHED)
        async with database.session(commit=True) as session:
            row = await UserManager().add(session, new.model_copy(update=values))
            await session.refresh(row)
        return UserData.model_validate(row)

    return make


@pytest.fixture
async def ann(new_user: NewUserFixture) -> UserData:
    return await new_user("ann")


@pytest.fixture
async def anonymous(new_client: NewClient) -> AsyncClient:
    """A client that is not signed in."""
    return await new_client()


@pytest.fixture
async def signed_in(new_client: NewClient, ann: UserData) -> AsyncClient:
    """Ann's client."""
    return await new_client("ann")


@pytest.fixture
async def superuser(new_client: NewClient, new_user: NewUserFixture) -> AsyncClient:
    """A superuser's client."""
    await new_user("root1", is_superuser=True)
    return await new_client("root1")


@pytest.fixture
async def asked(app: FastAPI) -> AsyncIterator[Asked]:
    """Return what Redis was asked since the last time, as its own MONITOR sees it on the wire."""
    seen: asyncio.Queue[str] = asyncio.Queue()
    client: Redis = app.state.redis
    own = str(client.connection_pool.connection_kwargs["db"])  # another test's worker has another one
    async with client.monitor() as monitor:

        async def listen() -> None:
            async for line in monitor.listen():
                if str(line["db"]) == own:
                    seen.put_nowait(line["command"])

        async def since() -> list[str]:
            await client.echo("until here")
            commands = []
            while "until here" not in (command := await seen.get()):
                commands.append(command.split()[0])
            return commands

        task = asyncio.create_task(listen())
        yield since
        task.cancel()
