"""The guard of every route: pure ASGI, http and websocket, one Redis round trip."""

from collections.abc import Iterable
from http import HTTPStatus
from time import monotonic
from urllib.parse import quote

from loguru import logger
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src.auth.app import AuthState
from src.auth.config import GUEST_PAGES, STATIC_PREFIXES
from src.auth.exceptions import CrossSiteRequestException, NotAuthenticatedException
from src.auth.handler import read_bearer, signed_out_cookies
from src.auth.openapi import describe_security
from src.auth.redirects import below_root, is_navigation, requested, to_login, to_next, to_refresh
from src.auth.visitor import Visitor
from src.body import BodyRules
from src.compat import get_route_path
from src.config import get_settings
from src.exceptions import ApiError, HttpServiceUnavailableException
from src.handlers import error_response
from src.middleware import POLICY_VIOLATION, RawHeaders

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
SAME_SITE = frozenset({b"same-origin", b"none"})
AUTHORIZATION, FORWARDED = b"authorization", b"x-forwarded-for"
NO_TOKEN = b"Bearer"  # what two Authorization headers say together
WANTED = frozenset({b"host", b"origin", b"cookie", b"sec-fetch-site", AUTHORIZATION, FORWARDED})
LISTS = frozenset({b"cookie", FORWARDED})
CHECK_SECONDS = 1.0  # that a look at the session is good for; a body may take longer
MOST_PROXIES = 16  # named in the log by one process; anybody can send the header
REFUSALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})

Headers = dict[bytes, bytes]


