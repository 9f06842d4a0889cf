"""Attacks with stolen, old or forged credentials, through the whole service."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from src import routers
from src.auth.app import AuthState
from src.auth.passwords import PasswordHasher
from src.auth.schemes import UserData
from src.auth.sessions import session_key
from src.main import create_app
from tests.auth.fixtures import NAVIGATION, PASSWORD, NewClient, NewUserFixture, login

ACCESS, REFRESH = "__Host-access_token", "__Host-refresh_token"
NEW = "four other words nobody guesses"


@pytest.fixture
async def other_process(app: FastAPI) -> AsyncIterator[FastAPI]:
    """A second process of the service: it shares only the servers."""
    other = create_app()
    async with other.router.lifespan_context(other):
        yield other


def stolen(client: AsyncClient) -> dict[str, str]:
    """Copy the cookies, as a thief would."""
    return dict(client.cookies)


async def use(app: FastAPI, cookies: dict[str, str], method: str = "GET", path: str = "/users/info") -> Response:
    async with AsyncClient(transport=ASGITransport(app), base_url="https://test", cookies=cookies) as client:
        return await client.request(method, path)


async def refresh(app: FastAPI, token: str) -> Response:
    return await use(app, {REFRESH: token}, "POST", "/auth/refresh")


async def pass_grace(auth: AuthState, user: UserData) -> None:
    """Let the time go by after which a replaced token is stolen goods."""
    key = session_key(str(user.id))
    for name, text in (await auth.sessions._redis.hgetall(key)).items():
        if str(name).startswith("s:"):
            await auth.sessions._redis.hset(key, name, json.dumps(json.loads(text) | {"rot": 0}))


async def works(app: FastAPI, cookies: dict[str, str]) -> bool:
    """Whether either token still does anything."""
    answers = [await use(app, cookies), await refresh(app, cookies[REFRESH])]
    return any(answer.is_success for answer in answers)


async def test_a_refresh_token_is_no_access_token(app: FastAPI, signed_in: AsyncClient) -> None:
    """Nor the reverse, in either cookie."""
    cookies = stolen(signed_in)
    assert (await use(app, {ACCESS: cookies[REFRESH]})).status_code == 401
    assert (await refresh(app, cookies[ACCESS])).status_code == 401
    assert (await use(app, {REFRESH: cookies[REFRESH]})).status_code == 401


async def test_a_token_in_another_place_is_nothing(app: FastAPI, signed_in: AsyncClient) -> None:
    """Neither under a plain name, nor in a header or the query."""
    token = stolen(signed_in)[ACCESS]
    assert (await use(app, {"access_token": token})).status_code == 401
    assert (await use(app, {}, path=f"/users/info?access_token={token}")).status_code == 401
    async with AsyncClient(transport=ASGITransport(app), base_url="https://test") as client:
        for headers in ({"X-Access-Token": token}, {"Authorization": f"Bearer {token}"}, {"Authorization": token}):
            assert (await client.get("/users/info", headers=headers)).status_code == 401


async def test_a_replay_within_the_grace_gets_the_same_successor(
    app: FastAPI, other_process: FastAPI, signed_in: AsyncClient
) -> None:
    """From any process: tabs and retries go on."""
    token = stolen(signed_in)[REFRESH]
    answers = [await refresh(each, token) for each in (app, other_process, app)]
    assert [answer.status_code for answer in answers] == [204] * 3
    assert [(await use(other_process, dict(answer.cookies))).status_code for answer in answers] == [200] * 3


async def test_a_replay_after_the_grace_ends_the_session_for_both(
    app: FastAPI, other_process: FastAPI, signed_in: AsyncClient, auth: AuthState, ann: UserData, logs: list[str]
) -> None:
    """Also in another process, after a restart; the event is logged, the token is not."""
    before = stolen(signed_in)
    await signed_in.post("/auth/refresh")
    await pass_grace(auth, ann)
    assert (await refresh(other_process, before[REFRESH])).status_code == 401
    assert not await works(app, before)
    assert not await works(other_process, stolen(signed_in))
    (event,) = [line for line in logs if "refresh token reused" in line]
    assert str(ann.id) in event
    assert before[REFRESH] not in event


async def test_fifty_refreshes_at_once_are_fifty_successes(
    app: FastAPI, other_process: FastAPI, signed_in: AsyncClient
) -> None:
    """Across processes, and all hold the same generation."""
    token, auth = stolen(signed_in)[REFRESH], app.state.auth
    answers = await asyncio.gather(*[refresh([app, other_process][number % 2], token) for number in range(50)])
    assert [answer.status_code for answer in answers] == [204] * 50
    assert {auth.tokens.verify(answer.cookies[REFRESH], "refresh").generation for answer in answers} == {2}


async def test_eight_tabs_that_reopen_all_get_their_page(app: FastAPI, signed_in: AsyncClient) -> None:
    """Each follows its own redirect, with the cookies as they were."""
    cookies = stolen(signed_in)

    async def reopen(number: int) -> int:
        async with AsyncClient(transport=ASGITransport(app), base_url="https://test", cookies=cookies) as tab:
            url = f"/auth/refresh?redirect_url=/users/info?tab={number}"
            answer = await tab.get(url, headers=NAVIGATION, follow_redirects=True)
            return answer.status_code

    assert await asyncio.gather(*[reopen(number) for number in range(8)]) == [200] * 8


async def test_nothing_works_after_logout_nor_after_the_next_login(
    app: FastAPI, other_process: FastAPI, signed_in: AsyncClient
) -> None:
    """The original's old tokens came back to life."""
    cookies = stolen(signed_in)
    await signed_in.post("/auth/logout")
    assert not await works(app, cookies)
    assert (await login(signed_in)).status_code == 200
    assert not await works(app, cookies)
    assert not await works(other_process, cookies)


