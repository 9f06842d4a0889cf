"""More than one machine: the service on a Redis Cluster, behind Sentinel and behind PgBouncer."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.backends import Backends
from tests.support.clients import PASSWORD, Client, assert_unavailable, new_name, statuses
from tests.support.live import LiveService, NewClient, NewService
from tests.support.pgbouncer import pgbouncer
from tests.support.redis_nodes import Cluster, Watched, started, wait_until


@pytest.fixture(scope="module")
def running_cluster(live_backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started(Cluster, live_backends, tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """Whole and empty."""
    wait_until(running_cluster.is_whole)
    for node in running_cluster.nodes:
        node.ask("FLUSHALL")
    return running_cluster


@pytest.fixture
def watched(live_backends: Backends, tmp_path: Path) -> Iterator[Watched]:
    with started(Watched, live_backends, tmp_path) as watched:
        yield watched


async def be_somebody(client: Client) -> None:
    """Register, sign in, and do everything that a session can do, but end it."""
    await client.sign_up()
    assert (await client.refresh()).status_code == 204
    assert (
        await client.ask("PATCH", "/users/info", json={"username": new_name(), "current_password": PASSWORD})
    ).status_code == 200
    assert (await client.profile()).json()["username"] != client.username
    assert len((await client.get("/auth/sessions")).json()) == 1


async def people_on_each_node(service: LiveService, new_client: NewClient, cluster: Cluster) -> list[Client]:
    clients = []
    while not all(cluster.keys_of_nodes()):
        clients.append(await (await new_client(service)).sign_up())
    return clients


async def test_everything_works_on_a_cluster(new_service: NewService, new_client: NewClient, cluster: Cluster) -> None:
    """Users are spread over its nodes; limits count, and a logout is one."""
    service = await asyncio.to_thread(new_service, REDIS_URL=cluster.url, RATE_LIMIT_LOGIN_ACCOUNT="3/minute")
    clients = [await new_client(service) for _ in range(8)]
    await asyncio.gather(*[be_somebody(client) for client in clients])
    clients += await people_on_each_node(service, new_client, cluster)
    assert statuses(await asyncio.gather(*[client.profile() for client in clients])) == {200}
    assert statuses(await asyncio.gather(*[client.post("/auth/logout") for client in clients])) == {204}
    assert statuses(await asyncio.gather(*[client.profile() for client in clients])) == {401}
    guesses = [await clients[0].login(clients[1].username, "not the password") for _ in range(4)]
    assert [guess.status_code for guess in guesses] == [401, 401, 401, 429]
    assert (await clients[0].get("/health/ready")).status_code == 200


async def test_a_burst_waits_for_connections_to_a_cluster(
    new_service: NewService, new_client: NewClient, cluster: Cluster
) -> None:
    """More requests at once than a process may have connections: all are answered."""
    service = await asyncio.to_thread(new_service, REDIS_URL=cluster.url, REDIS_POOL_SIZE="2", REDIS_TIMEOUT="5")
    client = await (await new_client(service)).sign_up()
    assert statuses(await asyncio.gather(*[client.profile() for _ in range(50)])) == {200}
    assert statuses(await asyncio.gather(*[client.refresh() for _ in range(20)])) == {204}


async def test_a_frozen_cluster_is_503_and_cookies_stay(
    new_service: NewService, new_client: NewClient, cluster: Cluster
) -> None:
    """Within the patience of the client; the first request after it is served."""
    service = await asyncio.to_thread(new_service, REDIS_URL=cluster.url)
    client = await (await new_client(service)).sign_up()
    with cluster.frozen():
        for answer in await asyncio.gather(*[client.profile() for _ in range(20)]):
            assert_unavailable(answer)
        assert_unavailable(await client.refresh())
        assert_unavailable(await client.login(client.username))
        assert (await client.get("/health/ready")).json()["errors"][0]["field"] == "redis"
    await asyncio.to_thread(wait_until, cluster.is_whole)
    assert (await client.profile()).status_code == 200


async def test_a_lost_node_concerns_its_own_users_only(
    new_service: NewService, new_client: NewClient, cluster: Cluster
) -> None:
    """The others are served meanwhile."""
    service = await asyncio.to_thread(new_service, REDIS_URL=cluster.url)
    clients = await people_on_each_node(service, new_client, cluster)
    with cluster.nodes[1].frozen():
        answers = await asyncio.gather(*[client.profile() for client in clients])
        assert statuses(answers) == {200, 503}
    await asyncio.to_thread(wait_until, cluster.is_whole)
    assert statuses(await asyncio.gather(*[client.profile() for client in clients])) == {200}


CONFIGURED = "from devtools import redis; print(redis.configured_answers(), *redis.configured())"


@pytest.mark.parametrize("kind", ["running_cluster", "watched"])
def test_development_uses_what_is_configured(
    live_backends: Backends, request: pytest.FixtureRequest, run: Run, kind: str
) -> None:
    """A cluster or a master behind Sentinel that answers, as any Redis; one that does not is not used."""
    nodes = request.getfixturevalue(kind)
    for url, answers in ((nodes.url, True), (nodes.url.replace("://:", "://:wrong"), False)):
        done = run("python", "-c", CONFIGURED, cwd=live_backends.project, REDIS_URL=url)
        assert done.stdout.startswith(f"{answers} 127.0.0.1 ")


async def test_a_failover_of_sentinel_keeps_people_signed_in(
    new_service: NewService, new_client: NewClient, watched: Watched
) -> None:
    """While there is no master it is 503 and cookies stay; then the same process goes on with the new one."""
    service = await asyncio.to_thread(new_service, REDIS_URL=watched.url, RATE_LIMIT_LOGIN_ACCOUNT="9/minute")
    client = await new_client(service)
    await be_somebody(client)
    watched.master.ask("WAIT", 1, 5000)
    await asyncio.to_thread(watched.lose_master)
    assert_unavailable(await client.profile())
    assert_unavailable(await client.refresh())
    assert (await client.get("/health/ready")).json()["errors"][0]["field"] == "redis"
    await asyncio.to_thread(watched.fail_over)
    assert (await client.profile()).status_code == 200
    assert (await client.refresh()).status_code == 204
    assert (await client.post("/auth/logout")).status_code == 204


@pytest.fixture(scope="module")
def behind_pgbouncer(live_backends: Backends) -> Iterator[dict[str, str]]:
    """Settings that lead through it to a new database, migrated through it by several processes at once."""
    asyncio.run(live_backends.execute("CREATE DATABASE bounced"))
    with pgbouncer(live_backends, connections=2) as port:
        settings = {"DB_PORT": str(port), "DB_NAME": "bounced", "DB_PGBOUNCER": "true"}
        options = {"cwd": live_backends.project, "env": {**live_backends.environment, **settings}}
        migrations = [subprocess.Popen(["python", "-m", "alembic", "upgrade", "head"], **options) for _ in range(3)]
        assert [migration.wait() for migration in migrations] == [0, 0, 0]
        subprocess.run(["python", "-m", "alembic", "check"], **options, check=True)
        yield settings


async def test_everything_works_behind_pgbouncer(
    new_service: NewService, new_client: NewClient, behind_pgbouncer: dict[str, str], backends: Backends
) -> None:
    """In transaction mode: far more transactions at once than it has connections, reads, writes and conflicts."""
    service = await asyncio.to_thread(new_service, **behind_pgbouncer, DB_POOL_SIZE="12", USER_SNAPSHOT_SECONDS="0")
    clients = [await new_client(service) for _ in range(12)]
    await asyncio.gather(*[be_somebody(client) for client in clients])
    profiles = await asyncio.gather(*[client.profile() for client in clients for _ in range(10)])
    assert statuses(profiles) == {200}
    assert len({profile.json()["id"] for profile in profiles}) == len(clients)
    name = new_name()
    strangers = [await new_client(service) for _ in range(12)]
    answers = await asyncio.gather(*[each.register(name, f"{n}{name}") for n, each in enumerate(strangers)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    counted = await backends.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'bounced'")
    assert 1 <= counted[0]["count"] <= 2