class TokenValidationMiddleware:
    """Let the signed-in through, everybody to public routes, and nobody else."""

    describe = staticmethod(describe_security)

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._origins = frozenset(origin.encode().lower() for origin in get_settings().CORS_ORIGINS)
        self._strange_proxies: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = _read_headers(scope)
        if FORWARDED in headers:
            self._name_strange_proxy(_address(scope), headers[FORWARDED])
        if self._is_cross_site(scope, headers):
            _log_refusal(scope, "cross-site")
            await _refuse(CrossSiteRequestException(), scope, receive, send)
            return
        state = scope["app"].state
        auth: AuthState = state.auth
        bearer = read_bearer(headers[AUTHORIZATION].decode("latin-1")) if AUTHORIZATION in headers else None
        visitor = Visitor(auth, state.database, headers.get(b"cookie", b"").decode("latin-1"), bearer)
        scope.setdefault("state", {})["visitor"] = visitor
        path = get_route_path(scope)
        if auth.public_routes.are_open(path, scope.get("method")):
            await self._serve_anybody(path, visitor, scope, receive, send)
            return
        checked = monotonic()
        try:
            user = await visitor.user()
        except ApiError as error:
            await _refuse(error, scope, receive, send)
        except RedisError as error:
            _log(error)
            await _refuse(HttpServiceUnavailableException(), scope, receive, send)
        else:
            if user is None:
                await _send_away(visitor, auth, scope, receive, send)
                return
            scope["state"]["user_id"] = user.id
            scope["state"]["session_id"] = visitor.session_id
            await self.app(scope, _checked_again(receive, visitor, checked), _outgoing(scope, send))

    def _name_strange_proxy(self, peer: str, forwarded: bytes) -> None:
        """Name a proxy that is not in FORWARDED_ALLOW_IPS: of a listed one the address is what it forwarded."""
        if peer.encode() in forwarded or peer in self._strange_proxies or len(self._strange_proxies) >= MOST_PROXIES:
            return
        self._strange_proxies.add(peer)
        logger.warning("proxy not in FORWARDED_ALLOW_IPS, so its clients share its address", proxy=peer)

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
        if (
            path in GUEST_PAGES
            and not visitor.is_bearer
            and scope["type"] == "http"
            and scope["method"] in ("GET", "HEAD")
        ):
            await self._serve_guests(visitor, scope, receive, send)
        elif visitor.has_tokens and not path.startswith(STATIC_PREFIXES):
            await self.app(scope, receive, _outgoing(scope, send))
        else:
            await self.app(scope, receive, _outgoing(scope, send, no_store=False))

    async def _serve_guests(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the signed-in on; cookies that are good for nothing are removed, unless nobody can tell."""
        settings = scope["app"].state.auth.settings
        try:
            user = await visitor.user()
        except (ApiError, RedisError):
            await self.app(scope, receive, _outgoing(scope, send))
            return
        if user:
            await to_next(scope, settings)(scope, receive, send)
            return
        cookies = signed_out_cookies(settings) if visitor.has_tokens else []
        await self.app(scope, receive, _outgoing(scope, send, cookies=cookies))


def _read_headers(scope: Scope) -> Headers:
    headers: Headers = {}
    for name, value in scope["headers"]:
        if name == AUTHORIZATION and name in headers:
            headers[name] = NO_TOKEN
        elif name in WANTED:  # HTTP/2 may send cookies one by one (RFC 9113, 8.2.3)
            headers[name] = b"; ".join((headers[name], value)) if name in LISTS and name in headers else value
    return headers


def _form_page(scope: Scope) -> str | None:
    """Return the page whose form this is, or None if it is none."""
    rules: BodyRules = scope["app"].state.body_rules
    return rules.find_form_page(get_route_path(scope)) if scope.get("method") == "POST" else None


async def _send_away(visitor: Visitor, auth: AuthState, scope: Scope, receive: Receive, send: Send) -> None:
    if visitor.claims or ((visitor.access or visitor.is_bearer) and not visitor.is_expired):
        _log_refusal(scope, "session ended" if visitor.claims else "bad token", visitor)
    page = _form_page(scope)
    is_page = page or (scope.get("method") in ("GET", "HEAD") and is_navigation(scope))
    if visitor.is_bearer or scope["type"] == "websocket" or not is_page:
        await _refuse(visitor.refusal(), scope, receive, send)
        return
    back = below_root(scope, quote(page)) if page else requested(scope)
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


def _address(scope: Scope) -> str:
    return (scope.get("client") or ("a Unix socket",))[0]


def _log_refusal(scope: Scope, reason: object, visitor: Visitor | None = None) -> None:
    claims = visitor.claims if visitor else None
    user = claims.user_id if claims else scope.get("state", {}).get("user_id")
    logger.warning("refused", reason=reason, **({"user": user} if user else {}), address=_address(scope))


def _checked_again(receive: Receive, visitor: Visitor, checked: float) -> Receive:
    """Look at the session again before a route sees the end of a body that took its time."""

    async def receive_checked() -> Message:
        message = await receive()
        is_end = message["type"] == "http.request" and not message.get("more_body")
        if is_end and monotonic() - checked > CHECK_SECONDS:
            await _check_again(visitor)
        return message

    return receive_checked


async def _check_again(visitor: Visitor) -> None:
    """Raise what FastAPI lets through while it reads a body: an `HTTPException`."""
    try:
        await visitor.check_again()
    except RedisError as error:
        _log(error)
        refusal: ApiError = HttpServiceUnavailableException()
    except ApiError as error:
        refusal = error
    else:
        return
    raise HTTPException(refusal.status_code, refusal.detail, dict(refusal.headers))


def _without_tokens(headers: RawHeaders, visitor: Visitor) -> RawHeaders:
    """Drop the cookies of a session: whoever sends a token in a header keeps the next ones there, too."""
    return [each for each in headers if each[0] != b"set-cookie" or not each[1].startswith(visitor.cookie_names)]


def _outgoing(scope: Scope, send: Send, *, no_store: bool = True, cookies: Iterable[str] = ()) -> Send:
    """Log a refusal, and keep an answer out of every cache, unless it says itself how it may be kept."""
    extra = [(b"set-cookie", cookie.encode()) for cookie in cookies]
    visitor: Visitor = scope["state"]["visitor"]

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] in REFUSALS:
                _log_refusal(scope, HTTPStatus(message["status"]).phrase)
            headers = list(message.get("headers", ()))
            if visitor.is_bearer:
                headers = _without_tokens(headers, visitor)
            if no_store and not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers + extra
        await send(message)

    return send_on