async def test_nothing_works_after_logout_everywhere(app: FastAPI, signed_in: AsyncClient) -> None:
    """Of any device."""
    cookies = stolen(signed_in)
    await signed_in.post("/auth/logout-all")
    assert not await works(app, cookies)


async def test_nothing_old_works_after_a_password_change(app: FastAPI, signed_in: AsyncClient) -> None:
    """The tokens of the very session that changed it, too."""
    cookies = stolen(signed_in)
    await signed_in.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": NEW})
    assert not await works(app, cookies)
    assert (await signed_in.get("/users/info")).status_code == 200


@pytest.mark.parametrize("deed", ["deactivation", "deletion"])
async def test_nothing_works_after(
    app: FastAPI, signed_in: AsyncClient, superuser: AsyncClient, ann: UserData, deed: str
) -> None:
    """Nor can one sign in again; activation brings no session back."""
    cookies, path = stolen(signed_in), f"/users/{ann.id}"
    body = {"is_active": False}
    answer = await (superuser.patch(path, json=body) if deed == "deactivation" else superuser.delete(path))
    assert answer.is_success
    assert not await works(app, cookies)
    assert (await login(signed_in)).status_code == 401
    await superuser.patch(path, json={"is_active": True})
    assert not await works(app, cookies)


async def test_a_demoted_superuser_is_one_no_more(
    superuser: AsyncClient, new_user: NewUserFixture, new_client: NewClient
) -> None:
    """From the next request on, in the same session."""
    user = await new_user("former", is_superuser=True)
    former = await new_client("former")
    assert (await former.get("/users")).status_code == 200
    await superuser.patch(f"/users/{user.id}", json={"is_superuser": False})
    assert [(await former.get(path)).status_code for path in ("/users", "/users/info")] == [403, 200]


@pytest.mark.parametrize("deed", ["deactivation", "deletion"])
async def test_a_login_that_races_leads_nowhere(
    anonymous: AsyncClient, superuser: AsyncClient, auth: AuthState, ann: UserData, deed: str
) -> None:
    """Its user was barred while the password was hashed, or whenever else."""
    path = f"/users/{ann.id}"

    class SlowHasher(PasswordHasher):
        async def verify(self, password: str, stored: str | None) -> bool:
            method = "PATCH" if deed == "deactivation" else "DELETE"
            assert (await superuser.request(method, path, json={"is_active": False})).is_success
            return await super().verify(password, stored)

    auth.passwords = SlowHasher(cost=4, queue=2)
    assert (await login(anonymous)).status_code == 401
    assert not anonymous.cookies
    assert not await auth.sessions.find_all(str(ann.id))


async def test_nobody_ends_a_session_of_somebody_else(
    signed_in: AsyncClient, new_client: NewClient, new_user: NewUserFixture
) -> None:
    """Its id does not help: 404, as if it were not there."""
    await new_user("mallory")
    mallory = await new_client("mallory")
    (session,) = (await signed_in.get("/auth/sessions")).json()
    for name in (session["id"], "nothing", "*", "user", "ver"):
        assert (await mallory.delete(f"/auth/sessions/{name}")).status_code == 404
    assert (await signed_in.get("/users/info")).status_code == 200


async def test_a_token_of_one_user_and_a_session_of_another_is_nobody(
    app: FastAPI, signed_in: AsyncClient, auth: AuthState, new_user: NewUserFixture
) -> None:
    """Even signed by us."""
    mallory = await new_user("mallory")
    claims = auth.tokens.verify(stolen(signed_in)[ACCESS], "access")
    mixed = auth.tokens.issue(str(mallory.id), claims.session_id, 1, int(time.time()) + 60)
    assert not await works(app, {ACCESS: mixed.access, REFRESH: mixed.refresh})


