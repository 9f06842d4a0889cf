"""Responses to requests whose statements fail."""

import socket
from collections.abc import Awaitable, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from pydantic import BaseModel, SecretStr
from sqlalchemy import Index, MetaData, func, text
from sqlalchemy.orm import Mapped, mapped_column

from src.database.config import get_database_settings
from src.database.model import NAMING_CONVENTION, Base
from src.database.session import CommittedDbSession, Database, DbSession
from tests.database.replace import replaced
from tests.database.specimens import NewSpecimen, SpecimenFilter, SpecimenManager


class SecretSpecimen(BaseModel):
    slug: SecretStr
    title: str = "A title"


class Several(BaseModel):
    views: list[int]


class Longs(Base):
    __tablename__ = "a_table_with_a_name_that_is_longer_than_what_most_people_write"
    metadata = MetaData(naming_convention=NAMING_CONVENTION)

    constraint: Mapped[str] = mapped_column("a_column_of_a_constraint", unique=True)
    lower: Mapped[str] = mapped_column()
    renamed: Mapped[str] = mapped_column("another_column", unique=True)

    __table_args__ = (Index(None, func.lower(lower), unique=True),)


RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
STATES = {
    409: ("23503", "23505", "23P01"),
    422: ("22001", "22003", "22P02", "22021", "23502", "23514", "44000", "54000"),
    500: ("09000", "0A000", "21000", "25P02", "28000", "42601", "42P01", "42501", "54001", "P0001", "XX000"),
    503: ("08006", "25006", "25P03", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "58030", "72000"),
}


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of the loopback interface that refuses connections: bound, but not listening."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def run(app: FastAPI, client: AsyncClient) -> Callable[[str], Awaitable[Response]]:
    @app.get("/run")
    async def endpoint(session: DbSession, statement: str) -> None:
        await session.execute(text(statement))

    async def call(statement: str) -> Response:
        return await client.get("/run", params={"statement": statement})

    return call


Run = Callable[[str], Awaitable[Response]]


async def test_a_taken_value_is_a_conflict_that_names_the_field(
    app: FastAPI, client: AsyncClient, specimens: SpecimenManager
) -> None:
    """409, the field, and not a word of the driver or of the value."""

    @app.post("/specimens", status_code=201)
    async def create(session: CommittedDbSession) -> None:
        await specimens.add(session, NewSpecimen(slug="a-value"))

    assert (await client.post("/specimens")).status_code == 201
    answer = await client.post("/specimens")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["field"] == "slug"
    assert "a-value" not in answer.text
    assert "uq_" not in answer.text


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("INSERT INTO specimens (id, slug, views) VALUES (gen_random_uuid(), 'x', 1)", 422),
        ("SELECT 'x'::int", 422),
        ("SELECT 1 / 0", 422),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 503),
        ("SELECT no_such_column", 500),
        *[(RAISE.format(state=state), status) for status, states in STATES.items() for state in states],
    ],
)
async def test_failed_statements_are_clear_answers(
    run: Run, specimens: SpecimenManager, statement: str, status: int
) -> None:
    """Each kind of failure has its status, and none shows the driver's text."""
    answer = await run(statement)
    assert answer.status_code == status
    assert answer.json().keys() <= {"detail", "code", "errors"}
    assert "asyncpg" not in answer.text
    assert "SELECT" not in answer.text


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("40001", "serialization failure"),
        ("40P01", "deadlock"),
        ("55P03", "lock timeout"),
        ("57014", "statement timeout"),
    ],
)
async def test_statements_that_gave_way_are_logged_as_what_they_are(
    run: Run, logs: list[str], state: str, name: str
) -> None:
    """The database is there: a warning with the name, and clients may try again."""
    answer = await run(RAISE.format(state=state))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert any("WARNING" in line and f"src.database.app | {name} reason=" in line for line in logs)
    assert "database unavailable" not in "".join(logs)


