"""Puts authentication into the application; what it keeps for the life of the process is `app.state.auth`."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from src.auth.config import FORM_PAGES, PUBLIC_ROUTES, AuthSettings, get_auth_settings
from src.auth.handler import TokenHandler
from src.auth.limits import RateLimits
from src.auth.passwords import PasswordHasher
from src.auth.public_routes import PublicRoutes
from src.auth.sessions import SessionManager
from src.auth.user_changes import watch_commits
from src.redis_database.client import BatchingRedis


class AuthState:
    def __init__(self, settings: AuthSettings, redis: BatchingRedis, public_routes: PublicRoutes) -> None:
        self.settings = settings
        self.public_routes = public_routes
        self.tokens = TokenHandler(settings)
        self.sessions = SessionManager(redis, settings)
        self.limits = RateLimits(redis, settings)
        self.passwords = PasswordHasher(cost=settings.PASSWORD_HASH_COST, queue=settings.PASSWORD_QUEUE)


def add_auth(app: FastAPI, public_routes: Iterable[str]) -> None:
    docs = [path for path in (app.docs_url, app.redoc_url, app.openapi_url) if path]
    public = PublicRoutes([*PUBLIC_ROUTES, *docs, *public_routes], app.routes)
    app.state.auth = AuthState(get_auth_settings(), app.state.redis, public)
    app.state.body_rules.add(small=["/auth", "/users"], forms=FORM_PAGES)
    app.state.closers.append(app.state.auth.passwords.close)
    app.state.database.commit_watchers.append(watch_commits(app.state.auth.sessions))


async def get_auth_state(connection: HTTPConnection) -> AuthState:
    state: AuthState = connection.app.state.auth
    return state


AuthDepends = Annotated[AuthState, Depends(get_auth_state)]
