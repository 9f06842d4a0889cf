"""The guard: who is let through, and where the others are sent."""

import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from httpx import ASGITransport, AsyncClient
from starlette.requests import Request
from starlette.types import Message

from src.auth import messages
from src.auth.app import AuthState
from src.auth.config import PUBLIC_ROUTES
from src.auth.middleware import TokenValidationMiddleware
from src.auth.public_routes import PublicRoutes
from src.auth.schemes import UserData
from src.main import create_app
from tests.auth.fixtures import NewClient
from tests.settings import forget_settings

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
ACCEPT = {"Accept": "text/html,*/*"}
SIGN_IN = {"detail": messages.NOT_AUTHENTICATED}


@pytest.fixture(autouse=True)
def with_login_page(auth: AuthState) -> None:
    auth.settings.LOGIN_PAGE = "/login"


@pytest.fixture
async def expired(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> AsyncClient:
    """Ann's client, its access token expired."""
    expire(signed_in, auth)
    return signed_in


def expire(client: AsyncClient, auth: AuthState) -> None:
    name = auth.settings.access_cookie
    claims = auth.tokens.read(client.cookies[name], "access")
    past = int(time.time()) - 60
    old = {"sub": claims.user_id, "sid": claims.session_id, "iat": past, "exp": past + 1}
    client.cookies.delete(name)
    client.cookies.set(name, auth.tokens.sign("access", old), domain="test.local")


@pytest.mark.parametrize("path", ["/users/info", "/users", "/nowhere", "/health/", "/auth/login/", "//health", "/auth"])
async def test_what_is_not_public_is_closed(anonymous: AsyncClient, path: str) -> None:
    """Unknown paths too; a client that is no browser gets 401 and a challenge (RFC 9110)."""
    answer = await anonymous.get(f"https://test{path}")
    assert (answer.status_code, answer.json()) == (401, SIGN_IN)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/docs", "/openapi.json"])
async def test_what_is_public_is_open(anonymous: AsyncClient, path: str) -> None:
    """Also with cookies that are good for nothing."""
    anonymous.cookies.set("__Host-access_token", "junk")
    assert (await anonymous.get(path)).status_code == 200


@pytest.mark.parametrize("headers", [NAVIGATE, ACCEPT, NAVIGATE | {"Accept": "*/*"}])
async def test_a_browser_is_sent_to_sign_in_and_back(anonymous: AsyncClient, headers: dict[str, str]) -> None:
    """With the path and query it asked for."""
    answer = await anonymous.get("/users/info?a=1&b=%D0%B1%2F", headers=headers)
    location = "/login?next=%2Fusers%2Finfo%3Fa%3D1%26b%3D%25D0%25B1%252F"
    assert (answer.status_code, answer.headers["location"]) == (303, location)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, {"Sec-Fetch-Mode": "no-cors"}]
)
async def test_a_script_is_told_in_json(anonymous: AsyncClient, method: str, headers: dict[str, str]) -> None:
    """Whatever it accepts; a POST is never a navigation."""
    answer = await anonymous.request(method, "/users/info", headers=headers if method == "GET" else NAVIGATE)
    assert (answer.status_code, answer.json()) == (401, SIGN_IN)


async def test_without_a_login_page_browsers_get_the_401(anonymous: AsyncClient, auth: AuthState) -> None:
    """LOGIN_PAGE is empty where there are no pages."""
    auth.settings.LOGIN_PAGE = ""
    assert (await anonymous.get("/users/info", headers=NAVIGATE)).status_code == 401


async def test_an_expired_token_sends_a_browser_to_refresh_and_back(expired: AsyncClient) -> None:
    """Two redirects later it has its page."""
    first = await expired.get("/users/info?a=%2F", headers=NAVIGATE)
    assert first.headers["location"] == "/auth/refresh?redirect_url=%2Fusers%2Finfo%3Fa%3D%252F"
    second = await expired.get(first.headers["location"], headers=NAVIGATE)
    assert (second.status_code, second.headers["location"]) == (303, "/users/info?a=%2F")
    assert (await expired.get(second.headers["location"], headers=NAVIGATE)).status_code == 200


