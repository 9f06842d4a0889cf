"""The running service when something behind it, or in front of it, breaks."""

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import redis

from tests.support.backends import Backends, running_backends
from tests.support.clients import PASSWORD, Client, assert_unavailable, new_name, statuses
from tests.support.live import LiveService, NewClient, NewService
from tests.support.patience import PATIENCE

Fault = Callable[[Backends], AbstractContextManager[None]]
WAITING_ROUTE = """
from fastapi import APIRouter
from sqlalchemy import text

from src.database.session import DbSession

router = APIRouter()


@router.get("/wait")
async def wait(session: DbSession) -> str:
    await session.execute(text("SELECT pg_advisory_xact_lock(1)"))
    return "done"


routers = [router]
"""
CREATE_TRIGGER = """
CREATE FUNCTION break_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER break_commit AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION break_commit();
"""
REMOVE_TRIGGER = "DROP FUNCTION IF EXISTS break_commit CASCADE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'service' AND wait_event_type = 'Lock'"
CONNECTIONS = "SELECT pid, state FROM pg_stat_activity WHERE application_name = 'service'"


@contextmanager
def redis_refused(backends: Backends) -> Iterator[None]:
    """Redis is not there; when it is back it has what it had."""
    backends.redis.stop()
    yield
    backends.redis.start()


@contextmanager
def redis_frozen(backends: Backends) -> Iterator[None]:
    with backends.redis.frozen():
        yield


@contextmanager
def redis_full(backends: Backends) -> Iterator[None]:
    """Redis rejects writes because its memory is full."""
    with backends.redis_client() as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            redis.config_set("maxmemory", 0)


@contextmanager
def redis_read_only(backends: Backends) -> Iterator[None]:
    """Redis became a replica, as in a failover, of a master it cannot reach."""
    with backends.redis_client() as redis:
        redis.config_set("replica-serve-stale-data", "yes")
        redis.replicaof("127.0.0.1", "1")
        try:
            yield
        finally:
            redis.replicaof("NO", "ONE")


@contextmanager
def redis_cannot_save(backends: Backends) -> Iterator[None]:
    """Redis, which takes snapshots, rejects writes because its disk is full or similar."""
    file = backends.project / "backends" / "redis" / "dump.rdb"
    with backends.redis_client() as client:
        client.config_set("save", "60 1")
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            pass
        file.unlink(missing_ok=True)
        file.mkdir()
        try:
            save_until(client, "err")
            yield
        finally:
            file.rmdir()
            save_until(client, "ok")
            client.config_set("save", "")


def save_until(client: "redis.Redis[str]", status: str) -> None:
    """Return when the last save has ended with this result."""
    while client.info("persistence")["rdb_last_bgsave_status"] != status:
        with suppress(redis.ResponseError):  # it is saving already, as it does once a minute
            client.bgsave()


@contextmanager
def postgres_refused(backends: Backends) -> Iterator[None]:
    backends.postgres.stop()
    yield
    backends.postgres.start()


@contextmanager
def postgres_killed(backends: Backends) -> Iterator[None]:
    backends.postgres.kill()
    yield
    backends.postgres.start()


@contextmanager
def postgres_frozen(backends: Backends) -> Iterator[None]:
    with backends.postgres.frozen():
        yield


@asynccontextmanager
async def locked_users(backends: Backends) -> AsyncIterator[None]:
    """Block every read of a user."""
    connection = await backends.connect()
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE users")
            yield
    finally:
        await connection.close()


async def connections(backends: Backends) -> set[int]:
    return {row["pid"] for row in await backends.execute(CONNECTIONS)}


async def wait_for_waiting(backends: Backends, count: int = 1) -> None:
    """Return when this many of the service's statements wait for a lock."""
    async with asyncio.timeout(PATIENCE):
        connection = await backends.connect()
        try:
            while await connection.fetchval(WAITING) < count:
                await asyncio.sleep(0.02)
        finally:
            await connection.close()


@pytest.mark.parametrize("fault", [redis_refused, redis_frozen])
async def test_without_redis_the_protected_is_503_and_the_rest_goes_on(
    signed_in: Client, backends: Backends, fault: Fault
) -> None:
    """Many clients at once get 503 in time, keep their cookies, and are signed in on the first request afterwards."""
    with fault(backends):
        for answer in await asyncio.gather(*[signed_in.profile() for _ in range(20)]):
            assert_unavailable(answer)
        assert (await signed_in.get("/health")).status_code == 200
        assert (await signed_in.get("/health/ready")).json()["errors"][0]["field"] == "redis"
    assert (await signed_in.profile()).status_code == 200


