"""A change of a user counts on the very next request, by a manager or an attribute."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient
from pydantic import BaseModel
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import Executable, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth.app import AuthState
from src.auth.managers import UserManager
from src.auth.models import User
from src.auth.schemes import UserData, UsernameUser
from src.auth.sessions import session_key
from src.database.manager import BaseManager
from src.database.session import Database

Change = Callable[[AsyncSession, UserData], Awaitable[Any]]
MANAGER = UserManager()
EVE = UsernameUser(username="eve")


class Everything(BaseModel):
    username: str = "eve"
    email: str = "eve@example.com"
    hashed_password: str = "x"
    is_active: bool = True


class Row(Everything):
    id: UUID


async def by_attribute(session: AsyncSession, ann: UserData) -> None:
    row = await session.get_one(User, ann.id)
    row.username = "eve"


async def by_deactivation(session: AsyncSession, ann: UserData) -> None:
    row = await session.get_one(User, ann.id)
    row.is_active = False


async def by_deletion(session: AsyncSession, ann: UserData) -> None:
    await session.delete(await session.get_one(User, ann.id))


class OwnManager(BaseManager[User]):
    """A second manager of users, as an owner may write one."""

    model = User


CHANGES: dict[str, Change] = {
    "attribute": by_attribute,
    "by id": lambda session, ann: MANAGER.update_by_id(session, ann.id, EVE),
    "all": lambda session, ann: MANAGER.update_all(session, EVE, every_row=True),
    "upsert": lambda session, ann: MANAGER.upsert(session, Row(id=ann.id, username="eve"), conflict_on=["id"]),
    "another manager": lambda session, ann: OwnManager().update_all(session, EVE, every_row=True),
}
REMOVALS: dict[str, Change] = {
    "deactivated, attribute": by_deactivation,
    "deactivated, by id": lambda session, ann: MANAGER.update_by_id(session, ann.id, Everything(is_active=False)),
    "deactivated, all": lambda session, ann: MANAGER.update_all(session, Everything(is_active=False), every_row=True),
    "deleted, object": by_deletion,
    "deleted, by id": lambda session, ann: MANAGER.delete_by_id(session, ann.id),
    "deleted, all": lambda session, ann: MANAGER.delete_all(session, every_row=True),
}


async def name_of(client: AsyncClient) -> str:
    return str((await client.get("/users/info")).json().get("username"))


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_seen_by_the_next_request(
    signed_in: AsyncClient, database: Database, ann: UserData, change: str
) -> None:
    """The session goes on."""
    assert await name_of(signed_in) == "ann"
    async with database.session(commit=True) as session:
        await CHANGES[change](session, ann)
        assert await name_of(signed_in) == "ann"
    assert await name_of(signed_in) == "eve"


@pytest.mark.parametrize("removal", REMOVALS)
async def test_who_was_removed_is_signed_out(
    signed_in: AsyncClient, database: Database, auth: AuthState, ann: UserData, removal: str
) -> None:
    """The key is deleted, and a refresh fails."""
    await signed_in.get("/users/info")
    async with database.session(commit=True) as session:
        await REMOVALS[removal](session, ann)
    assert not await auth.sessions._redis.exists(session_key(str(ann.id)))
    assert [(await signed_in.get("/users/info")).status_code, (await signed_in.post("/auth/refresh")).status_code] == [
        401
    ] * 2


async def test_a_commit_by_hand_counts_as_well(signed_in: AsyncClient, database: Database, ann: UserData) -> None:
    """Whoever commits."""
    assert await name_of(signed_in) == "ann"
    async with database.session() as session:
        await by_attribute(session, ann)
        await session.commit()
        assert await name_of(signed_in) == "eve"


async def test_rows_and_counts_are_what_they_would_be(database: Database, ann: UserData) -> None:
    """Noting changes nothing for who makes the change."""
    async with database.session(commit=True) as session:
        assert await MANAGER.update_all(session, EVE, every_row=True) == 1
        changed = await MANAGER.update_by_id(session, ann.id, UsernameUser(username="eva"))
        assert changed is not None
        assert (changed.id, changed.username) == (ann.id, "eva")
        assert await MANAGER.delete_by_id(session, ann.id) is True
        assert await MANAGER.delete_by_id(session, ann.id) is False


async def test_a_change_that_is_undone_changes_nothing(signed_in: AsyncClient, database: Database) -> None:
    """Only a commit counts."""

    async def fail() -> None:
        async with database.session(commit=True) as session:
            await MANAGER.update_all(session, EVE, every_row=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await name_of(signed_in) == "ann"


async def test_a_slow_reader_stores_nothing_old(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """It read the row before the commit, and is late."""
    reading = await auth.sessions.read(str(ann.id), "any")
    await auth.sessions.invalidate([str(ann.id)])
    await auth.sessions.store_snapshot(ann.model_copy(update={"username": "old"}), reading.version)
    assert await name_of(signed_in) == "ann"


async def test_readers_and_writers_at_once_end_with_the_last_word(signed_in: AsyncClient, database: Database) -> None:
    """Whatever the order, nothing old stays."""

    async def rename(number: int) -> None:
        async with database.session(commit=True) as session:
            await MANAGER.update_all(session, UsernameUser(username=f"name{number}"), every_row=True)

    for number in range(10):
        await asyncio.gather(rename(number), *[name_of(signed_in) for _ in range(5)])
        assert await name_of(signed_in) == f"name{number}"


async def test_who_reads_just_before_the_commit_leaves_nothing_old(signed_in: AsyncClient, database: Database) -> None:
    """It stores the old row, which is dropped once more after the commit."""

    @asynccontextmanager
    async def read(_: AsyncSession) -> AsyncIterator[None]:
        assert await name_of(signed_in) == "ann"
        yield

    database.commit_watchers.append(read)
    async with database.session(commit=True) as session:
        await MANAGER.update_all(session, EVE, every_row=True)
    assert await name_of(signed_in) == "eve"


async def test_an_inactive_snapshot_is_nobody(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """However it got there."""
    reading = await auth.sessions.read(str(ann.id), "any")
    await auth.sessions.store_snapshot(ann.model_copy(update={"is_active": False}), reading.version)
    assert (await signed_in.get("/users/info")).status_code == 401


async def test_nobody_who_is_signed_out_gets_a_key(database: Database, auth: AuthState, ann: UserData) -> None:
    """A snapshot exists only next to sessions."""
    async with database.session(commit=True) as session:
        await MANAGER.update_all(session, EVE, every_row=True)
    await auth.sessions.store_snapshot(ann, "")
    assert not await auth.sessions._redis.exists(session_key(str(ann.id)))


@pytest.mark.parametrize(
    "statement", [text("UPDATE users SET is_active = false"), update(User).values(is_active=False)]
)
async def test_a_statement_past_the_managers_is_seen_after_a_while(
    signed_in: AsyncClient, database: Database, auth: AuthState, statement: Executable
) -> None:
    """USER_SNAPSHOT_SECONDS; with 0 at once, also where no one asks who it is."""
    await name_of(signed_in)
    async with database.session(commit=True) as session:
        await session.execute(statement)
    assert await name_of(signed_in) == "ann"
    auth.settings.USER_SNAPSHOT_SECONDS = 0
    assert (await signed_in.get("/nowhere")).status_code == 401


async def test_without_redis_no_user_is_changed(
    signed_in: AsyncClient, database: Database, auth: AuthState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better no change than one that is not heard of."""

    async def fail(_: object) -> None:
        raise RedisConnectionError

    async def rename() -> None:
        async with database.session(commit=True) as session:
            await MANAGER.update_all(session, EVE, every_row=True)

    with monkeypatch.context() as patch:
        patch.setattr(auth.sessions, "invalidate", fail)
        with pytest.raises(RedisConnectionError):
            await rename()
    assert await name_of(signed_in) == "ann"