async def test_a_head_is_a_navigation_too(expired: AsyncClient) -> None:
    """Whoever looks at a page without its content gets to it as well."""
    answer = await expired.head("/pictures", headers=NAVIGATE)
    answer = await expired.head(answer.headers["location"], headers=NAVIGATE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pictures")


async def test_cookies_may_come_one_by_one(signed_in: AsyncClient) -> None:
    """As HTTP/2 lets them (RFC 9113, 8.2.3)."""
    cookies = [f"{name}={value}" for name, value in signed_in.cookies.items()]
    signed_in.cookies.clear()
    for order in (cookies, cookies[::-1], [*cookies, "a=b"], ["a=b", *cookies]):
        assert (await signed_in.get("/users/info", headers=[("Cookie", each) for each in order])).status_code == 200


async def test_an_expired_token_tells_a_script_to_refresh(expired: AsyncClient) -> None:
    """The body is not executed."""
    answer = await expired.patch("/users/info", json={"username": "other"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert (await expired.post("/auth/refresh")).status_code == 204
    assert (await expired.get("/users/info")).json()["username"] == "ann"


async def test_an_expired_token_alone_is_no_session(expired: AsyncClient, auth: AuthState) -> None:
    """Without a refresh token there is nothing to refresh."""
    expired.cookies.set(auth.settings.refresh_cookie, "junk", domain="test.local")
    assert (await expired.get("/users/info")).json() == SIGN_IN


@pytest.mark.parametrize("path", ["/users/info", "/health", "/nowhere", "/auth/sessions", "/docs"])
async def test_the_signed_in_get_nothing_that_is_cached(signed_in: AsyncClient, path: str) -> None:
    """Public routes included: they may show who looks."""
    assert (await signed_in.get(path)).headers["cache-control"] == "no-store"


async def test_the_request_knows_who_asks(app: FastAPI, signed_in: AsyncClient, ann: UserData) -> None:
    """`request.state.user_id` and `session_id`."""

    @app.get("/state")
    async def read(request: Request) -> list[str]:
        return [str(request.state.user_id), request.state.session_id]

    user_id, session_id = (await signed_in.get("/state")).json()
    assert (user_id, len(session_id)) == (str(ann.id), 32)


CROSS_SITE: list[tuple[dict[str, str], int]] = [
    ({}, 204),
    ({"Sec-Fetch-Site": "same-origin"}, 204),
    ({"Sec-Fetch-Site": "none"}, 204),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "Same-Origin"}, 403),
    ({"Sec-Fetch-Site": ""}, 403),
    ({"Origin": "https://test"}, 204),
    ({"Origin": "https://TEST"}, 204),
    ({"Origin": "https://evil.com"}, 403),
    ({"Origin": "https://test.evil.com"}, 403),
    ({"Origin": "https://test:444"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://test"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.com"}, 204),
    ({"Origin": "https://friend.com"}, 204),
    ({"Origin": "https://friend.com.evil.com"}, 403),
]


@pytest.mark.parametrize("name", ["ann", None])
@pytest.mark.usefixtures("ann")
async def test_requests_of_other_sites_are_refused(app: FastAPI, new_client: NewClient, name: str | None) -> None:
    """Also without cookies, so that no one is signed in as someone else; CORS_ORIGINS are allowed."""
    client = await new_client(name)
    _guard_of(app)._origins = frozenset({b"https://friend.com"})
    for headers, status in CROSS_SITE:
        assert (await client.post("/auth/logout", headers=headers)).status_code == status, headers


async def test_a_friendly_site_can_read_why_it_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CORS_ORIGINS lists passes the guard, and its answers carry the headers that a browser asks for."""
    monkeypatch.setenv("CORS_ORIGINS", "https://friend.com")
    forget_settings()
    async with AsyncClient(transport=ASGITransport(create_app()), base_url="https://test") as client:
        headers = {"Origin": "https://friend.com", "Sec-Fetch-Site": "cross-site"}
        for method in ("GET", "POST"):
            answer = await client.request(method, "/users/info", headers=headers)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "https://friend.com")
        answer = await client.post("/users/info", headers=headers | {"Origin": "https://evil.com"})
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)


def _guard_of(app: FastAPI) -> TokenValidationMiddleware:
    app.middleware_stack = app.middleware_stack or app.build_middleware_stack()
    layer: Any = app.middleware_stack
    while not isinstance(layer, TokenValidationMiddleware):
        layer = layer.app
    return layer


async def test_reading_from_another_site_is_no_forgery(signed_in: AsyncClient) -> None:
    """GET changes nothing; the browser keeps the answer from the other site."""
    assert (await signed_in.get("/users/info", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200


TEMPLATES = ["/exhibits/{slug}", "/open", "/files/{path:path}"]


@pytest.fixture
def exhibits(app: FastAPI, auth: AuthState) -> None:
    """Public routes by template, beside private ones that fit them too."""
    router = APIRouter()
    for path in ("/exhibits/drafts", "/exhibits/{slug}", "/exhibits/{slug}/edit", "/open", "/files/{path:path}"):
        router.add_api_route(path, _answer, methods=["GET"])
    app.include_router(router)
    auth.public_routes = PublicRoutes([*PUBLIC_ROUTES, *TEMPLATES], app.routes)


async def _answer() -> str:
    return "ok"


PATHS = [
    ("/exhibits/one", 200), ("/open", 200), ("/files/a/b", 200), ("/exhibits/drafts", 401), ("/exhibits", 401),
    ("/exhibits/one/edit", 401), ("/exhibits/one/", 401), ("/exhibits/one%2Fedit", 401), ("/open/", 401), ("/OPEN", 401),
    ("/open/../users/info", 401), ("//open", 401), ("/open;x", 401), ("/open%00", 401), ("/open%0a", 401),
    ("/exhibits/..%2f..%2fusers%2finfo", 401), ("/openx", 401), ("/exhibits/x%0a", 200), ("/%6Fpen", 200),
    ("/exhibits/%2e%2e/users/info", 401), ("/exhibits/", 401),
]  # fmt: skip


@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.usefixtures("exhibits")
async def test_public_routes_open_themselves_only(app: FastAPI, anonymous: AsyncClient, root_path: str) -> None:
    """No spelling of another path gets through, with any prefix that a proxy strips."""
    app.root_path = root_path
    for path, status in PATHS:
        assert (await anonymous.get(f"https://test{path}")).status_code == status, path


@pytest.mark.usefixtures("exhibits")
async def test_a_public_path_opens_no_private_route_that_fits_it_too(app: FastAPI, anonymous: AsyncClient) -> None:
    """Of another method, of a websocket, or of another name for its parameter."""
    for method in ("POST", "GET"):
        app.add_api_route("/{shelf}/{name:path}", _answer, methods=[method])
        app.add_api_route("/{name}", _answer, methods=[method])

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    app.add_api_websocket_route("/exhibits/{name}", talk)
    for method, path, status in [
        ("GET", "/open", 200), ("POST", "/open", 401), ("POST", "/health", 401), ("POST", "/exhibits/one", 401),
        ("GET", "/exhibits/one", 200), ("PUT", "/exhibits/one", 405), ("PUT", "/health", 405), ("GET", "/auth/login", 401),
        ("POST", "/docs", 401), ("POST", "/files/a/b", 401),
    ]:  # fmt: skip
        assert (await anonymous.request(method, path)).status_code == status, (method, path)
    assert await hear(app, "/exhibits/one") == ["websocket.close"]


async def test_a_path_can_be_opened_alone(app: FastAPI, anonymous: AsyncClient, auth: AuthState) -> None:
    """Of all that a route serves."""
    app.add_api_route("/exhibits/{slug}", _answer, methods=["GET"])
    auth.public_routes = PublicRoutes([*PUBLIC_ROUTES, "/exhibits/one"], app.routes)
    assert [(await anonymous.get(f"/exhibits/{name}")).status_code for name in ("one", "two")] == [200, 401]


@pytest.mark.parametrize("path", ["/users/info", "/api/users/info", "/api/api/users/info", "/health/../users/info"])
async def test_root_path_opens_nothing(app: FastAPI, anonymous: AsyncClient, path: str) -> None:
    """It opened the original's guarded routes."""
    app.root_path = "/api"
    assert (await anonymous.get(f"https://test{path}")).status_code == 401
    assert (await anonymous.get("https://test/health")).status_code == 200
    assert (await anonymous.get("https://test/api/health")).status_code == 200


async def test_redirects_keep_root_path(app: FastAPI, anonymous: AsyncClient) -> None:
    """Redirects carry the prefix that the proxy strips."""
    app.root_path = "/api"
    answer = await anonymous.get("/users/info", headers=NAVIGATE)
    assert answer.headers["location"] == "/api/login?next=%2Fapi%2Fusers%2Finfo"


async def hear(app: FastAPI, path: str, **headers: str) -> list[str]:
    """Connect to a websocket; return the kinds of messages it sent."""
    sent: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    raw = [(name.encode(), value.encode()) for name, value in {"host": "test", **headers}.items()]
    await app({"type": "websocket", "path": path, "headers": raw, "query_string": b""}, receive, send)
    return sent


def cookie_of(client: AsyncClient) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.fixture
def websockets(app: FastAPI, exhibits: None) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    for path in ("/ws", "/exhibits/{slug}/live", "/open"):
        app.add_api_websocket_route(path, talk)


@pytest.mark.parametrize("root_path", ["", "/exhibits"])
@pytest.mark.usefixtures("websockets", "anonymous")
async def test_a_websocket_of_nobody_is_closed(app: FastAPI, root_path: str) -> None:
    """Before it is accepted."""
    app.root_path = root_path
    app.state.body_rules.add(forms=["/ws"])
    for path in ("/ws", "/nowhere", "/health", "/open/", "/exhibits/one/live"):
        assert await hear(app, path) == ["websocket.close"], path


@pytest.mark.usefixtures("websockets")
async def test_a_websocket_of_the_signed_in_is_open(app: FastAPI, signed_in: AsyncClient) -> None:
    """And public ones are for everybody."""
    assert (await hear(app, "/ws", cookie=cookie_of(signed_in)))[0] == "websocket.accept"
    assert (await hear(app, "/open"))[0] == "websocket.accept"


@pytest.mark.usefixtures("websockets")
async def test_a_websocket_of_another_site_is_closed(app: FastAPI, signed_in: AsyncClient) -> None:
    """Browsers do not keep one site from connecting to another."""
    cookie = cookie_of(signed_in)
    assert await hear(app, "/ws", cookie=cookie, origin="https://evil.com") == ["websocket.close"]
    assert (await hear(app, "/ws", cookie=cookie, origin="https://test"))[0] == "websocket.accept"


@pytest.fixture
def guest_page(app: FastAPI, auth: AuthState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page to sign in on, and one with a form."""

    async def page() -> str:
        return "page"

    monkeypatch.setattr("src.auth.middleware.GUEST_PAGES", frozenset({"/enter"}))
    app.state.body_rules.add(forms=["/settings"])
    app.add_api_route("/enter", page, methods=["GET"])
    app.add_api_route("/settings/name", page, methods=["POST"])
    auth.public_routes = PublicRoutes([*PUBLIC_ROUTES, "/enter"], app.routes)


@pytest.mark.parametrize(
    ("query", "location"),
    [("", "/"), ("?next=/a%3Fb", "/a?b"), ("?next=//evil.com", "/"), ("?next=https://evil.com", "/"), ("?next=", "/")],
)
@pytest.mark.usefixtures("guest_page")
async def test_the_signed_in_are_kept_off_the_login_page(signed_in: AsyncClient, query: str, location: str) -> None:
    """303 to where it would have sent them."""
    answer = await signed_in.get(f"/enter{query}")
    assert (answer.status_code, answer.headers["location"]) == (303, location)


@pytest.mark.usefixtures("guest_page")
async def test_useless_cookies_are_removed_on_the_login_page(expired: AsyncClient, anonymous: AsyncClient) -> None:
    """The page is shown, for expired tokens and for junk."""
    anonymous.cookies.set("__Host-access_token", "junk")
    for client in (expired, anonymous):
        answer = await client.get("/enter", headers=NAVIGATE)
        assert answer.status_code == 200
        assert ["=; Max-Age=0;" in cookie for cookie in answer.headers.get_list("set-cookie")] == [True, True]


@pytest.mark.usefixtures("guest_page")
async def test_a_form_sent_too_late_leads_back_to_its_page(anonymous: AsyncClient, expired: AsyncClient) -> None:
    """Never to JSON."""
    answer = await anonymous.post("/settings/name", headers=NAVIGATE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fsettings")
    assert (await anonymous.get("/settings/name")).json() == SIGN_IN
    answer = await expired.post("/settings/name", headers=NAVIGATE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/refresh?redirect_url=%2Fsettings")
