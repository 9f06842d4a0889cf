"""What authentication refuses, and how it is said."""

from http import HTTPStatus
from types import MappingProxyType

from src.auth import messages
from src.exceptions import ApiError, HttpInvalidValueException, HttpNotFoundException

CHALLENGE = MappingProxyType({"WWW-Authenticate": "Bearer"})  # RFC 9110, 11.6.1: a 401 names a scheme


class InvalidTokenError(Exception):
    """The token is not one of ours, or not of this kind."""


class ExpiredTokenError(InvalidTokenError):
    """The token was ours."""


class NotAuthenticatedException(ApiError):
    status_code = HTTPStatus.UNAUTHORIZED
    detail = messages.NOT_AUTHENTICATED
    headers = CHALLENGE


class TokenExpiredException(NotAuthenticatedException):
    """The access token is too old, and the client holds a refresh token to get another."""

    detail = messages.TOKEN_EXPIRED
    code = "token_expired"


class InvalidBearerException(NotAuthenticatedException):
    """The Authorization header has no valid access token, or one whose session has ended."""

    detail = messages.INVALID_BEARER
    headers = MappingProxyType({"WWW-Authenticate": 'Bearer error="invalid_token"'})  # RFC 6750, 3.1


class ExpiredBearerException(TokenExpiredException):
    headers = InvalidBearerException.headers


class SessionEndedException(NotAuthenticatedException):
    detail = messages.SESSION_ENDED


class WrongCredentialsException(NotAuthenticatedException):
    """Unknown, wrong and inactive look the same."""

    detail = messages.WRONG_CREDENTIALS


class WrongPasswordException(HttpInvalidValueException):
    """The signed-in user's own password was not confirmed."""


class CrossSiteRequestException(ApiError):
    status_code = HTTPStatus.FORBIDDEN
    detail = messages.CROSS_SITE


class NotNavigationException(ApiError):
    """An image or a script asks for what only a browser that goes to a page may have."""

    status_code = HTTPStatus.FORBIDDEN
    detail = messages.NOT_NAVIGATION


class NotSuperuserException(ApiError):
    status_code = HTTPStatus.FORBIDDEN
    detail = messages.NOT_SUPERUSER


class OwnAccountException(ApiError):
    """Whoever holds a superuser's session does not hold the password."""

    status_code = HTTPStatus.FORBIDDEN
    detail = messages.OWN_ACCOUNT


class AlreadySignedInException(ApiError):
    status_code = HTTPStatus.CONFLICT
    detail = messages.ALREADY_SIGNED_IN


class LastSuperuserException(ApiError):
    status_code = HTTPStatus.CONFLICT
    detail = messages.LAST_SUPERUSER


class SessionNotFoundException(HttpNotFoundException):
    detail = messages.SESSION_NOT_FOUND


class UserNotFoundException(HttpNotFoundException):
    detail = messages.USER_NOT_FOUND


class TooManyRequestsException(ApiError):
    status_code = HTTPStatus.TOO_MANY_REQUESTS
    detail = messages.TOO_MANY_REQUESTS
    headers = MappingProxyType({"Retry-After": "60"})

    def __init__(self, retry_after: int = 60) -> None:
        super().__init__()
        self.headers = MappingProxyType({"Retry-After": str(retry_after)})


class TooManyPasswordsException(ApiError):
    """More passwords wait to be hashed than there is time for."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    detail = messages.BUSY
    headers = MappingProxyType({"Retry-After": "5"})
