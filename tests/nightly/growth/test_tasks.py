"""Background tasks on brokers that are not there, do not answer, and come back."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import Run
from tests.support.backends import Backends, Server, running_backends
from tests.support.clients import assert_unavailable
from tests.support.live import LiveService
from tests.support.patience import PATIENCE
from tests.support.rabbitmq import RabbitMQ
from tests.support.redis_nodes import Cluster, Node, Watched, find_binary, started
from tests.support.service import free_port
from tests.support.tasks import wait_for_task, worker

ANSWERS = {"auth": False, "celery": True, "extras": ["redis_ha"]}


@pytest.fixture(scope="module")
def backends(
    template: Path, tmp_path_factory: pytest.TempPathFactory, shared_environment: dict[str, str]
) -> Iterator[Backends]:
    """The servers of a project with tasks and without authentication."""
    folder = tmp_path_factory.mktemp("tasks")
    with running_backends(template, folder, shared_environment, **ANSWERS) as backends:
        yield backends


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    broker = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


class RedisBroker(Server):
    """Another Redis than that of the states."""

    def __init__(self, backends: Backends) -> None:
        port = free_port()
        super().__init__("Redis", port, backends.project, {**backends.environment, "REDIS_PORT": str(port)}, "broker")
        self.url = f"redis://:{backends.settings['REDIS_PASSWORD']}@127.0.0.1:{port}/0"


@pytest.fixture
def redis_broker(backends: Backends) -> Iterator[RedisBroker]:
    broker = RedisBroker(backends)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


Broker = RabbitMQ | RedisBroker


@pytest.fixture(params=["rabbitmq", "redis_broker"])
def broker(request: pytest.FixtureRequest) -> Broker:
    chosen: Broker = request.getfixturevalue(request.param)
    return chosen


@contextmanager
def stopped(broker: Broker) -> Iterator[None]:
    broker.stop()
    yield
    broker.start()


@contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    with broker.frozen():
        yield


@contextmanager
def serving(backends: Backends, settings: dict[str, str]) -> Iterator[str]:
    """Run a process of the service and yield the address of its tasks."""
    service = LiveService(backends, settings)
    try:
        yield f"http://127.0.0.1:{service.port}/tasks"
    finally:
        service.stop()


def states(backends: Backends) -> set[str]:
    with backends.redis_client() as redis:
        return set(redis.scan_iter("celery-task-meta-*"))


@pytest.mark.parametrize("fault", [stopped, frozen])
def test_without_a_broker_nothing_is_half_done(
    backends: Backends, broker: Broker, fault: Callable[[Broker], AbstractContextManager[None]]
) -> None:
    """503 in time, and no task later; then the same process enqueues, and a worker does it."""
    settings = {"CELERY_BROKER_URL": broker.url, "CELERY_QUEUE": f"queue-{free_port()}"}
    with ExitStack() as stack:
        url = stack.enter_context(serving(backends, settings))
        assert httpx.post(f"{url}/remove-expired", timeout=PATIENCE).status_code == 202  # it has connections
        before = states(backends)
        with fault(broker):
            for _ in range(3):
                assert_unavailable(httpx.post(f"{url}/remove-expired", timeout=PATIENCE))
        assert states(backends) == before
        stack.enter_context(worker(backends, settings))
        assert wait_for_task(url) == "SUCCESS"
        assert len(states(backends)) == len(before) + 1  # one that was refused would have been done before


def test_the_tests_of_the_tasks_pass_on_rabbitmq(backends: Backends, rabbitmq: RabbitMQ, run: Run) -> None:
    """The project's own: a worker that dies, one that stops, poison."""
    command = ["pytest", "-q", "-p", "no:cacheprovider", "tests/tasks"]
    done = run(*command, cwd=backends.project, CELERY_BROKER_URL=rabbitmq.url)
    assert re.search(r"^\d{2} passed in", done.stdout, re.MULTILINE), done.stdout


@pytest.fixture(scope="module")
def many_ways(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, str]]]:
    """A Redis that listens on a socket and on IPv6; the settings for both."""
    folder, password = tmp_path_factory.mktemp("ways"), backends.settings["REDIS_PASSWORD"]
    ways = ["bind 127.0.0.1 ::1", f"unixsocket {folder}/redis.sock"]
    node = Node(find_binary(backends), folder / "node", password, *ways)
    node.start()
    yield {
        "socket": {"REDIS_URL": f"unix://:{password}@{folder}/redis.sock?db=1"},
        "IPv6": {"REDIS_URL": "", "REDIS_HOST": "::1", "REDIS_PORT": str(node.port)},
    }
    node.kill()


@pytest.mark.parametrize("way", ["socket", "IPv6"])
def test_tasks_wait_wherever_redis_is(backends: Backends, many_ways: dict[str, dict[str, str]], way: str) -> None:
    """On a socket, and on an IPv6 address."""
    settings = {**many_ways[way], "CELERY_BROKER_URL": ""}
    with ExitStack() as stack:
        url = stack.enter_context(serving(backends, settings))
        stack.enter_context(worker(backends, settings))
        assert wait_for_task(url) == "SUCCESS"


def test_tasks_outlive_a_failover_of_sentinel(backends: Backends, tmp_path: Path) -> None:
    """They wait, and have their states, in a Redis that it watches over: 503 without a master, then all goes on."""
    with ExitStack() as stack:
        watched = stack.enter_context(started(Watched, backends, tmp_path))
        settings = {"REDIS_URL": watched.url}
        url = stack.enter_context(serving(backends, settings))
        stack.enter_context(worker(backends, settings))
        assert wait_for_task(url) == "SUCCESS"
        watched.lose_master()
        assert_unavailable(httpx.post(f"{url}/remove-expired", timeout=PATIENCE))
        watched.fail_over()
        assert wait_for_task(url) == "SUCCESS"


def test_states_of_tasks_stand_in_a_cluster(backends: Backends, rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """While tasks wait in RabbitMQ."""
    with ExitStack() as stack:
        cluster = stack.enter_context(started(Cluster, backends, tmp_path))
        settings = {"REDIS_URL": cluster.url, "CELERY_BROKER_URL": rabbitmq.url, "CELERY_QUEUE": "on-a-cluster"}
        url = stack.enter_context(serving(backends, settings))
        stack.enter_context(worker(backends, settings))
        while not all(cluster.keys_of_nodes()):
            assert wait_for_task(url) == "SUCCESS"
