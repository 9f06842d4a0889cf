"""The log says who was refused or changed what, and from where, without names, e-mail addresses or passwords."""

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from limits import parse_many

from src.auth.app import AuthState
from src.auth.schemes import UserData
from tests.auth.fixtures import PASSWORD, NewClient, NewUserFixture, login

NEW = "four other words nobody guesses"


def only(logs: list[str], message: str) -> str:
    """Return the one line that says this."""
    (line,) = [line for line in logs if f"| {message} " in line]
    return line


def assert_names(line: str, **fields: object) -> None:
    assert [f"{name}={value}" for name, value in fields.items() if f"{name}={value}" not in line] == [], line


async def test_lines_of_the_signed_in_name_them(
    signed_in: AsyncClient, anonymous: AsyncClient, ann: UserData, logs: list[str]
) -> None:
    """By their id; other lines name no user."""
    await signed_in.get("/users/info")
    await anonymous.get("/health/")
    lines = [line for line in logs if "| request " in line]
    assert [f"user={ann.id}" in line for line in lines] == [True, False]


@pytest.mark.parametrize("token", ["junk", "eyJ.eyJ.x"])
async def test_a_bad_token_is_an_event(anonymous: AsyncClient, logs: list[str], token: str) -> None:
    """In either cookie; the token is not shown."""
    anonymous.cookies.set("__Host-access_token", token)
    await anonymous.get("/users/info")
    assert_names(only(logs, "refused"), reason="bad token", address="127.0.0.1")
    logs.clear()
    anonymous.cookies.set("__Host-refresh_token", token)
    await anonymous.post("/auth/refresh")
    assert_names(only(logs, "refused"), reason="bad token", address="127.0.0.1")
    assert token not in only(logs, "refused")


async def test_a_token_of_an_ended_session_is_an_event(
    app: FastAPI, signed_in: AsyncClient, ann: UserData, logs: list[str]
) -> None:
    """It may be stolen; an expired or missing token is not an event."""
    async with AsyncClient(transport=ASGITransport(app), base_url="https://test", cookies=signed_in.cookies) as thief:
        await signed_in.post("/auth/logout-all")
        await thief.get("/users/info")
    await signed_in.get("/users/info")
    assert_names(only(logs, "refused"), reason="session ended", user=ann.id, address="127.0.0.1")


async def test_what_is_forbidden_is_an_event(signed_in: AsyncClient, ann: UserData, logs: list[str]) -> None:
    """A role that is missing, and a request that another site makes."""
    await signed_in.get("/users")
    assert_names(only(logs, "refused"), reason="Forbidden", user=ann.id, address="127.0.0.1")
    logs.clear()
    await signed_in.post("/auth/logout-all", headers={"Sec-Fetch-Site": "cross-site"})
    assert_names(only(logs, "refused"), reason="cross-site", address="127.0.0.1")


async def test_a_used_up_limit_is_an_event(signed_in: AsyncClient, auth: AuthState, logs: list[str]) -> None:
    """On public routes, too."""
    auth.limits._limits["LOGIN_ADDRESS"] = auth.limits._limits["PASSWORD"] = parse_many("1/hour")
    wrong = {"current_password": "wrong"}
    for _ in range(2):
        await login(signed_in)
        await signed_in.request("DELETE", "/users/info", json=wrong)
    lines = [line for line in logs if "| refused " in line]
    assert ["reason=Too Many Requests" in line for line in lines] == [True, True]
    assert ["user=" in line for line in lines] == [False, True]


async def test_failures_name_the_account_where_there_is_one(
    signed_in: AsyncClient, anonymous: AsyncClient, ann: UserData, logs: list[str]
) -> None:
    """By its id, never by what was typed."""
    await login(anonymous, "ann", "wrong")
    assert_names(only(logs, "sign-in failed"), user=ann.id, address="127.0.0.1")
    logs.clear()
    await login(anonymous, "nobody", "wrong")
    assert "nobody" not in only(logs, "sign-in failed")
    await signed_in.request("DELETE", "/users/info", json={"current_password": "wrong"})
    assert_names(only(logs, "confirmation failed"), user=ann.id, address="127.0.0.1")
    assert_names(only(logs, "account deleted"), user=ann.id, outcome="WrongPasswordException")


async def test_changes_are_events_with_their_outcome(
    signed_in: AsyncClient, superuser: AsyncClient, new_user: NewUserFixture, ann: UserData, logs: list[str]
) -> None:
    """Of names, addresses, passwords and roles."""
    await new_user("bob")
    for name, outcome in (("bob", "IntegrityError"), ("anna", "ok")):
        logs.clear()
        body = {"username": name, "email": f"{name}@example.org", "current_password": PASSWORD}
        await signed_in.patch("/users/info", json=body)
        line = only(logs, "profile changed")
        assert_names(line, user=ann.id, address="127.0.0.1", fields="email,username", outcome=outcome)
        assert name not in line
    for password, outcome in (("wrong", "WrongPasswordException"), (PASSWORD, "ok")):
        logs.clear()
        await signed_in.post("/auth/change-password", json={"current_password": password, "new_password": NEW})
        assert_names(only(logs, "password changed"), user=ann.id, address="127.0.0.1", outcome=outcome)
    root = (await superuser.get("/users/info")).json()["id"]
    for user, outcome in ((ann.id, "ok"), (root, "LastSuperuserException")):
        logs.clear()
        await superuser.patch(f"/users/{user}", json={"is_superuser": False})
        line = only(logs, "user changed")
        assert_names(line, user=user, by=root, address="127.0.0.1", fields="is_superuser", outcome=outcome)


async def test_a_proxy_that_is_not_listed_is_named_once(app: FastAPI, new_client: NewClient, logs: list[str]) -> None:
    """The address from a listed proxy is the client's; of unlisted ones only the first few are named."""
    for number in (1, 1, *range(2, 40)):
        client = await new_client(transport=ASGITransport(app, client=(f"10.0.0.{number}", 4711)))
        await client.get("/health", headers={"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})
    named = [line for line in logs if "proxy not in FORWARDED_ALLOW_IPS" in line]
    assert ("WARNING" in named[0], len([line for line in named if "proxy=10.0.0.1\n" in line])) == (True, 1)
    assert len(named) == 16
    logs.clear()
    listed = await new_client(transport=ASGITransport(app, client=("192.0.2.8", 0)))
    await listed.get("/health", headers={"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})
    assert not [line for line in logs if "FORWARDED_ALLOW_IPS" in line]
