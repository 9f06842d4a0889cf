"""Who is asking: what a feature imports from here are `CurrentUser`, `Superuser` and the functions behind them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated
from uuid import UUID

from fastapi import Depends, WebSocket, WebSocketDisconnect
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import HTTPConnection
from starlette.types import Scope

from src.auth.exceptions import (
    AlreadySignedInException,
    ExpiredTokenError,
    InvalidTokenError,
    NotAuthenticatedException,
    NotSuperuserException,
)
from src.auth.handler import Claims, read_cookie
from src.auth.managers import UserManager, parse_session, parse_snapshot
from src.auth.reader import Reading
from src.auth.schemes import UserData
from src.auth.state import AuthState
from src.database.exceptions import as_api_error
from src.database.session import Database
from src.exceptions import ApiError
from src.middleware import POLICY_VIOLATION

STATE = "visitor"
TRY_AGAIN_LATER = 1013  # RFC 6455, 11.7
_users = UserManager()


class Visitor:
    """Who a request's cookies say it comes from; Redis is asked when somebody wants to know, and once."""

    __slots__ = (
        "_auth",
        "_database",
        "_is_known",
        "_user",
        "access",
        "claims",
        "is_expired",
        "needs_superuser",
        "refresh",
    )

    def __init__(self, auth: AuthState, database: Database, cookies: str) -> None:
        self._auth = auth
        self._database = database
        self._is_known = False
        self._user: UserData | None = None
        self.claims: Claims | None = None
        self.is_expired = self.needs_superuser = False
        self.access = self.refresh = ""
        if "_token" in cookies:
            self._read_cookies(cookies)

    def _read_cookies(self, text: str) -> None:
        self.access = read_cookie(text, self._auth.settings.access_cookie)
        self.refresh = read_cookie(text, self._auth.settings.refresh_cookie)
        if self.access:
            try:
                self.claims = self._auth.tokens.verify(self.access, "access")
            except ExpiredTokenError:
                self.is_expired = True
            except InvalidTokenError:
                pass

    @property
    def has_cookies(self) -> bool:
        return bool(self.access or self.refresh)

    @property
    def can_refresh(self) -> bool:
        """Whether an expired access token came with a refresh token that is still good for another."""
        return self.is_expired and any(not claims.is_expired for claims in self._read(refresh=self.refresh))

    @property
    def session_id(self) -> str:
        return self.claims.session_id if self.claims else ""

    def presented(self) -> list[Claims]:
        """Return what our tokens in the cookies say, expired or not: the sessions to end."""
        return self._read(access=self.access, refresh=self.refresh)

    def _read(self, *, access: str = "", refresh: str = "") -> list[Claims]:
        found = []
        for kind, token in (("access", access), ("refresh", refresh)):
            try:
                found.append(self._auth.tokens.read(token, kind))  # type: ignore[arg-type]  # a literal, in a loop
            except InvalidTokenError:
                continue
        return found

    async def user(self) -> UserData | None:
        """Return the signed-in, active user; None: nobody is signed in.

        Raises:
            RedisError: Redis does not answer.
            ApiError: the database does not answer.
        """
        if not self._is_known:
            self._user = await self._find() if self.claims else None
            self._is_known = True
        return self._user

    async def check_again(self) -> None:
        """Read the session once more, for what takes longer than a check is good for.

        Raises:
            NotAuthenticatedException: the session has ended meanwhile, or its user is not active any more.
            NotSuperuserException: a dependency asked for a superuser, and the user is none any more.
            RedisError: Redis does not answer.
        """
        self._is_known = False
        user = await self.user()
        if user is None:
            raise NotAuthenticatedException
        if self.needs_superuser and not user.is_superuser:
            raise NotSuperuserException

    async def _find(self) -> UserData | None:
        assert self.claims  # noqa: S101 - for the type checker
        reading = await self._auth.reader.read(self.claims.user_id, self.claims.session_id)
        session = parse_session(reading.session) if reading.session else None
        if session is None or session.is_over:
            return None
        snapshot = parse_snapshot(reading.user) if reading.user else None
        if snapshot and time.time() - snapshot.taken < self._auth.settings.USER_SNAPSHOT_SECONDS:
            return snapshot.user if snapshot.user.is_active else None
        return await self._load(self.claims.user_id, reading)

    async def _load(self, user_id: str, reading: Reading) -> UserData | None:
        """Read the row, which only happens after a change and every USER_SNAPSHOT_SECONDS."""
        try:
            async with self._database.session() as session:
                row = await _users.find_by_id(session, UUID(user_id))
        except (DBAPIError, PoolTimeoutError) as error:
            raise (as_api_error(error) or error) from error
        if row is None or not row.is_active:
            await self._auth.sessions.end_all(user_id)
            return None
        user = UserData.model_validate(row)
        if self._auth.settings.USER_SNAPSHOT_SECONDS:
            await self._auth.sessions.store_snapshot(user, reading.version or "")
        return user


