"""Clients that are no browsers: the same sessions, with tokens in the Authorization header."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from httpx import AsyncClient, Response

from src.auth import messages
from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.auth.dependencies import OptionalUser
from src.auth.public_routes import PublicRoutes
from src.auth.schemes import UserData
from tests.auth.fixtures import NAVIGATION, PASSWORD, Asked, NewClient, NewUserFixture, login
from tests.auth.test_attacks import NEW, pass_grace
from tests.auth.test_middleware import cookie_of, hear

ACCESS, REFRESH = "__Host-access_token", "__Host-refresh_token"
INVALID = 'Bearer error="invalid_token"'
Tokens = dict[str, Any]


async def issue(client: AsyncClient, username: str = "ann", password: str = PASSWORD, **options: Any) -> Response:
    return await client.post("/auth/token", json={"username": username, "password": password}, **options)


async def refresh(client: AsyncClient, token: str, **options: Any) -> Response:
    return await client.post("/auth/token/refresh", json={"refresh_token": token}, **options)


def header(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def profile(client: AsyncClient, tokens: Tokens) -> Response:
    return await client.get("/users/info", headers=header(tokens))


@pytest.fixture
async def tokens(anonymous: AsyncClient, ann: UserData) -> Tokens:
    """Ann's, as an app on her telephone has them."""
    answer: Tokens = (await issue(anonymous)).json()
    return answer


@pytest.fixture
async def root_tokens(anonymous: AsyncClient, superuser: AsyncClient) -> Tokens:
    answer: Tokens = (await issue(anonymous, "root1")).json()
    return answer


@pytest.fixture
async def expired(auth: AuthState, tokens: Tokens) -> Tokens:
    """Ann's, a minute too late."""
    claims = auth.tokens.read(tokens["access_token"], "access", "bearer")
    past = int(time.time()) - 60
    old = {"sub": claims.user_id, "sid": claims.session_id, "via": "bearer", "iat": past, "exp": past + 1}
    return tokens | {"access_token": auth.tokens.sign("access", old)}


@pytest.mark.usefixtures("ann")
async def test_tokens_are_issued_for_a_password(anonymous: AsyncClient) -> None:
    """In the body (RFC 6749, 5.1), which no cache keeps, and nowhere else."""
    answer = await issue(anonymous)
    body = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert list(body) == ["access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in"]
    assert body["token_type"] == "bearer"
    assert 14 * 60 < body["expires_in"] <= 15 * 60
    assert 20_159 * 60 < body["refresh_expires_in"] <= 20_160 * 60
    assert (await profile(anonymous, body)).json()["username"] == "ann"
    assert (await issue(anonymous, "ann@example.com")).status_code == 200


@pytest.mark.parametrize(("username", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("off", PASSWORD)])
@pytest.mark.usefixtures("ann")
async def test_whoever_may_not_sign_in_gets_no_tokens(
    anonymous: AsyncClient, new_user: NewUserFixture, username: str, password: str
) -> None:
    """As at /auth/login."""
    await new_user("off", is_active=False)
    answer = await issue(anonymous, username, password)
    assert (answer.status_code, answer.json()) == (401, {"detail": messages.WRONG_CREDENTIALS})


async def test_a_signed_in_get_is_one_hmget_and_nothing_else(
    anonymous: AsyncClient, tokens: Tokens, asked: Asked, statements: list[str]
) -> None:
    """As with cookies."""
    await profile(anonymous, tokens)
    await asked()
    statements.clear()
    for _ in range(3):
        assert (await profile(anonymous, tokens)).status_code == 200
    assert (await asked(), statements) == (["HMGET"] * 3, [])


async def test_the_header_counts_on_every_route(
    app: FastAPI, anonymous: AsyncClient, tokens: Tokens, auth: AuthState, ann: UserData
) -> None:
    """The owner's too, public ones and websockets; the request's state knows who asks."""

    async def read(request: Request, user: OptionalUser) -> list[str]:
        assert request.state.visitor.via == "bearer"
        return [str(user and user.id), str(getattr(request.state, "user_id", ""))]

    async def talk(websocket: Any) -> None:
        await websocket.accept()

    app.add_api_route("/mine", read)
    app.add_api_route("/open", read)
    app.router.add_websocket_route("/live", talk)
    auth.public_routes = PublicRoutes(["/open"], app.routes)
    assert (await anonymous.get("/mine", headers=header(tokens))).json() == [str(ann.id)] * 2
    answer = await anonymous.get("/open", headers=header(tokens))
    assert (answer.json(), answer.headers["cache-control"]) == ([str(ann.id), ""], "no-store")
    assert (await hear(app, "/live", authorization=header(tokens)["Authorization"]))[0] == "websocket.accept"


