"""The errors that endpoints share, for their documentation."""

from src.auth.exceptions import CrossSiteRequestException, NotAuthenticatedException, TokenExpiredException
from src.exceptions import (
    HttpServiceUnavailableException,
    HttpTimeoutException,
    HttpTooLargeException,
    HttpUnreadableException,
    HttpUnsupportedTypeException,
)
from src.utils import error_response_docs

UNAVAILABLE = error_response_docs(HttpServiceUnavailableException)
GUARDED = error_response_docs(NotAuthenticatedException, TokenExpiredException)
CHANGING = error_response_docs(CrossSiteRequestException)
WITH_BODY = error_response_docs(
    HttpUnreadableException, HttpTimeoutException, HttpTooLargeException, HttpUnsupportedTypeException
)