async def test_cookies_planted_before_sign_in_are_replaced(
    app: FastAPI, signed_in: AsyncClient, new_client: NewClient
) -> None:
    """Fixation: the victim gets a session that the planter does not know, and the planted one ends."""
    planted = stolen(signed_in)
    victim = await new_client()
    victim.cookies.update(planted)
    cookies = dict((await login(victim)).cookies)
    assert not {*cookies.values()} & {*planted.values()}
    assert not await works(app, planted)
    assert await works(app, cookies)


BODIES = [
    b"", b"{", b"null", b"[]", b"1", b'"x"', b"[" * 100_000, b'{"username":' * 20_000, b"\xff\xfe", b'{"username": NaN}',
    b'{"username": "\\ud800", "password": "\\udfff"}', b'{"username": "a\\u0000b", "password": "x"}',
    b'{"username": {"$ne": 1}, "password": ["x"]}', b'{"username": "\' OR 1=1--", "password": "x"}',
    b'{"username": "x", "password": "' + b"x" * 5000 + b'"}', b'{"username": "x", "username": "y", "password": "x"}',
    b'{"username": 1e999, "password": -Infinity}', '{"username": "ａnn", "password": "x"}'.encode(),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/auth/login", "/auth/register", "/auth/change-password"])
async def test_no_body_breaks_it(signed_in: AsyncClient, path: str) -> None:
    """4xx, in the one shape of errors."""
    if path == "/auth/register":
        signed_in.cookies.clear()
    for body in BODIES:
        answer = await signed_in.post(path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, body[:20]
        assert answer.json()["detail"]


async def test_a_huge_body_is_413(anonymous: AsyncClient) -> None:
    """Before it is read."""
    answer = await anonymous.post("/auth/login", content=b"x" * 2_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_a_cookie_header_cannot_break_it(app: FastAPI, anonymous: AsyncClient) -> None:
    """With any content."""
    values = ["", "a" * 4000, "\xff\xfe", '"', "eyJ.eyJ.eyJ", "=;=;=", "\t", "ey" * 500 + "." + "ey" * 300 + ".x"]
    for name in (ACCESS, REFRESH):
        for value in values:
            cookie = f"{name}={value}; {name}; ={value}".encode("latin-1")
            for method, path in (("GET", "/users/info"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")):
                answer = await anonymous.request(method, path, headers=[(b"Cookie", cookie)])
                assert answer.status_code in (204, 401)


@pytest.mark.parametrize("values", [{"is_superuser": True}, {"is_active": True}, {"id": "x"}, {"hashed_password": "x"}])
async def test_nobody_promotes_himself(signed_in: AsyncClient, anonymous: AsyncClient, values: dict[str, Any]) -> None:
    """Neither at registration nor afterwards."""
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    assert (await signed_in.patch("/users/info", json=values)).status_code == 422
    assert (await anonymous.post("/auth/register", json=body | values)).status_code == 422
    assert not (await signed_in.get("/users/info")).json()["is_superuser"]


async def test_fifty_registrations_of_one_name_make_one_account(anonymous: AsyncClient) -> None:
    """One 201, the others 409 that name the field."""
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*[anonymous.post("/auth/register", json=body) for _ in range(50)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert all(answer.json()["errors"] for answer in answers if answer.status_code == 409)


@pytest.mark.usefixtures("ann")
async def test_the_time_of_an_answer_tells_nothing(
    anonymous: AsyncClient, auth: AuthState, new_user: NewUserFixture, compared: list[tuple[str, int]]
) -> None:
    """An unknown name, a wrong password and a deactivated account cost one comparison each."""
    auth.passwords = PasswordHasher(cost=4, queue=9)
    await new_user("off", is_active=False)
    for name, password in (("ann", "wrong"), ("nobody", "wrong"), ("off", "wrong"), ("off", PASSWORD)):
        assert (await login(anonymous, name, password)).status_code == 401
    assert compared == [("passwords", 4)] * 4


async def test_the_log_holds_no_secret(
    signed_in: AsyncClient, anonymous: AsyncClient, logs: list[str], ann: UserData
) -> None:
    """No line contains a password, hash, token, cookie or e-mail address, and no input can forge a line."""
    secrets = [PASSWORD, NEW, "$2b$", ann.email, *stolen(signed_in).values(), "s3cret-word"]
    await login(anonymous, "ann\r\nforged", "s3cret-word-1234")
    await login(anonymous, "s3cret-word", "x")
    body = {"username": "x\n", "email": ann.email, "password": "s3cret-word"}
    await anonymous.post("/auth/register", json=body)
    await anonymous.post("/auth/register", json=body | {"username": "bob", "password": PASSWORD})
    await anonymous.post(
        "/auth/register", json=body | {"username": "bob", "email": "s3cret-word@x.com", "password": NEW}
    )
    await signed_in.get("/auth/refresh?redirect_url=/s3cret-word", headers=NAVIGATION)
    secrets += stolen(signed_in).values()
    await signed_in.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": NEW})
    await signed_in.request("DELETE", "/users/info", json={"current_password": "s3cret-word"})
    await signed_in.request("DELETE", "/users/info", json={"current_password": NEW})
    assert len(logs) > 10
    assert not [(secret, line) for line in logs for secret in secrets if secret in line]
    assert not [line for line in logs if line.startswith("forged")]


async def test_answers_do_not_repeat_a_password(anonymous: AsyncClient) -> None:
    """The framework's own 422 would."""
    body = {"username": "x", "email": "x", "password": "s3cret-word", "extra": "s3cret-word"}
    answer = await anonymous.post("/auth/register", json=body)
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("prefix", ["\xa0", "\x85", "\x1c", "\x1f", "\x0b", "x"], ids=ascii)
async def test_a_cookie_of_almost_that_name_is_another_one(
    app: FastAPI, signed_in: AsyncClient, superuser: AsyncClient, prefix: str
) -> None:
    """A site beside this one may set it: it signs no one into another account, wherever it stands."""
    own, foreign = stolen(signed_in)[ACCESS], stolen(superuser)[ACCESS]
    pairs = [f"{ACCESS}={own}", f"{prefix}{ACCESS}={foreign}"]
    for cookies in (pairs, pairs[::-1]):
        header = [(b"Cookie", "; ".join(cookies).encode("latin-1"))]
        async with AsyncClient(transport=ASGITransport(app), base_url="https://test") as client:
            assert (await client.get("/users/info", headers=header)).json()["username"] == "ann"
            assert (
                await client.get("/users/info", headers=[(b"Cookie", pairs[1].encode("latin-1"))])
            ).status_code == 401


async def test_a_cookie_that_comes_twice_is_none(app: FastAPI, signed_in: AsyncClient, superuser: AsyncClient) -> None:
    """Unless both are the same; spaces and tabs around it do not count."""
    own, foreign = stolen(signed_in)[ACCESS], stolen(superuser)[ACCESS]
    async with AsyncClient(transport=ASGITransport(app), base_url="https://test") as client:
        for text, status in (
            (f"{ACCESS}={own}; {ACCESS}={foreign}", 401),
            (f"{ACCESS}={own};\t {ACCESS}\t= {own}\t", 200),
        ):
            assert (await client.get("/users/info", headers=[(b"Cookie", text.encode())])).status_code == status


@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": "image/*"}, {"Sec-Fetch-Mode": "no-cors", "Accept": "text/html"}, {"Sec-Fetch-Mode": "cors"}],
)
async def test_only_a_navigation_refreshes_by_get(
    app: FastAPI, signed_in: AsyncClient, headers: dict[str, str]
) -> None:
    """An image of a site beside this one rotates nothing."""
    token = stolen(signed_in)[REFRESH]
    answer = await signed_in.get("/auth/refresh", headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert app.state.auth.tokens.verify(dict((await refresh(app, token)).cookies)[REFRESH], "refresh").generation == 2


@pytest.mark.parametrize("path", ["/users/info/", "/auth/sessions/", "/users/"])
async def test_a_slash_at_the_end_redirects_nowhere(signed_in: AsyncClient, anonymous: AsyncClient, path: str) -> None:
    """Not to the host of the request, which may be anyone's."""
    for client, status in ((signed_in, 404), (anonymous, 401)):
        assert (await client.get(path, headers={"Host": "evil.example"})).status_code == status


LIMITED = ["/auth/login", "/auth/register", "/auth/change-password", "/users/info"]


@pytest.mark.parametrize("path", LIMITED)
async def test_a_body_of_sign_in_ends_at_16_kib(signed_in: AsyncClient, path: str) -> None:
    """413; one of just that size is read."""
    method = "PATCH" if path.startswith("/users") else "POST"
    if path == "/auth/register":
        signed_in.cookies.clear()
    for size, status in ((16_384, 422), (16_385, 413)):
        body = json.dumps({"x": ""}).replace('""', f'"{"x" * (size - 9)}"')
        answer = await signed_in.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert (len(body), answer.status_code) == (size, status)


async def test_a_larger_body_is_what_the_owner_allows(
    monkeypatch: pytest.MonkeyPatch, app: FastAPI, signed_in: AsyncClient
) -> None:
    """`body_limits` of src/routers.py names the path."""
    monkeypatch.setattr(routers, "body_limits", {"/users/{name}": 20_000}, raising=False)
    app.state.body_rules = create_app().state.body_rules
    for size, status in ((19_000, 422), (21_000, 413)):
        assert (await signed_in.patch("/users/info", json={"x": "x" * size})).status_code == status