async def test_a_bad_token_opens_no_websocket(app: FastAPI, signed_in: AsyncClient) -> None:
    """Whatever cookie comes with it."""

    async def talk(websocket: Any) -> None:
        await websocket.accept()

    app.router.add_websocket_route("/live", talk)
    cookie = cookie_of(signed_in)
    for value in ("Bearer", "Bearer x", f"Bearer {signed_in.cookies[ACCESS]}"):
        assert await hear(app, "/live", cookie=cookie, authorization=value) == ["websocket.close"]
    assert (await hear(app, "/live", cookie=cookie, authorization="Basic x"))[0] == "websocket.accept"


async def test_a_refresh_gives_new_tokens(anonymous: AsyncClient, tokens: Tokens, auth: AuthState) -> None:
    """The next generation, in the body again."""
    answer = await refresh(anonymous, tokens["refresh_token"])
    body = answer.json()
    assert (answer.status_code, answer.headers["cache-control"], set(body)) == (200, "no-store", set(tokens))
    assert auth.tokens.verify(body["refresh_token"], "refresh", "bearer").generation == 2
    assert (await profile(anonymous, body)).status_code == 200


async def test_a_replay_within_the_grace_gets_the_same_successor(
    anonymous: AsyncClient, tokens: Tokens, auth: AuthState
) -> None:
    """A lost answer is no reuse."""
    answers = [await refresh(anonymous, tokens["refresh_token"]) for _ in range(3)]
    found = [auth.tokens.verify(each.json()["refresh_token"], "refresh", "bearer").generation for each in answers]
    assert found == [2, 2, 2]


async def test_a_replay_after_the_grace_ends_the_session(
    anonymous: AsyncClient, tokens: Tokens, auth: AuthState, ann: UserData, logs: list[str]
) -> None:
    """For thief and victim; the event is logged, the token is not."""
    new = (await refresh(anonymous, tokens["refresh_token"])).json()
    await pass_grace(auth, ann)
    for token in (tokens["refresh_token"], new["refresh_token"]):
        answer = await refresh(anonymous, token)
        assert (answer.status_code, answer.json()["detail"]) == (401, messages.SESSION_ENDED)
    assert [(await profile(anonymous, each)).status_code for each in (tokens, new)] == [401, 401]
    (event,) = [line for line in logs if "refresh token reused" in line]
    assert str(ann.id) in event
    secrets = [each[name] for each in (tokens, new) for name in ("access_token", "refresh_token")]
    assert not [line for line in logs if any(secret in line for secret in secrets)]


async def test_an_expired_token_says_so(anonymous: AsyncClient, expired: Tokens) -> None:
    """401 with its code, for scripts and for anything that looks like a browser; the body is not executed."""
    for headers in ({}, NAVIGATION, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}):
        answer = await anonymous.get("/users/info", headers=headers | header(expired))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
        assert answer.headers["www-authenticate"] == INVALID
    answer = await anonymous.patch("/users/info", json={"username": "other"}, headers=header(expired))
    assert answer.status_code == 401
    new = (await refresh(anonymous, expired["refresh_token"], headers=header(expired))).json()
    assert (await profile(anonymous, new)).json()["username"] == "ann"


BAD: list[list[tuple[str, str | bytes]]] = [
    [("Authorization", value)]
    for value in ("Bearer", "bearer ", "Bearer x", "Bearer x y", "Bearer eyJ.eyJ.eyJ", "Bearer " + "x" * 8192, "Bearer\tx",
                  b"Bearer \xff\xfe", b"Bearer \xa0", "Bearer ,", "Bearer=x", "Bearer null")
]  # fmt: skip


@pytest.mark.parametrize("headers", BAD, ids=lambda headers: ascii(headers[0][1])[:20])
async def test_a_bad_bearer_never_falls_back_to_a_good_cookie(
    signed_in: AsyncClient, headers: list[tuple[str, str | bytes]]
) -> None:
    """401, never a redirect."""
    for more in ({}, NAVIGATION):
        raw = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in headers]
        raw += [(name.encode(), value.encode()) for name, value in more.items()]
        answer = await signed_in.get("/users/info", headers=raw)
        assert (answer.status_code, answer.json()) == (401, {"detail": messages.INVALID_BEARER})
        assert answer.headers["www-authenticate"] == INVALID