@pytest.mark.parametrize("fault", [redis_refused, redis_frozen, redis_full, redis_read_only, redis_cannot_save])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh"])
async def test_without_redis_nobody_gets_a_session(
    signed_in: Client, backends: Backends, fault: Fault, path: str
) -> None:
    """The answer is 503, not 500; the existing session is still there afterwards."""
    body = {"username": signed_in.username, "password": PASSWORD} if path.endswith("login") else {}
    with fault(backends):
        assert_unavailable(await signed_in.post(path, **body))
    assert (await signed_in.profile()).status_code == 200
    assert (await signed_in.post(path, **body)).is_success


@pytest.mark.parametrize("fault", [redis_full, redis_read_only, redis_cannot_save])
async def test_while_redis_takes_no_write_the_signed_in_can_read(
    signed_in: Client, backends: Backends, fault: Fault
) -> None:
    """Requests of signed-in users need no write; a change that needs one is refused before it is committed."""
    with fault(backends):
        assert (await signed_in.profile()).json()["username"] == signed_in.username
        assert (await signed_in.get("/health/ready")).status_code == 200
        if fault is not redis_full:  # deletions still work
            assert_unavailable(
                await signed_in.ask("PATCH", "/users/info", json={"username": new_name(), "current_password": PASSWORD})
            )
            assert_unavailable(await signed_in.post("/auth/logout"))
    assert (await signed_in.profile()).json()["username"] == signed_in.username


async def test_a_command_that_redis_refuses_signs_nobody_out(signed_in: Client, backends: Backends) -> None:
    """An error does not mean that there is no session."""
    with backends.redis_client() as redis:
        redis.execute_command("ACL SETUSER", "default", "-hmget")
        try:
            assert_unavailable(await signed_in.profile())
        finally:
            redis.execute_command("ACL SETUSER", "default", "+hmget")
    assert (await signed_in.profile()).status_code == 200


async def test_a_restarted_redis_is_no_event(signed_in: Client, backends: Backends) -> None:
    """If Redis kept its data, the first request is served, on each of the broken connections."""
    await asyncio.gather(*[signed_in.profile() for _ in range(20)])
    backends.redis.restart()
    assert statuses(await asyncio.gather(*[signed_in.profile() for _ in range(20)])) == {200}
    backends.redis.restart()
    assert (await signed_in.refresh()).status_code == 204


@pytest.mark.parametrize("how", ["flushed", "crashed"])
async def test_an_emptied_redis_asks_everybody_to_sign_in(signed_in: Client, backends: Backends, how: str) -> None:
    """The answer is 401, never a 5xx; signing in works at once."""
    if how == "flushed":
        with backends.redis_client() as redis:
            redis.flushall()
            redis.script_flush()
    else:
        backends.redis.kill()
        shutil.rmtree(backends.project / "backends" / "redis")
        backends.redis.start()
    assert (await signed_in.profile()).status_code == 401
    assert (await signed_in.get("/auth/sessions")).status_code == 401
    assert (await signed_in.refresh()).status_code == 401
    assert signed_in.cookies == {}
    assert (await signed_in.login(signed_in.username)).status_code == 200
    assert (await signed_in.profile()).status_code == 200


@pytest.mark.parametrize("fault", [postgres_refused, postgres_killed, postgres_frozen])
async def test_without_postgres_sessions_live(signed_in: Client, backends: Backends, fault: Fault) -> None:
    """Signed-in users stay signed in; requests that need no row are served, others get 503."""
    await backends.execute("CHECKPOINT")  # otherwise a killed test server loses the user: it does not sync to disk
    with fault(backends):
        answers = await asyncio.gather(signed_in.login(signed_in.username), signed_in.register(new_name()))
        assert statuses(answers[1:]) == {409}  # signed-in users cannot register
        assert_unavailable(answers[0])
        assert (await signed_in.profile()).status_code == 200
        assert (await signed_in.refresh()).status_code == 204
        assert (await signed_in.get("/health/ready")).json()["errors"][0]["field"] == "database"
    assert (await signed_in.login(signed_in.username)).status_code == 200
    assert (await signed_in.profile()).status_code == 200


