"""Pure ASGI layers that every request passes."""

import re
from collections.abc import Collection, Iterable
from http import HTTPStatus
from secrets import token_hex
from threading import Event
from time import perf_counter

from fastapi.exceptions import ResponseValidationError
from loguru import logger
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src import messages
from src.body import STARTED
from src.compat import get_route_path
from src.exceptions import ApiError, HttpUnreadableException
from src.handlers import error_response, unexpected_error_response
from src.log import request_id

QUIET_PATHS = frozenset({"/health", "/health/ready"})
UNMATCHED = "unmatched"
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1
MAX_HOST = 261  # characters of a name and a port
HOST = re.compile(rb"([\w-]+(?:\.[\w-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
REQUEST_ID = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# The values come from the OWASP Secure Headers Project.
COMMON_POLICY = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
DATA_POLICY = f"default-src 'none'; {COMMON_POLICY}"
PAGE_POLICY = f"default-src 'self'; {COMMON_POLICY}"
DOCS_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;"
    " style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com;"
    " font-src 'self' https://fonts.gstatic.com; worker-src blob:;"
    f" img-src 'self' data: https://fastapi.tiangolo.com https://cdn.jsdelivr.net; {COMMON_POLICY}"
)
SECURITY_HEADERS = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
HSTS = b"max-age=31536000"

stopping = Event()  # a load balancer is to send its requests, and its clients their next ones, elsewhere

RawHeaders = list[tuple[bytes, bytes]]


class InvalidHostException(ApiError):
    status_code = HTTPStatus.BAD_REQUEST
    detail = messages.INVALID_HOST


class OuterMiddleware:
    """Give each request an id, the response its security headers, and the log one line.

    The line has the method, the route's template (a path may hold secrets), the status and the milliseconds.
    Data may load nothing, pages only their own files, the API docs also their CDN. A header that the response already
    has is left alone.
    """

    def __init__(self, app: ASGIApp, *, docs_paths: Collection[str | None], https: bool, hsts_subdomains: bool) -> None:
        self.app = app
        self.docs_paths = frozenset(docs_paths)
        hsts = HSTS + b"; includeSubDomains" * hsts_subdomains
        common = [*SECURITY_HEADERS, *([(b"strict-transport-security", hsts)] if https else [])]
        self.data, self.page, self.docs = (
            [*common, (b"content-security-policy", policy.encode())]
            for policy in (DATA_POLICY, PAGE_POLICY, DOCS_POLICY)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        number = _find_request_id(scope) or token_hex(16).encode()
        request_id.set(number.decode())

        async def send_on(message: Message) -> None:
            nonlocal status
            scope[STARTED] = True
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*self._secured(scope, message.get("headers", ())), (b"x-request-id", number)]
                if stopping.is_set():
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            if scope["type"] == "http" and scope["path"] not in QUIET_PATHS:
                _log_request(scope, status, round((perf_counter() - started) * 1000, 1))

    def _secured(self, scope: Scope, given: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        headers, names, chosen = [], set(), self.data
        for name, value in given:
            headers.append((name, value))
            names.add(name)
            if name == b"content-type" and value.startswith(b"text/html"):
                chosen = self.docs if get_route_path(scope) in self.docs_paths else self.page
        return headers + [header for header in chosen if header[0] not in names]


def _find_request_id(scope: Scope) -> bytes | None:
    """Return the id that a proxy gave the request: 32 hexadecimal digits or a UUID with hyphens."""
    sent = (value for name, value in scope["headers"] if name == b"x-request-id")
    return next((value for value in sent if REQUEST_ID.fullmatch(value)), None)


def _log_request(scope: Scope, status: int, duration: float) -> None:
    route = getattr(scope.get("route"), "path", UNMATCHED)
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
        try:
            await self.app(scope, receive, send)
        except ApiError as error:
            response = error_response(error)
        except ClientDisconnect:  # in the middle of its body: no one reads the answer
            if STARTED in scope:
                return
            response = error_response(HttpUnreadableException())
        except Exception as error:
            if STARTED in scope:
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