def set_visitor(scope: Scope, cookies: str) -> Visitor:
    """Leave the visitor of a request in its state, for the dependencies."""
    state = scope["app"].state
    visitor = Visitor(state.auth, state.database, cookies)
    scope.setdefault("state", {})[STATE] = visitor
    return visitor


async def get_visitor(connection: HTTPConnection) -> Visitor:
    """Return the visitor that the middleware saw; without the middleware nobody is known."""
    visitor: Visitor | None = getattr(connection.state, STATE, None)
    state = connection.app.state
    return visitor or Visitor(state.auth, state.database, "")


async def find_current_user(connection: HTTPConnection) -> UserData | None:
    """Return the signed-in user, on public routes too; None: nobody is signed in."""
    return await (await get_visitor(connection)).user()


async def get_current_user(connection: HTTPConnection) -> UserData:
    """Return the signed-in user.

    Raises:
        NotAuthenticatedException: nobody is signed in.
    """
    user = await find_current_user(connection)
    if user is None:
        raise NotAuthenticatedException
    return user


async def get_superuser(connection: HTTPConnection) -> UserData:
    """Return the signed-in superuser.

    Raises:
        NotAuthenticatedException: nobody is signed in.
        NotSuperuserException: somebody else is.
    """
    user = await get_current_user(connection)
    if not user.is_superuser:
        raise NotSuperuserException
    (await get_visitor(connection)).needs_superuser = True
    return user


async def refuse_signed_in(connection: HTTPConnection) -> None:
    """Close an endpoint to the signed-in.

    Raises:
        AlreadySignedInException: somebody is.
    """
    if await find_current_user(connection):
        raise AlreadySignedInException


@asynccontextmanager
async def signed_in(websocket: WebSocket, *, interval: float = 30) -> AsyncIterator[UserData]:
    """Leave the block and close the websocket once its session has ended; every `interval` seconds it is read again.

    Raises:
        NotAuthenticatedException: nobody is signed in.
    """
    user, visitor = await get_current_user(websocket), await get_visitor(websocket)
    try:
        async with asyncio.timeout(None) as block:
            watch = asyncio.create_task(_watch(visitor, interval, block))
            try:
                yield user
            finally:
                watch.cancel()
    except TimeoutError:
        if not block.expired():
            raise
        with suppress(WebSocketDisconnect, RuntimeError):  # it is closed already
            await websocket.close(watch.result())


async def _watch(visitor: Visitor, interval: float, block: asyncio.Timeout) -> int:
    """End the block when the session has ended, or cannot be read; return the code to close with."""
    try:
        while True:
            await asyncio.sleep(interval)
            await visitor.check_again()
    except (NotAuthenticatedException, NotSuperuserException):
        code = POLICY_VIOLATION
    except (ApiError, RedisError, DBAPIError):
        code = TRY_AGAIN_LATER
    block.reschedule(0)
    return code


CurrentUser = Annotated[UserData, Depends(get_current_user)]
OptionalUser = Annotated[UserData | None, Depends(find_current_user)]
Superuser = Annotated[UserData, Depends(get_superuser)]
VisitorDepends = Annotated[Visitor, Depends(get_visitor)]