@pytest.mark.parametrize("fault", [postgres_refused, postgres_frozen])
async def test_without_postgres_nobody_registers_or_changes(
    client: Client, service: LiveService, new_client: NewClient, backends: Backends, fault: Fault
) -> None:
    """The answer is 503; the first request afterwards succeeds."""
    signed_in, name = await (await new_client(service)).sign_up(), new_name()
    with fault(backends):
        assert_unavailable(await client.register(name))
        assert_unavailable(
            await signed_in.ask("PATCH", "/users/info", json={"username": new_name(), "current_password": PASSWORD})
        )
    assert (await client.register(name)).status_code == 201
    assert (await signed_in.profile()).json()["username"] == signed_in.username


@pytest.mark.parametrize("fault", [postgres_refused, postgres_frozen])
async def test_a_row_that_must_be_read_is_503_and_cookies_stay(
    shared_service: NewService, new_client: NewClient, backends: Backends, fault: Fault
) -> None:
    """With USER_SNAPSHOT_SECONDS=0 every request reads the row."""
    signed_in = await (await new_client(shared_service(USER_SNAPSHOT_SECONDS="0"))).sign_up()
    with fault(backends):
        for answer in await asyncio.gather(*[signed_in.profile() for _ in range(20)]):
            assert_unavailable(answer)
    assert (await signed_in.profile()).status_code == 200


@pytest.mark.parametrize("how", ["restart", "crash"])
async def test_postgres_restarts_under_load(
    shared_service: NewService, new_client: NewClient, backends: Backends, how: str
) -> None:
    """Every request gets 200 or 503; the first one afterwards gets 200."""
    service = shared_service(USER_SNAPSHOT_SECONDS="0")
    signed_in = await (await new_client(service)).sign_up()
    await backends.execute("CHECKPOINT")
    is_over = asyncio.Event()

    async def keep_asking() -> list[httpx.Response]:
        answers = []
        while not is_over.is_set():
            answers.append(await signed_in.profile())
        return answers

    tasks = [asyncio.create_task(keep_asking()) for _ in range(4)]
    await asyncio.to_thread(backends.postgres.restart if how == "restart" else backends.postgres.kill)
    await asyncio.to_thread(backends.postgres.start)
    first = await signed_in.profile()
    is_over.set()
    answers = [answer for task in tasks for answer in await task]
    assert first.status_code == 200
    assert statuses(answers) == {200, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)


async def test_an_exhausted_pool_is_503_for_those_who_need_it(
    new_service: NewService, new_client: NewClient, backends: Backends
) -> None:
    """Requests without a connection are served meanwhile; those with one get an answer, and the next succeeds."""
    service = new_service(DB_POOL_SIZE="1", DB_MAX_OVERFLOW="0", DB_POOL_TIMEOUT="0.2", DB_COMMAND_TIMEOUT="30")
    signed_in, other = await (await new_client(service)).sign_up(), await new_client(service)
    async with locked_users(backends):
        holder = asyncio.create_task(signed_in.login(signed_in.username))
        await wait_for_waiting(backends)
        assert_unavailable(await other.login(signed_in.username))
        assert (await signed_in.profile()).status_code == 200
        assert (await other.get("/health")).status_code == 200
    assert (await holder).status_code == 200
    assert (await other.login(signed_in.username)).status_code == 200


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("RAISE unique_violation", 409),
        ("RAISE serialization_failure", 503),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", 503),
    ],
)
async def test_a_commit_that_fails_is_no_201(client: Client, backends: Backends, what: str, status: int) -> None:
    """No success was reported, no row exists, and the next attempt succeeds."""
    name, connection = new_name(), await backends.connect()
    try:
        await connection.execute(CREATE_TRIGGER.format(what=what))
        assert (await client.register(name)).status_code == status
        assert await connection.fetchval("SELECT count(*) FROM users WHERE username = $1", name) == 0
    finally:
        await connection.execute(REMOVE_TRIGGER)
        await connection.close()
    assert (await client.register(name)).status_code == 201


