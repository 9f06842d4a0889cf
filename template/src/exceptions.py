"""Errors that clients see: one class a situation, free of any web framework."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar

from src import messages
from src.schemes import FieldError


class ApiError(Exception):
    """Subclass it with `status_code` and `detail`: it can be raised as it is and given to `error_response_docs`."""

    status_code: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    detail: str = messages.INTERNAL_ERROR
    code: ClassVar[str | None] = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str | None = None, *, errors: Sequence[FieldError] = ()) -> None:
        self.detail = detail or self.detail
        self.errors = list(errors)
        super().__init__(self.detail)


class HttpNotFoundException(ApiError):
    status_code = HTTPStatus.NOT_FOUND
    detail = messages.NOT_FOUND


class HttpAlreadyExistException(ApiError):
    status_code = HTTPStatus.CONFLICT
    detail = messages.ALREADY_EXISTS


class HttpConflictException(ApiError):
    status_code = HTTPStatus.CONFLICT
    detail = messages.CONFLICT


class HttpInvalidValueException(ApiError):
    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    detail = messages.INVALID_INPUT


class HttpUnreadableException(ApiError):
    status_code = HTTPStatus.BAD_REQUEST
    detail = messages.BY_STATUS[HTTPStatus.BAD_REQUEST]


class HttpTooLargeException(ApiError):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    detail = messages.BY_STATUS[HTTPStatus.REQUEST_ENTITY_TOO_LARGE]


class HttpTimeoutException(ApiError):
    """The body of the request came too slowly."""

    status_code = HTTPStatus.REQUEST_TIMEOUT
    detail = messages.BY_STATUS[HTTPStatus.REQUEST_TIMEOUT]


class HttpUnsupportedTypeException(ApiError):
    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    detail = messages.BY_STATUS[HTTPStatus.UNSUPPORTED_MEDIA_TYPE]


class HttpServiceUnavailableException(ApiError):
    """Something behind the service does not answer; clients may try again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    detail = messages.UNAVAILABLE
    headers = MappingProxyType({"Retry-After": "1"})
