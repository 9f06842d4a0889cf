"""Who is asking: reads the tokens of a request, looks up their session, and sets new cookies."""

import time
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import HTTPConnection
from starlette.responses import Response

from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.auth.exceptions import (
    ExpiredBearerException,
    InvalidBearerException,
    InvalidTokenError,
    NotAuthenticatedException,
    NotSuperuserException,
    TokenExpiredException,
)
from src.auth.handler import Claims, Kind, read_cookie, signed_in_cookies, signed_out_cookies
from src.auth.managers import UserManager
from src.auth.schemes import TokenData, Tokens, UserData, Via
from src.auth.sessions import Reading
from src.database.exceptions import as_api_error
from src.database.session import Database

_users = UserManager()


class Visitor:
    """Who the tokens of a request say it comes from; Redis is asked when someone wants to know, and once."""

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
        "via",
    )

    def __init__(self, auth: AuthState, database: Database, cookies: str = "", bearer: str | None = None) -> None:
        self._auth = auth
        self._database = database
        self._is_known = self.is_expired = self.needs_superuser = False
        self._user: UserData | None = None
        self.claims: Claims | None = None
        self.access = self.refresh = ""
        self.via: Via = "cookie" if bearer is None else "bearer"
        if bearer is not None:  # a bad one too: nobody falls back to the cookies beside it
            self.access = bearer
        elif "_token" in cookies:
            self.access = read_cookie(cookies, auth.settings.access_cookie)
            self.refresh = read_cookie(cookies, auth.settings.refresh_cookie)
        if self.access:
            found = self._read(self.access, "access")
            self.is_expired = found is not None and found.is_expired
            self.claims = None if self.is_expired else found

    def _read(self, token: str, kind: Kind) -> Claims | None:
        try:
            return self._auth.tokens.read(token, kind, self.via) if token else None
        except InvalidTokenError:
            return None

    @property
    def is_bearer(self) -> bool:
        """Whether the request has an Authorization header for us, good or bad; its cookies then count for nothing."""
        return self.via == "bearer"

    @property
    def cookie_names(self) -> tuple[bytes, ...]:
        settings = self._auth.settings
        return f"{settings.access_cookie}=".encode(), f"{settings.refresh_cookie}=".encode()

    @property
    def has_tokens(self) -> bool:
        return bool(self.access or self.refresh)

    @property
    def can_refresh(self) -> bool:
        """Whether an expired access token came with a refresh token that is still good for another."""
        found = self._read(self.refresh, "refresh") if self.is_expired else None
        return found is not None and not found.is_expired

    @property
    def session_id(self) -> str:
        return self.claims.session_id if self.claims else ""

    def presented(self) -> list[Claims]:
        """Return what our tokens in the request say, expired or not: the sessions to end."""
        found = self._read(self.access, "access"), self._read(self.refresh, "refresh")
        return [claims for claims in found if claims]

    def refusal(self) -> NotAuthenticatedException:
        """Return the error that says why no one is signed in."""
        if self.is_bearer:
            return ExpiredBearerException() if self.is_expired else InvalidBearerException()
        return TokenExpiredException() if self.can_refresh else NotAuthenticatedException()

    async def user(self) -> UserData | None:
        """Return the active user who is signed in, or None.

        Raises:
            RedisError: Redis does not answer.
            ApiError: the database does not answer.
        """
        if not self._is_known:
            self._user = await self._find(self.claims) if self.claims else None
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
            raise self.refusal()
        if self.needs_superuser and not user.is_superuser:
            raise NotSuperuserException

    async def _find(self, claims: Claims) -> UserData | None:
        reading = await self._auth.sessions.read(claims.user_id, claims.session_id)
        if reading.session is None or reading.session.is_expired:
            return None
        snapshot = reading.snapshot
        if snapshot and time.time() - snapshot.taken < self._auth.settings.USER_SNAPSHOT_SECONDS:
            return snapshot.user if snapshot.user.is_active else None
        return await self._load(claims.user_id, reading)

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
            await self._auth.sessions.store_snapshot(user, reading.version)
        return user


async def get_visitor(connection: HTTPConnection) -> Visitor:
    """Return the visitor that the middleware saw; without the middleware no one is known."""
    visitor: Visitor | None = getattr(connection.state, "visitor", None)
    return visitor or Visitor(connection.app.state.auth, connection.app.state.database)


def hand_over(response: Response, tokens: Tokens) -> TokenData:
    """Return tokens as a body that no cache may keep."""
    response.headers["cache-control"] = "no-store"
    return TokenData.of(tokens)


def sign_in(response: Response, tokens: Tokens) -> None:
    _set_cookies(response, signed_in_cookies(get_auth_settings(), tokens))


def sign_out(response: Response) -> None:
    _set_cookies(response, signed_out_cookies(get_auth_settings()))


def _set_cookies(response: Response, cookies: list[str]) -> None:
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    response.headers["cache-control"] = "no-store"