async def test_fifty_register_one_name_at_once(client: Client, backends: Backends) -> None:
    """One request gets the name, the others 409."""
    name = new_name()
    answers = await asyncio.gather(*[client.register(name, f"{n}{name}") for n in range(50)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert all(answer.json()["errors"][0]["field"] == "username" for answer in answers if answer.is_client_error)
    assert len(await backends.execute("SELECT 1 FROM users WHERE username = $1", name)) == 1


async def test_logins_in_a_storm_hinder_nobody_else(new_service: NewService, new_client: NewClient) -> None:
    """While more logins than the queue holds wait for hashes, other requests succeed and each login is answered."""
    service = new_service(PASSWORD_HASH_COST="10", PASSWORD_QUEUE="8")
    signed_in, stranger = await (await new_client(service)).sign_up(), await new_client(service)
    logins = [asyncio.create_task(stranger.login(signed_in.username, "not the password")) for _ in range(24)]
    seen: set[int] = set()
    while not all(login.done() for login in logins):
        seen |= statuses([await signed_in.profile(), await stranger.get("/health")])
    assert seen == {200}
    assert statuses([await login for login in logins]) == {401, 503}
    assert (await signed_in.login(signed_in.username)).status_code == 200


async def _send_and_leave(port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset the connection
    writer.close()


def _request(path: str, body: str, *, announced: int | None = None) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {announced or len(body)}", "", body]).encode()


async def test_clients_that_leave_leave_nothing_behind(
    new_service: NewService, new_client: NewClient, backends: Backends
) -> None:
    """In the middle of a body, or before the answer: no error is logged, and no connection is leaked."""
    others, service = await connections(backends), new_service(DB_POOL_SIZE="10")
    signed_in = await (await new_client(service)).sign_up()
    body = f'{{"username": "{signed_in.username}", "password": "{PASSWORD}"}}'
    async with locked_users(backends):
        await asyncio.gather(
            *[_send_and_leave(service.port, _request("/auth/login", body)) for _ in range(10)],
            *[_send_and_leave(service.port, _request("/auth/login", body[:20], announced=500)) for _ in range(10)],
        )
        await wait_for_waiting(backends, 5)
    assert (await signed_in.login(signed_in.username)).status_code == 200
    async with asyncio.timeout(PATIENCE):  # their passwords are still being checked, two at a time
        while {row["state"] for row in await backends.execute(CONNECTIONS)} != {"idle"}:
            await asyncio.sleep(0.02)
        while len(await connections(backends) - others) > 10:
            await asyncio.sleep(0.02)
    service.assert_log_is_clean()


async def ask_to_stop(service: LiveService, new_client: NewClient, number: signal.Signals) -> None:
    """Return when the service waits for running requests and accepts no others."""
    service.process.send_signal(number)
    await asyncio.to_thread(service.wait_for, "Waiting for connections to close|Waiting for background tasks")
    with pytest.raises(httpx.ConnectError):
        await (await new_client(service)).get("/health")


async def assert_stopped(service: LiveService, backends: Backends, others: set[int]) -> None:
    assert await asyncio.to_thread(service.wait) == 0
    service.assert_log_is_clean()
    assert "| src.main | stopped" in service.text
    async with asyncio.timeout(PATIENCE):
        while await connections(backends) - others:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_under_load_answers_who_was_being_served(
    new_service: NewService, new_client: NewClient, backends: Backends, number: signal.Signals
) -> None:
    """New requests are refused, running ones finish, connections are closed, and the exit code is 0."""
    others, service = await connections(backends), new_service(DB_COMMAND_TIMEOUT="30")
    signed_in = await (await new_client(service)).sign_up()
    async with locked_users(backends):
        running = [asyncio.create_task(signed_in.login(signed_in.username)) for _ in range(4)]
        await wait_for_waiting(backends, 4)
        await ask_to_stop(service, new_client, number)
    assert statuses(await asyncio.gather(*running)) == {200}
    await assert_stopped(service, backends, others)


@pytest.fixture
def bare_backends(template: Path, tmp_path: Path, shared_environment: dict[str, str]) -> Iterator[Backends]:
    """The project with everything switched off, and one route of its user."""
    with running_backends(template, tmp_path, shared_environment, auth=False) as backends:
        (backends.project / "src" / "routers.py").write_text(WAITING_ROUTE)
        yield backends


async def test_a_stop_under_load_answers_in_the_barest_project_too(
    bare_backends: Backends, new_client: NewClient
) -> None:
    """Without authentication and Redis, running requests finish and their connections are closed."""
    service = LiveService(bare_backends, {"DB_COMMAND_TIMEOUT": "30"})
    client, connection = await new_client(service), await bare_backends.connect()
    try:
        await connection.execute("SELECT pg_advisory_lock(1)")
        running = [asyncio.create_task(client.get("/wait")) for _ in range(8)]
        await wait_for_waiting(bare_backends, 8)
        await ask_to_stop(service, new_client, signal.SIGTERM)
    finally:
        await connection.close()
    assert statuses(await asyncio.gather(*running)) == {200}
    await assert_stopped(service, bare_backends, set())