@pytest.mark.parametrize(
    ("change", "read", "write"),
    [
        ("ADD COLUMN more int NOT NULL DEFAULT 1", {200}, {201}),
        ("ADD COLUMN more int NOT NULL", {200}, {503}),
        ("ALTER COLUMN views TYPE bigint", {503, 200}, {201}),
        ("ALTER COLUMN title TYPE int USING 1", {503, 200}, {503}),
        ("ALTER COLUMN views TYPE text", {503, 200}, {201}),
        ("DROP COLUMN subtitle", {503}, {503}),
        ("RENAME COLUMN views TO seen", {503}, {503}),
        ("RENAME TO others", {503}, {503}),
        ("ALTER COLUMN title SET DEFAULT ''", {200}, {201}),
    ],
)
async def test_a_migration_under_open_connections_is_never_500(
    app: FastAPI,
    client: AsyncClient,
    database: Database,
    specimens: SpecimenManager,
    logs: list[str],
    change: str,
    read: set[int],
    write: set[int],
) -> None:
    """Statements are prepared, then the table changes: clients see an answer or 503."""

    @app.get("/specimens")
    async def find(session: DbSession) -> list[str]:
        return [specimen.slug for specimen in await specimens.find_all(session)]

    @app.post("/specimens", status_code=201)
    async def add(session: CommittedDbSession, slug: str) -> None:
        await specimens.add(session, NewSpecimen(slug=slug))

    assert (await client.post("/specimens", params={"slug": "one"})).status_code == 201
    assert (await client.get("/specimens")).status_code == 200
    async with database.engine.begin() as connection:
        if change.endswith("NOT NULL"):
            await connection.execute(text("DELETE FROM specimens"))
        await connection.execute(text(f"ALTER TABLE specimens {change}"))
    found = [(await client.get("/specimens")).status_code for _ in range(3)]
    added = [(await client.post("/specimens", params={"slug": f"{number}"})).status_code for number in range(3)]
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE IF EXISTS others RENAME TO specimens"))
    assert set(found) <= read  # a connection that prepared nothing yet does not fail
    assert set(added) <= write
    assert ("make migration if" in "".join(logs)) is (503 in found + added)


