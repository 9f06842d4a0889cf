"""Puts authentication into the application: its state, and the watch over changes of users."""

from collections.abc import Iterable

from fastapi import FastAPI

from src.auth.config import FORM_PAGES, PUBLIC_ROUTES, get_auth_settings
from src.auth.routes import PublicRoutes
from src.auth.snapshots import watch_commits
from src.auth.state import AuthState


def add_auth(app: FastAPI, public_routes: Iterable[str]) -> None:
    docs = [path for path in (app.docs_url, app.redoc_url, app.openapi_url) if path]
    public = PublicRoutes([*PUBLIC_ROUTES, *docs, *public_routes], app.routes)
    app.state.auth = AuthState(get_auth_settings(), app.state.redis, public)
    app.state.body_rules.add(small=["/auth", "/users"], forms=FORM_PAGES)
    app.state.closers.append(app.state.auth.passwords.close)
    app.state.database.commit_watchers.append(watch_commits(app.state.auth.sessions))
