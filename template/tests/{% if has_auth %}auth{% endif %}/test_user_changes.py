"""A change of a user counts on the very next request, however it is made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from httpx import AsyncClient
from pydantic import BaseModel
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth.app import AuthState
from src.auth.managers import UserManager
from src.auth.models import User
from src.auth.schemes import UserData, UsernameUser
from src.auth.sessions import session_key
from src.database.model import Base
from src.database.session import Database

Change = Callable[[AsyncSession, UserData], Awaitable[Any]]
MANAGER = UserManager()


class Everything(BaseModel):
    username: str = "eve"
    email: str = "eve@example.com"
    hashed_password: str = "x"
    is_active: bool = True


async def by_attribute(session: AsyncSession, ann: UserData) -> None:
    row = await session.get_one(User, ann.id)
    row.username = "eve"


async def by_upsert(session: AsyncSession, ann: UserData) -> None:
    row = {"id": ann.id, "username": "x", "email": "x", "hashed_password": "x"}
    await session.execute(
        insert(User).values(row).on_conflict_do_update(index_elements=["id"], set_={"username": "eve"})
    )


async def by_returning(session: AsyncSession, ann: UserData) -> None:
    statement = update(User).where(User.id == ann.id).values(username="eve").returning(User.username, User.email)
    assert (await session.execute(statement)).one() == ("eve", ann.email)


CHANGES: dict[str, Change] = {
    "attribute": by_attribute,
    "manager": lambda session, ann: MANAGER.update_by_id(session, ann.id, UsernameUser(username="eve")),
    "manager, all": lambda session, ann: MANAGER.update_all(session, UsernameUser(username="eve"), every_row=True),
    "update": lambda session, ann: session.execute(update(User).values(username="eve")),
    "table": lambda session, ann: session.execute(update(Base.metadata.tables["users"]).values(username="eve")),
    "upsert": by_upsert,
    "keys": lambda session, ann: session.execute(update(User), [{"id": ann.id, "username": "eve"}]),
    "returning": by_returning,
}
REMOVALS: dict[str, Change] = {
    "deactivated": lambda session, ann: session.execute(update(User).values(is_active=False)),
    "deactivated, manager": lambda session, ann: MANAGER.update_by_id(session, ann.id, Everything(is_active=False)),
    "deactivated, keys": lambda session, ann: session.execute(update(User), [{"id": ann.id, "is_active": False}]),
    "deleted": lambda session, ann: session.execute(delete(User)),
    "deleted, manager": lambda session, ann: MANAGER.delete_by_id(session, ann.id),
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
    """The key is gone, and no refresh helps."""
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
    """Watching changes nothing for who makes the change."""
    async with database.session(commit=True) as session:
        assert await MANAGER.update_all(session, UsernameUser(username="eve"), every_row=True) == 1
        changed = await MANAGER.update_by_id(session, ann.id, UsernameUser(username="eva"))
        assert changed is not None
        assert (changed.id, changed.username) == (ann.id, "eva")
        assert await MANAGER.delete_by_id(session, ann.id) is True
        assert await MANAGER.delete_by_id(session, ann.id) is False


async def test_a_change_that_is_undone_changes_nothing(signed_in: AsyncClient, database: Database) -> None:
    """Only a commit counts."""

    async def fail() -> None:
        async with database.session(commit=True) as session:
            await session.execute(update(User).values(username="eve"))
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
            await session.execute(update(User).values(username=f"name{number}"))

    for number in range(10):
        await asyncio.gather(rename(number), *[name_of(signed_in) for _ in range(5)])
        assert await name_of(signed_in) == f"name{number}"


async def test_who_reads_just_before_the_commit_leaves_nothing_old(signed_in: AsyncClient, database: Database) -> None:
    """It stores the row as it was then; what is stored is dropped once more."""

    @asynccontextmanager
    async def read(_: AsyncSession) -> AsyncIterator[None]:
        assert await name_of(signed_in) == "ann"
        yield

    database.commit_watchers.append(read)
    async with database.session(commit=True) as session:
        await session.execute(update(User).values(username="eve"))
    assert await name_of(signed_in) == "eve"


async def test_an_inactive_snapshot_is_nobody(signed_in: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """However it got there."""
    reading = await auth.sessions.read(str(ann.id), "any")
    await auth.sessions.store_snapshot(ann.model_copy(update={"is_active": False}), reading.version)
    assert (await signed_in.get("/users/info")).status_code == 401


async def test_nobody_who_is_signed_out_gets_a_key(database: Database, auth: AuthState, ann: UserData) -> None:
    """A snapshot stands beside sessions only."""
    async with database.session(commit=True) as session:
        await session.execute(update(User).values(username="eve"))
    await auth.sessions.store_snapshot(ann, "")
    assert not await auth.sessions._redis.exists(session_key(str(ann.id)))


async def test_a_change_in_sql_is_seen_after_a_while(
    signed_in: AsyncClient, database: Database, auth: AuthState
) -> None:
    """USER_SNAPSHOT_SECONDS; with 0 at once, also where nobody asks who it is."""
    await name_of(signed_in)
    async with database.session(commit=True) as session:
        await session.execute(text("UPDATE users SET is_active = false"))
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
            await session.execute(update(User).values(username="eve"))

    with monkeypatch.context() as patch:
        patch.setattr(auth.sessions, "invalidate", fail)
        with pytest.raises(RedisConnectionError):
            await rename()
    assert await name_of(signed_in) == "ann"
