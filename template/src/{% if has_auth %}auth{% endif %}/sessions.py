"""The sessions of a user: one Redis hash, `session:{user_id}`, that only single-key commands and scripts touch."""

import json
import secrets
import time
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError

from src.auth.config import AuthSettings
from src.auth.schemes import Client, UserData, Via

if TYPE_CHECKING:
    from src.redis_database.client import BatchingRedis

FIELD = "s:"  # a session's field is this and its id; beside them stand `user`, a snapshot of the row, and `ver`
MAX_REPEATS = 50  # times that a replaced refresh token is answered within the grace
CACHE_SIZE = 4096
NOT_A_HASH = "WRONGTYPE "  # how Redis' error begins; the client has no class for it


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
    kind: Via = "cookie"

    @property
    def is_expired(self) -> bool:
        return min(self.idle, self.ends) <= time.time()


class Snapshot(NamedTuple):
    """A user's row as it was at the second `taken`."""

    taken: float
    user: UserData


@lru_cache(CACHE_SIZE)
def parse_session(text: str) -> StoredSession | None:
    try:
        return StoredSession.model_validate_json(text)
    except ValidationError:
        return None


@lru_cache(CACHE_SIZE)
def parse_snapshot(text: str) -> Snapshot | None:
    try:
        stored = json.loads(text)
        return Snapshot(stored["taken"], UserData.model_validate(stored["user"]))
    except (ValueError, TypeError, KeyError):
        return None


class Reading(NamedTuple):
    """What the hash holds for a request; each field is None if it is missing or malformed."""

    session: StoredSession | None
    snapshot: Snapshot | None
    version: str | None


class NewSession(NamedTuple):
    session_id: str
    expires: int


Outcome = Literal["rotated", "repeated", "gone", "expired", "reused", "exhausted"]


class Rotation(NamedTuple):
    """The answer to a refresh token: the generation to issue, if there is one."""

    outcome: Outcome
    generation: int
    expires: int


def session_key(user_id: str) -> str:
    return f"session:{user_id}"


@cache
def _source(name: str) -> str:
    return (Path(__file__).parent / "lua" / f"{name}.lua").read_text(encoding="utf-8")


class SessionManager:
    def __init__(self, redis: "BatchingRedis", settings: AuthSettings) -> None:
        self._redis = redis
        self._settings = settings
        self._create, self._rotate, self._end, self._store = map(self._script, ("create", "rotate", "end", "store"))

    def _script(self, name: str) -> AsyncScript:
        return self._redis.register_script(_source(name))

    async def create(self, user_id: str, client: Client, kind: Via = "cookie") -> NewSession:
        """Begin a session; if there are too many of its kind, the oldest of them ends."""
        session_id, settings = secrets.token_urlsafe(24), self._settings
        lifetimes = settings.REFRESH_TOKEN_EXPIRE * 60, settings.SESSION_EXPIRE * 60
        version = secrets.randbits(52)
        arguments: list[str | float] = [
            session_id,
            *lifetimes,
            settings.MAX_SESSIONS,
            version,
            client.agent,
            client.address,
            kind,
        ]
        return NewSession(session_id, await self._create([session_key(user_id)], arguments))

    async def read(self, user_id: str, session_id: str) -> Reading:
        """Read a session and its user's snapshot; anything but a hash at the key reads like nothing.

        Raises:
            RedisError: Redis does not answer.
        """
        try:
            answer = await self._redis.read(session_key(user_id), [FIELD + session_id, "user", "ver"])
        except ResponseError as error:
            if not str(error).startswith(NOT_A_HASH):
                raise
            return Reading(None, None, None)
        session, user, version = answer
        return Reading(parse_session(session) if session else None, parse_snapshot(user) if user else None, version)

    async def rotate(self, user_id: str, session_id: str, generation: int) -> Rotation:
        idle, grace = self._settings.REFRESH_TOKEN_EXPIRE * 60, self._settings.REFRESH_GRACE_SECONDS
        arguments: list[str | float] = [session_id, generation, idle, grace, MAX_REPEATS]
        return Rotation(*await self._rotate([session_key(user_id)], arguments))

    async def end(self, user_id: str, session_id: str) -> bool:
        """End a session; return False if there was none."""
        return bool(await self._end([session_key(user_id)], [session_id]))

    async def end_all(self, *user_ids: str) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.delete(session_key(user_id))
        await pipeline.execute()

    async def find_all(self, user_id: str) -> dict[str, StoredSession]:
        """Return the sessions by their id, and remove those that have expired."""
        key = session_key(user_id)
        values: dict[str, str] = await cast("Any", self._redis.hgetall(key))
        found = {name: parse_session(text) for name, text in values.items() if name.startswith(FIELD)}
        live = {name: each for name, each in found.items() if each and not each.is_expired}
        if expired := found.keys() - live.keys():
            await cast("Any", self._redis.hdel(key, *expired))
        return {name.removeprefix(FIELD): each for name, each in live.items()}

    async def invalidate(self, user_ids: Iterable[str]) -> None:
        """Drop the snapshots of changed users, and keep older ones from being stored."""
        pipeline = self._redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.eval(_source("invalidate"), 1, session_key(user_id))  # a pipeline cannot load a script
        await pipeline.execute()

    async def store_snapshot(self, user: UserData, version: str | None) -> None:
        """Keep a user's row beside the sessions, unless it changed since the version was read."""
        snapshot = json.dumps({"taken": time.time(), "user": user.model_dump(mode="json")})
        await self._store([session_key(str(user.id))], [version or "", snapshot])
