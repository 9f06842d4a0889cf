"""Registration, sign-in and sessions, as a client sees them."""

import json
import time

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from src.auth import messages
from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.auth.schemes import UserData
from src.auth.sessions import session_key
from tests.auth.fixtures import PASSWORD, NewClient, NewUserFixture, login

BEA = {"username": "bea", "email": "Bea@Example.com", "password": PASSWORD}
NEW = "four other words nobody guesses"
PAGE = {"Accept": "text/html"}


async def test_whoever_registers_can_sign_in(anonymous: AsyncClient) -> None:
    """201 with the profile, no cookies yet; then 200 with them."""
    answer = await anonymous.post("/auth/register", json=BEA)
    assert (answer.status_code, answer.json()["email"]) == (201, "bea@example.com")
    assert not anonymous.cookies
    answer = await login(anonymous, "bea")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (await anonymous.get("/users/info")).json()["username"] == "bea"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"username": "ANN"}, ["username"]),
        ({"email": "ANN@example.COM"}, ["email"]),
        ({"username": "Ann", "email": "ann@example.com"}, ["email", "username"]),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_a_taken_name_is_409_and_named(
    anonymous: AsyncClient, changes: dict[str, str], fields: list[str]
) -> None:
    """Names and addresses that differ in case only are the same."""
    answer = await anonymous.post("/auth/register", json=BEA | changes)
    assert answer.status_code == 409
    assert [error["field"] for error in answer.json()["errors"]] == fields


async def test_the_signed_in_cannot_register(signed_in: AsyncClient) -> None:
    """409, and no second account."""
    answer = await signed_in.post("/auth/register", json=BEA)
    assert (answer.status_code, answer.json()) == (409, {"detail": messages.ALREADY_SIGNED_IN})


async def test_sign_in_ends_the_session_that_was_presented(
    signed_in: AsyncClient, auth: AuthState, ann: UserData
) -> None:
    """Sessions do not pile up, and one that someone else knows ends."""
    before = set(await auth.sessions.find_all(str(ann.id)))
    await login(signed_in)
    after = set(await auth.sessions.find_all(str(ann.id)))
    assert (len(before), len(after), before & after) == (1, 1, set())


@pytest.mark.parametrize("body", [{"username": "nobody"}, {"password": "wrong"}, {"username": "bob"}])
@pytest.mark.usefixtures("ann")
async def test_whoever_may_not_sign_in_learns_nothing(
    anonymous: AsyncClient, new_user: NewUserFixture, body: dict[str, str]
) -> None:
    """Unknown, wrong and inactive get one answer."""
    await new_user("bob", is_active=False)
    answer = await anonymous.post("/auth/login", json={"username": "ann", "password": PASSWORD} | body)
    assert (answer.status_code, answer.json()) == (401, {"detail": messages.WRONG_CREDENTIALS})


async def test_a_refresh_gives_new_cookies(signed_in: AsyncClient) -> None:
    """204, both tokens are new, and they work."""
    before = dict(signed_in.cookies)
    answer = await signed_in.post("/auth/refresh")
    assert answer.status_code == 204
    assert {name for name, value in signed_in.cookies.items() if before[name] != value} >= {"__Host-refresh_token"}
    assert (await signed_in.get("/users/info")).status_code == 200


