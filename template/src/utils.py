"""Helpers that describe endpoints in the OpenAPI document."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from fastapi.routing import APIRoute

from src.exceptions import ApiError
from src.schemes import DetailResponse, ErrorResponse

ResponseDocs = dict[int | str, dict[str, Any]]


class HttpError(Protocol):
    """What an `ApiError` class and an instance of FastAPI's `HTTPException` have in common."""

    @property
    def status_code(self) -> int: ...

    @property
    def detail(self) -> Any: ...

    @property
    def headers(self) -> Mapping[str, str] | None: ...


class _Status(int):
    """A status that equals nothing else, so that `{**docs(A), **docs(B)}` keeps both; FastAPI merges them."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def ok_response_docs(
    description: str, status_code: int = HTTPStatus.OK, model: type[Any] | None = DetailResponse
) -> ResponseDocs:
    """Describe a success, for `responses={**ok_response_docs(...)}`."""
    docs: dict[str, Any] = {"description": description}
    if model is not None:
        docs["model"] = model
    if model is DetailResponse:
        docs["content"] = {"application/json": {"example": {"detail": description}}}
    return {status_code: docs}


def _describe(error: type[ApiError] | HttpError, description: str | None) -> dict[str, Any]:
    body = {"detail": error.detail, "code": getattr(error, "code", None)}
    example = {"value": {name: value for name, value in body.items() if value is not None}}
    docs: dict[str, Any] = {
        "model": ErrorResponse,
        "description": description or HTTPStatus(error.status_code).phrase,
        "content": {"application/json": {"examples": {str(error.detail): example}}},
    }
    if error.headers:
        docs["headers"] = {name: {"schema": {"type": "string"}} for name in error.headers}
    return docs


def error_response_docs(
    error: type[ApiError] | HttpError, *others: type[ApiError] | HttpError, description: str | None = None
) -> ResponseDocs:
    """Describe errors, for `responses={**error_response_docs(...)}`; those of one status stand side by side."""
    return {_Status(each.status_code): _describe(each, description) for each in (error, *others)}


def operation_id(route: APIRoute) -> str:
    """Name an operation for generated clients, by its first tag and its function: `users-get_user`."""
    return "-".join([*map(str, route.tags[:1]), route.name])
