"""Users in PostgreSQL, their sessions in Redis."""

import json
import secrets
import time
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth.config import AuthSettings
from src.auth.models import User
from src.auth.schemes import Client, UserData
from src.database.manager import BaseManager

MOST_REPEATS = 50  # times that a replaced refresh token is answered within the grace
FIELD = "s:"


class UserManager(BaseManager[User]):
    model = User

    async def find_by_login(self, session: AsyncSession, login: str) -> User | None:
        """Find a user by name or by e-mail address: a name has no @."""
        column = User.email if "@" in login else User.username
        return await session.scalar(select(User).where(func.lower(column) == login.lower()))

    async def find_taken(self, session: AsyncSession, username: str, email: str) -> set[str]:
        """Say which of the two somebody has already: `username`, `email`."""
        name, address = func.lower(User.username) == username.lower(), func.lower(User.email) == email.lower()
        rows = await session.execute(select(name, address).where(or_(name, address)))
        return {field for row in rows for field, taken in zip(("username", "email"), row, strict=True) if taken}

    async def lock_superusers(self, session: AsyncSession) -> set[UUID]:
        """Return the active superusers; until the transaction ends nobody else gets this answer."""
        query = select(User.id).where(User.is_superuser, User.is_active).order_by(User.id).with_for_update()
        return set(await session.scalars(query))


class StoredSession(BaseModel):
    """The value of a session in Redis; times are seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    gen: int
    rot: float
    rep: int
    seen: float
    created: float
    idle: float
    ends: float = Field(alias="abs")
    ua: str
    ip: str

    @property
    def is_over(self) -> bool:
        return min(self.idle, self.ends) <= time.time()


@lru_cache(4096)
def parse_session(text: str) -> StoredSession | None:
    """Read the value of a session; None: it is none."""
    try:
        return StoredSession.model_validate_json(text)
    except ValidationError:
        return None


class Snapshot(NamedTuple):
    """A user's row as it was at the second `taken`."""

    taken: float
    user: UserData


@lru_cache(4096)
def parse_snapshot(text: str) -> Snapshot | None:
    try:
        stored = json.loads(text)
        return Snapshot(stored["taken"], UserData.model_validate(stored["user"]))
    except (ValueError, TypeError, KeyError):
        return None


class NewSession(NamedTuple):
    session_id: str
    expires: int


Outcome = Literal["rotated", "repeated", "gone", "expired", "reused", "exhausted"]


class Rotation(NamedTuple):
    """The answer to a refresh token: the generation to issue, if there is one."""

    outcome: Outcome
    generation: int
    expires: int

    @property
    def is_success(self) -> bool:
        return self.outcome in ("rotated", "repeated")


@cache
def _source(name: str) -> str:
    return (Path(__file__).parent / "lua" / f"{name}.lua").read_text(encoding="utf-8")


def session_key(user_id: str) -> str:
    return f"session:{user_id}"


class SessionManager:
    """The sessions of a user: one hash, `session:{user_id}`, that only single-key commands and scripts touch."""

    def __init__(self, redis: Redis, settings: AuthSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._create, self._rotate, self._end = (self._script(name) for name in ("create", "rotate", "end"))
        self._store = self._script("store")

    def _script(self, name: str) -> AsyncScript:
        return self._redis.register_script(_source(name))

    async def create(self, user_id: str, client: Client) -> NewSession:
        """Begin a session; if there are too many, the oldest ends."""
        session_id = secrets.token_urlsafe(24)
        settings = self._settings
        idle, longest = settings.REFRESH_TOKEN_EXPIRE * 60, settings.SESSION_EXPIRE * 60
        version = secrets.randbits(52)
        arguments: list[str | float] = [
            session_id,
            idle,
            longest,
            settings.MAX_SESSIONS,
            version,
            client.agent,
            client.address,
        ]
        return NewSession(session_id, await self._create([session_key(user_id)], arguments))

    async def rotate(self, user_id: str, session_id: str, generation: int) -> Rotation:
        settings = self._settings
        idle, grace = settings.REFRESH_TOKEN_EXPIRE * 60, settings.REFRESH_GRACE_SECONDS
        arguments: list[str | float] = [session_id, generation, idle, grace, MOST_REPEATS]
        return Rotation(*await self._rotate([session_key(user_id)], arguments))

    async def end(self, user_id: str, session_id: str) -> bool:
        """End a session; False: there was none."""
        return bool(await self._end([session_key(user_id)], [session_id]))

    async def end_all(self, *user_ids: str) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.delete(session_key(user_id))
        await pipeline.execute()

    async def find_all(self, user_id: str) -> dict[str, StoredSession]:
        """Return the sessions by their id, and forget those that are over."""
        key = session_key(user_id)
        values: dict[str, str] = await cast("Any", self._redis.hgetall(key))
        found = {name: parse_session(text) for name, text in values.items() if name.startswith(FIELD)}
        live = {name: each for name, each in found.items() if each and not each.is_over}
        if over := found.keys() - live.keys():
            await cast("Any", self._redis.hdel(key, *over))
        return {name.removeprefix(FIELD): each for name, each in live.items()}

    async def invalidate(self, user_ids: Iterable[str]) -> None:
        """Make sure that nobody is served, or stores, what was known of these users so far."""
        pipeline = self._redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.eval(_source("invalidate"), 1, session_key(user_id))  # a cluster's pipeline takes no EVALSHA
        await pipeline.execute()

    async def store_snapshot(self, user: UserData, version: str) -> None:
        """Keep a user's row beside the sessions, unless it changed since the version was read."""
        snapshot = json.dumps({"taken": time.time(), "user": user.model_dump(mode="json")})
        await self._store([session_key(str(user.id))], [version, snapshot])
