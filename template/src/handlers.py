"""Turns exceptions into the one JSON shape of errors."""

from http import HTTPStatus
from typing import Any

from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from src import messages
from src.exceptions import ApiError
from src.schemes import ErrorResponse, FieldError


def error_response(error: ApiError) -> JSONResponse:
    body = ErrorResponse(detail=error.detail, code=error.code, errors=error.errors or None)
    return JSONResponse(body.model_dump(exclude_none=True), error.status_code, dict(error.headers))


def unexpected_error_response() -> JSONResponse:
    detail = messages.INTERNAL_ERROR_ID.format(request_id=correlation_id.get())
    return JSONResponse({"detail": detail}, HTTPStatus.INTERNAL_SERVER_ERROR)


async def answer_api_error(_: Request, error: ApiError) -> JSONResponse:
    return error_response(error)


async def answer_http_exception(_: Request, error: HTTPException) -> JSONResponse:
    """Answer an `HTTPException`; one that only repeats its status gets this service's sentence for it."""
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase or error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
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
        errors = [FieldError(field=_field(problem["loc"]), message=sentence(problem)) for problem in problems]
        body = ErrorResponse(detail=messages.INVALID_INPUT, errors=errors)
    return JSONResponse(body.model_dump(exclude_none=True), HTTPStatus.UNPROCESSABLE_ENTITY)


def add_exception_handlers(app: FastAPI) -> None:
    app.add_exception_handler(ApiError, answer_api_error)  # type: ignore[arg-type]  # starlette wants Exception
    app.add_exception_handler(HTTPException, answer_http_exception)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, answer_invalid_request)  # type: ignore[arg-type]
