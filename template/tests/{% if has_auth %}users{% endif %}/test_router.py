"""Users: their own profile, and what superusers do with all of them."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from src.auth import messages
from src.auth.app import AuthState
from src.auth.managers import UserManager
from src.auth.schemes import UserData
from src.auth.sessions import session_key
from src.database.session import Database
from src.users.schemes import UserChangesBySuperuser
from tests.auth.fixtures import PASSWORD, NewClient, NewUserFixture, login

FIELDS = {"id", "username", "email", "is_active", "is_superuser", "is_verified", "created_at", "updated_at"}


async def test_ones_own_profile(signed_in: AsyncClient, ann: UserData) -> None:
    """The public columns of a user are returned, yours among them, and never the hash of the password."""
    answer = await signed_in.get("/users/info")
    assert answer.status_code == 200
    assert set(answer.json()) >= FIELDS
    assert "hashed_password" not in answer.json()
    assert UserData.model_validate(answer.json()) == ann


async def test_a_profile_can_be_changed(signed_in: AsyncClient) -> None:
    """The change is seen at once, and only what was sent is changed."""
    answer = await signed_in.patch("/users/info", json={"username": "anna", "current_password": PASSWORD})
    assert (answer.status_code, answer.json()["username"]) == (200, "anna")
    assert (await signed_in.get("/users/info")).json() == answer.json()
    assert answer.json()["email"] == "ann@example.com"


async def test_another_address_is_not_verified(new_user: NewUserFixture, new_client: NewClient) -> None:
    """The same address in another case stays verified."""
    await new_user("vera", is_verified=True)
    vera = await new_client("vera")
    bodies = [{"email": f"{name}@example.com", "current_password": PASSWORD} for name in ("VERA", "other")]
    answers = [await vera.patch("/users/info", json=body) for body in bodies]
    assert [answer.json()["is_verified"] for answer in answers] == [True, False]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"username": "BOB"}, 409), ({"email": "Bob@example.com"}, 409), ({"username": "x"}, 422), ({"username": None}, 422),
     ({"is_superuser": True}, 422), ({"username": "admin"}, 422), ({}, 200), ({"username": "ANN"}, 200)],
)  # fmt: skip
async def test_a_profile_follows_the_rules_of_registration(
    signed_in: AsyncClient, new_user: NewUserFixture, body: dict[str, Any], status: int
) -> None:
    """Taken, invalid, reserved; nothing to change is no error."""
    await new_user("bob")
    answer = await signed_in.patch("/users/info", json=body | {"current_password": PASSWORD})
    assert answer.status_code == status
    if status == 409:
        assert [error["field"] for error in answer.json()["errors"]] == list(body)


async def test_an_account_is_deleted_with_its_password(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """A wrong one deletes nothing; the right one ends the sessions and removes the cookies."""
    answer = await signed_in.request("DELETE", "/users/info", json={"current_password": "wrong"})
    assert answer.json()["errors"] == [{"field": "current_password", "message": messages.WRONG_PASSWORD}]
    assert (await signed_in.request("DELETE", "/users/info", json={"current_password": PASSWORD})).status_code == 204
    assert not signed_in.cookies
    assert not await auth.sessions._redis.exists(session_key(str(ann.id)))
    assert (await login(signed_in)).status_code == 401


async def test_an_account_is_deleted_once(signed_in: AsyncClient) -> None:
    """Of two simultaneous requests, one finds its user deleted: 401, as documented."""
    sent = {"current_password": PASSWORD}
    answers = await asyncio.gather(*[signed_in.request("DELETE", "/users/info", json=sent) for _ in range(2)])
    assert sorted(answer.status_code for answer in answers) in ([204, 401], [204, 422])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_others_are_a_superusers_business(signed_in: AsyncClient, ann: UserData, method: str) -> None:
    """Even oneself, by that way."""
    for path in ("/users", f"/users/{ann.id}"):
        answer = await signed_in.request(method, path, json={"is_superuser": True} if method == "PATCH" else None)
        assert answer.status_code == (405 if path == "/users" and method != "GET" else 403)


async def test_users_are_listed_page_by_page(superuser: AsyncClient, new_user: NewUserFixture) -> None:
    """Each of them once, in the order of their creation."""
    names = ["root1", *[(await new_user(f"user{number}")).username for number in range(6)]]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params: dict[str, Any] = {"limit": 3} | ({"after": cursor} if cursor else {})
        page = (await superuser.get("/users", params=params)).json()
        seen += [user["username"] for user in page["items"]]
        cursor = page["next_cursor"]
    assert seen == names


@pytest.mark.parametrize(
    ("params", "names"),
    [({"username": "bob"}, ["bob"]), ({"is_active": "false"}, ["bob"]), ({"is_superuser": "true"}, ["root1"]),
     ({"email": "nobody@example.com"}, []), ({"is_active": "true", "is_superuser": "false"}, ["ann"])],
)  # fmt: skip
@pytest.mark.usefixtures("ann")
async def test_users_are_filtered(
    superuser: AsyncClient, new_user: NewUserFixture, params: dict[str, str], names: list[str]
) -> None:
    """By what they are."""
    await new_user("bob", is_active=False)
    assert [user["username"] for user in (await superuser.get("/users", params=params)).json()["items"]] == names


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 101}, {"after": "junk"}, {"hashed_password": "x"}, {"after": "é"}]
)
async def test_a_strange_page_is_422(superuser: AsyncClient, params: dict[str, Any]) -> None:
    """Limits, cursors and filters are checked."""
    assert (await superuser.get("/users", params=params)).status_code == 422


async def test_a_user_is_read_changed_and_deleted(superuser: AsyncClient, ann: UserData) -> None:
    """Afterwards the id is unknown."""
    path = f"/users/{ann.id}"
    assert (await superuser.get(path)).json()["username"] == "ann"
    changed = await superuser.patch(path, json={"is_superuser": True, "is_verified": True, "username": "anna"})
    assert (changed.json()["is_superuser"], changed.json()["is_verified"], changed.json()["username"]) == (
        True,
        True,
        "anna",
    )
    assert (await superuser.delete(path)).status_code == 204
    calls = [superuser.get(path), superuser.patch(path, json={"is_active": True}), superuser.delete(path)]
    assert [answer.status_code for answer in await asyncio.gather(*calls)] == [404] * 3


@pytest.mark.parametrize("body", [{"is_active": False}, {"is_superuser": False}])
async def test_the_last_superuser_stays(
    superuser: AsyncClient, new_user: NewUserFixture, body: dict[str, bool]
) -> None:
    """An inactive one does not count; neither demoted, deactivated nor deleted, by any route."""
    await new_user("off", is_superuser=True, is_active=False)
    path = f"/users/{(await superuser.get('/users/info')).json()['id']}"
    answer = await superuser.patch(path, json=body)
    assert (answer.status_code, answer.json()["detail"]) == (409, messages.LAST_SUPERUSER)
    assert (await superuser.request("DELETE", "/users/info", json={"current_password": PASSWORD})).status_code == 409
    await new_user("second", is_superuser=True)
    assert (await superuser.patch(path, json=body)).is_success


WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def count_waiting(database: Database) -> int:
    async with database.session() as session:
        return await session.scalar(WAITING) or 0


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"is_superuser": False}), ("DELETE", None)])
async def test_two_superusers_who_unseat_each_other_leave_one(
    new_user: NewUserFixture, new_client: NewClient, database: Database, method: str, body: dict[str, bool] | None
) -> None:
    """At the same moment, too: one waits for the other, and then is no superuser any more."""
    one, two = [await new_user(name, is_superuser=True) for name in ("one", "two")]
    client = await new_client("one")
    async with database.session(commit=True) as session:
        await UserManager().lock_superusers(session)
        answer = asyncio.create_task(client.request(method, f"/users/{two.id}", json=body))
        while not answer.done() and not await count_waiting(database):
            pass
        await UserManager().update_by_id(session, one.id, UserChangesBySuperuser(is_superuser=False))
    assert (await answer).status_code == 403
    async with database.session() as session:
        assert await UserManager().lock_superusers(session) == {two.id}


@pytest.mark.parametrize(
    ("body", "status"),
    [({"username": "anna"}, 422), ({"email": "anna@example.com"}, 422), ({"username": "bob"}, 422),
     ({"username": "bob", "current_password": "wrong"}, 422), ({"username": "bob", "current_password": PASSWORD}, 409),
     ({"username": "ann", "email": "ANN@example.com"}, 200), ({"current_password": "wrong"}, 200)],
)  # fmt: skip
async def test_another_name_or_address_asks_for_the_password(
    signed_in: AsyncClient, new_user: NewUserFixture, body: dict[str, Any], status: int
) -> None:
    """Before anything is said about who has it; what stays the same asks for nothing."""
    await new_user("bob")
    answer = await signed_in.patch("/users/info", json=body)
    assert answer.status_code == status
    if status == 422:
        assert [error["field"] for error in answer.json()["errors"]] == ["current_password"]
        assert (await signed_in.get("/users/info")).json()["username"] == "ann"


async def test_a_superusers_session_is_not_their_password(superuser: AsyncClient, new_user: NewUserFixture) -> None:
    """Their own name and address change, and their account is deleted, under /users/info."""
    await new_user("second", is_superuser=True)
    path = f"/users/{(await superuser.get('/users/info')).json()['id']}"
    for body in ({"username": "root2"}, {"email": "root2@example.com", "is_verified": True}):
        answer = await superuser.patch(path, json=body)
        assert (answer.status_code, answer.json()["detail"]) == (403, messages.OWN_ACCOUNT)
    assert (await superuser.delete(path)).status_code == 403
    assert (await superuser.patch(path, json={"is_verified": True})).json()["is_verified"]
    body = {"username": "root2", "current_password": PASSWORD}
    assert (await superuser.patch("/users/info", json=body)).json()["username"] == "root2"
