"""Pure ASGI layers that every request passes."""

from collections.abc import Collection
from http import HTTPStatus
from time import perf_counter

from fastapi.exceptions import ResponseValidationError
from loguru import logger
from pydantic import ValidationError
from secure import (
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
    XContentTypeOptions,
    XFrameOptions,
)
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src import messages
from src.exceptions import ApiError, HttpTooLargeException
from src.handlers import error_response, unexpected_error_response

QUIET_PATHS = frozenset({"/health", "/health/ready"})
UNMATCHED = "unmatched"
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1
LONGEST_NUMBER = 18  # digits; a longer Content-Length is no size of anything


class InvalidHostException(ApiError):
    status_code = HTTPStatus.BAD_REQUEST
    detail = messages.INVALID_HOST


class AccessLogMiddleware:
    """Log one line per request: method, route template (never the path, it may hold secrets), status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            duration = round((perf_counter() - started) * 1000, 1)
            logger.info("request", method=scope["method"], route=route, status=status, ms=duration)


class ErrorMiddleware:
    """Answer what no handler caught: here ends every exception of a request, logged once."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note_start)
        except ApiError as error:
            response = error_response(error)
        except Exception as error:
            if started:
                raise  # it is too late to answer; the server ends the connection and logs why
            _log(error)
            response = unexpected_error_response()
        else:
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await response(scope, receive, send)


def _log(error: Exception) -> None:
    if isinstance(error, ResponseValidationError | ValidationError):  # their text repeats the values
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()]
        logger.error("unexpected error", kind=type(error).__name__, problems=problems)
    else:
        logger.opt(exception=error).error("unexpected error")


class BodyLimitMiddleware:
    """Refuse a body of more than `limit` bytes, announced or not; in JSON, unlike FastAPI's `max_body_size`."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            announced = Headers(scope=scope).get("content-length", "0")
            if announced.isdecimal() and (len(announced) > LONGEST_NUMBER or int(announced) > self.limit):
                raise HttpTooLargeException
            receive = self._counted(receive)
        await self.app(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)  # FastAPI makes any other exception a 400
            return message

        return count


class TrustedHostMiddleware:
    """Refuse requests for foreign host names, in JSON like every other error; patterns as `*.example.com`.

    Health is answered under any name: Kubernetes asks by address.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.exact = {host.lower() for host in allowed_hosts if not host.startswith("*")}
        self.suffixes = tuple(host[1:].lower() for host in allowed_hosts if host.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"] not in QUIET_PATHS:
            host = _host_name(Headers(scope=scope).get("host", ""))
            if host not in self.exact and not (host and host.endswith(self.suffixes)):
                raise InvalidHostException
        await self.app(scope, receive, send)


def _host_name(host: str) -> str:
    return (host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]).lower()


RawHeaders = list[tuple[bytes, bytes]]


def _security_headers(policy: ContentSecurityPolicy, *, https: bool) -> RawHeaders:
    secure = Secure(
        csp=policy.base_uri("'none'").form_action("'self'").frame_ancestors("'none'"),
        coop=CrossOriginOpenerPolicy().same_origin(),
        hsts=StrictTransportSecurity().max_age(31_536_000) if https else None,
        referrer=ReferrerPolicy().same_origin(),
        xcto=XContentTypeOptions(),
        xfo=XFrameOptions().deny(),
    )
    return [(name.lower().encode(), value.encode()) for name, value in secure.headers.items()]


def _docs_policy() -> ContentSecurityPolicy:
    cdn = "https://cdn.jsdelivr.net"
    return (
        ContentSecurityPolicy()
        .default_src("'self'")
        .script_src("'self'", "'unsafe-inline'", cdn)
        .style_src("'self'", "'unsafe-inline'", cdn, "https://fonts.googleapis.com")
        .font_src("'self'", "https://fonts.gstatic.com")
        .img_src("'self'", "data:", "https://fastapi.tiangolo.com", cdn)
        .worker_src("blob:")
    )


class SecurityHeadersMiddleware:
    """Add the security headers of a response's kind: data gets no source at all, pages their own files, docs a CDN.

    A header that the response has already stays as it is. The values come from the OWASP Secure Headers Project.
    """

    def __init__(self, app: ASGIApp, *, docs_paths: Collection[str | None], https: bool) -> None:
        self.app = app
        self.docs_paths = frozenset(docs_paths)
        self.data = _security_headers(ContentSecurityPolicy().default_src("'none'"), https=https)
        self.page = _security_headers(ContentSecurityPolicy().default_src("'self'"), https=https)
        self.docs = _security_headers(_docs_policy(), https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: RawHeaders = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                chosen = self._choose(get_route_path(scope), headers)
                message["headers"] = headers + [header for header in chosen if header[0] not in present]
            await send(message)

        await self.app(scope, receive, add_headers)

    def _choose(self, path: str, headers: RawHeaders) -> RawHeaders:
        if path in self.docs_paths:
            return self.docs
        is_page = any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)
        return self.page if is_page else self.data
