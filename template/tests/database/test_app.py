"""What clients get when statements fail."""

import socket
from collections.abc import Awaitable, Callable, Iterator

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from sqlalchemy import text

from src.database.config import get_database_settings
from src.database.session import CommittedDbSession, Database, DbSession
from tests.database.replace import replaced
from tests.database.specimens import NewSpecimen, SpecimenManager


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of the loopback interface that refuses connections: bound, but nobody listens."""
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
    """An unreachable database is nobody's fault but the moment's."""
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
    """DB_STATEMENT_TIMEOUT holds on the server, whoever waits."""
    async with replaced(app, DB_STATEMENT_TIMEOUT=100):
        assert (await run("SELECT pg_sleep(30)")).status_code == 503


async def test_an_exhausted_pool_is_503(app: FastAPI, run: Run) -> None:
    """Waiting for a connection ends after DB_POOL_TIMEOUT."""
    small = {"DB_POOL_SIZE": 1, "DB_MAX_OVERFLOW": 0, "DB_POOL_TIMEOUT": 0.1}
    async with replaced(app, **small), app.state.database.session() as holder:
        await holder.execute(text("SELECT 1"))
        assert (await run("SELECT 1")).status_code == 503


async def test_a_wrong_password_is_503_and_its_reason_is_logged(app: FastAPI, run: Run, logs: list[str]) -> None:
    """The client learns nothing, the log says what to mend."""
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
