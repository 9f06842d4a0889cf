"""The guard of the application, taken away for tests of everything else and put back for tests of who may what."""

from typing import get_args

from fastapi import FastAPI

from src.auth.limits import Limit
from src.auth.middleware import TokenValidationMiddleware

GUARD = TokenValidationMiddleware.__name__
# Cheap hashes, and no limits but where a test sets its own.
AUTH_VARIABLES = {
    "SECRET_KEY": "a-key-of-the-tests-that-signs-nothing-else",
    "PASSWORD_HASH_COST": "4",
    **{f"RATE_LIMIT_{name}": "" for name in get_args(Limit)},
}


def remove_guard(app: FastAPI) -> None:
    app.state.with_guard = list(app.user_middleware)
    others = [each for each in app.user_middleware if getattr(each.cls, "__name__", "") != GUARD]
    app.user_middleware = others


def restore_guard(app: FastAPI) -> None:
    app.user_middleware = app.state.with_guard
    app.middleware_stack = None