async def test_two_headers_are_none(signed_in: AsyncClient, tokens: Tokens) -> None:
    """With any values, in any order."""
    good = header(tokens)["Authorization"]
    for values in ((good, good), (good, "Basic x"), ("Basic x", good), (good, "Bearer x"), ("Basic x", "Basic x")):
        answer = await signed_in.get("/users/info", headers=[("Authorization", each) for each in values])
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, INVALID)


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest a=b", "Bearerx y", "Negotiate x", "x", ""])
async def test_another_scheme_is_ignored(signed_in: AsyncClient, anonymous: AsyncClient, value: str) -> None:
    """A proxy in front may require its own password."""
    headers = {"Authorization": value}
    assert (await signed_in.get("/users/info", headers=headers)).status_code == 200
    answer = await anonymous.get("/users/info", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Bearer  ", "Bearer\t", "\tBearer "])
async def test_the_scheme_has_no_case(anonymous: AsyncClient, tokens: Tokens, scheme: str) -> None:
    """RFC 9110, 11.1."""
    headers = {"Authorization": f"{scheme}{tokens['access_token']}"}
    assert (await anonymous.get("/users/info", headers=headers)).status_code == 200


async def test_the_header_wins_over_the_cookie(
    signed_in: AsyncClient, root_tokens: Tokens, anonymous: AsyncClient
) -> None:
    """A victim's cookie and an attacker's token are the attacker's request, all of it."""
    headers = header(root_tokens)
    assert (await signed_in.get("/users/info", headers=headers)).json()["username"] == "root1"
    await signed_in.post("/auth/logout-all", headers=headers)
    assert (await profile(anonymous, root_tokens)).status_code == 401
    assert (await signed_in.get("/users/info")).json()["username"] == "ann"


async def test_a_token_in_the_other_place_is_nothing(
    anonymous: AsyncClient, signed_in: AsyncClient, tokens: Tokens
) -> None:
    """A cookie's in the header, a header's in a cookie, each in the other's body; nor a refresh token as an access token."""
    cookies = dict(signed_in.cookies)
    for token in (*cookies.values(), tokens["refresh_token"]):
        answer = await anonymous.get("/users/info", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
    for token in (*cookies.values(), tokens["access_token"]):
        assert (await refresh(anonymous, token)).status_code == 401
    for access, refresh_token in (
        (tokens["access_token"], tokens["refresh_token"]),
        (cookies[ACCESS], tokens["refresh_token"]),
    ):
        headers = {"Cookie": f"{ACCESS}={access}; {REFRESH}={refresh_token}"}
        assert (await anonymous.post("/auth/refresh", headers=headers)).status_code == 401
    headers = {"Cookie": f"{ACCESS}={tokens['access_token']}"}
    assert (await anonymous.get("/users/info", headers=headers)).status_code == 401
    assert (await signed_in.get("/users/info")).status_code == 200


async def test_a_body_is_never_filled_from_a_cookie(
    signed_in: AsyncClient, tokens: Tokens, auth: AuthState, ann: UserData
) -> None:
    """A browser's session is no reason to hand out tokens, nor does it end when some are."""
    signed_in.cookies.set(REFRESH, tokens["refresh_token"], domain="other.local")
    for body in ({}, None, {"refresh_token": ""}, {"refresh_token": None}):
        assert (await signed_in.post("/auth/token/refresh", json=body)).status_code == 422
        assert (await signed_in.post("/auth/token", json=body)).status_code == 422
    assert (await issue(signed_in)).status_code == 200
    assert len(await auth.sessions.find_all(str(ann.id))) == 3


Deed = Callable[[AsyncClient, dict[str, str]], Awaitable[Response]]


async def change_password(client: AsyncClient, headers: dict[str, str]) -> Response:
    body = {"current_password": PASSWORD, "new_password": NEW}
    return await client.post("/auth/change-password", json=body, headers=headers)


DEEDS: dict[str, Deed] = {
    "logout": lambda client, headers: client.post("/auth/logout", headers=headers),
    "logout-all": lambda client, headers: client.post("/auth/logout-all", headers=headers),
    "password": change_password,
    "deletion": lambda client, headers: client.request(
        "DELETE", "/users/info", json={"current_password": PASSWORD}, headers=headers
    ),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_nothing_old_works_after(anonymous: AsyncClient, tokens: Tokens, deed: str) -> None:
    """On the very next request; with no cookie and no redirect."""
    answer = await DEEDS[deed](anonymous, header(tokens) | NAVIGATION)
    assert answer.is_success
    assert "set-cookie" not in answer.headers
    assert (await profile(anonymous, tokens)).headers["www-authenticate"] == INVALID
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 401


@pytest.mark.parametrize("body", [{"is_active": False}, None])
async def test_nothing_works_after_a_ban(
    anonymous: AsyncClient, superuser: AsyncClient, tokens: Tokens, ann: UserData, body: dict[str, bool] | None
) -> None:
    """Nor after a deletion."""
    assert (await superuser.request("PATCH" if body else "DELETE", f"/users/{ann.id}", json=body)).is_success
    assert (await profile(anonymous, tokens)).status_code == 401
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 401


async def test_a_demoted_superuser_is_one_no_more(
    anonymous: AsyncClient, new_user: NewUserFixture, root_tokens: Tokens
) -> None:
    """From the next request on."""
    user = await new_user("former", is_superuser=True)
    former = (await issue(anonymous, "former")).json()
    assert (await anonymous.get("/users", headers=header(former))).status_code == 200
    body = {"is_superuser": False}
    assert (await anonymous.patch(f"/users/{user.id}", json=body, headers=header(root_tokens))).status_code == 200
    assert (await anonymous.get("/users", headers=header(former))).status_code == 403
    assert (await profile(anonymous, former)).status_code == 200


async def test_a_new_password_goes_on_with_new_tokens(
    anonymous: AsyncClient, tokens: Tokens, signed_in: AsyncClient
) -> None:
    """In the body; every other session ends, those of browsers too, and the reverse."""
    answer = await change_password(anonymous, header(tokens))
    assert (answer.headers["cache-control"], set(answer.json())) == ("no-store", set(tokens))
    assert (await profile(anonymous, answer.json())).status_code == 200
    assert (await refresh(anonymous, answer.json()["refresh_token"])).status_code == 200
    assert (await signed_in.get("/users/info")).status_code == 401


async def test_a_new_password_in_a_browser_ends_a_bearer(
    anonymous: AsyncClient, tokens: Tokens, signed_in: AsyncClient
) -> None:
    """The browser's answer holds no token."""
    answer = await change_password(signed_in, {})
    assert answer.json() == {"detail": messages.PASSWORD_CHANGED}
    assert (await profile(anonymous, tokens)).status_code == 401


async def test_an_expired_token_can_log_out(anonymous: AsyncClient, expired: Tokens) -> None:
    """As the cookie of one can."""
    assert (await anonymous.post("/auth/logout", headers=header(expired))).status_code == 204
    assert (await refresh(anonymous, expired["refresh_token"])).status_code == 401


async def test_it_is_listed_among_the_devices(anonymous: AsyncClient, tokens: Tokens, signed_in: AsyncClient) -> None:
    """With its kind; a browser can end it."""
    found = (await anonymous.get("/auth/sessions", headers=header(tokens))).json()
    assert {(each["kind"], each["current"]) for each in found} == {("bearer", True), ("cookie", False)}
    (device,) = [each for each in (await signed_in.get("/auth/sessions")).json() if each["kind"] == "bearer"]
    assert (await signed_in.delete(f"/auth/sessions/{device['id']}")).status_code == 204
    assert (await profile(anonymous, tokens)).status_code == 401


async def test_a_script_that_signs_in_at_each_run_ends_no_browser(
    anonymous: AsyncClient, signed_in: AsyncClient, auth: AuthState, new_client: NewClient
) -> None:
    """MAX_SESSIONS counts each kind alone, in both directions."""
    auth.settings.MAX_SESSIONS = 2
    found = [(await issue(anonymous)).json() for _ in range(3)]
    assert [(await profile(anonymous, each)).status_code for each in found] == [401, 200, 200]
    assert (await signed_in.get("/users/info")).status_code == 200
    for _ in range(2):
        await new_client("ann")
    assert (await signed_in.get("/users/info")).status_code == 401
    assert [(await profile(anonymous, each)).status_code for each in found] == [401, 200, 200]


async def test_a_new_sign_in_ends_the_session_that_was_presented(anonymous: AsyncClient, tokens: Tokens) -> None:
    """By its own header only."""
    assert (await issue(anonymous, headers=header(tokens))).status_code == 200
    assert (await profile(anonymous, tokens)).status_code == 401


PAGES = ["/", "/login", "/register", "/auth/refresh", "/nowhere", "/users/info", "/health"]


@pytest.mark.parametrize("kind", ["good", "expired", "bad"])
async def test_nothing_redirects_or_sets_a_cookie(
    signed_in: AsyncClient, expired: Tokens, auth: AuthState, kind: str
) -> None:
    """On any page, with any cookies; sign-in with cookies neither."""
    auth.settings.LOGIN_PAGE = get_auth_settings().LOGIN_PAGE = "/login"
    good = (await issue(signed_in)).json()
    chosen = {"good": good, "expired": expired, "bad": {"access_token": "x"}}[kind]
    answers = [await signed_in.get(path, headers=header(chosen) | NAVIGATION) for path in PAGES]
    answers += [
        await signed_in.post(f"/auth/{path}", headers=header(chosen) | NAVIGATION) for path in ("refresh", "logout")
    ]
    answers.append(await login(signed_in, headers=header(chosen)))
    for answer in answers:
        assert not answer.is_redirect, answer.url
        assert "set-cookie" not in answer.headers, answer.url


@pytest.mark.usefixtures("ann")
async def test_tokens_and_cookies_of_a_response_are_told_apart(
    app: FastAPI, anonymous: AsyncClient, tokens: Tokens
) -> None:
    """The owner's own cookies are left alone."""

    async def answer() -> Any:
        response = HTMLResponse()
        response.set_cookie("color", "blue")
        return response

    app.add_api_route("/color", answer)
    found = await anonymous.get("/color", headers=header(tokens))
    assert found.headers["set-cookie"].startswith("color=blue")


CROSS_SITE = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.com"}]


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_site_may_not_post_with_a_token(
    anonymous: AsyncClient, tokens: Tokens, headers: dict[str, str]
) -> None:
    """Nor ask for one: no check is loosened."""
    for path in ("/auth/logout-all", "/auth/token", "/auth/token/refresh"):
        assert (await anonymous.post(path, headers=headers | header(tokens))).status_code == 403
    assert (await profile(anonymous, tokens)).status_code == 200


@pytest.mark.usefixtures("limited", "ann")
async def test_a_second_door_gives_no_second_budget(anonymous: AsyncClient) -> None:
    """Failures at /auth/token and at /auth/login count together, by account."""
    doors = [await (login if number % 2 else issue)(anonymous, "ann", "wrong") for number in range(11)]
    assert [answer.status_code for answer in doors] == [401] * 10 + [429]
    assert (await issue(anonymous)).status_code == 429
    assert (await login(anonymous)).status_code == 429


@pytest.mark.usefixtures("limited")
async def test_the_doors_share_the_attempts_of_an_address(anonymous: AsyncClient) -> None:
    """Twenty in five minutes, over all names."""
    answers = [await (login if number % 2 else issue)(anonymous, f"user{number}") for number in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]


async def test_new_tokens_are_limited_by_session(limited: AuthState, anonymous: AsyncClient, tokens: Tokens) -> None:
    """As in cookies."""
    limited.settings.REFRESH_GRACE_SECONDS = 0
    found = []
    for _ in range(31):
        answer = await refresh(anonymous, tokens["refresh_token"])
        found.append(answer.status_code)
        tokens = answer.json() if answer.is_success else tokens
    assert found == [200] * 30 + [429]


@pytest.mark.parametrize("token", ["x" * 1024, "\ud800", "\x00", "eyJ.eyJ.eyJ", "а" * 500])
async def test_no_refresh_token_breaks_it(anonymous: AsyncClient, token: str) -> None:
    """4xx, and it is not repeated."""
    body = json.dumps({"refresh_token": token})
    answer = await anonymous.post("/auth/token/refresh", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (401, 422)
    assert token not in answer.text


async def test_a_token_that_is_refused_is_an_event(anonymous: AsyncClient, tokens: Tokens, logs: list[str]) -> None:
    """With the address, never with the token."""
    await anonymous.get("/users/info", headers={"Authorization": "Bearer s3cret-word"})
    await anonymous.post("/auth/logout", headers=header(tokens))
    await profile(anonymous, tokens)
    refused = [line for line in logs if "refused" in line]
    assert ["bad token" in refused[0], "session ended" in refused[1], len(refused)] == [True, True, 2]
    assert not [line for line in logs if "s3cret" in line or tokens["access_token"] in line]