@pytest.mark.parametrize("way", ["write", "readiness"])
async def test_connections_to_a_former_primary_are_dropped(
    app: FastAPI, client: AsyncClient, specimens: SpecimenManager, way: str
) -> None:
    """503 once, and the next connection finds the new primary, without a restart."""

    @app.post("/specimens")
    async def add(session: CommittedDbSession) -> None:
        await specimens.add(session, NewSpecimen(slug="one"))

    async with replaced(app, DB_POOL_SIZE=1, DB_MAX_OVERFLOW=0):
        async with app.state.database.session(commit=True) as session:
            await session.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
        refused = await (client.post("/specimens") if way == "write" else client.get("/health/ready"))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert (await client.post("/specimens")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


@pytest.mark.parametrize("way", ["add", "add_all", "update", "filter", "filter by several"])
async def test_an_integer_out_of_range_names_its_field(
    app: FastAPI, client: AsyncClient, specimens: SpecimenManager, way: str
) -> None:
    """422 wherever the number stands in the statement."""

    @app.post("/specimens")
    async def use(session: CommittedDbSession, number: int) -> None:
        new = NewSpecimen(slug="one", views=number)
        if way == "add":
            await specimens.add(session, new)
        elif way == "add_all":
            await specimens.add_all(session, [NewSpecimen(slug="two"), new])
        elif way == "update":
            await specimens.update_all(session, SpecimenFilter(views=number), every_row=True)
        elif way == "filter":
            await specimens.count(session, SpecimenFilter(views=number))
        else:
            await specimens.count(session, Several(views=[1, number]))

    answer = await client.post("/specimens", params={"number": 2**31})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["views"]
    assert (await client.post("/specimens", params={"number": 2**31 - 1})).status_code == 200


async def test_what_the_driver_cannot_encode_is_a_fault_of_the_program(
    app: FastAPI, client: AsyncClient, specimens: SpecimenManager, logs: list[str]
) -> None:
    """500 with a traceback, not a 422 without a field; a secret is never stored as stars."""

    secret = SecretSpecimen(slug=SecretStr("s3cret"))

    @app.post("/specimens")
    async def add(session: CommittedDbSession) -> None:
        await specimens.add(session, secret)

    assert (await client.post("/specimens")).status_code == 500
    assert "Traceback" in "".join(logs)
    assert "s3cret" not in "".join(logs)


@pytest.mark.parametrize("kind", ["constraint", "lower", "renamed"])
async def test_a_long_name_of_a_constraint_still_names_its_fields(
    app: FastAPI, client: AsyncClient, database: Database, kind: str
) -> None:
    """PostgreSQL keeps 63 characters of a name."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Longs.metadata.create_all)

    @app.post("/long")
    async def add(session: CommittedDbSession, other: str) -> None:
        values = {"constraint": "a", "lower": "a", "renamed": "a"}
        session.add(Longs(**{name: value if name == kind else value + other for name, value in values.items()}))

    assert (await client.post("/long", params={"other": "x"})).status_code == 200
    answer = await client.post("/long", params={"other": "y"})
    async with database.engine.begin() as connection:
        await connection.run_sync(Longs.metadata.drop_all)
    assert answer.status_code == 409
    assert [error["field"] for error in answer.json()["errors"]] == [kind]


async def test_the_service_recovers_from_closed_connections(run: Run) -> None:
    """After the server dropped a connection, the very next request works."""
    assert (await run("SELECT pg_terminate_backend(pg_backend_pid())")).status_code == 503
    assert (await run("SELECT 1")).status_code == 200


async def test_idle_connections_that_were_closed_are_replaced(database: Database, run: Run) -> None:
    """A restart of PostgreSQL costs no request: the pool notices without a round trip."""
    assert (await run("SELECT 1")).status_code == 200
    async with database.engine.connect() as idle:
        raw = (await idle.get_raw_connection()).driver_connection
    assert raw is not None
    raw._transport.abort()
    with anyio.fail_after(5):
        while not raw.is_closed():
            await anyio.lowlevel.checkpoint()
    assert (await run("SELECT 1")).status_code == 200


async def test_a_refused_connection_is_503_with_retry_after(app: FastAPI, run: Run, closed_port: int) -> None:
    """An unreachable database is a 503, which says to try again."""
    async with replaced(app, DATABASE_URL=None, DB_HOST="127.0.0.1", DB_PORT=closed_port):
        answer = await run("SELECT 1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


async def test_a_silent_server_is_503_within_the_timeout(app: FastAPI, run: Run, silent_port: int) -> None:
    """A frozen server costs no more than DB_CONNECT_TIMEOUT."""
    address = {"DATABASE_URL": None, "DB_HOST": "127.0.0.1", "DB_PORT": silent_port, "DB_CONNECT_TIMEOUT": 0.2}
    async with replaced(app, **address):
        assert (await run("SELECT 1")).status_code == 503


async def test_a_statement_without_an_answer_is_503(app: FastAPI, run: Run) -> None:
    """DB_COMMAND_TIMEOUT ends the wait, and the connection is not used again."""
    async with replaced(app, DB_COMMAND_TIMEOUT=0.2, DB_POOL_SIZE=1, DB_MAX_OVERFLOW=0):
        assert (await run("SELECT pg_sleep(30)")).status_code == 503
        assert (await run("SELECT 1")).status_code == 200


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(app: FastAPI, run: Run) -> None:
    """DB_STATEMENT_TIMEOUT holds on the server, even if the client keeps waiting."""
    async with replaced(app, DB_STATEMENT_TIMEOUT=100):
        assert (await run("SELECT pg_sleep(30)")).status_code == 503


async def test_an_exhausted_pool_is_503(app: FastAPI, run: Run) -> None:
    """Waiting for a connection ends after DB_POOL_TIMEOUT."""
    small = {"DB_POOL_SIZE": 1, "DB_MAX_OVERFLOW": 0, "DB_POOL_TIMEOUT": 0.1}
    async with replaced(app, **small), app.state.database.session() as holder:
        await holder.execute(text("SELECT 1"))
        assert (await run("SELECT 1")).status_code == 503


async def test_a_wrong_password_is_503_and_its_reason_is_logged(app: FastAPI, run: Run, logs: list[str]) -> None:
    """The client learns nothing, the log says what to fix."""
    url = get_database_settings().url
    address = {"DB_HOST": url.host, "DB_PORT": url.port, "DB_NAME": url.database, "DB_USER": "nobody_here"}
    async with replaced(app, DATABASE_URL=None, **address):
        assert (await run("SELECT 1")).status_code == 503
    assert "password authentication failed" in "".join(logs)


async def test_readiness_names_the_database_that_is_down(app: FastAPI, client: AsyncClient, closed_port: int) -> None:
    """503 with what does not answer; the process itself is alive."""
    assert (await client.get("/health/ready")).status_code == 200
    async with replaced(app, DATABASE_URL=None, DB_HOST="127.0.0.1", DB_PORT=closed_port):
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert [error["field"] for error in answer.json()["errors"]] == ["database"]
