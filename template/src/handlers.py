"""Turns exceptions into the one JSON shape of errors."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.client import responses
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from src import messages
from src.exceptions import ApiError
from src.log import request_id
from src.schemes import ErrorResponse, FieldError

WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
MAX_ERRORS = 20  # that a 422 names
PARSE_ERROR = "There was an error parsing the body"  # what FastAPI says of a body that is no text, or too deep


def error_response(error: ApiError) -> JSONResponse:
    body = ErrorResponse(detail=error.detail, code=error.code, errors=error.errors or None)
    return JSONResponse(body.model_dump(exclude_none=True), error.status_code, dict(error.headers))


def unexpected_error_response() -> JSONResponse:
    detail = messages.INTERNAL_ERROR_ID.format(request_id=request_id.get())
    return JSONResponse({"detail": detail}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def answer_api_error(_: Request, error: ApiError) -> JSONResponse:
    return error_response(error)


async def answer_http_exception(_: Request, error: HTTPException) -> Response:
    """Answer an `HTTPException`; one that only repeats its status gets this service's sentence for it."""
    if error.status_code in WITHOUT_BODY:
        return Response(status_code=error.status_code, headers=error.headers)
    detail = error.detail
    if detail in (PARSE_ERROR, responses.get(error.status_code)):
        detail = messages.BY_STATUS.get(error.status_code, detail)
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def sentence(error: dict[str, Any]) -> str:
    template = messages.BY_ERROR_TYPE.get(error["type"])
    return template.format(**error.get("ctx", {})) if template else str(error["msg"])


async def answer_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say which fields are wrong and why, never what was sent: it may be a password."""
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        body = ErrorResponse(
            detail=messages.INVALID_JSON, errors=[FieldError(field="body", message=messages.INVALID_JSON)]
        )
    else:
        errors = [
            FieldError(field=_field(problem["loc"]), message=sentence(problem)) for problem in problems[:MAX_ERRORS]
        ]
        detail = messages.INVALID_INPUT
        if len(problems) > MAX_ERRORS:
            detail = messages.MANY_INVALID.format(count=len(problems), shown=MAX_ERRORS)
        body = ErrorResponse(detail=detail, errors=errors)
    return JSONResponse(body.model_dump(exclude_none=True), HTTPStatus.UNPROCESSABLE_ENTITY)


ErrorT = TypeVar("ErrorT", bound=Exception)
INTERNAL_ERROR = 1011  # RFC 6455, 7.4.1


def add_handler(app: FastAPI, kind: type[ErrorT], answer: Callable[[Request, ErrorT], Awaitable[Response]]) -> None:
    """Let a function answer a kind of exception; a websocket cannot be answered, it is closed."""

    async def answer_or_close(connection: Request | WebSocket, error: ErrorT) -> Response | None:
        if isinstance(connection, WebSocket):
            await connection.close(INTERNAL_ERROR)
            return None
        return await answer(connection, error)

    app.add_exception_handler(kind, answer_or_close)  # type: ignore[arg-type]  # starlette wants any Exception


def add_exception_handlers(app: FastAPI) -> None:
    add_handler(app, ApiError, answer_api_error)
    add_handler(app, HTTPException, answer_http_exception)
    add_handler(app, RequestValidationError, answer_invalid_request)
