"""One request, one session, one transaction."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from httpx import AsyncClient
from sqlalchemy import QueuePool, text
from sqlalchemy.ext.asyncio import AsyncSession

from src.database.exceptions import SessionEndedError, UncommittedWriteError
from src.database.session import CommittedDbSession, Database, DatabaseDepends, DbSession, DbSessionDepends
from tests.database.replace import replaced
from tests.database.specimens import NewSpecimen, Specimen, SpecimenFilter, SpecimenManager

Reader = Annotated[AsyncSession, DbSessionDepends().__metadata__[0]]


async def count(database: Database, specimens: SpecimenManager) -> int:
    async with database.session() as session:
        return await specimens.count(session)


async def test_a_request_has_one_session(app: FastAPI, client: AsyncClient) -> None:
    """All dependencies of a request get the same session."""

    async def ask(session: DbSession) -> AsyncSession:
        return session

    @app.get("/same")
    async def same(
        one: DbSession,
        two: CommittedDbSession,
        three: Annotated[AsyncSession, Depends(ask)],
        four: DbSessionDepends(commit=True, isolation_level="SERIALIZABLE"),  # type: ignore[valid-type]
    ) -> bool:
        return one is two is three is four

    assert (await client.get("/same")).json() is True


async def test_no_statement_takes_no_connection(app: FastAPI, client: AsyncClient, database: Database) -> None:
    """A session that is only asked for costs nothing."""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)

    @app.get("/idle")
    async def idle(session: CommittedDbSession) -> bool:
        return session.in_transaction() or pool.checkedout() > 0

    assert (await client.get("/idle")).json() is False


async def test_it_is_committed_if_any_dependency_asked_for_it(
    app: FastAPI, client: AsyncClient, database: Database, specimens: SpecimenManager
) -> None:
    """The one who writes need not be the one who asks for the commit."""

    @app.post("/specimens", status_code=201)
    async def create(session: DbSession, _: CommittedDbSession) -> None:
        await specimens.add(session, NewSpecimen(slug="one"))

    assert (await client.post("/specimens")).status_code == 201
    assert await count(database, specimens) == 1


async def test_a_commit_that_fails_is_no_success(
    app: FastAPI, client: AsyncClient, database: Database, specimens: SpecimenManager
) -> None:
    """The commit comes before the answer: a deferred constraint gives 409, not 201 without a row."""
    async with database.session(commit=True) as session:
        await specimens.add(session, NewSpecimen(slug="one"))

    @app.post("/specimens", status_code=201)
    async def create(session: CommittedDbSession) -> None:
        await session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        await specimens.add(session, NewSpecimen(slug="one"))

    answer = await client.post("/specimens")
    assert answer.status_code == 409
    assert [error["field"] for error in answer.json()["errors"]] == ["slug"]
    assert await count(database, specimens) == 1


@pytest.mark.parametrize("statement", ["flush", "unflushed", "dml", "text", "CTE"])
async def test_a_forgotten_commit_is_an_error(
    app: FastAPI,
    client: AsyncClient,
    database: Database,
    specimens: SpecimenManager,
    logs: list[str],
    statement: str,
) -> None:
    """A lost write is a 500 whose log names commit=True."""

    @app.post("/specimens", status_code=201)
    async def create(session: DbSession) -> None:
        if statement == "flush":
            await specimens.add(session, NewSpecimen(slug="one"))
        elif statement == "unflushed":
            session.add(Specimen(slug="one", title="one"))
        elif statement == "dml":
            await specimens.delete_all(session, every_row=True)
        elif statement == "CTE":
            await session.execute(text("WITH gone AS (DELETE FROM specimens RETURNING 1) SELECT count(*) FROM gone"))
        else:
            await session.execute(text("DELETE FROM specimens"))

    answer = await client.post("/specimens")
    assert answer.status_code == 500
    assert "commit=True" not in answer.text
    assert "commit=True" in "".join(logs)
    assert await count(database, specimens) == 0


@pytest.mark.parametrize(("end", "count_after"), [("commit", 1), ("rollback", 0)])
async def test_who_ends_the_transaction_himself_forgets_nothing(
    database: Database, specimens: SpecimenManager, end: str, count_after: int
) -> None:
    """After a commit or a rollback nothing is left uncommitted."""
    async with database.session() as session:
        await specimens.add(session, NewSpecimen(slug="one"))
        await getattr(session, end)()
    assert await count(database, specimens) == count_after


@pytest.mark.parametrize("way", ["add", "read"])
async def test_a_session_ends_with_its_request(
    app: FastAPI, client: AsyncClient, database: Database, specimens: SpecimenManager, way: str
) -> None:
    """A background task or a stream that still uses it gets an error, not a lost write or a lost connection."""
    seen: list[Exception] = []

    @app.post("/specimens")
    async def create(session: CommittedDbSession, tasks: BackgroundTasks) -> None:
        async def write_later() -> None:
            try:
                await (specimens.add(session, NewSpecimen(slug="late")) if way == "add" else specimens.count(session))
            except SessionEndedError as error:
                seen.append(error)

        tasks.add_task(write_later)

    await client.post("/specimens")
    assert "async with database.session(commit=True) as session" in str(seen[0])
    assert await count(database, specimens) == 0


async def test_a_stream_opens_its_own_session(app: FastAPI, client: AsyncClient, specimens: SpecimenManager) -> None:
    """It runs when the session of the request has ended."""

    @app.get("/export")
    async def export(database: DatabaseDepends) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            async with database.session(commit=True) as session:
                yield (await specimens.add(session, NewSpecimen(slug="streamed"))).slug

        return StreamingResponse(lines(), media_type="text/plain")

    assert (await client.get("/export")).text == "streamed"


async def test_reading_needs_no_commit(app: FastAPI, client: AsyncClient, specimens: SpecimenManager) -> None:
    """A request that only reads ends without one."""

    @app.get("/specimens")
    async def read(session: DbSession) -> int:
        return await specimens.count(session)

    assert (await client.get("/specimens")).json() == 0


async def test_an_error_undoes_what_was_written(
    app: FastAPI, client: AsyncClient, database: Database, specimens: SpecimenManager
) -> None:
    """One request, one transaction: all of it or nothing."""

    @app.post("/specimens")
    async def create(session: CommittedDbSession) -> None:
        await specimens.add(session, NewSpecimen(slug="one"))
        raise RuntimeError

    assert (await client.post("/specimens")).status_code == 500
    assert await count(database, specimens) == 0


async def test_background_tasks_see_the_commit(
    app: FastAPI, client: AsyncClient, database: Database, specimens: SpecimenManager
) -> None:
    """A background task finds the row."""
    seen: list[int] = []

    async def look() -> None:
        seen.append(await count(database, specimens))

    @app.post("/specimens")
    async def create(session: CommittedDbSession, tasks: BackgroundTasks) -> None:
        await specimens.add(session, NewSpecimen(slug="one"))
        tasks.add_task(look)

    await client.post("/specimens")
    assert seen == [1]


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED"])
async def test_the_isolation_level_is_the_one_asked_for(app: FastAPI, client: AsyncClient, level: str) -> None:
    """PostgreSQL itself says which one it uses."""

    @app.get("/level")
    async def show(session: DbSessionDepends(isolation_level=level)) -> str:  # type: ignore[valid-type]
        found = await session.scalar(text("SHOW transaction_isolation"))
        return str(found)

    assert (await client.get("/level")).json() == level.lower()


async def test_the_isolation_level_does_not_stay_with_the_connection(app: FastAPI, client: AsyncClient) -> None:
    """The next request on the same connection has the default again."""

    @app.get("/strict")
    async def strict(session: DbSessionDepends(isolation_level="SERIALIZABLE")) -> None:  # type: ignore[valid-type]
        await session.execute(text("SELECT 1"))

    @app.get("/level")
    async def show(session: DbSession) -> str:
        return str(await session.scalar(text("SHOW transaction_isolation")))

    await client.get("/strict")
    assert (await client.get("/level")).json() == "read committed"


async def test_two_isolation_levels_in_one_request_are_an_error(
    app: FastAPI, client: AsyncClient, logs: list[str]
) -> None:
    """There is one transaction, so it has one level."""

    @app.get("/both")
    async def both(
        one: DbSessionDepends(isolation_level="SERIALIZABLE"),  # type: ignore[valid-type]
        two: DbSessionDepends(isolation_level="REPEATABLE READ"),  # type: ignore[valid-type]
    ) -> None: ...

    assert (await client.get("/both")).status_code == 500
    assert "isolation level must be the same" in "".join(logs)


async def test_a_session_outside_of_requests_commits_on_request(database: Database, specimens: SpecimenManager) -> None:
    """Scripts and tasks use the same rules."""
    with pytest.raises(UncommittedWriteError):
        async with database.session() as session:
            await specimens.add(session, NewSpecimen(slug="lost"))
    async with database.session(commit=True) as session:
        await specimens.add(session, NewSpecimen(slug="kept"))
        assert await specimens.exists(session, SpecimenFilter(slug="kept"))
    assert await count(database, specimens) == 1


async def test_forty_requests_share_a_small_pool(app: FastAPI, client: AsyncClient, specimens: SpecimenManager) -> None:
    """A request holds one connection at most, so a pool of two serves forty at once."""

    @app.get("/specimens")
    async def read(session: DbSession, other: CommittedDbSession) -> int:
        await specimens.count(other)
        return await specimens.count(session)

    async with replaced(app, DB_POOL_SIZE=2, DB_MAX_OVERFLOW=0):
        answers = await asyncio.gather(*[client.get("/specimens") for _ in range(40)])
    assert {answer.status_code for answer in answers} == {200}


def test_a_router_needs_no_application() -> None:
    """The dependencies can be written down before there is any database."""
    router = APIRouter()

    @router.get("/")
    async def read(session: DbSession) -> None: ...

    assert router.routes
