"""What authentication keeps for the life of the process, in `app.state.auth`."""

from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import HTTPConnection

from src.auth.config import AuthSettings
from src.auth.handler import TokenHandler
from src.auth.limits import RateLimits
from src.auth.managers import SessionManager
from src.auth.passwords import PasswordHasher
from src.auth.reader import SessionReader
from src.auth.routes import PublicRoutes
from src.auth.schemes import Client

LONGEST_ADDRESS, LONGEST_AGENT = 64, 256  # characters; clients and proxies may say anything


class AuthState:
    def __init__(self, settings: AuthSettings, redis: Redis, public_routes: PublicRoutes) -> None:
        self.settings = settings
        self.public_routes = public_routes
        self.tokens = TokenHandler(settings)
        self.sessions = SessionManager(redis, settings)
        self.reader = SessionReader(redis)
        self.limits = RateLimits(redis, settings)
        self.passwords = PasswordHasher(cost=settings.PASSWORD_HASH_COST, queue=settings.PASSWORD_QUEUE)


async def get_auth_state(connection: HTTPConnection) -> AuthState:
    state: AuthState = connection.app.state.auth
    return state


async def get_client(connection: HTTPConnection) -> Client:
    """Say where a request comes from: the peer, or what a trusted proxy says (FORWARDED_ALLOW_IPS)."""
    address = connection.client.host if connection.client else ""
    return Client(address[:LONGEST_ADDRESS], connection.headers.get("user-agent", "")[:LONGEST_AGENT])


AuthDepends = Annotated[AuthState, Depends(get_auth_state)]
ClientDepends = Annotated[Client, Depends(get_client)]
