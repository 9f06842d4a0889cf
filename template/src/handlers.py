"""Turns exceptions into the one JSON shape of errors, or into pages for who looks at them."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from src import messages
from src.exceptions import ApiError, HttpInvalidValueException
from src.log import request_id
from src.schemes import ErrorResponse, FieldError

WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
MAX_ERRORS = 20  # that a 422 names
ErrorPage = Callable[[Scope, int, Any], str | None]
PARSE_ERROR = "There was an error parsing the body"  # what FastAPI says of a body that is no text, or too deep


class ErrorAnswer(JSONResponse):
    """JSON, or the page that `app.state.error_page` makes of the status and the sentence for this request."""

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__({"detail": detail} | more, status, headers)
        self.detail = detail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        make_page: ErrorPage | None = getattr(scope["app"].state, "error_page", None)
        if page := make_page(scope, self.status_code, self.detail) if make_page else None:
            self.body = page.encode()
            self.headers.update({"content-type": "text/html; charset=utf-8", "content-length": str(len(self.body))})
            self.headers.setdefault("cache-control", "no-store")
        await super().__call__(scope, receive, send)


def error_response(error: ApiError) -> ErrorAnswer:
    body = ErrorResponse(detail=error.detail, code=error.code, errors=error.errors or None)
    return ErrorAnswer(error.status_code, headers=error.headers, **body.model_dump(exclude_none=True))


def unexpected_error_response() -> ErrorAnswer:
    detail = messages.INTERNAL_ERROR_ID.format(request_id=request_id.get())
    return ErrorAnswer(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


async def answer_api_error(_: Request, error: ApiError) -> Response:
    return error_response(error)


async def answer_http_exception(_: Request, error: HTTPException) -> Response:
    """Answer an `HTTPException`; one that only repeats its status gets this service's sentence for it."""
    if error.status_code in WITHOUT_BODY:
        return Response(status_code=error.status_code, headers=error.headers)
    detail = error.detail
    if detail in (PARSE_ERROR, responses.get(error.status_code)):
        detail = messages.BY_STATUS.get(error.status_code, detail)
    return ErrorAnswer(error.status_code, detail, error.headers)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def sentence(error: dict[str, Any]) -> str:
    template = messages.BY_ERROR_TYPE.get(error["type"])
    return template.format(**error.get("ctx", {})) if template else str(error["msg"])


async def answer_invalid_request(_: Request, error: RequestValidationError) -> Response:
    """Say which fields are wrong and why, never what was sent: it may be a password."""
    problems = error.errors()
    detail = messages.INVALID_INPUT
    if any(problem["type"] == "json_invalid" for problem in problems):
        detail = messages.INVALID_JSON
        errors = [FieldError(field="body", message=detail)]
    else:
        errors = [
            FieldError(field=_field(problem["loc"]), message=sentence(problem)) for problem in problems[:MAX_ERRORS]
        ]
    if len(problems) > MAX_ERRORS:
        detail = messages.MANY_INVALID.format(count=len(problems), shown=MAX_ERRORS)
    return error_response(HttpInvalidValueException(detail, errors=errors))


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
