"""Registration, sign-in and sessions."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from loguru import logger
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from src import messages as base_messages
from src.auth import messages
from src.auth.app import AuthDepends
from src.auth.exceptions import (
    ExpiredTokenError,
    InvalidTokenError,
    SessionEndedException,
    SessionNotFoundException,
    TooManyRequestsException,
    WrongCredentialsException,
    WrongPasswordException,
)
from src.auth.handler import Claims
from src.auth.limits import Limit, address_key
from src.auth.managers import UserManager
from src.auth.models import User
from src.auth.passwords import is_made_of
from src.auth.schemes import (
    ChangePasswordScheme,
    Client,
    LoginScheme,
    NewUser,
    PasswordUser,
    RegisterScheme,
    SessionData,
    StoredPassword,
    Tokens,
    UserData,
    Via,
)
from src.database.session import DatabaseDepends
from src.exceptions import ApiError, HttpAlreadyExistException
from src.schemes import FieldError

NOBODY = UUID(int=0)


@contextmanager
def event(name: str, **fields: Any) -> Iterator[None]:
    """Log what somebody did or was refused: `outcome` is `ok` or the kind of the error."""
    try:
        yield
    except (ApiError, DBAPIError) as error:
        logger.warning(name, **fields, outcome=type(error).__name__)
        raise
    logger.info(name, **fields, outcome="ok")


class AuthService:
    """Opens short database sessions of its own: none is held while a password is hashed."""

    def __init__(
        self, auth: AuthDepends, database: DatabaseDepends, manager: Annotated[UserManager, Depends(UserManager)]
    ) -> None:
        self.auth = auth
        self.database = database
        self.manager = manager

    async def register(self, data: RegisterScheme, client: Client) -> UserData:
        """Create an account.

        Raises:
            HttpAlreadyExistException: the name or the address is taken; its `errors` say which.
            TooManyRequestsException: RATE_LIMIT_REGISTER is used up.
        """
        await self.auth.limits.count("REGISTER", address_key(client.address))
        async with self.database.session() as session:
            taken = await self.manager.find_taken(session, data.username, data.email)
        if taken:
            errors = [FieldError(field=name, message=base_messages.VALUE_TAKEN) for name in sorted(taken)]
            raise HttpAlreadyExistException(errors=errors)
        hashed = await self.auth.passwords.hash(data.password.get_secret_value())
        async with self.database.session(commit=True) as session:
            new = NewUser(username=data.username, email=data.email, hashed_password=hashed)
            user = await self.manager.add(session, new)
            await session.refresh(user)
        logger.info("registered", user=str(user.id), address=client.address)
        return UserData.model_validate(user)

    async def login(
        self, data: LoginScheme, client: Client, presented: Iterable[Claims] = (), via: Via = "cookie"
    ) -> tuple[UserData, Tokens]:
        """Begin a session; one that was presented ends.

        Raises:
            WrongCredentialsException: unknown, wrong or inactive.
            TooManyRequestsException: too many failures of this account, or attempts from this address.
        """
        block = address_key(client.address)
        await self.auth.limits.count("LOGIN_ADDRESS", block)
        async with self.database.session() as session:
            row = await self.manager.find_by_login(session, data.username)
        account = f"id {row.id}" if row else f"text {data.username.lower()}"  # a name and an address are one account
        await self._limit(self.auth.limits.check, row, account, block)
        user = await self._verified(row, data.password.get_secret_value())
        if user is None:
            await self._limit(self.auth.limits.count, row, account, block)
            logger.warning("sign-in failed", **({"user": str(row.id)} if row else {}), address=client.address)
            raise WrongCredentialsException
        # Of a burst, none is answered after the last allowed failure.
        await self._limit(self.auth.limits.check, row, account, block)
        tokens = await self._begin(user, data.password.get_secret_value(), client, via)
        await self.logout(*presented)  # last: if Redis fails before, the client still has the session it came with
        logger.info("signed in", user=str(user.id), address=client.address)
        return UserData.model_validate(user), tokens

    async def _limit(
        self, step: Callable[[Limit, str], Awaitable[None]], user: User | None, account: str, block: str
    ) -> None:
        """Hold a failure against the account and address, and against the account from wherever it is tried.

        Where the account is signed in it may still be tried when the second is used up: strangers lock nobody out.
        """
        await step("LOGIN_ACCOUNT", f"{account} {block}")
        try:
            await step("LOGIN_ACCOUNT_TOTAL", account)
        except TooManyRequestsException:
            sessions = await self.auth.sessions.find_all(str(user.id if user else NOBODY))
            if block not in {address_key(each.ip) for each in sessions.values()}:
                raise

    async def _verified(self, user: User | None, password: str) -> User | None:
        """Return the active user if this is the password; the work is the same whatever is missing."""
        is_right = await self.auth.passwords.verify(password, user.hashed_password if user else None)
        if user is None or not is_right or not user.is_active:
            return None
        if self.auth.passwords.needs_rehash(user.hashed_password):
            await self._replace_hash(user, await self.auth.passwords.hash(password))
        return user

    async def _replace_hash(self, user: User, hashed: str) -> None:
        """Store another hash of the same password, unless the password was changed meanwhile."""
        async with self.database.session(commit=True) as session:
            if await self._swap_hash(session, user, hashed):
                user.hashed_password = hashed

    async def _swap_hash(self, session: AsyncSession, user: User, hashed: str) -> int:
        """Store a hash if the one that was verified is still there; return how many rows changed."""
        known = StoredPassword(id=user.id, hashed_password=user.hashed_password)
        return await self.manager.update_all(session, PasswordUser(hashed_password=hashed), known)

    async def _begin(self, user: User, password: str, client: Client, via: Via) -> Tokens:
        """Write the session first, then look again: who was barred or got a new password meanwhile stays out."""
        user_id = str(user.id)
        new = await self.auth.sessions.create(user_id, client, via)
        async with self.database.session() as session:
            now = await self.manager.find_by_id(session, user.id)
        if now is None or not now.is_active or not await self._is_still(password, user, now):
            await self.auth.sessions.end(user_id, new.session_id)
            raise WrongCredentialsException
        return self.auth.tokens.issue(user_id, new.session_id, 1, new.expires, via)

    async def _is_still(self, password: str, before: User, now: User) -> bool:
        """Say whether this is the password now; another login may have stored another hash of it."""
        if now.hashed_password == before.hashed_password:
            return True
        return await self.auth.passwords.verify(password, now.hashed_password)

    async def refresh(self, token: str | None, client: Client, via: Via = "cookie") -> Tokens:
        """Answer a refresh token with the next one, or within the grace with the same again.

        Raises:
            SessionEndedException: the token or its session is over; if the token was used before, now it is.
            TooManyRequestsException: it was repeated too often; the session lives.
        """
        try:
            claims = self.auth.tokens.verify(token or "", "refresh", via)
        except InvalidTokenError as error:
            if token and not isinstance(error, ExpiredTokenError):
                logger.warning("refused", reason="bad token", address=client.address)
            raise SessionEndedException from error
        user_id, session_id = claims.user_id, claims.session_id
        await self.auth.limits.check("REFRESH", session_id)
        rotation = await self.auth.sessions.rotate(user_id, session_id, claims.generation)
        if rotation.outcome == "exhausted":
            raise TooManyRequestsException(retry_after=1)
        if rotation.outcome == "reused":
            logger.warning(
                "refresh token reused", user=user_id, session=session_id, address=client.address, agent=client.agent
            )
        if rotation.outcome not in ("rotated", "repeated"):
            raise SessionEndedException
        if rotation.outcome == "rotated":
            await self.auth.limits.count("REFRESH", session_id)
        return self.auth.tokens.issue(user_id, session_id, rotation.generation, rotation.expires, via)

    async def logout(self, *presented: Claims) -> None:
        for claims in set(presented):
            if await self.auth.sessions.end(claims.user_id, claims.session_id):
                logger.info("signed out", user=claims.user_id)

    async def logout_all(self, user: UserData) -> None:
        await self.auth.sessions.end_all(str(user.id))
        logger.info("signed out everywhere", user=str(user.id))

    async def find_sessions(self, user: UserData, current: str) -> list[SessionData]:
        """Return the user's sessions, the one used last first."""
        sessions = await self.auth.sessions.find_all(str(user.id))
        found = [
            SessionData(
                id=session_id,
                kind=each.kind,
                current=session_id == current,
                created_at=datetime.fromtimestamp(each.created, UTC),
                last_seen_at=datetime.fromtimestamp(each.seen, UTC),
                user_agent=each.ua,
                address=each.ip,
            )
            for session_id, each in sessions.items()
        ]
        return sorted(found, key=lambda each: each.last_seen_at, reverse=True)

    async def end_session(self, user: UserData, session_id: str) -> None:
        """End one of the user's sessions.

        Raises:
            SessionNotFoundException: it is none of this user's.
        """
        if not await self.auth.sessions.end(str(user.id), session_id):
            raise SessionNotFoundException
        logger.info("session ended", user=str(user.id))

    async def change_password(
        self, user: UserData, data: ChangePasswordScheme, client: Client, via: Via = "cookie"
    ) -> Tokens:
        """Set a new password, end every session and begin a new one.

        Raises:
            WrongPasswordException: the current one is another.
        """
        current, new = data.current_password.get_secret_value(), data.new_password.get_secret_value()
        with event("password changed", user=str(user.id), address=client.address):
            row = await self.confirm_password(user, current, "current_password", client)
            if is_made_of(new, row.username, row.email):
                error = FieldError(field="new_password", message=messages.PASSWORD_IS_NAME)
                raise WrongPasswordException(errors=[error])
            hashed = await self.auth.passwords.hash(new)
            while not await self._store_password(row, hashed):  # another request stored another hash meanwhile
                row = await self.confirm_password(user, current, "current_password", client)
            await self.auth.sessions.end_all(str(user.id))
        row.hashed_password = hashed
        return await self._begin(row, new, client, via)

    async def _store_password(self, user: User, hashed: str) -> int:
        """Store a new password unless it has changed; sessions end before the commit, lest Redis fail after it."""
        async with self.database.session(commit=True) as session:
            changed = await self._swap_hash(session, user, hashed)
            if changed:
                await self.auth.sessions.end_all(str(user.id))
        return changed

    async def confirm_password(self, user: UserData, password: str, field: str, client: Client) -> User:
        """Return the user's row if this is the password.

        Raises:
            WrongPasswordException: it is not; `errors` names `field`.
            TooManyRequestsException: it was tried too often.
        """
        limits, key = self.auth.limits, str(user.id)
        await limits.check("PASSWORD", key)
        async with self.database.session() as session:
            row = await self.manager.find_by_id(session, user.id)
        if await self.auth.passwords.verify(password, row.hashed_password if row else None) and row:
            await limits.check("PASSWORD", key)  # as at sign-in: a burst of guesses gets no more answers
            return row
        logger.warning("confirmation failed", user=key, address=client.address)
        await limits.count("PASSWORD", key)
        raise WrongPasswordException(errors=[FieldError(field=field, message=messages.WRONG_PASSWORD)])


AuthServiceDepends = Annotated[AuthService, Depends(AuthService)]
