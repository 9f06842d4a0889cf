"""Who is asking, and how often.

A feature imports `CurrentUser`, `Superuser`, the functions behind them, and `rate_limited`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, Path, WebSocket, WebSocketDisconnect
from limits import parse_many
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from starlette.requests import HTTPConnection

from src.auth.exceptions import (
    AlreadySignedInException,
    CrossSiteRequestException,
    InvalidBearerException,
    NotAuthenticatedException,
    NotSuperuserException,
    TokenExpiredException,
    TooManyRequestsException,
)
from src.auth.limits import address_key
from src.auth.schemes import Client, UserData
from src.auth.visitor import Visitor, get_visitor
from src.exceptions import (
    ApiError,
    HttpServiceUnavailableException,
    HttpTimeoutException,
    HttpTooLargeException,
    HttpUnreadableException,
    HttpUnsupportedTypeException,
)
from src.middleware import POLICY_VIOLATION
from src.utils import error_response_docs

TRY_AGAIN_LATER = 1013  # RFC 6455, 11.7
MAX_ADDRESS_LENGTH, MAX_AGENT_LENGTH = 64, 256  # clients and proxies may say anything

# Errors that endpoints share, for `responses={**GUARDED, **CHANGING}`.
UNAVAILABLE = error_response_docs(HttpServiceUnavailableException)
GUARDED = error_response_docs(NotAuthenticatedException, TokenExpiredException, InvalidBearerException)
CHANGING = error_response_docs(CrossSiteRequestException)
WITH_BODY = error_response_docs(
    HttpUnreadableException, HttpTimeoutException, HttpTooLargeException, HttpUnsupportedTypeException
)


async def get_client(connection: HTTPConnection) -> Client:
    """Return where a request comes from: the peer, or what a trusted proxy says (FORWARDED_ALLOW_IPS)."""
    address = connection.client.host if connection.client else ""
    return Client(address[:MAX_ADDRESS_LENGTH], connection.headers.get("user-agent", "")[:MAX_AGENT_LENGTH])


async def find_current_user(connection: HTTPConnection) -> UserData | None:
    """Return the signed-in user, on public routes too, or None if no one is signed in."""
    return await (await get_visitor(connection)).user()


async def get_current_user(connection: HTTPConnection) -> UserData:
    """Return the signed-in user.

    Raises:
        NotAuthenticatedException: no one is signed in.
    """
    visitor = await get_visitor(connection)
    user = await visitor.user()
    if user is None:
        raise visitor.refusal()
    return user


async def get_superuser(connection: HTTPConnection) -> UserData:
    """Return the signed-in superuser.

    Raises:
        NotAuthenticatedException: no one is signed in.
        NotSuperuserException: another user is.
    """
    user = await get_current_user(connection)
    if not user.is_superuser:
        raise NotSuperuserException
    (await get_visitor(connection)).needs_superuser = True
    return user


class RateLimited:
    errors = (TooManyRequestsException,)  # that each route with this limit has in the OpenAPI document

    def __init__(self, limit: str) -> None:
        self._limits = parse_many(limit)

    async def __call__(self, connection: HTTPConnection) -> None:
        user, route = await find_current_user(connection), connection.scope["route"]
        who = f"user {user.id}" if user else f"address {address_key((await get_client(connection)).address)}"
        operation = f"{sorted(getattr(route, 'methods', None) or ())} {route.path}"
        await connection.app.state.auth.limits.hit(self._limits, "ROUTE", f"{operation} {who}")


def rate_limited(limit: str) -> RateLimited:
    """Limit the requests of a user, or of an address where no one is signed in: `Depends(rate_limited("30/minute"))`.

    Each route counts on its own; several windows are written as `30/minute; 500/day`.

    Raises:
        ValueError: that is no limit.
    """
    return RateLimited(limit)


async def refuse_signed_in(connection: HTTPConnection) -> None:
    """Close an endpoint to the signed-in.

    Raises:
        AlreadySignedInException: the client is signed in.
    """
    if await find_current_user(connection):
        raise AlreadySignedInException


@asynccontextmanager
async def signed_in(websocket: WebSocket, *, interval: float = 30) -> AsyncIterator[UserData]:
    """Leave the block and close the websocket once its session has ended; every `interval` seconds it is read again.

    Raises:
        NotAuthenticatedException: no one is signed in.
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
SessionId = Annotated[str, Path(max_length=64)]
ClientDepends = Annotated[Client, Depends(get_client)]
