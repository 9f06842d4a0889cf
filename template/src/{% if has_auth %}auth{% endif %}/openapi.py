"""What the guard and the rate limits answer, in the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from src.auth import messages
from src.auth.app import AuthState
from src.auth.exceptions import InvalidBearerException, NotAuthenticatedException, TokenExpiredException
from src.exceptions import ApiError
from src.openapi import ERROR, add_error_schema, find_operations
from src.utils import error_response_docs

SIGNED_IN: list[dict[str, list[str]]] = [{"cookie": []}, {"bearer": []}]  # either
NOT_SIGNED_IN = (NotAuthenticatedException, TokenExpiredException, InvalidBearerException)


def describe_security(app: FastAPI, document: dict[str, Any]) -> None:
    """Say of each operation whether it needs a signed-in user, and that a limit may refuse it."""
    auth: AuthState = app.state.auth
    document.setdefault("components", {})["securitySchemes"] = {
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": auth.settings.access_cookie,
            "description": messages.COOKIE_SCHEME,
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": messages.BEARER_SCHEME,
        },
    }
    for route, operation in find_operations(app, document):
        if not auth.public_routes.has(route.path or ""):
            operation["security"] = SIGNED_IN
            _add_errors(document, operation, *NOT_SIGNED_IN)
        for call in _calls(route.dependant):
            _add_errors(document, operation, *getattr(call, "errors", ()))


def _calls(dependant: Any) -> Iterator[Any]:
    """Yield what a route depends on, directly or not."""
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _add_errors(document: dict[str, Any], operation: dict[str, Any], *errors: type[ApiError]) -> None:
    """Add errors to an operation, unless it describes their status itself."""
    added: dict[str, Any] = {}
    for error in errors:
        ((status, docs),) = error_response_docs(error).items()
        answer = added.setdefault(
            str(status), docs | {"content": {"application/json": {"schema": ERROR, "examples": {}}}}
        )
        answer["content"]["application/json"]["examples"] |= docs["content"]["application/json"]["examples"]
        answer.pop("model", None)
    if added:
        add_error_schema(document)
    for status, answer in added.items():
        operation["responses"].setdefault(status, answer)