async def test_a_browser_is_sent_back_to_where_it_was(signed_in: AsyncClient) -> None:
    """303 to exactly that path and query."""
    answer = await signed_in.get("/auth/refresh", params={"redirect_url": "/a/%D0%B1?c=1&d=%2F"}, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/a/%D0%B1?c=1&d=%2F")
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_a_browser_without_a_session_is_sent_to_sign_in(new_client: NewClient, auth: AuthState) -> None:
    """303 with the reason and the way back; without a login page a 401. The cookies are removed."""
    auth.settings.LOGIN_PAGE = get_auth_settings().LOGIN_PAGE = "/login"
    client = await new_client(headers=PAGE)
    answer = await client.get("/auth/refresh?redirect_url=/a%3Fb=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?reason=expired&next=%2Fa%3Fb%3D1")
    assert all("Max-Age=0" in cookie for cookie in answer.headers.get_list("set-cookie"))
    auth.settings.LOGIN_PAGE = get_auth_settings().LOGIN_PAGE = ""
    assert (await client.get("/auth/refresh")).status_code == 401


async def test_a_refresh_without_a_session_is_401(anonymous: AsyncClient) -> None:
    """And removes the cookies."""
    answer = await anonymous.post("/auth/refresh")
    assert (answer.status_code, answer.json()) == (401, {"detail": messages.SESSION_ENDED})
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_logout_ends_the_session_and_can_be_repeated(
    signed_in: AsyncClient, auth: AuthState, ann: UserData
) -> None:
    """204 each time; the key is removed from Redis."""
    assert (await signed_in.post("/auth/logout")).status_code == 204
    assert not signed_in.cookies
    assert (await signed_in.post("/auth/logout")).status_code == 204
    assert await auth.sessions.find_all(str(ann.id)) == {}


async def test_a_form_that_signs_out_is_sent_to_sign_in(signed_in: AsyncClient, auth: AuthState) -> None:
    """A person sees a page, not an empty answer."""
    auth.settings.LOGIN_PAGE = get_auth_settings().LOGIN_PAGE = "/login"
    answer = await signed_in.post("/auth/logout", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_all_devices_can_be_signed_out(signed_in: AsyncClient, new_client: NewClient) -> None:
    """The one that asked, too."""
    other = await new_client("ann")
    assert (await signed_in.post("/auth/logout-all")).status_code == 204
    assert [(await client.get("/users/info")).status_code for client in (signed_in, other)] == [401, 401]


async def test_devices_are_listed(signed_in: AsyncClient, new_client: NewClient) -> None:
    """With what tells them apart, the one that asks marked."""
    await new_client("ann", headers={"User-Agent": "phone"})
    devices = (await signed_in.get("/auth/sessions")).json()
    assert {(each["user_agent"], each["current"]) for each in devices} == {
        ("phone", False),
        ("python-httpx/0.28.1", True),
    }
    assert set(devices[0]) == {"id", "kind", "current", "created_at", "last_seen_at", "user_agent", "address"}


async def test_what_a_client_says_of_itself_is_cut(app: FastAPI, new_client: NewClient, ann: UserData) -> None:
    """A proxy may pass on any address, a client name itself as it likes."""
    transport = ASGITransport(app, client=("1" * 5000, 1))
    client = await new_client(ann.username, transport=transport, headers={"User-Agent": "x" * 5000})
    (device,) = (await client.get("/auth/sessions")).json()
    assert (len(device["address"]), len(device["user_agent"])) == (64, 256)


async def test_one_device_can_be_signed_out(signed_in: AsyncClient, new_client: NewClient) -> None:
    """204; the other one stays."""
    other = await new_client("ann")
    ids = {each["current"]: each["id"] for each in (await signed_in.get("/auth/sessions")).json()}
    assert (await signed_in.delete(f"/auth/sessions/{ids[False]}")).status_code == 204
    assert [(await client.get("/users/info")).status_code for client in (signed_in, other)] == [200, 401]


async def test_a_changed_password_ends_every_other_session(
    signed_in: AsyncClient, new_client: NewClient, auth: AuthState, ann: UserData
) -> None:
    """This one goes on under a new id; only the new password signs in."""
    other, before = await new_client("ann"), set(await auth.sessions.find_all(str(ann.id)))
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await signed_in.post("/auth/change-password", json=body)).status_code == 200
    assert [(await client.get("/users/info")).status_code for client in (signed_in, other)] == [200, 401]
    assert not before & set(await auth.sessions.find_all(str(ann.id)))
    assert [(await login(other, "ann", each)).status_code for each in (PASSWORD, NEW)] == [401, 200]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": "wrong", "new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "ann@example.com"}, "new_password"),
    ],
)
async def test_a_password_that_cannot_be_changed_is_422(
    signed_in: AsyncClient, body: dict[str, str], field: str
) -> None:
    """And names the field."""
    answer = await signed_in.post("/auth/change-password", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_sessions_stand_in_redis_under_the_users_id(
    signed_in: AsyncClient, auth: AuthState, ann: UserData
) -> None:
    """`session:{user_id}` is what the original's README looks at."""
    await signed_in.get("/users/info")
    fields = await auth.sessions._redis.hgetall(session_key(str(ann.id)))
    assert {name[:2] for name in fields} == {"s:", "us", "ve"}


async def test_a_new_session_replaces_what_is_no_hash(anonymous: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """The original's README sets a string at the key."""
    await auth.sessions._redis.set(session_key(str(ann.id)), "active")
    assert (await login(anonymous)).status_code == 200
    assert (await anonymous.get("/users/info")).status_code == 200


async def test_what_is_no_hash_signs_nobody_in(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """401 everywhere, never a 500."""
    await auth.sessions._redis.set(session_key(str(ann.id)), "active")
    answers = [await signed_in.get("/users/info"), await signed_in.post("/auth/refresh")]
    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("end", ["idle", "abs"])
async def test_a_session_that_is_over_serves_nobody(
    signed_in: AsyncClient, auth: AuthState, ann: UserData, end: str
) -> None:
    """Although the access token is still good."""
    (session_id,) = await auth.sessions.find_all(str(ann.id))
    key, field = session_key(str(ann.id)), f"s:{session_id}"
    stored = json.loads(await auth.sessions._redis.hget(key, field) or "")
    await auth.sessions._redis.hset(key, field, json.dumps(stored | {end: time.time() - 1}))
    answers = [await signed_in.get("/users/info"), await signed_in.post("/auth/refresh")]
    assert [answer.status_code for answer in answers] == [401, 401]


async def test_the_oldest_session_makes_room(new_client: NewClient, auth: AuthState, ann: UserData) -> None:
    """MAX_SESSIONS is never exceeded."""
    auth.settings.MAX_SESSIONS = 2
    clients = [await new_client("ann") for _ in range(3)]
    assert [(await client.get("/users/info")).status_code for client in clients] == [401, 200, 200]
    assert len(await auth.sessions.find_all(str(ann.id))) == 2
