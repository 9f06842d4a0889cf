"""The guard of every route: pure ASGI, http and websocket, one Redis round trip."""

from urllib.parse import quote

from loguru import logger
from redis.exceptions import RedisError
from starlette._utils import get_route_path
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.auth.config import GUEST_PAGES, STATIC_PREFIXES
from src.auth.dependencies import Visitor, set_visitor
from src.auth.exceptions import CrossSiteRequestException, NotAuthenticatedException, TokenExpiredException
from src.auth.handler import signed_out_cookies
from src.auth.redirects import below_root, requested, to_login, to_next, to_refresh
from src.auth.state import AuthState
from src.body import BodyRules
from src.config import get_settings
from src.exceptions import ApiError, HttpServiceUnavailableException
from src.handlers import error_response
from src.middleware import POLICY_VIOLATION

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
SAME_SITE = frozenset({b"same-origin", b"none"})
WANTED = frozenset({b"host", b"origin", b"cookie", b"accept", b"sec-fetch-site", b"sec-fetch-mode"})

Headers = dict[bytes, bytes]


class TokenValidationMiddleware:
    """Let the signed-in through, everybody to public routes, and nobody else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._origins = frozenset(origin.encode().lower() for origin in get_settings().CORS_ORIGINS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _read_headers(scope)
        if self._is_cross_site(scope, headers):
            await _refuse(CrossSiteRequestException(), scope, receive, send)
            return
        auth: AuthState = scope["app"].state.auth
        visitor = set_visitor(scope, headers.get(b"cookie", b"").decode("latin-1"))
        path = get_route_path(scope)
        if auth.public_routes.are_open(path, scope.get("method")):
            await self._serve_anybody(path, visitor, scope, receive, send)
            return
        try:
            user = await visitor.user()
        except ApiError as error:
            await _refuse(error, scope, receive, send)
        except RedisError as error:
            _log(error)
            await _refuse(HttpServiceUnavailableException(), scope, receive, send)
        else:
            if user is None:
                await _send_away(visitor, auth, scope, receive, send, headers)
                return
            scope["state"]["user_id"] = user.id
            scope["state"]["session_id"] = visitor.session_id
            await self.app(scope, receive, _no_store(send))

    def _is_cross_site(self, scope: Scope, headers: Headers) -> bool:
        """Tell a request that another site's page makes; a client that is no browser sends neither header."""
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return False
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if site is not None:
            is_own = site in SAME_SITE
        else:
            is_own = origin is None or origin.lower().partition(b"://")[2] == headers.get(b"host", b"").lower()
        return not is_own and (origin is None or origin.lower() not in self._origins)

    async def _serve_anybody(self, path: str, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        if path in GUEST_PAGES and scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            await self._serve_guests(visitor, scope, receive, send)
        elif visitor.has_cookies and not path.startswith(STATIC_PREFIXES):
            await self.app(scope, receive, _no_store(send))
        else:
            await self.app(scope, receive, send)

    async def _serve_guests(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the signed-in on; cookies that are good for nothing are removed, unless nobody can tell."""
        settings = scope["app"].state.auth.settings
        try:
            user = await visitor.user()
        except (ApiError, RedisError):
            await self.app(scope, receive, _no_store(send))
            return
        if user:
            await to_next(scope, settings)(scope, receive, send)
            return
        cookies = signed_out_cookies(settings) if visitor.has_cookies else []
        await self.app(scope, receive, _no_store(send, cookies))


def _read_headers(scope: Scope) -> Headers:
    headers: Headers = {}
    for name, value in scope["headers"]:
        if name in WANTED:  # HTTP/2 may send cookies one by one (RFC 9113, 8.2.3)
            headers[name] = b"; ".join((headers[name], value)) if name == b"cookie" and name in headers else value
    return headers


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        return False
    mode = headers.get(b"sec-fetch-mode")
    return mode == b"navigate" if mode is not None else b"text/html" in headers.get(b"accept", b"")


def _form_page(scope: Scope) -> str | None:
    """Return the page whose form this is, or None if it is none."""
    rules: BodyRules = scope["app"].state.body_rules
    return rules.find_form_page(get_route_path(scope)) if scope.get("method") == "POST" else None


async def _send_away(
    visitor: Visitor, auth: AuthState, scope: Scope, receive: Receive, send: Send, headers: Headers
) -> None:
    page = _form_page(scope)
    is_navigation = _is_navigation(scope, headers)
    if not (is_navigation or page):
        error = TokenExpiredException() if visitor.can_refresh else NotAuthenticatedException()
        await _refuse(error, scope, receive, send)
        return
    back = requested(scope) if is_navigation else below_root(scope, quote(page or ""))
    response: Response
    if visitor.can_refresh:
        response = to_refresh(scope, back)
    elif auth.settings.LOGIN_PAGE:
        response = to_login(scope, auth.settings, back)
    else:
        response = error_response(NotAuthenticatedException())
    await response(scope, receive, send)


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
    else:
        await error_response(error)(scope, receive, send)


def _log(error: RedisError) -> None:
    logger.error("redis unavailable", reason=type(error).__name__)


def _no_store(send: Send, cookies: list[str] | None = None) -> Send:
    """Keep an answer out of every cache, unless it says itself how it may be kept."""
    extra = [(b"set-cookie", cookie.encode()) for cookie in cookies or ()]

    async def send_uncached(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers + extra
        await send(message)

    return send_uncached
