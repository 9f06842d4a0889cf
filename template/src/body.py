"""The body of a request: how large, how slow and in which charset it may come."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.compat import get_route_path
from src.config import Settings
from src.exceptions import HttpTooLargeException, HttpUnsupportedTypeException

SMALL = 16_384  # bytes: more than any form or request of the template needs
MAX_DIGITS = 18  # a longer Content-Length is no size of anything
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
STARTED = "response_started"  # in the scope, once the answer has begun
URLENCODED = b"application/x-www-form-urlencoded"
UTF8 = frozenset({b"utf-8", b"utf8"})
EXTENDED = re.compile(rb"""\*\s*=\s*"?([^'"]{0,40})'""")  # RFC 8187: `filename*=utf-8''...`


class BodyRules:
    """How large and how slow a body may be, and which pages have forms; `src/routers.py` has those of your routes."""

    def __init__(self, settings: Settings, body_limits: Mapping[str, int], form_pages: Iterable[str]) -> None:
        self.timeout = settings.BODY_TIMEOUT
        self.min_rate = settings.BODY_MIN_RATE
        self._limit = settings.MAX_BODY_SIZE
        self._limits = [(compile_path(path)[0], size) for path, size in body_limits.items()]
        self._small: list[re.Pattern[str]] = []
        self._forms: list[re.Pattern[str]] = []
        self.add(forms=form_pages)

    def add(self, *, small: Iterable[str] = (), forms: Iterable[str] = ()) -> None:
        self._small += map(_below, small)
        self._forms += map(_below, forms)

    def find_limit(self, path: str) -> int:
        given = next((size for pattern, size in self._limits if pattern.fullmatch(path)), None)
        if given is not None:
            return given
        is_small = any(pattern.match(path) for pattern in (*self._small, *self._forms))
        return min(SMALL, self._limit) if is_small else self._limit

    def find_form_page(self, path: str) -> str | None:
        """Return the page whose form posts to this path, or None if it is not a form's."""
        return next((found.group() for pattern in self._forms if (found := pattern.match(path))), None)


def _below(template: str) -> re.Pattern[str]:
    """Match the paths of a route's template, and all below them."""
    return re.compile(compile_path(template)[0].pattern.removesuffix("$") + "(?=/|$)")


class BodyMiddleware:
    """Refuse a body that is too large (413), too slow (408), or a form that is not UTF-8 (415).

    What it raises while the body arrives is an `HTTPException`: FastAPI makes 400 of anything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = self._watch(scope, receive)
        await self.app(scope, receive, send)

    def _watch(self, scope: Scope, receive: Receive) -> Receive:
        kinds, announced, has_body = [], b"0", False
        for name, value in scope["headers"]:
            if name == b"content-type":
                kinds.append(value)
            elif name == b"content-length":
                announced = value
                has_body |= value != b"0"
            elif name == b"transfer-encoding":
                has_body = True
        body = _Body(scope, receive)
        if kinds or has_body:
            _check_types(kinds or [b""], scope)
            body.follow_parts(kinds)
        if announced.isdigit() and (len(announced) > MAX_DIGITS or int(announced) > body.limit):
            raise HttpTooLargeException
        return body.receive


def _check_types(kinds: list[bytes], scope: Scope) -> None:
    if any(_is_form(kind) and _names_other_charset(kind) for kind in kinds):
        raise HttpUnsupportedTypeException
    is_urlencoded = all(kind.partition(b";")[0].strip(b" \t").lower() == URLENCODED for kind in kinds)
    if is_urlencoded or scope["method"] in SAFE_METHODS:
        return
    if scope["app"].state.body_rules.find_form_page(get_route_path(scope)):
        raise HttpUnsupportedTypeException


def _is_form(kind: bytes) -> bool:
    return b"form-" in kind.lower()  # form-data and form-urlencoded, however they are written


def _names_other_charset(header: bytes) -> bool:
    """Say whether a header names a charset other than UTF-8, read as Starlette will read it."""
    named = {parse_options_header(header)[1].get(b"charset", b"utf-8"), *EXTENDED.findall(header)}
    return any(charset.lower() not in UTF8 for charset in named)


class _Body:
    """One body as it arrives."""

    __slots__ = (
        "_limit",
        "_parts",
        "_receive",
        "_received",
        "_rules",
        "_scope",
        "_waited",
        "is_complete",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._rules: BodyRules = scope["app"].state.body_rules
        self._limit: int | None = None
        self._parts: _Parts | None = None
        self._received = 0
        self._waited = 0.0
        self.is_complete = False

    @property
    def limit(self) -> int:
        if self._limit is None:
            self._limit = self._rules.find_limit(get_route_path(self._scope))
        return self._limit

    def follow_parts(self, kinds: list[bytes]) -> None:
        options = [parse_options_header(kind)[1] for kind in kinds if _is_form(kind)]
        if boundary := next((each[b"boundary"] for each in options if b"boundary" in each), b""):
            self._parts = _Parts(boundary)

    async def receive(self) -> Message:
        if self.is_complete:
            return await self._receive()
        try:
            message = await self._next()
            self._check(message.get("body", b""))
        except HTTPException:
            self.is_complete = True
            if STARTED in self._scope:
                return {"type": "http.disconnect"}  # it is too late to answer
            raise
        self.is_complete = not message.get("more_body", False)
        return message

    def _check(self, body: bytes) -> None:
        self._received += len(body)
        if body and self._received > self.limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if body and self._parts:
            self._parts.write(body)

    async def _next(self) -> Message:
        """Wait for more; only the time in which the client had to send something counts."""
        clock = asyncio.get_running_loop().time
        timeout = self._rules.timeout
        left = timeout + self._received / self._rules.min_rate - self._waited
        started = clock()
        try:
            async with asyncio.timeout(min(left, timeout)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None
        self._waited += clock() - started
        return message


class _Parts:
    """Follows a multipart body as the parser of forms will, to see the headers of its parts first."""

    def __init__(self, boundary: bytes) -> None:
        self._header = b""
        self._parser: MultipartParser | None = None
        with suppress(FormParserError):  # the parser of forms will refuse it, too
            self._parser = MultipartParser(boundary, {"on_header_value": self._add, "on_header_end": self._check})

    def write(self, body: bytes) -> None:
        try:
            if self._parser:
                self._parser.write(body)
        except FormParserError:
            self._parser = None

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _check(self) -> None:
        if _names_other_charset(self._header):
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        self._header = b""
