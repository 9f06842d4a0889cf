"""Pure ASGI layers that every request passes."""

import re
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
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src import messages
from src.body import STARTED
from src.exceptions import ApiError, HttpUnreadableException
from src.handlers import error_response, unexpected_error_response

QUIET_PATHS = frozenset({"/health", "/health/ready"})
UNMATCHED = "unmatched"
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1
MAX_HOST = 261  # characters of a name and a port
HOST = re.compile(rb"([\w-]+(?:\.[\w-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


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
            user = {"user": str(user_id)} if (user_id := scope.get("state", {}).get("user_id")) else {}
            logger.info("request", method=scope["method"], route=route, status=status, ms=duration, **user)


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
            started = scope[STARTED] = True
            await send(message)

        try:
            await self.app(scope, receive, note_start)
        except ApiError as error:
            response = error_response(error)
        except ClientDisconnect:  # in the middle of its body: no one reads the answer
            if started:
                return
            response = error_response(HttpUnreadableException())
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


class HostMiddleware:
    """Refuse requests without exactly one Host of the form host[:port], or for a foreign one (TRUSTED_HOSTS).

    Patterns are written as `*.example.com`. Health is answered under any name: Kubernetes asks by address.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.exact = {host.lower() for host in allowed_hosts if not host.startswith("*")}
        self.suffixes = tuple(host[1:].lower() for host in allowed_hosts if host.startswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            host = _find_host(scope)
            if host is None or not (scope["path"] in QUIET_PATHS or self._is_trusted(host)):
                raise InvalidHostException
        await self.app(scope, receive, send)

    def _is_trusted(self, host: str) -> bool:
        return host in self.exact or host.endswith(self.suffixes)


def _find_host(scope: Scope) -> str | None:
    """Return the name in the one Host header, or None if there is no such header, another one or no host in it."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 and len(hosts[0]) <= MAX_HOST else None
    return found.group(1).decode().lower() if found else None


def is_request_id(text: str) -> bool:
    """Accept 32 hexadecimal digits or a UUID with hyphens; `UUID()` takes other digits and spaces, too."""
    return REQUEST_ID.fullmatch(text) is not None


RawHeaders = list[tuple[bytes, bytes]]


def _security_headers(policy: ContentSecurityPolicy, hsts: StrictTransportSecurity | None) -> RawHeaders:
    secure = Secure(
        csp=policy.object_src("'none'").base_uri("'none'").form_action("'self'").frame_ancestors("'none'"),
        coop=CrossOriginOpenerPolicy().same_origin(),
        hsts=hsts,
        referrer=ReferrerPolicy().same_origin(),
        xcto=XContentTypeOptions(),
        xfo=XFrameOptions().deny(),
    )
    return [(name.lower().encode(), value.encode()) for name, value in secure.headers.items()]


def _hsts(*, subdomains: bool) -> StrictTransportSecurity:
    hsts = StrictTransportSecurity().max_age(31_536_000)
    return hsts.include_subdomains() if subdomains else hsts


def _page_policy() -> ContentSecurityPolicy:
    return ContentSecurityPolicy().default_src("'self'")


def _docs_policy() -> ContentSecurityPolicy:
    cdn = "https://cdn.jsdelivr.net"
    return (
        _page_policy()
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

    def __init__(self, app: ASGIApp, *, docs_paths: Collection[str | None], https: bool, hsts_subdomains: bool) -> None:
        self.app = app
        self.docs_paths = frozenset(docs_paths)
        hsts = _hsts(subdomains=hsts_subdomains) if https else None
        self.data = _security_headers(ContentSecurityPolicy().default_src("'none'"), hsts)
        self.page = _security_headers(_page_policy(), hsts)
        self.docs = _security_headers(_docs_policy(), hsts)

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
